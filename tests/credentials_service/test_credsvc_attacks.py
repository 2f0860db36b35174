"""The ten points of security, 1 to 4 and 7: what a document does to whoever verifies it.

Each attack is made against the running service, from outside.
"""

import asyncio
import copy
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from assay_credentials.contexts import pinned_contexts
from assay_testing import Database
from credential_samples import AWARD, STRANGER
from credentials_service import PUBLIC_URL, Service, event
from small_servers import answer, answering, serving
from web_issuers import WebParty

VC = "https://www.w3.org/2018/credentials#"


async def issued(service: Service, **changed: Any) -> Any:
    """A badge that the service issued, as a document."""
    person = uuid4()
    await service.follow(event("achieved", person, 1, **changed))
    (one,) = await service.credentials(person)
    return orjson.loads(await service.document(one["id"]))


async def revoked(service: Service) -> Any:
    """A badge that the service issued and revoked."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    document = orjson.loads(await service.document(one["id"]))
    await service.follow(event("revoked", person, 2, level=2))
    assert (await service.verify(orjson.dumps(document)))["outcome"] == "revoked"
    return document


# 1. Re-spelling: the signature stays good, and expiry or revocation is hidden ---------------------


def _absolute(document: Any, name: str) -> None:
    document[f"{VC}{name}"] = document.pop(name)


def _aliased(document: Any) -> None:
    document["@context"].append({"x": f"{VC}credentialStatus"})
    document["x"] = document.pop("credentialStatus")


def _redefined(document: Any) -> None:
    document["@context"].insert(0, {"credentialStatus": "https://evil.example/nothing"})


def _scoped(document: Any) -> None:
    document["credentialSubject"]["@context"] = {"achievement": "urn:x:other"}


def _typed_date(document: Any) -> None:
    document[f"{VC}validUntil"] = {
        "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
        "@value": document.pop("validUntil"),
    }


async def test_1_a_respelled_credential_is_not_genuine(service: Service) -> None:
    genuine = await revoked(service)
    for attack in (
        lambda one: _absolute(one, "credentialStatus"),
        lambda one: _absolute(one, "validUntil"),
        _typed_date,
        _aliased,
        _redefined,
        _scoped,
        lambda one: one.pop("credentialStatus"),
    ):
        document = copy.deepcopy(genuine)
        attack(document)
        assert (await service.verify(orjson.dumps(document)))["outcome"] == "not_genuine"


# 2. Dropped terms and what two readers read differently -------------------------------------------


async def test_2_what_json_ld_would_drop_or_readers_would_differ_on_is_refused(
    service: Service,
) -> None:
    genuine = await issued(service)
    text = json.dumps(genuine)
    for name, value in (("grade", "distinction"), ("honours", True), ("level:x", 5)):
        for place in (genuine, genuine["credentialSubject"]):
            changed = copy.deepcopy(genuine)
            target = changed if place is genuine else changed["credentialSubject"]
            target[name] = value
            assert (await service.verify(orjson.dumps(changed)))["outcome"] == "not_genuine"
    for one in (
        text[:-1] + ', "validUntil": "2099-01-01T00:00:00Z"}',
        text[:-1] + ', "name": "bad\\u0000name"}',
        text[:-1] + ', "name": "\\ufffe"}',
        text[:-1] + ', "name": "\\ud800"}',
        text[:-1] + ', "statusSize": 9007199254740993}',
        text[:-1] + ', "name": null}',
        text[:-1] + ', "evidence": []}',
    ):
        response = await service.http.post(
            "/verify", content=one.encode(), headers={"Content-Type": "application/json"}
        )
        # What one of the two parsers does not read at all is a 400.
        assert response.status_code in (200, 400), one[-60:]
        if response.status_code == 200:
            assert response.json()["outcome"] == "not_genuine", one[-60:]


# 3. Contexts: pinned, recorded, and never fetched -------------------------------------------------


async def test_3_no_context_is_fetched_and_the_pinned_ones_are_recorded(
    postgres: Database, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    async with serving(answering(answer(b'{"@context": {}}'), seen)) as port:
        hosts = f"127.0.0.1:{port}"
        service = await Service.open(postgres, tmp_path, ASSAY_FETCH_PRIVATE_HOSTS=hosts)
        try:
            genuine = await issued(service)
            for contexts in (
                [*genuine["@context"], f"http://{hosts}/evil"],
                [genuine["@context"][0], f"http://{hosts}/evil"],
                [*reversed(genuine["@context"])],
                [genuine["@context"][0]],
                genuine["@context"][0],
            ):
                outcome = (await service.verify(orjson.dumps({**genuine, "@context": contexts})))[
                    "outcome"
                ]
                assert outcome in ("could_not_check", "not_genuine")
            row = await service.pool.fetchrow("select contexts from credentials.credential")
        finally:
            await service.close()
    assert seen == []
    assert row is not None
    digests = pinned_contexts().digests
    assert orjson.loads(row["contexts"]) == {url: digests[url] for url in genuine["@context"]}
    assert "jti" not in json.dumps(genuine)
    assert "endorsementJwt" not in json.dumps(genuine)


# 4. Bombs: documents that cost much more than they are long ---------------------------------------


def _clique(document: Any) -> None:
    names = [f"_:n{number}" for number in range(40)]
    document["credentialSubject"] = [
        {"id": name, "type": "AchievementSubject", "source": names} for name in names
    ]


def _equal_nodes(document: Any) -> None:
    document["evidence"] = [{"type": ["Evidence"]}] * 900


def _many_nodes(document: Any) -> None:
    document["evidence"] = [{"type": ["Evidence"], "name": f"{n}"} for n in range(5_000)]


def _deep(document: Any) -> None:
    for _ in range(200):
        document["credentialSubject"] = {"source": document["credentialSubject"]}


async def test_4_a_bomb_costs_little_and_others_are_answered_meanwhile(service: Service) -> None:
    genuine = await issued(service)
    for bomb in (_clique, _equal_nodes, _many_nodes, _deep):
        document = copy.deepcopy(genuine)
        bomb(document)
        began = time.monotonic()
        exploding = asyncio.create_task(service.verify(orjson.dumps(document)))
        assert (await service.verify(orjson.dumps(genuine)))["outcome"] == "valid"
        assert (await exploding)["outcome"] in ("could_not_check", "not_genuine")
        assert time.monotonic() - began < 10
    body = b'{"a":' * 90_000 + b"1" + b"}" * 90_000
    for content, status in ((body, 413), (b"[" * 200_000, 400), (b" " * 600_000 + b"{}", 413)):
        response = await service.http.post(
            "/verify", content=content, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == status


# 7. SSRF: a document makes us ask inside ----------------------------------------------------------


@asynccontextmanager
async def _inside(seen: list[bytes]) -> AsyncIterator[int]:
    async with serving(answering(answer(b'{"secret": 1}'), seen)) as port:
        yield port


async def test_7_a_document_cannot_make_us_ask_inside(postgres: Database, tmp_path: Path) -> None:
    asked: list[str] = []

    async def rebinding(host: str, _: int) -> Sequence[str]:
        """The attacker's name server: every name leads inside."""
        asked.append(host)
        return ["127.0.0.1"]

    seen: list[bytes] = []
    async with _inside(seen) as port:
        service = await Service.open(
            postgres, tmp_path, resolve=rebinding, ASSAY_FETCH_HOSTS="*", ASSAY_FETCH_SECONDS="2"
        )
        try:
            for did in (
                f"did:web:evil.example%3A{port}",
                f"did:web:localhost%3A{port}",
                f"did:web:127.0.0.1%3A{port}",
                f"did:web:2130706433%3A{port}",
            ):
                party = WebParty(STRANGER.signer, "x", did)
                outcome = (await service.verify(orjson.dumps(party.badge(AWARD, ()))))["outcome"]
                assert outcome in ("could_not_check", "not_genuine")
            for url in (
                f"http://127.0.0.1:{port}/status",
                f"https://127.0.0.1:{port}/status",
                f"https://evil.example:{port}/status",
                f"https://[::ffff:127.0.0.1]:{port}/status",
                "http://169.254.169.254/latest/meta-data/",
                "file:///etc/passwd",
                f"{PUBLIC_URL}/readyz",
            ):
                badge: Any = STRANGER.badge(AWARD)
                del badge["proof"]
                for entry in badge["credentialStatus"]:
                    entry["statusListCredential"] = url
                answered = await service.verify(orjson.dumps(STRANGER.sign(badge)))
                assert answered["outcome"] in ("could_not_check", "not_genuine"), url
        finally:
            await service.close()
    assert seen == []
    # Names were resolved, once for each connection that was wanted, and none was made.
    assert {"evil.example", "localhost"} <= set(asked)
