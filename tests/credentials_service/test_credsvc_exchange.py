"""VC-API: an interaction URL, an exchange, and a copy for whoever proves a DID. With attacks."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import orjson

from assay_credentials.contexts import CREDENTIALS_V2
from assay_credentials.intake import JsonObject
from assay_credentials.proof import add_proof
from credentials_service import PUBLIC_URL, Service, event
from wallet import WalletKey


async def exchanged(service: Service, protocol: str = "vcapi") -> tuple[dict[str, Any], str]:
    """A credential, and the address of an exchange of it."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    response = await service.http.post(
        f"/credentials/{one['id']}/offers", json={"protocol": protocol}, auth=service.key
    )
    assert response.status_code == 201, response.text
    offer = response.json()
    if protocol == "oid4vci":
        return one, f"/exchanges/{offer['claim_url'].rpartition('/')[2]}"
    assert "transaction_code" not in offer
    address = urlsplit(offer["interaction_url"])
    assert address.query == "iuv=1"
    told = (await service.http.get(f"{address.path}?iuv=1")).json()
    return one, told["protocols"]["vcapi"].removeprefix(PUBLIC_URL)


async def challenge_of(service: Service, path: str) -> str:
    asked = (await service.http.post(path, json={})).json()["verifiablePresentationRequest"]
    assert asked["query"][0]["type"] == "DIDAuthentication"
    assert asked["domain"] == PUBLIC_URL
    return str(asked["challenge"])


def presentation(key: WalletKey, challenge: str, **changed: Any) -> JsonObject:
    """The wallet's answer to DIDAuthentication."""
    return add_proof(
        {
            "@context": [CREDENTIALS_V2],
            "type": ["VerifiablePresentation"],
            "holder": key.did,
        },
        key.signer,
        verification_method=key.method,
        created=changed.get("created", datetime.now(UTC)),
        purpose="authentication",
        challenge=challenge,
        domain=changed.get("domain", PUBLIC_URL),
    )


async def send(service: Service, path: str, shown: JsonObject) -> httpx.Response:
    return await service.http.post(path, json={"verifiablePresentation": shown})


async def test_a_wallet_proves_its_did_and_is_given_its_copy(service: Service) -> None:
    one, path = await exchanged(service)
    key = WalletKey()
    answer = await send(service, path, presentation(key, await challenge_of(service, path)))
    assert answer.status_code == 200, answer.text
    (copy,) = answer.json()["verifiablePresentation"]["verifiableCredential"]
    assert copy["credentialSubject"]["id"] == key.did
    assert copy["id"].endswith(one["id"])
    assert (await service.verify(orjson.dumps(copy)))["outcome"] == "valid"
    # The answer was lost on its way: the same wallet is given the same again, another none.
    again = await send(service, path, presentation(key, await challenge_of(service, path)))
    assert again.content == answer.content
    thief = presentation(WalletKey(), await challenge_of(service, path))
    assert (await send(service, path, thief)).status_code == 400
    assert await service.pool.fetchval("select count(*) from credentials.bound_copy") == 1


async def test_a_presentation_that_proves_nothing_is_refused(service: Service) -> None:
    _, path = await exchanged(service)
    key, other = WalletKey(), WalletKey()
    challenge = await challenge_of(service, path)
    good = presentation(key, challenge)
    changed = {**good, "holder": other.did}
    unsigned = {name: value for name, value in good.items() if name != "proof"}
    bad = {
        "a challenge that is not ours": presentation(key, "c" * 54),
        "another domain": presentation(key, challenge, domain="https://evil.example"),
        "an old signature": presentation(
            key, challenge, created=datetime.now(UTC) - timedelta(hours=1)
        ),
        "another holder": changed,
        "no signature": unsigned,
    }
    answers = {name: await send(service, path, shown) for name, shown in bad.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(bad, 400)
    assert await service.pool.fetchval("select count(*) from credentials.bound_copy") == 0
    # None of that used the challenge up.
    assert (await send(service, path, good)).status_code == 200


async def test_a_recorded_presentation_is_good_once(service: Service) -> None:
    _, first = await exchanged(service)
    _, second = await exchanged(service)
    shown = presentation(WalletKey(), await challenge_of(service, first))
    assert (await send(service, first, shown)).status_code == 200
    for path in (first, second):
        replayed = await send(service, path, shown)
        assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_nonce")


async def test_an_offer_with_a_transaction_code_is_no_exchange(service: Service) -> None:
    _, path = await exchanged(service, "oid4vci")
    assert (await service.http.post(path, json={})).status_code == 404
    # Its interaction URL leads to the other protocol, which asks for the code.
    told = await service.http.get(f"/interactions/{path.rpartition('/')[2]}?iuv=1")
    assert set(told.json()["protocols"]) == {"oid4vci-1.0", "OID4VCI"}


async def test_an_exchange_is_short(service: Service) -> None:
    one, path = await exchanged(service)
    shown = presentation(WalletKey(), await challenge_of(service, path))
    service.now.append(datetime.now(UTC) + timedelta(seconds=121))
    assert (await send(service, path, shown)).status_code == 404
    service.now.clear()
    await service.follow(event("revoked", UUID(one["person"]), 2))
    denied = await send(service, path, shown)
    assert (denied.status_code, denied.json()["error"]) == (400, "credential_request_denied")
    assert (await service.http.post("/exchanges/unknown", json={})).status_code == 404
