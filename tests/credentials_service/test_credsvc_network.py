"""Credentials of other issuers: their keys and status lists come over a guarded network, and whom
to trust is the operator's to say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from assay_credentials.keys import Ed25519Signer
from assay_credentials.multibase import encode_ed25519_public_key
from assay_credentials.resolving.store import TrustStore
from assay_credentials.resolving.trust import checked_entry
from assay_testing import Database
from credential_samples import AWARD, CENTRE, STRANGER
from credentials_service import PUBLIC_URL, Service, event
from web_issuers import WebIssuer, WebParty, web_issuer

REGISTER = {"registry": "Register of Colleges", "registry_url": "https://register.example/college"}


@pytest.fixture
async def college(tmp_path: Path) -> AsyncIterator[WebIssuer]:
    async with web_issuer(tmp_path) as issuer:
        yield issuer


@asynccontextmanager
async def opened(
    database: Database, folder: Path, issuer: WebIssuer, **changed: str
) -> AsyncIterator[Service]:
    service = await Service.open(database, folder, environment={**issuer.settings, **changed})
    try:
        yield service
    finally:
        await service.close()


async def trust(database: Database, did: str, **changed: Any) -> bool:
    """Put an issuer on the list as the operator does."""
    values: dict[str, Any] = {
        "name": "College of the Register",
        "registry": None,
        "registry_url": None,
        "achievements": [],
        "trusted_from": None,
        "trusted_until": None,
        "now": datetime.now(UTC) - timedelta(seconds=1),
        "by": "operator",
        "reason": "a test",
        **changed,
    }
    connection = await database.connect()
    try:
        return await TrustStore(connection).add_trusted(checked_entry(did, **values))
    finally:
        await connection.close()


async def distrust(database: Database, did: str) -> None:
    connection = await database.connect()
    try:
        assert await TrustStore(connection).remove_trusted(did, "operator", "a test")
    finally:
        await connection.close()


def results(answer: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for check in answer["checks"]:
        found.setdefault(check["name"], []).append(check["result"])
    return found


async def test_a_credential_of_a_did_web_is_verified_and_its_issuer_told_by_the_register(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    badge = orjson.dumps(college.badge())
    async with opened(postgres, tmp_path, college) as service:
        unknown = await service.verify(badge)
        assert unknown["outcome"] == "issuer_unknown"
        assert results(unknown)["status"] == ["passed", "passed"]
        assert unknown["issuer"]["name"] is None
        await trust(postgres, college.party.did, **REGISTER)
        known = await service.verify(badge)
        assert known["outcome"] == "valid"
        assert known["issuer"] == {
            "id": college.party.did,
            "name": "College of the Register",
            **REGISTER,
        }
    # Each was asked for once, and then kept.
    assert sorted(college.seen) == ["/college/did.json", "/status/revocation", "/status/suspension"]


async def test_the_lists_of_others_are_followed(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    await trust(postgres, college.party.did)
    badge = orjson.dumps(college.badge())
    async with opened(postgres, tmp_path, college, ASSAY_FETCH_CACHE_SECONDS="0") as service:
        college.put_list("suspension", [4_711])
        assert (await service.verify(badge))["outcome"] == "suspended"
        college.put_list("suspension")
        assert (await service.verify(badge))["outcome"] == "valid"
        college.put_list("revocation", [90_210])
        assert (await service.verify(badge))["outcome"] == "revoked"


async def test_a_list_that_is_away_old_or_of_another_could_not_be_checked(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    await trust(postgres, college.party.did)
    badge = orjson.dumps(college.badge())
    now = datetime.now(UTC)
    foreign = STRANGER.status_list("revocation", at=now, url=college.url("/status/revocation"))
    bad_lists: list[Any] = [
        None,
        b"<html>",
        college.party.status_list(
            "revocation", at=now - timedelta(days=2), url=college.url("/status/revocation")
        ),
        foreign,
        college.party.status_list("revocation", at=now, url=college.url("/status/other")),
    ]
    for bad in bad_lists:
        college.served.pop("/status/revocation", None)
        if bad is not None:
            college.put("/status/revocation", bad, "application/vc")
        async with opened(postgres, tmp_path, college) as service:
            answer = await service.verify(badge)
        assert answer["outcome"] == "could_not_check"
        assert sorted(results(answer)["status"]) == ["could_not_check", "passed"]


async def test_a_did_document_that_is_away_could_not_be_checked_and_no_list_is_asked_for(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    for served in (None, "<html>", "[]"):
        college.served.pop("/college/did.json", None)
        if served is not None:
            college.put("/college/did.json", served.encode())
        async with opened(postgres, tmp_path, college) as service:
            answer = await service.verify(orjson.dumps(college.badge()))
        assert answer["outcome"] == "could_not_check"
        assert answer["checks"][-1]["name"] == "signature"
    assert {path for path in college.seen if path.startswith("/status")} == set()


async def test_a_key_that_the_document_does_not_give_for_this_signs_nothing(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    await trust(postgres, college.party.did)
    badge = orjson.dumps(college.badge())
    changes: list[dict[str, Any]] = [
        {"id": "did:web:other.example"},
        {"verificationMethod": []},
        {"assertionMethod": []},
        {"assertionMethod": [], "authentication": ["#key-1"]},
    ]
    async with opened(postgres, tmp_path, college, ASSAY_FETCH_CACHE_SECONDS="0") as service:
        for changed in changes:
            college.put("/college/did.json", college.did_document(**changed))
            answer = await service.verify(badge)
            assert answer["outcome"] == "not_genuine", changed
            assert answer["checks"][-1]["name"] == "signature"


async def test_a_key_that_was_taken_out_holds_no_more_once_the_kept_document_is_old(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    await trust(postgres, college.party.did)
    badge = orjson.dumps(college.badge())
    async with opened(postgres, tmp_path, college, ASSAY_FETCH_CACHE_SECONDS="0") as service:
        assert (await service.verify(badge))["outcome"] == "valid"
        other = Ed25519Signer.from_seed(bytes(32)).public_key
        method = {
            "id": college.party.method,
            "type": "Multikey",
            "controller": college.party.did,
            "publicKeyMultibase": encode_ed25519_public_key(other),
        }
        college.put("/college/did.json", college.did_document(verificationMethod=[method]))
        assert (await service.verify(badge))["outcome"] == "not_genuine"


async def test_of_a_forged_credential_no_status_list_is_asked_for(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    badge: Any = college.badge()
    badge["credentialSubject"]["achievement"]["name"] = "Brain surgery"
    async with opened(postgres, tmp_path, college) as service:
        assert (await service.verify(orjson.dumps(badge)))["outcome"] == "not_genuine"
    assert college.seen == ["/college/did.json"]


async def test_without_leave_nobody_is_asked(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    await trust(postgres, college.party.did)
    badge = orjson.dumps(college.badge())
    for hosts in ("", "college.example", "*"):
        async with opened(
            postgres,
            tmp_path,
            college,
            ASSAY_FETCH_PRIVATE_HOSTS="",
            ASSAY_FETCH_HOSTS=hosts,
        ) as service:
            assert (await service.verify(badge))["outcome"] == "could_not_check"
    assert college.seen == []


async def test_an_issuer_that_may_issue_some_things_may_not_issue_others(
    postgres: Database, tmp_path: Path, college: WebIssuer
) -> None:
    badge = orjson.dumps(college.badge())
    other = "https://example.org/achievements/other"
    async with opened(postgres, tmp_path, college) as service:
        await trust(postgres, college.party.did, achievements=[other])
        assert (await service.verify(badge))["outcome"] == "issuer_not_allowed"
        await distrust(postgres, college.party.did)
        assert (await service.verify(badge))["outcome"] == "issuer_unknown"
        await trust(postgres, college.party.did, achievements=[other, AWARD.achievement.id])
        assert (await service.verify(badge))["outcome"] == "valid"
        assert not await trust(postgres, college.party.did)


async def test_trust_has_a_beginning_and_an_end(service: Service, postgres: Database) -> None:
    now = datetime.now(UTC)
    badge = orjson.dumps(CENTRE.badge(status=()))
    for first, until, outcome in (
        (-10, None, "valid"),
        (-10, 1, "valid"),
        (-10, -1, "issuer_unknown"),
        (1, 2, "issuer_unknown"),
    ):
        await trust(
            postgres,
            CENTRE.did,
            trusted_from=now + timedelta(days=first),
            trusted_until=None if until is None else now + timedelta(days=until),
        )
        assert (await service.verify(badge))["outcome"] == outcome, (first, until)
        await distrust(postgres, CENTRE.did)


async def test_an_entry_of_the_list_does_not_rename_an_issuer_of_ours(
    service: Service, postgres: Database
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    document = await service.document(one["id"])
    did = orjson.loads(document)["issuer"]["id"]
    await trust(postgres, did, name="Somebody else", achievements=["https://example.org/x"])
    answer = await service.verify(document)
    assert answer["outcome"] == "valid"
    assert answer["issuer"]["name"] != "Somebody else"


async def test_a_did_web_of_our_own_host_is_never_asked_over_the_network(service: Service) -> None:
    host = PUBLIC_URL.removeprefix("http://")
    for did in (f"did:web:{host}:issuers:north:main", f"did:web:{host}"):
        party = WebParty(CENTRE.signer, "Ours?", did)
        answer = await service.verify(orjson.dumps(party.badge(status=())))
        assert answer["outcome"] == "not_genuine"
        assert "no key" in answer["checks"][-1]["detail"]
    assert service.metrics.fetches.labels(result="refused")._value.get() == 0
