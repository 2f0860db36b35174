"""Offers to wallets: what a wallet must prove, and what it is refused. The attacks are made."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from assay_credentials.api import Api
from assay_credentials.callers import Callers
from assay_credentials.holding.offering import read_claim
from assay_credentials.holding.offers import PRE_AUTHORIZED_GRANT
from assay_credentials.receipts.signing import Receipts
from assay_testing import Database
from credentials_service import PUBLIC_URL, TENANT, Service, add_client, event
from wallet import WalletKey

ISSUER = f"{PUBLIC_URL}/issuers/{TENANT}/main"
LDP = "open_badge_ldp_vc"


async def issued(service: Service) -> dict[str, Any]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one


async def offered(service: Service, credential: str, **body: Any) -> dict[str, Any]:
    response = await service.http.post(
        f"/credentials/{credential}/offers", json=body, auth=service.key
    )
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def code_of(offer: dict[str, Any]) -> str:
    return str(offer["claim_url"].rpartition("/")[2])


async def redeem(service: Service, offer: dict[str, Any], code: str | None = None) -> Any:
    """The answer of the token endpoint."""
    form = {
        "grant_type": PRE_AUTHORIZED_GRANT,
        "pre-authorized_code": code_of(offer),
        "tx_code": offer["transaction_code"] if code is None else code,
    }
    return await service.http.post("/oid4vci/token", data=form)


async def token_of(service: Service, offer: dict[str, Any]) -> str:
    response = await redeem(service, offer)
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])


async def nonce_of(service: Service) -> str:
    return str((await service.http.post("/oid4vci/nonce")).json()["c_nonce"])


async def ask(
    service: Service, token: str, *proofs: str, configuration: str = LDP
) -> httpx.Response:
    return await service.http.post(
        "/oid4vci/credential",
        headers={"Authorization": f"Bearer {token}"},
        json={"credential_configuration_id": configuration, "proofs": {"jwt": proofs}},
    )


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


async def claimed(service: Service, token: str, key: WalletKey) -> httpx.Response:
    return await ask(service, token, key.proof(ISSUER, await nonce_of(service)))


async def test_a_copy_is_bound_to_the_key_that_was_proved(service: Service) -> None:
    one, key = await issued(service), WalletKey()
    response = await claimed(
        service, await token_of(service, await offered(service, one["id"])), key
    )
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    (given,) = response.json()["credentials"]
    document = given["credential"]
    assert document["credentialSubject"]["id"] == key.did
    assert document["id"].endswith(one["id"])
    assert (await service.verify(orjson.dumps(document)))["outcome"] == "valid"


async def test_a_copy_of_an_issuer_by_did_web_is_good_too(
    service: Service, postgres: Database
) -> None:
    owner = await postgres.connect()
    try:
        await owner.execute(
            "insert into credentials.issuer (tenant, issuer, name, method)"
            " values ($1, 'main', 'Training Centre North', 'web')",
            TENANT,
        )
    finally:
        await owner.close()
    one = await issued(service)
    response = await claimed(
        service, await token_of(service, await offered(service, one["id"])), WalletKey()
    )
    (given,) = response.json()["credentials"]
    assert given["credential"]["issuer"]["id"].startswith("did:web:")
    assert (await service.verify(orjson.dumps(given["credential"])))["outcome"] == "valid"


async def test_a_code_works_once_whoever_is_faster(service: Service) -> None:
    offer = await offered(service, (await issued(service))["id"])
    answers = await asyncio.gather(*(redeem(service, offer) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    refused = [answer.json()["error"] for answer in answers if answer.status_code == 400]
    assert set(refused) == {"invalid_grant"}


async def test_transaction_codes_cannot_be_tried_through(service: Service) -> None:
    offer = await offered(service, (await issued(service))["id"])
    right = offer["transaction_code"]
    wrong = [f"{(int(right) + n) % 1_000_000:06}" for n in range(1, 21)]
    answers = await asyncio.gather(*(redeem(service, offer, code) for code in wrong))
    assert {error_of(answer) for answer in answers} == {(400, "invalid_grant")}
    # Only so many were looked at, and now the right one does not help either.
    counted = await service.pool.fetchval("select wrong_codes from credentials.offer")
    assert counted == service.settings.offer_wrong_codes_max
    assert error_of(await redeem(service, offer)) == (400, "invalid_grant")
    listed = await service.http.get(f"/credentials/{offer['credential']}/offers", auth=service.key)
    assert listed.json()["offers"][0]["status"] == "locked"


async def test_an_offer_without_its_transaction_code_opens_nothing(service: Service) -> None:
    offer = await offered(service, (await issued(service))["id"])
    form = {"grant_type": PRE_AUTHORIZED_GRANT, "pre-authorized_code": code_of(offer)}
    response = await service.http.post("/oid4vci/token", data=form)
    assert error_of(response) == (400, "invalid_request")
    # Nothing that the page or the link shows is the transaction code.
    public = await service.http.get(f"/oid4vci/offers/{code_of(offer)}")
    assert public.status_code == 200
    assert offer["transaction_code"] not in public.text.replace(code_of(offer), "")


async def test_an_offer_is_over_at_its_end_and_when_it_is_withdrawn(service: Service) -> None:
    one = await issued(service)
    short = await offered(service, one["id"], seconds=30)
    service.now.append(datetime.now(UTC) + timedelta(seconds=31))
    assert error_of(await redeem(service, short)) == (400, "invalid_grant")
    assert (await service.http.get(f"/oid4vci/offers/{code_of(short)}")).status_code == 404
    taken_back = await offered(service, one["id"])
    path = f"/credentials/{one['id']}/offers/{taken_back['offer']}"
    assert (await service.http.delete(path, auth=service.key)).status_code == 204
    assert error_of(await redeem(service, taken_back)) == (400, "invalid_grant")


async def test_a_longer_offer_than_the_setting_has_is_not_made(service: Service) -> None:
    offer = await offered(service, (await issued(service))["id"], seconds=1_000_000)
    seconds = datetime.fromisoformat(offer["expires_at"]) - datetime.fromisoformat(offer["made_at"])
    assert seconds == timedelta(seconds=service.settings.offer_seconds_max)


async def test_a_withdrawn_offer_gives_nothing_for_a_token_either(service: Service) -> None:
    one = await issued(service)
    offer = await offered(service, one["id"])
    token = await token_of(service, offer)
    path = f"/credentials/{one['id']}/offers/{offer['offer']}"
    await service.http.delete(path, auth=service.key)
    response = await claimed(service, token, WalletKey())
    assert error_of(response) == (400, "credential_request_denied")


async def test_a_proof_is_good_once(service: Service) -> None:
    key = WalletKey()
    first = await token_of(service, await offered(service, (await issued(service))["id"]))
    second = await token_of(service, await offered(service, (await issued(service))["id"]))
    proof = key.proof(ISSUER, await nonce_of(service))
    assert (await ask(service, first, proof)).status_code == 200
    # The same wallet again, and somebody who recorded the proof and has a token of their own.
    for token in (first, second):
        assert error_of(await ask(service, token, proof)) == (400, "invalid_nonce")


async def test_proofs_at_once_with_one_nonce_are_told_apart(service: Service) -> None:
    nonce = await nonce_of(service)
    tokens = [
        await token_of(service, await offered(service, (await issued(service))["id"]))
        for _ in range(3)
    ]
    answers = await asyncio.gather(
        *(ask(service, token, WalletKey().proof(ISSUER, nonce)) for token in tokens)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]


@pytest.mark.parametrize("nonce", ["", "n", "A" * 54])
async def test_a_nonce_that_is_not_ours_is_refused(service: Service, nonce: str) -> None:
    token = await token_of(service, await offered(service, (await issued(service))["id"]))
    response = await ask(service, token, WalletKey().proof(ISSUER, nonce))
    assert error_of(response) == (400, "invalid_nonce")


async def test_a_nonce_that_is_over_is_refused(service: Service) -> None:
    token = await token_of(service, await offered(service, (await issued(service))["id"]))
    nonce = await nonce_of(service)
    service.now.append(datetime.now(UTC) + timedelta(seconds=121))
    response = await ask(service, token, WalletKey().proof(ISSUER, nonce))
    assert error_of(response) == (400, "invalid_nonce")


@pytest.mark.parametrize(
    "audience", [f"{PUBLIC_URL}/issuers/south/main", PUBLIC_URL, "https://evil.example"]
)
async def test_a_proof_for_another_audience_is_refused(service: Service, audience: str) -> None:
    token = await token_of(service, await offered(service, (await issued(service))["id"]))
    response = await ask(service, token, WalletKey().proof(audience, await nonce_of(service)))
    assert error_of(response) == (400, "invalid_proof")


async def test_an_offer_is_for_one_holder_who_may_ask_again(service: Service) -> None:
    token = await token_of(service, await offered(service, (await issued(service))["id"]))
    key = WalletKey()
    first = await claimed(service, token, key)
    again = await claimed(service, token, key)
    assert first.content == again.content
    thief = await claimed(service, token, WalletKey())
    assert error_of(thief) == (400, "credential_request_denied")
    count = await service.pool.fetchval("select count(*) from credentials.bound_copy")
    assert count == 1


async def test_copies_of_one_request_are_bounded_and_for_different_keys(service: Service) -> None:
    token = await token_of(service, await offered(service, (await issued(service))["id"]))
    nonce, key = await nonce_of(service), WalletKey()
    many = [WalletKey().proof(ISSUER, nonce) for _ in range(5)]
    twice = [key.proof(ISSUER, nonce), key.proof(ISSUER, nonce, iat=None, exp=None)]
    same = [key.proof(ISSUER, nonce), key.proof(ISSUER, nonce)]
    mixed = [key.proof(ISSUER, nonce), WalletKey().proof(ISSUER, await nonce_of(service))]
    assert error_of(await ask(service, token, *many)) == (400, "invalid_proof")
    assert error_of(await ask(service, token, *twice)) == (400, "invalid_proof")
    assert error_of(await ask(service, token, *same)) == (400, "invalid_proof")
    assert error_of(await ask(service, token, *mixed)) == (400, "invalid_nonce")
    # One bad proof spoils all: there is no half of an answer.
    assert await service.pool.fetchval("select count(*) from credentials.bound_copy") == 0
    good = await ask(service, token, *many[:4])
    assert len(good.json()["credentials"]) == 4


async def test_a_token_that_is_unknown_or_over_is_refused(service: Service) -> None:
    token = await token_of(service, await offered(service, (await issued(service))["id"]))
    unknown = await claimed(service, token[:-1] + "x", WalletKey())
    assert error_of(unknown) == (401, "invalid_token")
    assert "invalid_token" in unknown.headers["www-authenticate"]
    nobody = await service.http.post("/oid4vci/credential", json={})
    assert error_of(nobody) == (401, "invalid_token")
    service.now.append(datetime.now(UTC) + timedelta(seconds=301))
    assert error_of(await claimed(service, token, WalletKey())) == (401, "invalid_token")


async def test_what_is_revoked_meanwhile_is_not_given_out(service: Service) -> None:
    one = await issued(service)
    token = await token_of(service, await offered(service, one["id"]))
    await service.follow(event("revoked", UUID(one["person"]), 2))
    response = await claimed(service, token, WalletKey())
    assert error_of(response) == (400, "credential_request_denied")
    refused = await service.http.post(f"/credentials/{one['id']}/offers", json={}, auth=service.key)
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:assay:problem:credential-not-valid",
    )


async def test_a_failure_to_sign_leaves_the_offer_to_be_taken_up(
    service: Service, postgres: Database, tmp_path: Path
) -> None:
    one, key = await issued(service), WalletKey()
    token = await token_of(service, await offered(service, one["id"]))
    (path,) = [file for file in (tmp_path / "keys").rglob("*.pem") if not file.name.startswith(".")]
    other = await Service.open(postgres, tmp_path)
    content = path.read_bytes()
    path.unlink()
    try:
        response = await claimed(other, token, key)
        assert error_of(response) == (400, "credential_request_denied")
        path.touch(mode=0o600)
        path.write_bytes(content)
        assert (await claimed(other, token, key)).status_code == 200
    finally:
        await other.close()


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"scope": "all"}, "unsupported_grant_type"),
        ({"grant_type": PRE_AUTHORIZED_GRANT}, "invalid_request"),
        (
            {"grant_type": PRE_AUTHORIZED_GRANT, "pre-authorized_code": "x", "tx_code": "1"},
            "invalid_grant",
        ),
        (
            {"grant_type": PRE_AUTHORIZED_GRANT, "pre-authorized_code": "\0", "tx_code": "\0"},
            "invalid_grant",
        ),
    ],
)
async def test_requests_for_tokens_that_are_none_are_named(
    service: Service, form: dict[str, str], error: str
) -> None:
    assert error_of(await service.http.post("/oid4vci/token", data=form)) == (400, error)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "invalid_credential_request"),
        ({"credential_configuration_id": LDP}, "invalid_proof"),
        ({"credential_configuration_id": LDP, "proofs": {"jwt": []}}, "invalid_proof"),
        ({"credential_configuration_id": LDP, "proofs": {"attestation": []}}, "invalid_proof"),
        ({"credential_configuration_id": LDP, "proofs": {"jwt": ["e"]}}, "invalid_proof"),
        (
            {"credential_configuration_id": "x", "proofs": {"jwt": ["e"]}},
            "unknown_credential_configuration",
        ),
        (
            {
                "credential_configuration_id": LDP,
                "proofs": {"jwt": ["e"]},
                "credential_response_encryption": {"enc": "A128GCM"},
            },
            "invalid_encryption_parameters",
        ),
    ],
)
async def test_requests_for_credentials_that_are_none_are_named(
    service: Service, body: dict[str, Any], error: str
) -> None:
    token = await token_of(service, await offered(service, (await issued(service))["id"]))
    response = await service.http.post(
        "/oid4vci/credential", headers={"Authorization": f"Bearer {token}"}, json=body
    )
    assert error_of(response) == (400, error)


async def test_the_database_holds_no_code(service: Service, postgres: Database) -> None:
    offer = await offered(service, (await issued(service))["id"])
    token = await token_of(service, offer)
    owner = await postgres.connect()
    try:
        rows = await owner.fetch("select o::text as whole from credentials.offer as o")
    finally:
        await owner.close()
    (whole,) = (row["whole"] for row in rows)
    for secret in (code_of(offer), token):
        assert secret not in whole
        assert secret.encode().hex() not in whole
    assert f",{offer['transaction_code']}," not in whole


async def test_a_wallet_tells_what_became_of_its_copy(service: Service) -> None:
    one = await issued(service)
    token = await token_of(service, await offered(service, one["id"]))
    identifier = (await claimed(service, token, WalletKey())).json()["notification_id"]

    async def tell(notification: str, told: str) -> httpx.Response:
        return await service.http.post(
            "/oid4vci/notification",
            headers={"Authorization": f"Bearer {token}"},
            json={"notification_id": notification, "event": told},
        )

    assert error_of(await tell(str(uuid4()), "credential_accepted")) == (
        400,
        "invalid_notification_id",
    )
    assert error_of(await tell(identifier, "lost")) == (400, "invalid_notification_request")
    # Later than the token's time for credentials: the wallet asks its holder first.
    service.now.append(datetime.now(UTC) + timedelta(hours=1))
    assert (await tell(identifier, "credential_deleted")).status_code == 204
    listed = await service.http.get(f"/credentials/{one['id']}/offers", auth=service.key)
    assert listed.json()["offers"][0]["wallet_event"] == "credential_deleted"


async def test_offers_are_made_by_those_who_act_for_the_holder_alone(
    service: Service, postgres: Database
) -> None:
    one = await issued(service)
    share = await service.share(one["id"])
    reader = await add_client(postgres, TENANT, ["credentials/read"])
    stranger = await add_client(postgres, "south")
    path = f"/credentials/{one['id']}/offers"
    assert (await service.http.post(path, json={}, auth=reader)).status_code == 403
    assert (await service.http.post(path, json={}, auth=stranger)).status_code == 404
    # An employer who was sent a link cannot take the credential into a wallet.
    assert (await service.http.post(f"{path}?share={share}", json={})).status_code == 401


async def test_metadata_stand_where_wallets_look_for_them(service: Service) -> None:
    await issued(service)
    for name in ("openid-credential-issuer", "oauth-authorization-server"):
        response = await service.http.get(f"/.well-known/{name}/issuers/{TENANT}/main")
        assert response.status_code == 200
        document = response.json()
        assert ISSUER in (document.get("credential_issuer"), document.get("issuer"))
        for path in ("/issuers/south/main", f"/issuers/{TENANT}/other", "/issuers", "/x/%00/y"):
            missing = await service.http.get(f"/.well-known/{name}{path}")
            assert missing.status_code == 404, path


async def test_the_claim_page_is_told_what_it_shows(service: Service) -> None:
    one = await issued(service)
    offer = await offered(service, one["id"])
    ground = Api(
        service.pool,
        service.settings,
        service.lists,
        service.verifier,
        Callers(service.settings, service.metrics),
        Receipts(
            pool=service.pool, settings=service.settings, metrics=service.metrics, new_id=uuid4
        ),
        service.issuers,
        service.verifier.now,
    )
    view = await read_claim(ground, code_of(offer))
    assert view is not None
    assert (view.offer_uri, view.needs_code, view.claimed) == (offer["offer_uri"], True, False)
    assert view.credential_name == "aseptic gowning"
    assert view.issuer_name == TENANT
    await claimed(service, await token_of(service, offer), WalletKey())
    view = await read_claim(ground, code_of(offer))
    assert view is not None
    assert view.claimed
    exchange = await offered(service, one["id"], protocol="vcapi")
    code = exchange["interaction_url"].rpartition("/")[2].partition("?")[0]
    # Who has that address has everything: no page shows it.
    for unknown in (code, "x" * 43, "", "x" * 101):
        assert await read_claim(ground, unknown) is None
