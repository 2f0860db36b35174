"""Killed at any line, or met by another worker at any line, there is exactly one credential."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from assay_credentials.issue import follow_awards, intend, make, publish
from assay_testing import Database
from credentials_service import COMPETENCY, EXPIRES, Service, event
from template_samples import GOWNING
from template_service import Office

LINES = (
    "1 intended",
    "2 built",
    "3 signed",
    "4 signed as JWT",
    "5 checked",
    "6 published",
)


class Killed(BaseException):
    """Ends the worker at a line: nothing catches it."""


def kill_at(line: str) -> Callable[[str], None]:
    def reached(now: str) -> None:
        if now == line:
            raise Killed(line)

    return reached


async def states(service: Service, person: UUID) -> list[tuple[UUID, str]]:
    rows = await service.pool.fetch(
        "select credential, state from credentials.credential where person = $1 order by state",
        person,
    )
    return [(row["credential"], row["state"]) for row in rows]


async def counts(service: Service) -> tuple[int, int]:
    """Places taken in status lists, and events that wait to be sent."""
    row = await service.pool.fetchrow(
        "select (select count(*) from credentials.status_entry) as places,"
        " (select count(*) from credentials.outbox) as events"
    )
    assert row is not None
    return row["places"], row["events"]


@pytest.mark.parametrize("line", LINES)
async def test_killed_at_a_line_the_intended_credential_is_issued_once(
    service: Service, line: str
) -> None:
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    with pytest.raises(Killed):
        await follow_awards(service.shop(kill_at(line)))
    ((intended, state),) = await states(service, person)
    assert state == ("issued" if line == "6 published" else "intended")
    await service.follow()
    assert await states(service, person) == [(intended, "issued")]
    assert await service.outcome(str(intended)) == "valid"
    assert await counts(service) == (2, 1)


@pytest.mark.parametrize(
    ("line", "status"), [*((line, "single") for line in LINES), ("3 signed", "two")]
)
async def test_killed_at_a_line_while_its_template_moves_it_is_issued_once_by_the_new_one(
    service: Service, postgres: Database, line: str, status: str
) -> None:
    """The intention of the old version is taken up: also its places, where there are others."""
    office = await Office.open(service, postgres)
    other = {"single": "two", "two": "single"}[status]
    document = {**GOWNING, "competency": COMPETENCY}
    await office.in_force("gowning", {**document, "status": status})
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    with pytest.raises(Killed):
        await follow_awards(service.shop(kill_at(line)))
    ((intended, _),) = await states(service, person)
    await office.in_force("gowning", {**document, "status": other, "proof": "eddsa-jcs-2022"})
    await service.follow()
    assert await states(service, person) == [(intended, "issued")]
    assert await service.outcome(str(intended)) == "valid"
    version = await service.pool.fetchval("select template_version from credentials.credential")
    assert version == (1 if line == "6 published" else 2)
    # The credential's own, and as decoys those of the intention that nobody saw.
    single, two = 1, 2
    wanted = {"single": single, "two": two}[status]
    assert (await counts(service))[0] == (wanted if line == "6 published" else single + two)


@pytest.mark.parametrize("line", LINES)
async def test_killed_while_replacing_the_old_one_counts_until_the_new_one_does(
    service: Service, line: str
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    ((old, _),) = await states(service, person)
    await service.apply(event("renewed", person, 2, level=3))
    with pytest.raises(Killed):
        await follow_awards(service.shop(kill_at(line)))
    if line != "6 published":
        assert await service.outcome(str(old)) == "valid"
    await service.follow()
    found = await states(service, person)
    assert [state for _, state in found] == ["issued", "superseded"]
    assert await service.outcome(str(found[0][0])) == "valid"
    assert await service.outcome(str(old)) == "revoked"


async def test_what_is_made_again_after_a_crash_is_the_same_document(service: Service) -> None:
    await service.apply(event("achieved", uuid4(), 1))
    made = []
    for _ in range(2):
        shop = service.shop()
        doing = await intend(shop)
        make(shop, doing)
        made.append(doing.made)
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        ("renewed", ["issued"]),
        ("withdrawn", []),
        ("expired", []),
    ],
)
async def test_an_award_that_moves_while_its_credential_is_made_is_followed(
    service: Service, after: str, wanted: list[str]
) -> None:
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    shop = service.shop()
    doing = await intend(shop)
    make(shop, doing)
    assert doing.failures == {}
    await service.apply(event(after, person, 2, level=3))
    await publish(shop, doing)
    assert await service.credentials(person) == []
    await service.follow()
    found = await service.credentials(person)
    assert [one["status"] for one in found] == wanted
    assert [one["level"] for one in found] == [3 for _ in wanted]
    # The bits given to the intention are used, or kept for when the award comes back.
    assert (await counts(service))[0] == 2


async def test_an_intention_left_by_a_withdrawal_is_taken_up_when_the_award_returns(
    service: Service,
) -> None:
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    with pytest.raises(Killed):
        await follow_awards(service.shop(kill_at("3 signed")))
    await service.follow(event("withdrawn", person, 2))
    assert await service.credentials(person) == []
    ((intended, _),) = await states(service, person)
    await service.follow(event("achieved", person, 3))
    assert await states(service, person) == [(intended, "issued")]
    assert await service.outcome(str(intended)) == "valid"


async def test_workers_side_by_side_issue_each_credential_once(service: Service) -> None:
    people = [uuid4() for _ in range(12)]
    await service.apply(*(event("achieved", person, 1) for person in people))

    # Without a lease, all of them take the same awards again and again.
    async def work() -> None:
        while await follow_awards(service.shop()):
            pass

    await asyncio.gather(*(work() for _ in range(4)))
    for person in people:
        assert [state for _, state in await states(service, person)] == ["issued"]
    assert await counts(service) == (24, 12)


async def test_events_and_workers_side_by_side_end_at_the_last_event(service: Service) -> None:
    people = [uuid4() for _ in range(6)]
    history = ("achieved", "withdrawn", "achieved", "renewed", "suspended")
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            await follow_awards(service.shop())

    async def tell(person: UUID) -> None:
        for sequence, kind in enumerate(history, start=1):
            later = str(EXPIRES + timedelta(days=sequence))
            changed = {} if kind == "withdrawn" else {"expires_on": later}
            await service.apply(event(kind, person, sequence, **changed))

    workers = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.gather(*(tell(person) for person in people))
    stop.set()
    await asyncio.gather(*workers)
    await service.follow()
    for person in people:
        found = await states(service, person)
        live = [state for _, state in found if state in ("issued", "suspended")]
        assert live in ([], ["suspended"])
        assert all(state in ("suspended", "superseded", "intended") for _, state in found)
    bits = await service.pool.fetchval("""
        select count(*) from credentials.credential as c
        join credentials.status_entry as r on r.tenant = c.tenant
          and r.list = c.revocation_list and r.index = c.revocation_index
        join credentials.status_entry as s on s.tenant = c.tenant
          and s.list = c.suspension_list and s.index = c.suspension_index
        where r.is_set <> (c.state in ('superseded', 'revoked'))
          or s.is_set <> (c.state = 'suspended')
    """)
    assert bits == 0


async def test_the_database_refuses_a_second_live_credential(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    with pytest.raises(asyncpg.UniqueViolationError, match="credential_live"):
        await service.pool.execute("""
            insert into credentials.credential
            select (jsonb_populate_record(c, jsonb_build_object('credential', gen_random_uuid()))).*
            from credentials.credential as c
        """)


async def test_events_in_one_batch_and_out_of_order_end_at_the_highest(service: Service) -> None:
    person = uuid4()
    first, second = event("achieved", person, 1), event("withdrawn", person, 2)
    await service.follow(second, first)
    await service.follow(first)
    assert await states(service, person) == []
