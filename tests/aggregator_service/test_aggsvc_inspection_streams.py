"""An inspection pack of a random history: equal whenever it is asked for, and decided again by it.

The histories are those of `aggregator_streams`: late statements, copies, voids, links,
authorisations, conflicts, rules that look at each other, overrides, reviews.
"""

import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from aggregator_inspection import files_of, rows_of
from aggregator_service_driver import TENANT, Driver, driver_of
from aggregator_streams import Stream
from assay_aggregator.answers import Question, answer
from assay_aggregator.decide import canonical
from assay_aggregator.inspection.pack import Made, pack
from assay_aggregator.inspection.question import Selection
from assay_aggregator.inspection.settle import Limits, settle
from assay_aggregator.inspection.verify import verify
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Store
from assay_testing import Database

OPERATIONS_BEFORE = 35
OPERATIONS_AFTER = 20
LIMITS = Limits(100, ZoneInfo("Europe/London"))
TABLES = (
    "applied, person, identity_link, assessor_authorisation, assessor_conflict, rule_version, "
    "statement_fact, fact_conflict, fact_agent, void, mark, wakeup, evaluation_failure, decision, "
    "decision_current, outbox, override, review, audit_event"
)


@dataclass
class Reads:
    """Where a pack is read from, as `web.Api` gives it."""

    pool: asyncpg.Pool

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Store]:
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Store(connection)

    @asynccontextmanager
    async def locking(self) -> AsyncIterator[Store]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield Store(connection)


async def packed(stream: Stream, at: datetime | None) -> tuple[bytes, datetime]:
    """The pack as of a time and as known then (None: the latest), and that time.

    People are named: whom an agent belongs to on days that no link covers is not dated
    (`people.effective_links`), so who else is found may change when a link is taken back.
    """
    driver = stream.driver
    reads = Reads(driver.pool)
    async with reads.reading() as store:
        book = (await driver.shelf.books(store, [TENANT]))[TENANT]
        asked = await settle(store, book, TENANT, Selection(tuple(stream.people)), (at, at), LIMITS)
    assert not asked.known_at_capped
    made = Made()
    data = b"".join([chunk async for chunk in pack(reads, book, asked, made)])
    assert made.counts["people"]
    return data, asked.as_of


@settings(
    max_examples=8,
    deadline=None,
    # A smaller seed is no simpler history.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, 2**32))
# A conflict of interest of somebody whom only a later link makes an assessor.
@example(5666)
async def test_a_pack_is_equal_for_ever_and_decides_as_the_api_answers(
    postgres: Database, seed: int
) -> None:
    choice = random.Random(seed)  # noqa: S311 - a test's history, drawn from a seed
    owner = await postgres.connect("assay_owner")
    try:
        await owner.execute(f"set search_path = aggregator; truncate {TABLES} cascade")
        async with driver_of(postgres) as made:
            stream = Stream(Driver(made.pool, shelf=RuleShelf()), choice)
            await stream.begin()
            await stream.run(OPERATIONS_BEFORE)
            if choice.random() < 0.5:
                # Else evaluators are behind, and the pack is made all the same.
                await stream.end()
            before, at = await packed(stream, None)
            await answers_agree(stream.driver, before, at)
            decides_again(before)
            await stream.run(OPERATIONS_AFTER)
            await stream.end()
            after, _ = await packed(stream, at)
            assert _differing(after, before) == {}, stream.log
            assert after == before
    finally:
        await owner.close()


def _differing(after: bytes, before: bytes) -> dict[str, tuple[bytes, bytes]]:
    """The files that differ, each from shortly before its first difference."""
    now, then = files_of(after), files_of(before)
    found = {}
    for name in sorted({*now, *then} - {"manifest.json", "SHA256SUMS"}):
        one, other = now.get(name, b""), then.get(name, b"")
        if one != other:
            pairs = zip(one, other, strict=False)
            common = next((at for at, (a, b) in enumerate(pairs) if a != b), 0)
            found[name] = (one[max(0, common - 80) :][:200], other[max(0, common - 80) :][:200])
    return found


async def answers_agree(driver: Driver, data: bytes, at: datetime) -> None:
    files = files_of(data)
    people = {row["person"] for row in rows_of(files, "matrix")}
    assert people
    for person in people:
        async with Reads(driver.pool).reading() as store:
            told = await answer(
                store, driver.shelf, Question(TENANT, UUID(person), as_of=at, known_at=at)
            )
        said = orjson.loads(files[f"people/{person}.json"])["decisions"]
        assert [canonical(one) for one in said] == [canonical(one) for one in told["competencies"]]


def decides_again(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pack.zip"
        path.write_bytes(data)
        verdict = verify(path, recompute=True)
    assert verdict.findings == []
    assert verdict.decisions
