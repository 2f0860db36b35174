"""A credential follows its competency."""

from datetime import timedelta
from uuid import uuid4

import orjson
import pytest

from credentials_service import ACHIEVED, COMPETENCY, EXPIRES, Service, event


async def test_an_award_becomes_a_credential_that_verifies(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    assert (one["status"], one["competency"], one["level"]) == ("issued", COMPETENCY, 2)
    answer = await service.verify(await service.document(one["id"]))
    assert answer["outcome"] == "valid"
    assert {check["result"] for check in answer["checks"]} == {"passed"}
    assert answer["valid_from"].startswith(str(ACHIEVED))
    assert answer["valid_until"].startswith(str(EXPIRES))


async def test_a_changed_word_is_found(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    document = orjson.loads(await service.document(one["id"]))
    document["credentialSubject"]["achievement"]["name"] = "Qualified Person"
    answer = await service.verify(orjson.dumps(document))
    assert answer["outcome"] == "not_genuine"
    assert answer["issuer"] is None


async def test_the_same_event_twice_is_one_credential(service: Service) -> None:
    person = uuid4()
    first = event("achieved", person, 1)
    await service.follow(first, first)
    await service.follow(first)
    assert len(await service.credentials(person)) == 1
    assert await service.pool.fetchval("select count(*) from credentials.outbox") == 1


@pytest.mark.parametrize("kind", ["achieved", "withdrawn", "expired", "suspended"])
async def test_an_older_event_changes_nothing(service: Service, kind: str) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 5))
    before = await service.credentials(person)
    await service.follow(event(kind, person, 4, expires_on=str(EXPIRES - timedelta(days=9))))
    assert await service.credentials(person) == before


