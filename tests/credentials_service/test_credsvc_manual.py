"""Awards and withdrawals by two people, on a real database: law 8 of the design."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from assay_credentials.awarding.manual import Wanted, check, people_digest
from assay_credentials.issue import follow_awards
from assay_credentials.records import content_hash
from assay_runtime.refusals import Refused
from assay_testing import Database
from credentials_awarding import (
    PASSWORD,
    TODAY,
    WORKSHOP,
    Office,
    add_accounts,
    admin_of,
    award_body,
    signature,
    work,
)
from credentials_service import EXPIRES, Service, event


@pytest.fixture
async def office(service: Service, postgres: Database) -> Office:
    await add_accounts(service)
    return Office(service, await admin_of(postgres))


async def test_two_people_award_and_the_credential_verifies(
    service: Service, office: Office
) -> None:
    person = uuid4()
    award = await office.propose(person, level=2)
    await work(service)
    # One signature issues nothing.
    assert await service.credentials(person) == []
    counts = await office.post(f"/awards/{award}/approve", {"signature": signature("ben")})
    assert counts == {"award": award, "awarded": 1, "already_holds": 0, "refused": 0}
    await work(service)
    (found,) = await service.credentials(person)
    assert (found["status"], found["award"], found["decision"]) == ("issued", award, None)
    assert await service.outcome(found["id"]) == "valid"
    document = orjson.loads(await service.document(found["id"]))
    assert "Two people" in document["credentialSubject"]["achievement"]["criteria"]["narrative"]
    assert document["evidence"]
    assert await office.statuses(award) == {str(person): "issued"}
    told = await office.get(f"/awards/{award}")
    assert (told["state"], told["counts"]) == ("approved", {"issued": 1})


@pytest.mark.parametrize(
    ("given", "status", "detail"),
    [
        (signature("ada"), 403, "somebody else"),
        (signature("ben", password="guess"), 403, "wrong"),
        (signature("nobody"), 403, "wrong"),
        (signature("ben", meaning="approval"), 400, "meaning"),
    ],
)
async def test_the_second_person_is_another_who_signs_the_same(
    service: Service, office: Office, given: dict[str, str], status: int, detail: str
) -> None:
    person = uuid4()
    award = await office.propose(person)
    answer = await office.post(f"/awards/{award}/approve", {"signature": given}, status)
    assert detail in answer["detail"]
    await work(service)
    assert await service.credentials(person) == []


async def test_wrong_passwords_are_counted_though_the_change_is_given_up(
    service: Service, office: Office
) -> None:
    award = await office.propose(uuid4())
    path = f"/awards/{award}/approve"
    for _ in range(service.settings.signature_failures_max):
        await office.post(path, {"signature": signature("ben", password="guess")}, 403)
    answer = await office.post(path, {"signature": signature("ben")}, 403)
    assert "locked" in answer["detail"]
    events = await service.pool.fetch(
        "select action from credentials.audit_event where subject = 'account:ben' order by event"
    )
    assert [one["action"] for one in events][-2:] == ["account.locked", "signature.refused"]


async def test_without_the_role_or_the_scope_nobody_awards(
    service: Service, office: Office
) -> None:
    response = await service.http.post("/awards", json=award_body(uuid4()), auth=service.key)
    assert response.status_code == 403
    await service.pool.execute(
        "insert into credentials.account (tenant, account, name, secret_hash, temporary, roles)"
        " select tenant, 'cai', 'Cai', secret_hash, false, '{template_author}'"
        " from credentials.account where account = 'ada'"
    )
    answer = await office.post("/awards", award_body(uuid4(), signature=signature("cai")), 403)
    assert "role award" in answer["detail"]


async def test_another_tenant_sees_nothing_of_an_award(
    service: Service, office: Office, postgres: Database
) -> None:
    award = await office.award(uuid4())
    await add_accounts(service, "south")
    other = Office(service, await admin_of(postgres, "south"))
    assert (await other.get("/awards"))["awards"] == []
    assert (await other.get(f"/awards/{award}/people"))["people"] == []
    for path, body in (
        (f"/awards/{award}/approve", {"signature": signature("ben")}),
        (f"/awards/{award}/cancel", {"reason": "none of ours"}),
        (f"/awards/{award}/withdrawals", {"reason": "x", "signature": signature("ada")}),
    ):
        await other.post(path, body, 404)
    response = await service.http.get(f"/awards/{award}", auth=other.key)
    assert response.status_code == 404


async def test_two_approvals_at_once_are_one(service: Service, office: Office) -> None:
    person = uuid4()
    award = await office.propose(person)
    answers = await asyncio.gather(
        *(
            service.http.post(
                f"/awards/{award}/approve", json={"signature": signature("ben")}, auth=office.key
            )
            for _ in range(3)
        )
    )
    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    await work(service)
    assert len(await service.credentials(person)) == 1


async def test_what_was_given_up_is_never_awarded(office: Office) -> None:
    award = await office.propose(uuid4())
    await office.post(f"/awards/{award}/cancel", {"reason": "wrong person"}, 204)
    await office.post(f"/awards/{award}/approve", {"signature": signature("ben")}, 409)
    assert (await office.get(f"/awards/{award}"))["state"] == "cancelled"


async def test_of_a_list_each_person_is_told_of(service: Service, office: Office) -> None:
    new, held, bad, lapsed = (uuid4() for _ in range(4))
    await service.follow(
        event("achieved", held, 1, competency=WORKSHOP),
        event("suspended", bad, 1, competency=WORKSHOP),
        event("withdrawn", lapsed, 1, competency=WORKSHOP),
    )
    award = await office.propose(new, held, bad, lapsed)
    counts = await office.post(f"/awards/{award}/approve", {"signature": signature("ben")})
    assert (counts["awarded"], counts["already_holds"], counts["refused"]) == (2, 1, 1)
    await work(service)
    assert await office.statuses(award) == {
        str(new): "issued",
        str(held): "already_holds",
        str(bad): "refused",
        str(lapsed): "issued",
    }
    found = await office.get(f"/awards/{award}/people?limit=1000")
    assert {one["person"]: one["why"] for one in found["people"]}[str(bad)] == "decision_suspended"
    for person, number in ((new, 1), (held, 1), (bad, 0), (lapsed, 1)):
        assert len(await service.credentials(person)) == number
    # The same list again awards nobody anything.
    again = await office.propose(new, held, bad, lapsed)
    counts = await office.post(f"/awards/{again}/approve", {"signature": signature("ben")})
    assert (counts["awarded"], counts["already_holds"], counts["refused"]) == (0, 3, 1)


async def test_a_decision_takes_over_and_the_lack_of_one_does_not(
    service: Service, office: Office
) -> None:
    person = uuid4()
    await office.award(person)
    await service.follow(event("withdrawn", person, 1, competency=WORKSHOP))
    (found,) = await service.credentials(person)
    assert (found["status"], found["award"] is not None) == ("issued", True)
    # An earlier event again, and then a decision for it.
    await service.follow(event("withdrawn", person, 1, competency=WORKSHOP))
    await service.follow(event("achieved", person, 2, competency=WORKSHOP))
    first, second = await service.credentials(person)
    assert (first["status"], first["reason"]) == ("superseded", "achieved")
    assert (second["status"], second["award"]) == ("issued", None)
    # What a decision takes away, two people do not keep.
    await service.follow(event("suspended", person, 3, competency=WORKSHOP))
    assert (await service.credentials(person))[1]["status"] == "suspended"


async def test_two_people_take_an_award_back(service: Service, office: Office) -> None:
    one, two = uuid4(), uuid4()
    award = await office.award(one, two)
    body = {
        "person": str(one),
        "reason": "the assessor had a conflict of interest",
        "signature": signature("ada", meaning="withdrawal"),
    }
    made = (await office.post(f"/awards/{award}/withdrawals", body, 201))["withdrawal"]
    await work(service)
    assert (await service.credentials(one))[0]["status"] == "issued"
    path = f"/awards/withdrawals/{made}/approve"
    await office.post(path, {"signature": signature("ada", meaning="withdrawal")}, 403)
    answer = await office.post(path, {"signature": signature("ben", meaning="withdrawal")})
    assert answer["people"] == 1
    await office.post(path, {"signature": signature("ben", meaning="withdrawal")}, 409)
    await work(service)
    (found,) = await service.credentials(one)
    assert (found["status"], found["reason"]) == ("revoked", "withdrawn_by_hand")
    assert await service.outcome(found["id"]) == "revoked"
    assert (await service.credentials(two))[0]["status"] == "issued"
    assert await office.statuses(award) == {str(one): "withdrawn", str(two): "issued"}
    # Of whom it was taken back, it can be awarded anew: another credential.
    await office.award(one)
    assert [item["status"] for item in await service.credentials(one)] == ["revoked", "issued"]


async def test_a_signed_award_lapses_by_itself(service: Service, office: Office) -> None:
    person = uuid4()
    award = await office.award(person)
    for table in ("award", "credential"):
        await service.pool.execute(
            f"update credentials.{table} set expires_on = current_date - 2"  # noqa: S608
        )
    await work(service)
    (found,) = await service.credentials(person)
    assert found["status"] == "expired"
    # What has lapsed may be awarded again.
    await office.award(person)
    assert [one["status"] for one in await service.credentials(person)] == ["expired", "issued"]
    assert await office.statuses(award) == {str(person): "issued"}


async def test_a_crash_at_any_line_leads_to_one_credential(
    service: Service, office: Office
) -> None:
    """The same road as decisions: what the lines are, is told by `reached`."""
    lines: list[str] = []
    await office.award(uuid4())
    await office.propose(uuid4())
    person = uuid4()
    award = await office.propose(person)
    await office.post(f"/awards/{award}/approve", {"signature": signature("ben")})
    await follow_awards(service.shop(lines.append))

    class Killed(BaseException):
        pass

    for line in lines:
        person = uuid4()
        award = await office.propose(person)
        await office.post(f"/awards/{award}/approve", {"signature": signature("ben")})

        def die(reached: str, line: str = line) -> None:
            if reached == line:
                raise Killed

        with pytest.raises(Killed):
            await follow_awards(service.shop(die))
        await work(service)
        assert [one["status"] for one in await service.credentials(person)] == ["issued"], line


async def test_a_batch_of_many_is_awarded_once_each(service: Service, office: Office) -> None:
    people = [uuid4() for _ in range(60)]
    award = await office.propose(*people)
    await office.post(f"/awards/{award}/approve", {"signature": signature("ben")})
    # Several workers at once.
    shops = [service.shop() for _ in range(3)]

    async def run(number: int) -> None:
        while await follow_awards(shops[number]):
            pass

    await asyncio.gather(*(run(number) for number in range(3)))
    assert (await office.get(f"/awards/{award}"))["counts"] == {"issued": len(people)}
    doubled = await service.pool.fetchval(
        "select count(*) - count(distinct person) from credentials.credential"
    )
    assert doubled == 0
    page = await office.get(f"/awards/{award}/people?limit=25")
    rest = await office.get(f"/awards/{award}/people?limit=1000&after={page['next']}")
    told = [one["person"] for one in page["people"] + rest["people"]]
    assert told == sorted(str(one) for one in people)


async def test_no_record_of_an_award_can_be_changed_by_the_service(
    service: Service, office: Office
) -> None:
    await office.award(uuid4())
    for statement in (
        "update credentials.manual_award set competency = 'x'",
        "update credentials.manual_award set proposed_by = 'x'",
        "delete from credentials.manual_award",
        "delete from credentials.manual_person",
        "insert into credentials.outreach_person (tenant, person, added_by)"
        " values ('north', gen_random_uuid(), 'x')",
        "delete from credentials.signature",
        "update credentials.signature set meaning = 'x'",
        "delete from credentials.audit_event",
        "update credentials.audit_event set actor = 'x'",
        "update credentials.account set roles = '{award}'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.pool.execute(statement)


async def test_the_database_holds_that_two_people_are_two(service: Service, office: Office) -> None:
    await office.propose(uuid4())
    with pytest.raises(asyncpg.CheckViolationError, match="two_people"):
        await service.pool.execute(
            "update credentials.manual_award set approved_by = proposed_by,"
            " approved_signature = proposed_signature, approved_at = now()"
        )


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"competency": "no iri"}, "competency"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"achieved_on": (TODAY + timedelta(days=2)).isoformat()}, "achieved_on"),
        ({"expires_on": (TODAY - timedelta(days=2)).isoformat()}, "passed"),
        (
            {
                "achieved_on": TODAY.isoformat(),
                "expires_on": (TODAY - timedelta(days=1)).isoformat(),
            },
            "expires_on",
        ),
        ({"request": "the school"}, "request"),
        ({"kind": "participation"}, "request"),
        ({"kind": "participation", "request": "the school", "level": 1}, "level"),
        ({"people": [str(UUID(int=1)), str(UUID(int=1))]}, "twice"),
        ({"people": []}, "people"),
        ({"level": 0}, "level"),
        ({"unknown": 1}, "unknown"),
        ({"reason": " "}, "reason"),
    ],
)
async def test_what_is_no_award_is_refused_by_name(
    service: Service, office: Office, changed: dict[str, object], field: str
) -> None:
    response = await service.http.post(
        "/awards", json=award_body(uuid4(), **changed), auth=office.key
    )
    assert response.status_code == 400
    assert field in response.text
    assert await service.pool.fetchval("select count(*) from credentials.manual_award") == 0


async def test_accounts_over_http(service: Service, postgres: Database) -> None:
    key = await admin_of(postgres)
    await service.pool.execute("select 1")
    owner = await postgres.connect("assay_owner")
    await owner.execute(
        "update credentials.api_client set scopes = scopes || '{accounts/manage}' where name = $1",
        key[0],
    )
    await owner.close()
    office = Office(service, key)
    new = {"account": "dee", "name": "Dee", "roles": ["award"], "reason": "new"}
    made = await office.post("/admin/accounts", new, 201)
    change = {"old": made["temporary_password"], "new": PASSWORD}
    await office.post("/accounts/dee/password", {**change, "new": "short"}, 400)
    await office.post("/accounts/dee/password", change, 204)
    await office.post("/awards", award_body(uuid4(), signature=signature("dee")), 201)


def test_the_signature_is_bound_to_each_member_and_to_the_people() -> None:
    people = (UUID(int=2), UUID(int=1))
    wanted = Wanted("competency", WORKSHOP, people, TODAY, EXPIRES, "Europe/London", 2)
    other = [
        Wanted("competency", WORKSHOP, people[:1], TODAY, EXPIRES, "Europe/London", 2),
        Wanted("competency", WORKSHOP, people, TODAY, None, "Europe/London", 2),
        Wanted("competency", WORKSHOP, people, TODAY, EXPIRES, "Europe/Paris", 2),
        Wanted("competency", WORKSHOP, people, TODAY, EXPIRES, "Europe/London", 3),
        Wanted("participation", WORKSHOP, people, TODAY, EXPIRES, "Europe/London", 2),
        Wanted("competency", WORKSHOP + "x", people, TODAY, EXPIRES, "Europe/London", 2),
    ]
    hashes = {content_hash(one.content("award", "because")) for one in [wanted, *other]}
    assert len(hashes) == 1 + len(other)
    assert people_digest(people) == people_digest(reversed(people))


def test_an_award_has_a_bounded_number_of_people() -> None:
    people = tuple(UUID(int=number) for number in range(10_001))
    wanted = Wanted("competency", WORKSHOP, people, TODAY, None, "Europe/London")
    with pytest.raises(Refused, match="10000"):
        check(wanted, datetime.now(UTC))
