"""What is told of decisions, step by step, on real tables: order, reasons, thresholds."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import orjson
import pytest

from aggregator_service_driver import (
    COMPETENCY,
    OBSERVED,
    THEORY,
    VR,
    Driver,
    agent,
    day,
    driver_of,
    post_award,
    rule,
    statement,
    void,
    with_records,
)
from assay_testing import Database

APS = "https://example.org/a/aps"


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as made:
        yield made


async def kinds(driver: Driver) -> list[str]:
    """The types of all events, without what they share."""
    return [
        one["type"].removeprefix("competency.").removesuffix("/v1") for one in await driver.events()
    ]


async def go(driver: Driver, moment: datetime) -> None:
    await driver.tick(moment)
    await driver.decide()


async def test_each_threshold_before_the_end_is_told_once_whatever_comes_between(
    driver: Driver,
) -> None:
    await with_records(driver)
    await post_award(driver)
    await driver.decide()
    # Expires on 10 January 2027, which is day 374. The thresholds begin on local days.
    for moment in (
        day(283.9),
        day(284.1),
        day(300),
        day(313.9),
        day(314.1),
        day(344.1),
        day(374.9),
    ):
        await go(driver, moment)
        # A decision that changes nothing tells nothing again.
        await driver.post(
            "online",
            statement(f"more {moment}", activity=VR, at=day(61)),
            stored=moment,
        )
        await driver.decide()
    events = await driver.events()
    assert await kinds(driver) == ["achieved", "expiring", "expiring", "expiring"]
    assert [one.get("within_days") for one in events] == [None, 90, 60, 30]
    assert [one["sequence"] for one in events] == [1, 2, 3, 4]
    assert [one["as_of"][:10] for one in events[1:]] == ["2026-10-12", "2026-11-11", "2026-12-11"]
    await go(driver, day(375.1))
    assert (await kinds(driver))[-1] == "expired"


async def test_thresholds_that_passed_while_nobody_looked_are_told_as_one(driver: Driver) -> None:
    await with_records(driver)
    await post_award(driver)
    await driver.decide()
    await go(driver, day(350))
    events = await driver.events()
    assert [one.get("within_days") for one in events] == [None, 30]


async def test_a_void_of_the_renewal_corrects_what_was_told(driver: Driver) -> None:
    """The award before it stands again: other dates, and no new award."""
    await with_records(driver)
    await post_award(driver)
    await driver.decide()
    await driver.post("online", statement("r1", activity=THEORY, at=day(100)), stored=day(100))
    await driver.decide()
    await driver.post("office", void("v", "r1", at=day(110)), stored=day(110))
    await driver.decide()
    events = await driver.events()
    assert await kinds(driver) == ["achieved", "renewed", "corrected"]
    assert events[2]["reason"] == "voided"
    told = ("achieved_on", "expires_on", "evidence", "status")
    assert [events[2][name] for name in told] == [events[0][name] for name in told]


async def test_late_evidence_that_was_there_before_corrects(driver: Driver) -> None:
    """A course that was passed earlier, heard of later: the award was made on an earlier day."""
    async with driver.records() as records:
        document = rule(requires={"all": ["theory"]}, validity={"period": "P12M", "basis": "award"})
        document["evidence"] = {"theory": document["evidence"]["theory"]}
        await records.put_rule(document)
    await driver.post("online", statement("s", at=day(50)), stored=day(50))
    await driver.decide()
    await driver.post("online", statement("early", at=day(20)), stored=day(60))
    await driver.decide()
    events = await driver.events()
    # The first award is of the earlier day, and the later pass renewed it: nothing fell.
    assert [(one["achieved_on"], one["expires_on"]) for one in events] == [
        ("2026-02-20", "2027-02-20")
    ]
    await driver.post("office", void("v", "s", at=day(61)), stored=day(61))
    await driver.decide()
    assert await kinds(driver) == ["achieved", "corrected"]
    assert (await driver.events())[1]["achieved_on"] == "2026-01-21"


def disqualifying(**changes: Any) -> dict[str, Any]:
    match = {"verb": ["failed"], "activity": [APS]}
    return rule(disqualify=[{"match": match}], **changes)


async def test_what_suspended_is_voided_and_the_award_is_reinstated(driver: Driver) -> None:
    await with_records(driver)
    async with driver.records() as records:
        await records.put_rule(disqualifying(version=2, effective_from="2025-01-01"))
    await post_award(driver)
    await driver.decide()
    await driver.post(
        "online", statement("x", verb="failed", activity=APS, at=day(80)), stored=day(80)
    )
    await driver.decide()
    await driver.post("office", void("v", "x", at=day(82)), stored=day(82))
    await driver.decide()
    assert await kinds(driver) == ["achieved", "suspended", "reinstated"]
    assert [one["reason"] for one in await driver.events()] == [None, "disqualified", None]


@pytest.mark.parametrize(
    ("status", "kind"),
    [("revoked", "revoked"), ("under_review", "under_review"), ("suspended", "suspended")],
)
async def test_a_later_failure_has_the_status_that_the_rule_gives(
    driver: Driver, status: str, kind: str
) -> None:
    await with_records(driver)
    async with driver.records() as records:
        later = {"clauses": ["vr"], "status": status}
        await records.put_rule(rule(version=2, effective_from="2025-01-01", on_later_fail=later))
    await post_award(driver)
    await driver.decide()
    await driver.post("vr", statement("f", verb="failed", activity=VR, at=day(90)), stored=day(90))
    await driver.decide()
    await driver.post("vr", statement("g", activity=VR, at=day(91)), stored=day(91))
    await driver.post("vr", statement("h", activity=VR, at=day(92)), stored=day(92))
    await driver.post(
        "in_person", statement("o", activity=OBSERVED, at=day(93), assessor="ben"), stored=day(93)
    )
    await driver.post("online", statement("t", activity=THEORY, at=day(94)), stored=day(94))
    await driver.decide()
    events = await driver.events()
    assert await kinds(driver) == ["achieved", kind, "achieved"]
    assert events[1]["reason"] == "later_failure"


async def test_every_event_stands_in_one_decision_and_none_is_left_out(driver: Driver) -> None:
    await with_records(driver)
    async with driver.records() as records:
        await records.put_person([agent("eve")])
    await post_award(driver)
    await post_award(driver, "eve", "eve ")
    await driver.decide()
    await go(driver, day(300))
    await go(driver, day(330))
    await go(driver, day(376))
    events = await driver.events()
    rows = await driver.pool.fetch(
        "select person, decision, sequence, status from aggregator.decision "
        "where competency = $1 and sequence is not null order by person, ordinal",
        COMPETENCY,
    )
    told = sorted(
        (one["person"], one["sequence"], one["decision"], one["status"]) for one in events
    )
    kept = sorted(
        (str(row["person"]), row["sequence"], str(row["decision"]), row["status"]) for row in rows
    )
    assert told == kept
    assert [one[1] for one in told] == [1, 2, 3, 4] * 2
    hashes = await driver.pool.fetch("select document from aggregator.decision")
    assert all(orjson.loads(row["document"])["status"] for row in hashes)
