"""Laws of merges on random links.

Who an agent is on a day is compared with a plain model: before a merge, whoever the links name;
after it, the same with `merged` replaced by `kept`; when it was taken back, what it was before.
"""

import random
from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import UUID

import pytest

from aggregator_service_driver import TENANT, Driver, agent, day, driver_of, statement
from assay_aggregator.days import Days
from assay_aggregator.organisation.merging import merge, unmerge
from assay_aggregator.people import Link, Recorded, effective_links
from assay_aggregator.store import Store, recorded_fields
from assay_testing import Database

AGENTS = 5
FIRST = date(2026, 1, 1)
PROBES = [FIRST + timedelta(days=10 * n) for n in range(-1, 8)]
FOREVER_MS = 10**15

Who = dict[tuple[str, date], frozenset[str]]


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as driver:
        yield driver


async def who(driver: Driver, known_at_ms: int = FOREVER_MS) -> Who:
    """Whom each agent names on each of some days."""
    async with driver.pool.acquire() as connection:
        rows = await connection.fetch(
            "select agent_key, person, automatic, valid_from, valid_to, recorded_ms, retracted_ms "
            "from aggregator.identity_link where tenant = $1",
            TENANT,
        )
    links = [
        Link(row["agent_key"], row["person"], row["automatic"], Recorded(*recorded_fields(row)))
        for row in rows
    ]
    effective = effective_links(links, known_at_ms)
    return {
        (key, probe): frozenset(
            link.person
            for link in effective
            if link.key == key and link.valid.on(probe.toordinal(), None)
        )
        for key in {link.key for link in links}
        for probe in PROBES
    }


def replaced(before: Who, merged: UUID, kept: UUID) -> Who:
    return {
        place: frozenset(str(kept) if one == str(merged) else one for one in people)
        for place, people in before.items()
    }


async def random_links(driver: Driver, chance: random.Random) -> list[UUID]:
    """Agents that were seen, or only linked; on all days or on some; to some people, also two."""
    for number in range(AGENTS):
        if chance.random() < 0.7:
            seen = statement(f"s{chance.random()}", actor=f"a{number}", at=day(1))
            await driver.post("online", seen, stored=day(1))
    async with driver.records() as records:
        people = [
            await records.put_person([agent(f"anchor{number}"), agent(f"anchor{number}b")])
            for number in range(4)
        ]
        for _ in range(chance.randrange(1, 8)):
            begin = FIRST + timedelta(days=chance.randrange(0, 50))
            end = begin + timedelta(days=chance.randrange(0, 30))
            days = Days(
                begin if chance.random() < 0.7 else None, end if chance.random() < 0.7 else None
            )
            name = f"a{chance.randrange(AGENTS)}"
            await records.add_link(agent(name), chance.choice(people), days)
    rows = await driver.pool.fetch(
        "select person from aggregator.person where tenant = $1 order by person", TENANT
    )
    return [row["person"] for row in rows]


@pytest.mark.parametrize("seed", range(8))
async def test_merges_replace_one_person_and_are_undone_in_reverse(
    driver: Driver, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, no secret
    people = await random_links(driver, chance)
    views = [await who(driver)]
    merges: list[UUID] = []
    for _ in range(3):
        kept, merged = chance.sample(people, 2)
        people.remove(merged)
        async with driver.records() as records:
            merges.append(await merge(records, kept, merged))
        views.append(await who(driver))
        assert views[-1] == replaced(views[-2], merged, kept)
    # Time goes on, so that what was known then differs from what is known now.
    await driver.tick(day(100))
    async with driver.pool.acquire() as connection:
        then_ms, _ = await Store(connection).applied_through()
    for identifier in reversed(merges):
        views.pop()
        async with driver.records() as records:
            await unmerge(records, identifier)
        assert await who(driver) == views[-1]
    merged_view = await who(driver, then_ms)
    assert merged_view != views[-1]


@pytest.mark.parametrize("seed", range(8))
async def test_links_taken_back_during_a_merge_never_give_days_to_the_merged(
    driver: Driver, seed: int
) -> None:
    chance = random.Random(100 + seed)  # noqa: S311 - repeatable, no secret
    people = await random_links(driver, chance)
    kept, merged, further = chance.sample(people, 3)
    async with driver.records() as records:
        await merge(records, kept, merged)
        await merge(records, further, kept)
    stated = await driver.pool.fetch(
        "select l.link from aggregator.identity_link as l "
        "where not l.automatic and l.retracted_ms is null and not exists ("
        "select 1 from aggregator.merge_move as m where m.made = l.link and m.was is null)"
    )
    for row in stated:
        async with driver.records() as records:
            await records.retract_link(row["link"])
    gone = {str(kept), str(merged)}
    for place, named in (await who(driver)).items():
        assert not named & gone, place
