"""A learner's record in one request, and endorsements: made, shown, withdrawn, by whom."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from assay_cli.check_documents import Limits, check_documents
from assay_cli.check_report import LawReport, Report
from assay_cli.check_source import Database as Source
from assay_credentials.downloads.gate import Gate
from assay_runtime.problem import Problem
from assay_testing import Database
from credentials_service import COMPETENCY, TENANT, Service, add_client, event

ADMIN = ["credentials/read", "credentials/admin"]
EMPLOYER = "employer"


async def record_of(service: Service, count: int) -> UUID:
    """A person with so many credentials."""
    person = uuid4()
    for number in range(count):
        await service.follow(event("achieved", person, 1, competency=f"{COMPETENCY}/{number}"))
    return person


async def clr(service: Service, person: UUID, **query: str) -> httpx.Response:
    return await service.http.get(f"/people/{person}/clr", params=query, auth=service.key)


async def add_issuer(database: Database, issuer: str, name: str) -> None:
    owner = await database.connect()
    try:
        await owner.execute(
            "insert into credentials.issuer (tenant, issuer, name, method, kind)"
            " values ($1, $2, $3, 'key', 'file')",
            TENANT,
            issuer,
            name,
        )
    finally:
        await owner.close()


async def vouched(
    service: Service, key: tuple[str, str], name: UUID, **changed: str
) -> httpx.Response:
    body = {
        "issuer": EMPLOYER,
        "kind": "credential",
        "comment": "Seen at work for a year.",
        "reason": "asked for by the learner",
        **changed,
    }
    return await service.http.put(f"/endorsements/{name}", json=body, auth=key)


# Transcripts --------------------------------------------------------------------------------------


async def test_a_record_holds_every_credential_as_it_was_signed(service: Service) -> None:
    person = await record_of(service, 3)
    response = await clr(service, person)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/vc"
    wrapped = orjson.loads(response.content)["credentialSubject"]["verifiableCredential"]
    signed = [
        orjson.loads(await service.document(one["id"])) for one in await service.credentials(person)
    ]
    assert sorted(wrapped, key=orjson.dumps) == sorted(signed, key=orjson.dumps)
    assert str(person).encode() not in response.content
    found = await service.verify(response.content)
    assert found["outcome"] == "valid"
    row = await service.pool.fetchrow("select * from credentials.transcript")
    assert row is not None
    assert (row["person"], len(row["credentials"]), row["asked_by"]) == (person, 3, service.key[0])


async def test_what_was_revoked_leaves_the_record_and_what_is_suspended_is_found_so(
    service: Service,
) -> None:
    person = await record_of(service, 3)
    before = (await clr(service, person)).content
    await service.follow(event("revoked", person, 2, competency=f"{COMPETENCY}/0"))
    await service.follow(event("withdrawn", person, 2, competency=f"{COMPETENCY}/1"))
    after = (await clr(service, person)).content
    inside = orjson.loads(after)["credentialSubject"]["verifiableCredential"]
    assert len(inside) == 2
    # The one that was given out before is found out, without having a status of its own.
    for document in (before, after):
        assert (await service.verify(document))["outcome"] == "partly_valid"


async def test_a_long_record_comes_in_parts_and_never_silently_short(service: Service) -> None:
    person = await record_of(service, 3)
    seen: list[str] = []
    path = f"/people/{person}/clr?limit=2"
    while path:
        response = await service.http.get(path, auth=service.key)
        assert response.status_code == 200, response.text
        inside = orjson.loads(response.content)["credentialSubject"]["verifiableCredential"]
        seen += [one["id"] for one in inside]
        path = response.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert len(seen) == len(set(seen)) == 3


async def test_a_record_that_is_too_long_says_so(service: Service, postgres: Database) -> None:
    person = await record_of(service, 2)
    owner = await postgres.connect()
    try:
        # As if each were as long as a credential may be.
        await owner.execute(
            "update credentials.credential set document = decode(repeat('20', 300000), 'hex')"
            " || document where person = $1",
            person,
        )
    finally:
        await owner.close()
    refused = await clr(service, person)
    assert refused.status_code == 409
    assert "in parts" in refused.json()["detail"]


async def test_records_are_for_readers_of_the_tenant(service: Service, postgres: Database) -> None:
    person = await record_of(service, 1)
    stranger = await add_client(postgres, "south")
    powerless = await add_client(postgres, TENANT, ["statements/read"])
    path = f"/people/{person}/clr"
    assert (await service.http.get(path)).status_code == 401
    assert (await service.http.get(path, auth=powerless)).status_code == 403
    foreign = await service.http.get(path, auth=stranger)
    nobody = await service.http.get(f"/people/{uuid4()}/clr", auth=stranger)
    assert foreign.status_code == nobody.status_code == 404
    assert foreign.json()["detail"] == nobody.json()["detail"]
    assert (await clr(service, person, issuer="nobody")).status_code == 404
    assert (await clr(service, person, issuer="../x")).status_code == 400
    assert (await clr(service, person, limit="0")).status_code == 400


# Endorsements -------------------------------------------------------------------------------------


@pytest.fixture
async def admin(service: Service, postgres: Database) -> tuple[str, str]:
    await add_issuer(postgres, EMPLOYER, "Employer Ltd")
    assert service.key
    return await add_client(postgres, TENANT, ADMIN)


async def shown(service: Service, credential: str) -> list[dict[str, Any]]:
    response = await service.http.get(f"/credentials/{credential}/endorsements", auth=service.key)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["endorsements"]
    return found


async def test_an_employer_vouches_under_a_key_of_its_own(
    service: Service, admin: tuple[str, str]
) -> None:
    person = await record_of(service, 1)
    (one,) = await service.credentials(person)
    badge = orjson.loads(await service.document(one["id"]))
    name = uuid4()
    made = await vouched(service, admin, name, endorsed=one["id"])
    assert made.status_code == 201, made.text
    (found,) = await shown(service, one["id"])
    document = found["document"]
    assert document["issuer"]["name"] == "Employer Ltd"
    assert document["issuer"]["id"] != badge["issuer"]["id"]
    assert document["credentialSubject"]["id"] == badge["id"]
    assert (await service.verify(orjson.dumps(document)))["outcome"] == "valid"
    # Whoever is shown the credential is shown who vouches for it; the certificate says it too.
    share = await service.share(one["id"])
    public = await service.http.get(f"/credentials/{one['id']}/endorsements?share={share}")
    assert public.json() == {"endorsements": [found]}
    assert "reason" not in public.text
    alone = await service.http.get(f"/endorsements/{name}", auth=service.key)
    assert orjson.loads(alone.content) == document
    listed = await service.http.get("/endorsements", auth=service.key)
    assert [entry["endorsement"] for entry in listed.json()["endorsements"]] == [str(name)]


async def test_asking_twice_makes_one_and_asking_for_another_is_refused(
    service: Service, admin: tuple[str, str]
) -> None:
    person = await record_of(service, 1)
    (one,) = await service.credentials(person)
    name = uuid4()
    first = await vouched(service, admin, name, endorsed=one["id"])
    again = await vouched(service, admin, name, endorsed=one["id"], reason="the answer was lost")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = await vouched(service, admin, name, endorsed=one["id"], comment="Something else.")
    assert other.status_code == 409
    assert len(await shown(service, one["id"])) == 1
    entries = await service.pool.fetchval(
        "select count(*) from credentials.status_entry where credential = $1", name
    )
    assert entries == 1


async def test_a_withdrawn_endorsement_is_revoked_and_the_credential_is_not(
    service: Service, admin: tuple[str, str]
) -> None:
    person = await record_of(service, 1)
    (one,) = await service.credentials(person)
    name = uuid4()
    made = await vouched(service, admin, name, endorsed=one["id"])
    document = orjson.dumps(made.json()["document"])
    path = f"/endorsements/{name}/withdraw"
    assert (await service.http.post(path, json={}, auth=admin)).status_code == 400
    for is_changed in (True, False):
        taken = await service.http.post(path, json={"reason": "left the company"}, auth=admin)
        assert taken.json()["changed"] is is_changed
    assert (await service.verify(document))["outcome"] == "revoked"
    assert await service.outcome(one["id"]) == "valid"
    assert await shown(service, one["id"]) == []
    actions = await service.pool.fetch(
        "select action from credentials.audit_event where subject = $1 order by action",
        f"endorsement:{name}",
    )
    assert [row["action"] for row in actions] == ["endorsement.made", "endorsement.withdrawn"]


async def test_what_is_earned_and_who_issues_can_be_vouched_for(
    service: Service, admin: tuple[str, str]
) -> None:
    person = await record_of(service, 1)
    (one,) = await service.credentials(person)
    badge = orjson.loads(await service.document(one["id"]))
    for kind, endorsed in (
        ("achievement", badge["credentialSubject"]["achievement"]["id"]),
        ("issuer", badge["issuer"]["id"]),
    ):
        made = await vouched(service, admin, uuid4(), kind=kind, endorsed=endorsed)
        assert made.status_code == 201, made.text
    assert {found["kind"] for found in await shown(service, one["id"])} == {"achievement", "issuer"}


async def test_what_cannot_be_vouched_for_is_named(
    service: Service, admin: tuple[str, str]
) -> None:
    nobody, anything = {"endorsed": str(UUID(int=1))}, {"kind": "achievement", "endorsed": "urn:x"}
    for changed, status in (
        ({"endorsed": "not-a-uuid"}, 400),
        (nobody, 404),
        ({"kind": "issuer", "endorsed": "Employer Ltd"}, 400),
        ({"kind": "achievement", "endorsed": "relative"}, 400),
        ({"kind": "person", "endorsed": "urn:x"}, 400),
        ({**nobody, "comment": " "}, 400),
        ({**anything, "issuer": "nobody"}, 404),
        ({**anything, "valid_until": "2020-01-01T00:00:00Z"}, 400),
        ({**anything, "surplus": "1"}, 400),
    ):
        response = await vouched(service, admin, uuid4(), **changed)
        assert response.status_code == status, (changed, response.text)
        assert response.headers["content-type"] == "application/problem+json"
    # What was refused has taken no place in a list.
    assert await service.pool.fetchval("select count(*) from credentials.status_entry") == 0


async def test_vouching_needs_its_scope_and_stays_in_its_tenant(
    service: Service, admin: tuple[str, str], postgres: Database
) -> None:
    person = await record_of(service, 1)
    (one,) = await service.credentials(person)
    stranger = await add_client(postgres, "south", ADMIN)
    name = uuid4()
    assert (await vouched(service, service.key, name, endorsed=one["id"])).status_code == 403
    foreign = await vouched(service, stranger, name, issuer="main", endorsed=one["id"])
    assert foreign.status_code == 404
    assert (await vouched(service, admin, name, endorsed=one["id"])).status_code == 201
    for method, path in (("GET", ""), ("POST", "/withdraw")):
        response = await service.http.request(
            method,
            f"/endorsements/{name}{path}",
            auth=stranger,
            json={"reason": "x"} if path else None,
        )
        assert response.status_code == 404
    listed = await service.http.get("/endorsements", auth=stranger)
    assert listed.json()["endorsements"] == []


async def test_assay_check_verifies_every_endorsement_again(
    service: Service, admin: tuple[str, str], postgres: Database
) -> None:
    person = await record_of(service, 1)
    (one,) = await service.credentials(person)
    kept, withdrawn = uuid4(), uuid4()
    for name in (kept, withdrawn):
        assert (await vouched(service, admin, name, endorsed=one["id"])).status_code == 201
    path = f"/endorsements/{withdrawn}/withdraw"
    assert (await service.http.post(path, json={"reason": "x"}, auth=admin)).status_code == 200
    await service.lists.sign_due()
    owner = await postgres.connect("assay_owner")
    try:

        async def law() -> LawReport:
            report = Report(watermark_ms=0, limits={}, seed=None)
            await check_documents(report, Source(owner), Limits(settle_seconds=0.0))
            return report.laws[8]

        clean = await law()
        assert (clean.differences, clean.looked_at["documents"]) == ([], 3)
        await owner.execute(
            "update credentials.endorsement set document ="
            " convert_to(replace(convert_from(document, 'utf8'), 'a year', 'two years'), 'utf8')"
            " where endorsement = $1",
            kept,
        )
        await owner.execute(
            "update credentials.endorsement set state = 'issued', withdrawn_at = null"
            " where endorsement = $1",
            withdrawn,
        )
        found = await law()
    finally:
        await owner.close()
    assert found.differences_count == 2
    assert {str(kept), str(withdrawn)} == {
        text.partition("/")[2].partition(":")[0] for text in found.differences
    }


async def test_more_than_can_be_made_are_asked_to_come_again() -> None:
    gate = Gate(at_once=1, waiting_max=1)
    working, may_end = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with gate():
            working.set()
            await may_end.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        await working.wait()
        group.create_task(work())
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await work()
        assert refused.value.status == 503
        may_end.set()
    await work()
