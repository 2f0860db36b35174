"""Two people found to be one, and the way back: both views are kept."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from aggregator_service_driver import (
    COMPETENCY,
    OBSERVED,
    TENANT,
    Driver,
    agent,
    award,
    day,
    driver_of,
    post_award,
    rule,
    statement,
    with_records,
)
from assay_aggregator.days import Days
from assay_aggregator.errors import Contradiction, Refused, Unknown
from assay_aggregator.organisation import directory
from assay_aggregator.organisation.collisions import collisions
from assay_aggregator.organisation.merging import merge, unmerge
from assay_aggregator.organisation.model import Cohort, Organisation
from assay_aggregator.organisation.store import EMPLOYMENT, PeopleStore, When
from assay_schemas.events import PersonMerged, PersonUnmerged, competencies_record
from assay_schemas.topics import COMPETENCIES
from assay_testing import Database


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as driver:
        await with_records(driver)
        yield driver


async def settle(driver: Driver, moment: float) -> None:
    """Time goes on, on every partition, and all is decided."""
    for partition in range(3):
        await driver.tick(day(moment), partition=partition)
    await driver.decide()


async def automatic(driver: Driver, name: str) -> UUID:
    """The person that an agent was given when it was first seen."""
    found = await driver.pool.fetchval(
        "select person from aggregator.identity_link "
        "where tenant = $1 and automatic and agent_key like '%' || $2",
        TENANT,
        f" {name}",
    )
    assert isinstance(found, UUID)
    return found


async def standing(driver: Driver, person: UUID) -> str | None:
    status: str | None = await driver.pool.fetchval(
        "select status from aggregator.decision_current "
        "where tenant = $1 and person = $2 and competency = $3",
        TENANT,
        person,
        COMPETENCY,
    )
    return status


async def dump(driver: Driver, person: UUID) -> dict[str, Any]:
    """What stands about a person, without the ids of the records."""
    async with driver.pool.acquire() as connection:
        store = PeopleStore(connection, TENANT)
        links = await store.links_of_person(person)
        return {
            "links": sorted(
                (row["agent_key"], str(row["valid_from"]), str(row["valid_to"]))
                for row in links
                if row["retracted_ms"] is None
            ),
            "employments": [
                (row["organisation"], row["role"], row["valid_from"], row["valid_to"])
                for row in await store.employments_of_person(person, When())
            ],
            "memberships": [
                (row["cohort"], row["valid_from"], row["valid_to"])
                for row in await store.memberships_of_person(person, When())
            ],
            "authorisations": [
                (row["scope"], row["valid_from"], row["valid_to"])
                for row in await store.list_authorisations(person, None, False, None, 100)
            ],
        }


async def test_a_merge_joins_the_evidence_and_an_unmerge_gives_it_back(driver: Driver) -> None:
    # The same person, with one account in the online platform and another in the VR rig.
    for source, made, stored in award("ada"):
        name = "ada-vr" if source == "vr" else "ada"
        await driver.post(source, {**made, "actor": agent(name)}, stored=stored)
    await settle(driver, 62)
    ada, other = await driver.person("ada"), await automatic(driver, "ada-vr")
    assert (await standing(driver, ada), await standing(driver, other)) == ("in_progress",) * 2
    before = await driver.ask("ada")
    async with driver.records() as records:
        joined = await merge(records, ada, other)
    await settle(driver, 70)
    assert await standing(driver, ada) == "achieved"
    assert await standing(driver, other) == "not_started"
    after = await driver.ask("ada")
    # What was known before the merge stays what it was.
    then = await driver.ask("ada", as_of=day(62), known_at=day(61.9))
    assert then["competencies"][0]["status"] == "in_progress"
    async with driver.records() as records:
        await unmerge(records, joined)
    await settle(driver, 80)
    assert (await standing(driver, ada), await standing(driver, other)) == ("in_progress",) * 2
    both = await driver.ask("ada", as_of=day(69), known_at=day(69))
    assert both["competencies"][0]["status"] == "achieved"
    now = await driver.ask("ada", as_of=day(62))
    assert now["competencies"][0]["used"] == before["competencies"][0]["used"] == []
    assert after["competencies"][0]["status"] == "achieved"
    kinds = [event["type"] for event in await driver.events()]
    assert sum("achieved" in kind for kind in kinds) == 1
    assert sum("withdrawn" in kind for kind in kinds) == 1
    history = await driver.pool.fetch(
        "select action from aggregator.audit_event where action like '%merge%' order by event"
    )
    assert [row["action"] for row in history] == ["person.merged", "merge.retracted"]


async def test_an_unmerge_restores_every_record_as_it_was(driver: Driver) -> None:
    async with driver.records() as records:
        await directory.put_organisation(records, Organisation("acme", "Acme"))
        await directory.put_cohort(records, Cohort("c1", "Cohort 1"))
        one = await records.put_person([agent("one"), agent("one-b")])
        two = await records.put_person([agent("two")])
        # An account that was handed over: two is it in 2025 only.
        await records.add_link(agent("shared"), two, Days(day(0).date(), day(30).date()))
        await directory.add_employment(records, two, "acme", "technician")
        await directory.add_membership(records, "c1", two, Days(day(1).date(), day(9).date()))
        await records.add_authorisation(two, "gowning-b", Days(day(2).date()))
        await directory.add_employment(records, one, "acme", "trainer")
    await settle(driver, 5)
    before = {person: await dump(driver, person) for person in (one, two)}
    async with driver.records() as records:
        joined = await merge(records, one, two)
    merged = await dump(driver, one)
    assert len(merged["employments"]) == 2
    assert merged["memberships"]
    assert merged["authorisations"]
    assert await dump(driver, two) == {
        "links": [],
        "employments": [],
        "memberships": [],
        "authorisations": [],
    }
    async with driver.records() as records:
        await unmerge(records, joined)
    assert {person: await dump(driver, person) for person in (one, two)} == before
    async with driver.records() as records:
        with pytest.raises(Unknown):
            await unmerge(records, joined)


async def test_what_changed_during_a_merge_stays_changed(driver: Driver) -> None:
    async with driver.records() as records:
        await directory.put_organisation(records, Organisation("acme", "Acme"))
        one = await records.put_person([agent("one"), agent("one-b")])
        two = await records.put_person([agent("two"), agent("two-b")])
        await directory.add_employment(records, two, "acme", "technician")
        joined = await merge(records, one, two)
    async with driver.pool.acquire() as connection:
        (row,) = await PeopleStore(connection, TENANT).employments_of_person(one, When())
    async with driver.records() as records:
        await directory.end(records, EMPLOYMENT, row["employment"], day(40).date())
        await directory.add_employment(records, one, "acme", "trainer")
    async with driver.records() as records:
        await unmerge(records, joined)
    # It is two's employment, and it has ended; what was recorded about one stays with one.
    assert (await dump(driver, two))["employments"] == [
        ("acme", "technician", None, day(40).date())
    ]
    assert (await dump(driver, one))["employments"] == [("acme", "trainer", None, None)]


async def test_merges_of_merges_are_taken_back_in_reverse(driver: Driver) -> None:
    async with driver.records() as records:
        people = [await records.put_person([agent(f"p{n}"), agent(f"q{n}")]) for n in range(3)]
    before = [await dump(driver, person) for person in people]
    async with driver.records() as records:
        inner = await merge(records, people[1], people[2])
    between = await dump(driver, people[1])
    async with driver.records() as records:
        with pytest.raises(Contradiction):
            await merge(records, people[0], people[2])
        outer = await merge(records, people[0], people[1])
    assert len((await dump(driver, people[0]))["links"]) == 6
    async with driver.records() as records:
        with pytest.raises(Contradiction, match="first"):
            await unmerge(records, inner)
        await unmerge(records, outer)
    assert await dump(driver, people[1]) == between
    assert len(between["links"]) == 4
    async with driver.records() as records:
        await unmerge(records, inner)
    assert [await dump(driver, person) for person in people] == before


async def test_days_that_come_free_belong_to_the_kept_person(driver: Driver) -> None:
    # "desk" was first seen as somebody of its own, and was lent to cai in February.
    await driver.post("online", statement("d1", actor="desk", at=day(20)), stored=day(20))
    await driver.post("online", statement("d2", actor="desk", at=day(40)), stored=day(40))
    own = await automatic(driver, "desk")
    async with driver.records() as records:
        cai = await records.put_person([agent("cai"), agent("cai-b")])
        lent = await records.add_link(agent("desk"), cai, Days(day(31).date(), day(58).date()))
    ada = await driver.person("ada")
    async with driver.records() as records:
        joined = await merge(records, ada, own)
    async with driver.records() as records:
        await records.retract_link(lent)
    await settle(driver, 62)
    # All of desk's days are ada's now: none fell back to the merged person.
    answer = await driver.ask("ada")
    assert answer["competencies"][0]["clauses"]["theory"]["attempts"] == 2
    assert await standing(driver, own) in (None, "not_started")
    async with driver.records() as records:
        await unmerge(records, joined)
    await settle(driver, 63)
    assert await standing(driver, ada) == "not_started"
    assert await standing(driver, own) == "in_progress"


async def test_a_link_that_a_merge_put_there_is_taken_back_by_the_merge_alone(
    driver: Driver,
) -> None:
    await driver.post("online", statement("d1", actor="desk", at=day(20)), stored=day(20))
    own, ada = await automatic(driver, "desk"), await driver.person("ada")
    async with driver.records() as records:
        await merge(records, ada, own)
    async with driver.pool.acquire() as connection:
        links = await PeopleStore(connection, TENANT).links_of_person(ada)
    (gap,) = [row["link"] for row in links if row["agent_key"].endswith(" desk")]
    async with driver.records() as records:
        with pytest.raises(Contradiction, match="part of the merge"):
            await records.retract_link(gap)
        with pytest.raises(Contradiction, match="was merged into"):
            await records.add_link(agent("x"), own)
        with pytest.raises(Refused):
            await merge(records, ada, ada)
        with pytest.raises(Unknown):
            await merge(records, ada, UUID(int=1))


async def test_an_override_or_review_stops_a_merge(driver: Driver) -> None:
    ada, ben = await driver.person("ada"), await driver.person("ben")
    async with driver.pool.acquire() as connection:
        await connection.execute(
            "insert into aggregator.review (tenant, review, person, competency, kind, reason, "
            "opened_by, recorded_ms) "
            "values ($1, gen_random_uuid(), $2, $3, 'contest', 'why', 'ada', 1)",
            TENANT,
            ada,
            COMPETENCY,
        )
    async with driver.records() as records:
        with pytest.raises(Contradiction, match="signed"):
            await merge(records, ben, ada)
        await merge(records, ada, ben)


async def test_two_accounts_of_one_assessor_are_one_assessor(driver: Driver) -> None:
    document = rule(version=2, effective_from="2024-01-02")
    document["evidence"]["obs"]["assessor"]["distinct_gte"] = 2
    document["evidence"]["obs"]["attempts"] = {"policy": "count", "n": 2}
    async with driver.records() as records:
        await records.put_rule(document)
        bea = await records.put_person([agent("bea")])
        await records.add_authorisation(bea, "gowning-b")
    await post_award(driver)
    second = statement("o2", at=day(61), activity=OBSERVED, assessor="bea")
    await driver.post("in_person", second, stored=day(61))
    await settle(driver, 62)
    assert await driver.status("ada") == "achieved"
    ben, bea = await driver.person("ben"), await driver.person("bea")
    async with driver.records() as records:
        joined = await merge(records, ben, bea)
    await settle(driver, 70)
    assert await driver.status("ada") != "achieved"
    async with driver.records() as records:
        await unmerge(records, joined)
    await settle(driver, 71)
    assert await driver.status("ada") == "achieved"


async def test_an_assessor_merged_with_the_person_assessed_themself(driver: Driver) -> None:
    await post_award(driver)
    await settle(driver, 62)
    assert await driver.status("ada") == "achieved"
    async with driver.records() as records:
        await merge(records, await driver.person("ada"), await driver.person("ben"))
    await settle(driver, 70)
    (document,) = (await driver.ask("ada"))["competencies"]
    assert document["status"] != "achieved"
    assert "self_assessed" in str(document)


async def test_a_collision_is_listed_while_two_people_are_one_agent(driver: Driver) -> None:
    ada, ben = await driver.person("ada"), await driver.person("ben")
    async with driver.records() as records:
        first = await records.add_link(agent("desk"), ada, Days(None, day(30).date()))
        await records.add_link(agent("desk"), ben, Days(day(31).date()))
    assert await found(driver) == []
    async with driver.records() as records:
        second = await records.add_link(agent("desk"), ben, Days(day(20).date(), day(40).date()))
    (one,) = await found(driver)
    assert one["agent"] == agent("desk")
    assert set(one["people"]) == {ada, ben}
    assert set(one["links"]) == {first, second}
    assert (one["from"], one["to"]) == (day(20).date(), day(30).date())
    async with driver.records() as records:
        await records.retract_link(second)
    assert await found(driver) == []


async def found(driver: Driver) -> list[dict[str, Any]]:
    """Every collision, asked for one by one."""
    pages: list[dict[str, Any]] = []
    after: str | None = None
    async with driver.pool.acquire() as connection:
        store = PeopleStore(connection, TENANT)
        while True:
            page, after = await collisions(store, after, 1)
            pages += page
            if after is None:
                return pages


async def test_the_world_is_told_of_a_merge_and_of_its_end(driver: Driver) -> None:
    async with driver.records() as records:
        one = await records.put_person([agent("one")])
        two = await records.put_person([agent("two")])
    async with driver.records() as records:
        joined = await merge(records, one, two)
    async with driver.records() as records:
        await unmerge(records, joined)
    rows = await driver.pool.fetch("select topic, key, value from aggregator.outbox order by id")
    told = [competencies_record.validate_json(row["value"]) for row in rows]
    first, second = (event for event in told if not hasattr(event, "competency"))
    assert isinstance(first, PersonMerged)
    assert isinstance(second, PersonUnmerged)
    assert {row["topic"] for row in rows} == {COMPETENCIES}
    # Of whom it happened to: so the two are of one partition, in this order.
    assert {row["key"] for row in rows} == {f"{TENANT}:{two}".encode()}
    for event in (first, second):
        assert (event.merge, event.person, event.kept) == (joined, two, one)
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.event_id != second.event_id


async def test_a_refused_merge_tells_nothing(driver: Driver) -> None:
    async with driver.records() as records:
        one = await records.put_person([agent("one")])
    with pytest.raises(Refused):
        async with driver.records() as records:
            await merge(records, one, one)
    assert await driver.events() == []
