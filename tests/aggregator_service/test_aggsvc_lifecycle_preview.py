"""The preview of a rule says what comes of it: person by person, against the decisions after."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from aggregator_lifecycle import (
    add_accounts,
    approve,
    draft,
    lifecycle,
    preview,
    publish,
    signed_by,
    submit,
)
from aggregator_service_driver import (
    ADL,
    OBSERVED,
    START,
    TENANT,
    THEORY,
    VR,
    Driver,
    agent,
    day,
    driver_of,
    identifier,
    rule,
    statement,
    void,
)
from assay_aggregator.lifecycle import preview as preview_module
from assay_aggregator.lifecycle.impact import Impact, standing_document
from assay_aggregator.lifecycle.store import VersionKey
from assay_aggregator.rule import parse_rule
from assay_testing import Database

PEOPLE = [f"person-{number}" for number in range(40)]
NOW = 200
Held = dict[tuple[UUID, str], dict[str, Any]]

# What somebody may change about a rule in force.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "a higher mark": {"evidence.theory.score_gte": "0.85"},
    "a lower mark": {"evidence.theory.score_gte": "0.40"},
    "a longer validity": {"validity": {"period": "P24M", "basis": "earliest"}},
    "a shorter validity": {"validity": {"period": "P3M", "basis": "earliest"}},
    "another basis": {"validity": {"period": "P12M", "basis": "latest"}},
    "fewer parts": {"requires": {"any": ["theory", "vr"]}},
    "one VR pass": {"evidence.vr.attempts": {"policy": "any"}},
    "failures suspend": {"disqualify": [{"match": {"verb": ["failed"], "activity": [VR]}}]},
    "nothing": {},
}


def changed(version: int, effective_from: date, changes: Mapping[str, Any]) -> dict[str, Any]:
    document = rule(version=version, effective_from=str(effective_from))
    for path, value in changes.items():
        place = document
        *parents, last = path.split(".")
        for name in parents:
            place = place[name]
        place[last] = value
    return document


async def people_learn(driver: Driver, seed: int = 1) -> None:
    """Forty people, with passes, failures, late and voided statements of all three kinds."""
    choose = random.Random(seed)  # noqa: S311 - evidence of a test
    async with driver.records() as records:
        assessor = await records.put_person([agent("assessor")])
        await records.add_authorisation(assessor, "gowning-b")
        # Two agents of one person, one of whom is another person on other days.
        await records.put_person([agent(PEOPLE[0]), agent("alias")])
    number = 0
    for name in [*PEOPLE, "alias"]:
        for _ in range(choose.randint(0, 16)):
            number += 1
            source, activity = choose.choice(
                [("online", THEORY), ("vr", VR), ("vr", VR), ("in_person", OBSERVED)]
            )
            at = day(choose.uniform(0, NOW - 20))
            made = statement(
                f"s{number}",
                actor=name,
                verb="failed" if choose.random() < 0.12 else "passed",
                activity=activity,
                at=at,
                scaled=choose.choice(["0.45", "0.8", "0.92", "0.95", "1.0"]),
                assessor="assessor" if source == "in_person" else None,
            )
            await driver.post(source, made, stored=at + timedelta(days=choose.uniform(0, 15)))
            if choose.random() < 0.1:
                voiding = void(f"v{number}", f"s{number}", at=at)
                await driver.post("office", voiding, stored=day(NOW - 3))
    await settle(driver, NOW)


async def settle(driver: Driver, at: float) -> None:
    for partition in range(3):
        await driver.tick(day(at), partition=partition)
    await driver.decide()


async def held(driver: Driver) -> Held:
    """What stands in the tables, as a preview writes it."""
    rows = await driver.pool.fetch(
        "select person, competency, status, level, achieved_on, expires_on, used "
        "from aggregator.decision_current where tenant = $1",
        TENANT,
    )
    return {
        (row["person"], row["competency"]): {
            "status": row["status"],
            "level": row["level"],
            "achieved_on": None if row["achieved_on"] is None else str(row["achieved_on"]),
            "expires_on": None if row["expires_on"] is None else str(row["expires_on"]),
            "used": sorted(str(one) for one in row["used"]),
        }
        for row in rows
    }


NOTHING: dict[str, Any] = {
    "status": "not_started",
    "level": None,
    "achieved_on": None,
    "expires_on": None,
    "used": [],
}


def assert_told(before: Held, changes: Sequence[Impact], after: Held) -> None:
    """Before and the changes give after, for every person and competency; and nothing else."""
    told = {(one.person, one.competency): one for one in changes}
    assert len(told) == len(changes)
    for key in sorted({*before, *after, *told}, key=str):
        was, became = before.get(key, NOTHING), after.get(key, NOTHING)
        change = told.get(key)
        if change is None:
            assert became == was, key
        else:
            assert standing_document(change.before) == was, key
            assert standing_document(change.after) == became, key
            assert change.kinds, key


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as made:
        await add_accounts(made)
        yield made


@pytest.mark.parametrize("name", CHANGES)
async def test_what_comes_is_what_was_told(driver: Driver, name: str) -> None:
    """A version that begins in the past: it is in force at once."""
    await publish(driver, rule())
    await people_learn(driver)
    before = await held(driver)
    assert {one["status"] for one in before.values()} >= {"achieved", "in_progress"}
    document = changed(2, date(2024, 6, 1), CHANGES[name])
    changes = await publish(driver, document)
    # The next record of the log brings it into force.
    await driver.tick(day(NOW) + timedelta(milliseconds=1))
    await driver.decide()
    assert_told(before, changes, await held(driver))
    assert bool(changes) == (name != "nothing")


async def test_kinds_of_changes_are_told_apart(driver: Driver) -> None:
    await publish(driver, rule())
    await people_learn(driver)
    wanted = {
        "a higher mark": "loses",
        "fewer parts": "gains",
        "a longer validity": "date",
    }
    for version, (name, kind) in enumerate(wanted.items(), 2):
        document = changed(version, date(2024, 6, 1), CHANGES[name])
        _, found, changes = await preview(driver, parse_rule(document))
        assert found.counts[kind] == sum(kind in one.kinds for one in changes) > 0
        for one in changes:
            assert ("loses" in one.kinds) == (one.before.status == "achieved" != one.after.status)


async def test_the_first_rule_of_a_competency(driver: Driver) -> None:
    await people_learn(driver)
    assert await held(driver) == {}
    changes = await publish(driver, rule())
    await driver.tick(day(NOW) + timedelta(milliseconds=1))
    await driver.decide()
    after = await held(driver)
    assert_told({}, changes, after)
    assert {"gains", "status"} <= {kind for one in changes for kind in one.kinds}


async def test_a_version_that_begins_later_is_told_for_the_day_on_which_it_begins(
    driver: Driver,
) -> None:
    await publish(driver, rule())
    await people_learn(driver)
    begins = (START + timedelta(days=NOW + 100)).date()
    document = changed(2, begins, CHANGES["a lower mark"])
    changes = await publish(driver, document)
    # Nothing changes yet ...
    before = await held(driver)
    await settle(driver, NOW + 1)
    assert await held(driver) == before
    # ... and on the evening before, only what time itself has done (the clocks are at +1 h).
    await settle(driver, NOW + 100 - 0.06)
    before = await held(driver)
    await settle(driver, NOW + 100)
    # A day's own expiries belong to the day, not to the version.
    told = {(one.person, one.competency): one for one in changes}
    after = await held(driver)
    assert told
    for key, change in told.items():
        assert standing_document(change.after) == after[key]
    for key in after.keys() - told.keys():
        assert after[key] == before[key] or after[key]["status"] == "expired", key


async def test_two_previews_on_the_same_evidence_say_the_same_in_any_pages(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(driver, rule())
    await people_learn(driver)
    draft_rule = parse_rule(changed(2, date(2024, 6, 1), CHANGES["a higher mark"]))
    first_id, first, changes = await preview(driver, draft_rule)
    monkeypatch.setattr(preview_module, "PAGE_PEOPLE", 3)
    second_id, second, _ = await preview(driver, draft_rule)
    assert first_id != second_id
    assert first.changes_hash == second.changes_hash
    assert first.people == second.people >= len(PEOPLE) - 5
    rows = await driver.pool.fetch(
        "select person, competency, kinds, before, after from aggregator.rule_preview_change "
        "where preview = $1 order by person, competency",
        first_id,
    )
    kept = [
        {
            "person": str(row["person"]),
            "competency": row["competency"],
            "kinds": row["kinds"],
            "before": orjson.loads(row["before"]),
            "after": orjson.loads(row["after"]),
        }
        for row in rows
    ]
    assert kept == [one.document() for one in changes]


async def test_a_preview_changes_nothing(driver: Driver) -> None:
    await publish(driver, rule())
    await people_learn(driver)
    before = await held(driver)
    await preview(driver, parse_rule(changed(2, date(2024, 6, 1), CHANGES["a higher mark"])))
    assert await driver.pool.fetchval("select count(*) from aggregator.mark") == 0
    await settle(driver, NOW + 0.001)
    assert await held(driver) == before


async def test_a_preview_that_breaks_off_is_not_there(driver: Driver) -> None:
    await people_learn(driver)
    standing = await draft(driver, rule())
    key = VersionKey(TENANT, "gowning-b", 1)
    await submit(driver, key)
    document = rule()
    document["evidence"]["theory"]["match"]["verb"] = [ADL + "passed"]
    async with lifecycle(driver) as life:
        assert life.key("gowning-b", 1) == key
    made, _, changes = await preview(driver, parse_rule(document))
    assert changes
    # That was another content; ours has none.
    with pytest.raises(Exception, match="another content"):
        await approve(driver, key, standing, made)


async def test_a_rule_that_another_looks_at_changes_that_one_too(driver: Driver) -> None:
    """The preview holds everybody whose dependent competency changes with this one."""
    await publish(driver, rule())
    dependent = rule(
        id="area-access",
        competency="https://example.org/competencies/area-access",
        evidence={"theory": rule()["evidence"]["theory"]},
        requires={"all": ["theory"]},
        prerequisites=[{"competency": rule()["competency"], "at": "always"}],
    )
    await publish(driver, dependent)
    await people_learn(driver)
    before = await held(driver)
    assert {key[1] for key in before} == {rule()["competency"], dependent["competency"]}
    changes = await publish(driver, changed(2, date(2024, 6, 1), CHANGES["fewer parts"]))
    assert {one.competency for one in changes} == {rule()["competency"], dependent["competency"]}
    await driver.tick(day(NOW) + timedelta(milliseconds=1))
    await driver.decide()
    assert_told(before, changes, await held(driver))


async def test_the_end_of_a_version_is_told_before_it_is_signed(driver: Driver) -> None:
    await publish(driver, rule())
    await people_learn(driver)
    before = await held(driver)
    end = (START + timedelta(days=NOW - 10)).date()
    made, found, changes = await preview(driver, parse_rule(rule()), end)
    assert found.counts["loses"] > 0
    async with lifecycle(driver) as life:
        key = life.key("gowning-b", 1)
        await life.retire(key, end, made, signed_by("cai", "retirement"))
    await driver.tick(day(NOW) + timedelta(milliseconds=1))
    await driver.decide()
    assert_told(before, changes, await held(driver))


async def test_whom_a_void_or_a_group_concerns_is_looked_at(driver: Driver) -> None:
    """People who act only in a group, by a rule that takes each member."""
    grouped = statement("g1", at=day(3), scaled="0.95")
    grouped["actor"] = {
        "objectType": "Group",
        "name": "a class",
        "member": [agent("gil"), agent("hal")],
    }
    await driver.post("online", grouped, stored=day(4))
    await settle(driver, NOW)
    document = rule(group="each_member", requires={"all": ["theory"]})
    document["evidence"] = {"theory": document["evidence"]["theory"]}
    document["validity"] = {"period": "P24M", "basis": "award"}
    changes = await publish(driver, document)
    gil, hal = await driver.person("gil"), await driver.person("hal")
    assert {one.person for one in changes} == {gil, hal}
    assert all(one.kinds == ("gains",) for one in changes)
    used = {str(identifier("g1"))}
    assert all({str(each) for each in one.after.evidence} == used for one in changes)
    await driver.tick(day(NOW + 1))
    await driver.decide()
    assert_told({}, changes, await held(driver))
