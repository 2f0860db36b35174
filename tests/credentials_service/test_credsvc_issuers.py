"""Several issuers of a tenant, their documents, and keys that are rotated, removed or stolen."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from assay_credentials.contexts import pinned_contexts
from assay_credentials.did import resolve_did_key
from assay_credentials.errors import IssuerUnknown, KeyRefused
from assay_credentials.issue import follow_awards, intend, make, publish
from assay_credentials.keyring.names import Method
from assay_credentials.keyring.procedures import compromised, put_issuer, remove, rotate
from assay_credentials.keys import load_key_file
from assay_credentials.proof import add_proof
from assay_credentials.store import Store
from assay_credentials.verify import open_status_list
from assay_testing import Database
from credentials_service import PUBLIC_URL, TENANT, Service, event
from issuer_service import bench_of, describe, keys_of
from node_tools import run_node

METHODS: tuple[Method, ...] = ("key", "web")


class Killed(BaseException):
    """Ends a procedure at a line: nothing catches it."""


def kill_at(line: str) -> Callable[[str], None]:
    def reached(now: str) -> None:
        if now == line:
            raise Killed(line)

    return reached


async def one(service: Service, person: UUID) -> dict[str, Any]:
    """The newest credential of the person."""
    return (await service.credentials(person))[-1]


async def signed_by(service: Service, person: UUID) -> str:
    document = orjson.loads(await service.document((await one(service, person))["id"]))
    return str(document["proof"][0]["verificationMethod"])


async def outcomes(service: Service, person: UUID) -> list[str]:
    return [await service.outcome(found["id"]) for found in await service.credentials(person)]


async def test_the_did_document_is_served_with_every_key_that_holds(
    service: Service, postgres: Database
) -> None:
    assert (await service.http.get(f"/issuers/{TENANT}/main/did.json")).status_code == 404
    did = await describe(service, postgres)
    assert did == "did:web:credentials.test:issuers:north:main"
    first = (await service.http.get(f"/issuers/{TENANT}/main/did.json")).json()
    async with bench_of(service, postgres) as bench:
        report = await rotate(bench, "main")
    answer = await service.http.get(f"/issuers/{TENANT}/main/did.json")
    assert answer.headers["content-type"] == "application/did+json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    document = answer.json()
    assert document["id"] == did
    multikeys = [m["id"] for m in document["verificationMethod"] if m["type"] == "Multikey"]
    # The one that signs comes first.
    assert multikeys == [report.new_key, first["verificationMethod"][0]["id"]]
    assert document["assertionMethod"] == [m["id"] for m in document["verificationMethod"]]
    described = (await service.http.get(f"/issuers/{TENANT}")).json()
    assert (described["did"], described["name"]) == (did, "Training Centre North")
    async with bench_of(service, postgres) as bench:
        await remove(bench, report.key)
    document = (await service.http.get(f"/issuers/{TENANT}/main/did.json")).json()
    assert [m["id"] for m in document["verificationMethod"] if m["type"] == "Multikey"] == [
        report.new_key
    ]


@pytest.mark.parametrize("name", ["north/other", "north/Main", "south/main", "NORTH", "a%00b"])
async def test_nobody_else_is_described(service: Service, postgres: Database, name: str) -> None:
    await describe(service, postgres)
    assert (await service.http.get(f"/issuers/{name}")).status_code == 404
    assert (await service.http.get(f"/issuers/{name}/did.json")).status_code == 404


async def test_an_issuer_that_nobody_has_described_gets_no_key(service: Service) -> None:
    async with service.pool.acquire() as connection:
        with pytest.raises(IssuerUnknown):
            await service.issuers.key(Store(connection), TENANT, "faculty")
    assert await keys_of(service) == []


async def test_issuers_of_a_tenant_have_keys_of_their_own(
    service: Service, postgres: Database
) -> None:
    await describe(service, postgres, "faculty", name="Faculty", method="key")
    await describe(service, postgres, "main", name="Centre")
    async with service.pool.acquire() as connection:
        found = [
            await service.issuers.key(Store(connection), TENANT, issuer)
            for issuer in ("main", "faculty")
        ]
    assert [(key.name, key.did.split(":")[1]) for key in found] == [
        ("Centre", "web"),
        ("Faculty", "key"),
    ]
    assert found[0].signer.public_key != found[1].signer.public_key
    assert sorted(key["reference"] for key in await keys_of(service)) == [
        "north.faculty.0.pem",
        "north.pem",
    ]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"issuer": "Main"}, "issuer"),
        ({"issuer": "a.b"}, "issuer"),
        ({"name": " "}, "name"),
        ({"url": "http://north.example"}, "url"),
    ],
)
async def test_a_description_that_breaks_a_rule_is_refused(
    service: Service, postgres: Database, changed: dict[str, str], why: str
) -> None:
    given: dict[str, Any] = {"issuer": "main", "name": "North", "url": None, **changed}
    async with bench_of(service, postgres) as bench:
        with pytest.raises(KeyRefused, match=why):
            await put_issuer(bench, given.pop("issuer"), **given)
    assert await keys_of(service) == []


async def test_what_is_done_with_an_issuer_stands_in_the_audit_trail(
    service: Service, postgres: Database
) -> None:
    await describe(service, postgres)
    await describe(service, postgres)
    async with bench_of(service, postgres) as bench:
        await put_issuer(bench, "main", name="Other", url=None, dry_run=True)
        await rotate(bench, "main", dry_run=True)
        first = (await rotate(bench, "main")).key
        await remove(bench, first, dry_run=True)
        await remove(bench, first)
        await remove(bench, first)
        (second,) = [key["method"] for key in await keys_of(service) if key["state"] == "active"]
        await compromised(bench, second)
        rows = await bench.connection.fetch(
            "select actor, action, subject, reason from credentials.audit_event order by 1, 2"
        )
    assert sorted(row["action"] for row in rows) == [
        "issuer.described",
        "issuer.key_compromised",
        "issuer.key_removed",
        "issuer.rotated",
    ]
    assert {(row["actor"], row["subject"], row["reason"]) for row in rows} == {
        ("operator:test", "issuer:main", "a test says so")
    }


@pytest.mark.parametrize("method", METHODS)
async def test_after_a_rotation_the_old_and_the_new_verify(
    service: Service, postgres: Database, method: Method
) -> None:
    await describe(service, postgres, method=method)
    old, new = uuid4(), uuid4()
    await service.follow(event("achieved", old, 1))
    async with bench_of(service, postgres) as bench:
        report = await rotate(bench, "main")
    await service.follow(event("achieved", new, 1))
    assert [await signed_by(service, person) for person in (old, new)] == [
        report.key,
        report.new_key,
    ]
    assert await outcomes(service, old) == await outcomes(service, new) == ["valid"]
    # What happens to the old one is still told, in lists that are signed.
    await service.follow(event("withdrawn", old, 2))
    assert await outcomes(service, old) == ["suspended"]
    lists = await service.pool.fetch("select document from credentials.status_list order by list")
    signers = {orjson.loads(row["document"])["proof"][0]["verificationMethod"] for row in lists}
    # A did:key is its key: its lists are signed by nobody else. A did:web signs with the new one.
    assert signers <= ({report.key, report.new_key} if method == "key" else {report.new_key})
    assert len(lists) == (4 if method == "key" else 2)


async def test_independent_verifiers_take_what_two_keys_of_a_did_web_signed(
    service: Service, postgres: Database
) -> None:
    await describe(service, postgres)
    people = [uuid4() for _ in range(3)]
    await service.follow(event("achieved", people[0], 1))
    async with bench_of(service, postgres) as bench:
        report = await rotate(bench, "main")
    await service.follow(event("achieved", people[1], 1), event("achieved", people[2], 1))
    await service.follow(event("withdrawn", people[2], 2))
    await service.lists.sign_due()
    documents: dict[str, object] = dict(pinned_contexts().documents)
    url = f"{PUBLIC_URL}/issuers/{TENANT}/main/did.json"
    documents[url] = (await service.http.get(url)).json()
    badges = [
        orjson.loads(await service.document((await one(service, person))["id"]))
        for person in people
    ]
    for badge in badges:
        for entry in badge["credentialStatus"]:
            address = entry["statusListCredential"]
            documents[address] = (await service.http.get(address)).json()
    now = datetime.now(UTC).isoformat()
    asked = [{"credential": badge, "now": now} for badge in badges]
    answers = run_node("verify.mjs", {"documents": documents, "credentials": asked})
    assert isinstance(answers, list)
    assert [(a["verified"], a["errors"]) for a in answers] == [(True, [])] * 3
    told = [{s["purpose"]: s["status"] for s in a["statuses"]} for a in answers]
    assert told == [
        {"revocation": False, "suspension": False},
        {"revocation": False, "suspension": False},
        {"revocation": False, "suspension": True},
    ]
    # A key that is taken away is in the document no more: nobody verifies what it signed.
    async with bench_of(service, postgres) as bench:
        await remove(bench, report.key)
    documents[url] = (await service.http.get(url)).json()
    answers = run_node("verify.mjs", {"documents": documents, "credentials": asked[:2]})
    assert isinstance(answers, list)
    assert [a["verified"] for a in answers] == [False, True]


@pytest.mark.parametrize("method", METHODS)
async def test_removing_a_key_revokes_all_that_it_signed(
    service: Service, postgres: Database, method: Method
) -> None:
    await describe(service, postgres, method=method)
    old, suspended, new = uuid4(), uuid4(), uuid4()
    await service.follow(event("achieved", old, 1), event("achieved", suspended, 1))
    await service.follow(event("withdrawn", suspended, 2))
    async with bench_of(service, postgres) as bench:
        first = (await keys_of(service))[0]["method"]
        with pytest.raises(KeyRefused, match="rotate it first"):
            await remove(bench, first)
        await rotate(bench, "main")
        await service.follow(event("achieved", new, 1))
        planned = await remove(bench, first, dry_run=True)
        assert await outcomes(service, old) == ["valid"]
        report = await remove(bench, first)
    assert planned.revoked == report.revoked == {"issued": 1, "suspended": 1}
    assert (report.reissued, report.lists, report.lists_left) == (0, 2, 0)
    assert await outcomes(service, old) == await outcomes(service, suspended) == ["revoked"]
    assert await outcomes(service, new) == ["valid"]
    # Nothing is issued anew, and the learner is told why.
    await service.follow()
    found = await one(service, old)
    assert (found["status"], found["reason"]) == ("revoked", "key_removed")
    events = await service.pool.fetch("select value from credentials.outbox order by id")
    told = [orjson.loads(row["value"]) for row in events]
    assert sum(item["status"] == "revoked" for item in told) == 2
    async with bench_of(service, postgres) as bench:
        assert (await remove(bench, first)).revoked == {}


async def test_the_last_lists_of_a_did_key_say_revoked_when_the_key_is_destroyed(
    service: Service, postgres: Database
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    key = (await keys_of(service))[0]
    badge = orjson.loads(await service.document((await one(service, person))["id"]))
    async with bench_of(service, postgres) as bench:
        await rotate(bench, "main")
        await remove(bench, key["method"])
    (service.settings.signing_key_dir / key["reference"]).unlink()
    assert await service.lists.sign_due() == 0
    # A stranger has nothing but the lists.
    entry = next(e for e in badge["credentialStatus"] if e["statusPurpose"] == "revocation")
    url = entry["statusListCredential"]
    served = (await service.http.get(url)).content
    found = open_status_list(
        served, url=url, now=datetime(2035, 1, 1, tzinfo=UTC), resolve_key=resolve_did_key
    )
    index = int(entry["statusListIndex"])
    assert found.issuer == key["did"]
    assert found.bits[index >> 3] & 0x80 >> (index & 7)
    assert await service.outcome((await one(service, person))["id"]) == "revoked"


@pytest.mark.parametrize("method", METHODS)
async def test_a_stolen_key_signs_nothing_that_passes(
    service: Service, postgres: Database, method: Method
) -> None:
    """Security point 5: the attack is performed with the private key itself."""
    await describe(service, postgres, method=method)
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    key = (await keys_of(service))[0]
    badge = orjson.loads(await service.document((await one(service, person))["id"]))
    stolen = load_key_file(service.settings.signing_key_dir / key["reference"])
    # For another person, and without a status entry, so that no list can speak against it.
    forged = {name: value for name, value in badge.items() if name != "proof"}
    del forged["credentialStatus"]
    forged["id"] = f"urn:uuid:{uuid4()}"
    shown = orjson.dumps(
        add_proof(forged, stolen, verification_method=key["method"], created=datetime.now(UTC))
    )
    assert (await service.verify(shown))["outcome"] == "valid"
    async with bench_of(service, postgres) as bench:
        report = await compromised(bench, key["method"])
    assert (report.revoked, report.reissued) == ({"issued": 1}, 1)
    wanted = "issuer_unknown" if method == "key" else "not_genuine"
    assert (await service.verify(shown))["outcome"] == wanted
    # The learner has another one, by the new key.
    await service.follow()
    found = await service.credentials(person)
    assert [(item["status"], item["reason"]) for item in found] == [
        ("revoked", "key_compromised"),
        ("issued", None),
    ]
    assert await signed_by(service, person) == report.new_key
    assert (await outcomes(service, person))[1] == "valid"
    if method == "key":
        # Every place of its revocation lists is taken: a forged entry finds no free one.
        assert await service.outcome(found[0]["id"]) == "revoked"
        lists = await service.pool.fetch(
            "select list, document from credentials.status_list"
            " where did = $1 and purpose = 'revocation'",
            key["did"],
        )
        for row in lists:
            opened = open_status_list(
                row["document"],
                url=f"{PUBLIC_URL}/status/{row['list']}",
                now=datetime.now(UTC),
                resolve_key=resolve_did_key,
            )
            assert set(opened.bits) == {0xFF}


LINES = ("1 made", "2 withdrawn", "3 revoked", "4 withdrawn", "5 listed")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("method", METHODS)
async def test_killed_at_a_line_a_compromise_is_dealt_with_by_the_next_call(
    service: Service, postgres: Database, method: Method, line: str
) -> None:
    await describe(service, postgres, method=method)
    people = [uuid4() for _ in range(3)]
    await service.follow(*(event("achieved", person, 1) for person in people))
    first = (await keys_of(service))[0]["method"]
    with pytest.raises(Killed):
        async with bench_of(service, postgres, kill_at(line)) as bench:
            await compromised(bench, first)
    # The workers of the service go on meanwhile.
    await service.follow()
    async with bench_of(service, postgres) as bench:
        await compromised(bench, first)
    await service.follow()
    states = {key["method"]: key["state"] for key in await keys_of(service)}
    # Killed before anything was written, the same new key is found again.
    assert sorted(states.values()) == ["active", "compromised"]
    assert states[first] == "compromised"
    for person in people:
        found = await service.credentials(person)
        assert [item["status"] for item in found] == ["revoked", "issued"]
        assert await signed_by(service, person) != first
        assert (await outcomes(service, person))[1] == "valid"


async def test_what_was_signed_before_a_removal_is_not_published_after_it(
    service: Service, postgres: Database
) -> None:
    await describe(service, postgres)
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    shop = service.shop()
    doing = await intend(shop)
    make(shop, doing)
    assert doing.failures == {}
    (intention,) = doing.intentions.values()
    async with bench_of(service, postgres) as bench:
        await rotate(bench, "main")
        report = await remove(bench, intention.method)
    assert report.revoked == {}
    await publish(shop, doing)
    assert await service.credentials(person) == []
    await service.follow()
    assert await signed_by(service, person) != intention.method
    assert await outcomes(service, person) == ["valid"]


async def test_a_rotation_between_intention_and_signature_changes_nothing(
    service: Service, postgres: Database
) -> None:
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    with pytest.raises(Killed):
        await follow_awards(service.shop(kill_at("1 intended")))
    async with bench_of(service, postgres) as bench:
        report = await rotate(bench, "main")
    await service.follow()
    assert await signed_by(service, person) == report.new_key
    assert await outcomes(service, person) == ["valid"]


async def test_the_contexts_are_recorded_with_each_credential(service: Service) -> None:
    """Security point 3: a context that is edited in place is seen for what it is."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    badge = orjson.loads(await service.document((await one(service, person))["id"]))
    recorded = orjson.loads(
        await service.pool.fetchval("select contexts from credentials.credential")
    )
    digests = pinned_contexts().digests
    assert recorded == {url: digests[url] for url in badge["@context"]}
    assert all(len(digest) == 64 for digest in recorded.values())
