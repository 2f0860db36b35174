"""A wallet that is not ours claims a credential from the running service, over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from assay_cli.errors import StackError
from assay_credentials.contexts import pinned_contexts
from assay_testing import Database
from browser import listening
from credentials_service import Service, event
from node_tools import run_node


@pytest.fixture
async def served(postgres: Database, tmp_path: Path) -> AsyncIterator[Service]:
    """The service on a real port, which its public address names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = await Service.open(
        postgres, tmp_path, ASSAY_PUBLIC_URL=f"http://127.0.0.1:{port}", ASSAY_HTTP_PORT=str(port)
    )
    try:
        async with listening(service.app, port):
            yield service
    finally:
        await service.close()


async def offered(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """A credential, and an offer of it."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    response = await service.http.post(
        f"/credentials/{one['id']}/offers", json={}, auth=service.key
    )
    assert response.status_code == 201, response.text
    return one, response.json()


async def claim(offer: dict[str, Any], link: str, configuration: str, *keys: dict[str, str]) -> Any:
    return await asyncio.to_thread(
        run_node,
        "claim.mjs",
        {
            "offer": offer[link],
            "code": offer["transaction_code"],
            "configuration": configuration,
            "keys": keys,
        },
    )


async def test_a_wallet_claims_a_badge_that_strangers_verify(served: Service) -> None:
    one, offer = await offered(served)
    claimed = await claim(
        offer, "offer_uri", "open_badge_ldp_vc", {"alg": "EdDSA", "by": "did:key"}
    )
    assert claimed["version"] == "V1"
    assert claimed["txCode"]["length"] == 6
    assert claimed["notified"] is True
    (copy,) = claimed["credentials"]
    (holder,) = claimed["holders"]
    original = orjson.loads(await served.document(one["id"]))
    # The same credential, about the holder's key, signed for itself.
    assert copy["credentialSubject"] == {"id": holder, **original["credentialSubject"]}
    assert {k: v for k, v in copy.items() if k not in ("credentialSubject", "proof")} == {
        k: v for k, v in original.items() if k not in ("credentialSubject", "proof")
    }
    assert copy["proof"] != original["proof"]
    assert (await served.verify(orjson.dumps(copy)))["outcome"] == "valid"
    # What withdraws the credential reaches the copy, for everybody.
    before, after = await statuses(served, copy), None
    await served.follow(event("withdrawn", UUID(one["person"]), 2))
    await served.lists.sign_due()
    assert (await served.verify(orjson.dumps(copy)))["outcome"] == "suspended"
    after = await statuses(served, copy)
    assert (before, after) == ((True, set()), (True, {"suspension"}))
    told = await served.http.get(f"/credentials/{one['id']}/offers", auth=served.key)
    (shown,) = told.json()["offers"]
    assert (shown["status"], shown["wallet_event"]) == ("claimed", "credential_accepted")


async def statuses(service: Service, badge: dict[str, Any]) -> tuple[bool, set[str]]:
    """Whether @digitalbazaar/vc finds it good, and the purposes whose bit it finds set."""
    documents: dict[str, object] = dict(pinned_contexts().documents)
    for entry in badge["credentialStatus"]:
        url = entry["statusListCredential"]
        documents[url] = (await service.http.get(url)).json()
    now = service.verifier.now().isoformat()
    answers = await asyncio.to_thread(
        run_node,
        "verify.mjs",
        {"documents": documents, "credentials": [{"credential": badge, "now": now}]},
    )
    assert isinstance(answers, list)
    (answer,) = answers
    assert answer["errors"] == []
    return answer["verified"], {one["purpose"] for one in answer["statuses"] if one["status"]}


async def test_a_wallet_claims_a_jwt_for_each_of_its_keys(served: Service) -> None:
    _, offer = await offered(served)
    claimed = await claim(
        offer,
        "offer_uri_by_value",
        "open_badge_jwt_vc_json",
        {"alg": "ES256", "by": "did:jwk"},
        {"alg": "EdDSA", "by": "jwk"},
        {"alg": "EdDSA", "by": "did:jwk"},
    )
    assert len(claimed["credentials"]) == len(set(claimed["holders"])) == 3
    for token, holder in zip(claimed["credentials"], claimed["holders"], strict=True):
        given = await served.verifier.verify_given(token.encode())
        assert given.verification.outcome == "valid"
        assert given.document is not None
        subject = given.document["credentialSubject"]
        assert isinstance(subject, dict)
        assert subject["id"] == holder


async def test_a_wallet_with_another_transaction_code_gets_nothing(served: Service) -> None:
    _, offer = await offered(served)
    wrong = f"{(int(offer['transaction_code']) + 1) % 1_000_000:06}"
    with pytest.raises(StackError, match="invalid_grant"):
        await claim(
            {**offer, "transaction_code": wrong},
            "offer_uri",
            "open_badge_ldp_vc",
            {"alg": "EdDSA", "by": "jwk"},
        )
    count = await served.pool.fetchval("select count(*) from credentials.bound_copy")
    assert count == 0