@pytest.mark.parametrize("kind", ["withdrawn", "suspended", "under_review"])
async def test_a_lost_ground_suspends_and_its_return_reinstates(
    service: Service, kind: str
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    await service.follow(event(kind, person, 2))
    (now,) = await service.credentials(person)
    assert (now["id"], now["status"]) == (one["id"], "suspended")
    assert await service.outcome(one["id"]) == "suspended"
    await service.follow(event("achieved", person, 3))
    (again,) = await service.credentials(person)
    assert (again["id"], again["status"]) == (one["id"], "issued")
    assert await service.outcome(one["id"]) == "valid"


@pytest.mark.parametrize("between", [None, "withdrawn"])
@pytest.mark.parametrize(
    "changed", [{"expires_on": str(EXPIRES + timedelta(days=30))}, {"level": 3}]
)
async def test_other_dates_or_level_supersede(
    service: Service, changed: dict[str, object], between: str | None
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    if between is not None:
        await service.follow(event(between, person, 2))
    await service.follow(event("renewed", person, 3, **changed))
    old, new = await service.credentials(person)
    assert (old["status"], new["status"]) == ("superseded", "issued")
    assert await service.outcome(old["id"]) == "revoked"
    assert await service.outcome(new["id"]) == "valid"


async def test_a_renewal_that_changes_nothing_a_credential_says_leaves_it(
    service: Service,
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    before = await service.credentials(person)
    await service.follow(event("renewed", person, 2))
    assert await service.credentials(person) == before


@pytest.mark.parametrize("between", [None, "suspended"])
async def test_expired_stands_in_the_document_and_sets_no_bit(
    service: Service, between: str | None
) -> None:
    person, yesterday = uuid4(), str(ACHIEVED + timedelta(days=9))
    await service.follow(event("achieved", person, 1, expires_on=yesterday))
    if between is not None:
        await service.follow(event(between, person, 2, expires_on=yesterday))
    await service.follow(event("expired", person, 3, expires_on=yesterday, level=None))
    (one,) = await service.credentials(person)
    assert one["status"] == "expired"
    assert await service.outcome(one["id"]) == "expired"
    assert not await service.pool.fetchval("select bool_or(is_set) from credentials.status_entry")


async def test_a_credential_whose_dates_fell_does_not_pass_for_valid(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    await service.follow(event("expired", person, 2, expires_on=str(ACHIEVED + timedelta(days=9))))
    (one,) = await service.credentials(person)
    assert one["status"] == "superseded"
    assert await service.outcome(one["id"]) == "revoked"


async def test_a_new_award_after_expiry_is_a_new_credential(service: Service) -> None:
    person, yesterday = uuid4(), str(ACHIEVED + timedelta(days=9))
    await service.follow(event("achieved", person, 1, expires_on=yesterday))
    await service.follow(event("expired", person, 2, expires_on=yesterday))
    await service.follow(event("achieved", person, 3))
    old, new = await service.credentials(person)
    assert (old["status"], new["status"]) == ("expired", "issued")
    assert await service.outcome(new["id"]) == "valid"


@pytest.mark.parametrize("between", [None, "suspended"])
async def test_a_revoked_award_revokes_for_good_and_a_reinstated_one_is_issued_anew(
    service: Service, between: str | None
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    if between is not None:
        await service.follow(event(between, person, 2))
    await service.follow(event("revoked", person, 3))
    (one,) = await service.credentials(person)
    assert one["status"] == "revoked"
    assert await service.outcome(one["id"]) == "revoked"
    await service.follow(event("reinstated", person, 4))
    old, new = await service.credentials(person)
    assert (old["id"], old["status"], new["status"]) == (one["id"], "revoked", "issued")


async def test_events_that_only_tell_of_a_held_award_follow_its_status(service: Service) -> None:
    """Expiring changes nothing, a level change or correction supersedes, reinstated unsuspends."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    before = await service.credentials(person)
    await service.follow(event("expiring", person, 2, within_days=30))
    assert await service.credentials(person) == before
    await service.follow(event("level_changed", person, 3, level=3))
    await service.follow(event("corrected", person, 4, level=3, achieved_on="2026-01-02"))
    assert [one["status"] for one in await service.credentials(person)] == [
        "superseded",
        "superseded",
        "issued",
    ]
    last = {"level": 3, "achieved_on": "2026-01-02"}
    await service.follow(event("under_review", person, 5, **last))
    await service.follow(event("reinstated", person, 6, **last))
    assert [one["status"] for one in await service.credentials(person)][-1] == "issued"
    # A correction of what is not held any more follows its status, too.
    await service.follow(event("corrected", person, 7, status="suspended", **last))
    assert [one["status"] for one in await service.credentials(person)][-1] == "suspended"


async def test_who_never_held_it_gets_no_credential(service: Service) -> None:
    for kind in ("withdrawn", "suspended", "under_review", "expired", "revoked"):
        person = uuid4()
        await service.follow(event(kind, person, 1))
        assert await service.credentials(person) == []


async def test_every_change_leaves_as_one_event_in_order(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    await service.follow(event("withdrawn", person, 2))
    await service.follow(event("achieved", person, 3))
    await service.follow(event("renewed", person, 4, level=3))
    rows = await service.pool.fetch("select key, value from credentials.outbox order by id")
    told = [orjson.loads(row["value"]) for row in rows]
    assert [(one["status"], one["sequence"]) for one in told] == [
        ("issued", 1),
        ("suspended", 2),
        ("reinstated", 3),
        ("superseded", 4),
        ("issued", 4),
    ]
    for row, one in zip(rows, told, strict=True):
        assert row["key"] == f"north:{one['credential']}".encode()


async def test_what_cannot_be_made_is_set_aside_and_stops_nobody(service: Service) -> None:
    bad, good = uuid4(), uuid4()
    await service.follow(
        event("achieved", bad, 1, timezone="Nowhere/Land"), event("achieved", good, 1)
    )
    assert await service.credentials(bad) == []
    assert len(await service.credentials(good)) == 1
    failure = await service.pool.fetchval(
        "select failure from credentials.award where person = $1", bad
    )
    assert failure == "BadgeRefused: timezone: not the IANA name of a time zone"
    await service.follow(event("renewed", bad, 2))
    assert len(await service.credentials(bad)) == 1
