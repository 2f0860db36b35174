"""Law 4: what is decided bit by bit equals what is decided from everything at once.

Each example is a random history on a real database (`aggregator_streams`): statements late, early
and in copies, voids before and after their targets, links, authorisations, conflicts, rules that
look at each other, overrides, reviews, and evaluators that stop half-way.
"""

import random

import asyncpg
import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aggregator_recompute import Everything, digest, everything, plain, recomputed
from aggregator_service_driver import Driver, driver_of, milliseconds
from aggregator_streams import Stream
from assay_aggregator.shelf import RuleShelf
from assay_cli.check_decisions import check_decisions
from assay_cli.check_report import Report
from assay_cli.check_source import Database as CheckedDatabase
from assay_testing import Database

OPERATIONS = 45
TABLES = (
    "applied, person, identity_link, assessor_authorisation, assessor_conflict, rule_version, "
    "statement_fact, fact_conflict, fact_agent, void, mark, wakeup, evaluation_failure, decision, "
    "decision_current, outbox, override, review, audit_event"
)


@settings(
    max_examples=12,
    deadline=None,
    # A smaller seed is no simpler history.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, 2**32))
async def test_decisions_made_bit_by_bit_equal_one_recomputation_of_everything(
    postgres: Database, seed: int
) -> None:
    choice = random.Random(seed)  # noqa: S311 - a test's history, drawn from a seed
    owner = await postgres.connect("assay_owner")
    try:
        await owner.execute(f"set search_path = aggregator; truncate {TABLES} cascade")
        async with driver_of(postgres) as made:
            stream = Stream(Driver(made.pool, shelf=RuleShelf()), choice)
            await stream.begin()
            await stream.run(OPERATIONS)
            await stream.end()
            async with made.pool.acquire() as connection:
                all_ = await everything(connection)
            await equal_now(stream, all_)
            await equal_then(stream, all_)
            await told_in_order(stream)
            await nothing_to_find(owner, milliseconds(stream.clock))
    finally:
        await owner.close()


async def equal_now(stream: Stream, all_: Everything) -> None:
    """Each decision that stands, and each that was not made, is what the whole record gives."""
    pool = stream.driver.pool
    assert await pool.fetchval("select count(*) from aggregator.evaluation_failure") == 0
    assert await pool.fetchval("select count(*) from aggregator.mark") == 0
    now_ms = milliseconds(stream.clock)
    rows = {
        (row["person"], row["competency"]): row
        for row in await pool.fetch("select * from aggregator.decision_current")
    }
    held = 0
    for person in all_.people:
        for competency in sorted({rule.competency for rule, _ in all_.rules}):
            wanted = recomputed(all_, person, competency, now_ms, now_ms)
            row = rows.pop((person, competency), None)
            place = f"{stream.log} {person} {competency}"
            if row is None:
                assert wanted is None or wanted["status"] == "not_started", place
                assert wanted is None or not wanted.get("excluded"), place
                continue
            assert wanted is not None
            assert row["status"] == wanted["status"], place
            if wanted["rule"] is not None:
                assert row["outcome_hash"] == digest(wanted), place
                assert sorted(str(one) for one in row["used"]) == sorted(wanted["used"]), place
            held += row["status"] != "not_started"
    assert not rows
    assert held > 0


async def equal_then(stream: Stream, all_: Everything) -> None:
    """Each decision ever made is, asked for its own times again, what it was."""
    rows = await stream.driver.pool.fetch(
        "select person, competency, as_of_ms, known_at_ms, document from aggregator.decision"
    )
    for row in rows:
        then = recomputed(
            all_, row["person"], row["competency"], row["as_of_ms"], row["known_at_ms"]
        )
        kept = orjson.loads(row["document"])
        assert then is not None
        assert kept["status"] == then["status"]
        if then["rule"] is not None:
            assert plain(kept) == then


async def nothing_to_find(owner: asyncpg.Connection, now_ms: int) -> None:
    """The checker that ships with the product agrees."""
    report = Report(watermark_ms=now_ms, limits={}, seed=None)
    await check_decisions(report, CheckedDatabase(owner), None)
    assert report.laws[3].looked_at["decisions made anew"] > 0
    assert report.laws[6].looked_at["matched statements"] > 0
    assert {law.law: law.differences for law in report.laws.values() if law.differences} == {}


async def told_in_order(stream: Stream) -> None:
    """The last event of each tells the standing, and none is left out."""
    sequences: dict[tuple[str, str], list[int]] = {}
    last: dict[tuple[str, str], str] = {}
    for one in await stream.driver.events():
        key = (one["person"], one["competency"])
        sequences.setdefault(key, []).append(one["sequence"])
        last[key] = one["status"]
    for numbers in sequences.values():
        assert numbers == list(range(1, len(numbers) + 1))
    rows = await stream.driver.pool.fetch("select * from aggregator.decision_current")
    assert sum(row["sequence"] for row in rows) == sum(len(one) for one in sequences.values())
    none = ("not_started", "in_progress")
    for row in rows:
        status = last.get((str(row["person"]), row["competency"]), "not_started")
        assert status == row["status"] or (status in none and row["status"] in none)
