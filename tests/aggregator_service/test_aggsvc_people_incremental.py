"""Merges and un-merges among everything else: bit by bit equals once from the whole record.

The random histories of `aggregator_streams`, with people merged and taken apart in between; what a
merged person may no longer get is refused, and changes nothing.
"""

import contextlib
import random
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import pytest

from aggregator_recompute import digest, everything, recomputed
from aggregator_service_driver import driver_of, milliseconds
from aggregator_streams import Stream
from assay_aggregator.errors import Contradiction, Unknown
from assay_aggregator.organisation.merging import merge, unmerge
from assay_testing import Database

OPERATIONS = 40


@dataclass
class MergingStream(Stream):
    """A random history in which people are found to be one, and to be two after all."""

    merges: list[UUID] = field(default_factory=list)

    async def run(self, operations: int) -> None:
        kinds = (
            [self.post] * 12
            + [self.repeat, self.take_back, self.link, self.link, self.unlink]
            + [self.authorise, self.unauthorise, self.conflict, self.unconflict, self.wait]
            + [self.merge] * 4
            + [self.unmerge] * 3
        )
        for _ in range(operations):
            operation = self.choice.choice(kinds)
            self.log.append(operation.__name__)
            # A merged person gets no record, and what a merge moved is there no more.
            with contextlib.suppress(Contradiction, Unknown):
                await operation()
            if self.choice.random() < 0.4:
                await self.driver.decide(limit=self.choice.randrange(1, 9))

    async def merge(self) -> None:
        rows = await self.driver.pool.fetch("select person from aggregator.person order by person")
        kept, merged = self.choice.sample([row["person"] for row in rows], 2)
        async with self.driver.records() as records:
            made = await merge(records, kept, merged)
        self.merges.append(made)

    async def unmerge(self) -> None:
        if self.merges:
            async with self.driver.records() as records:
                await unmerge(records, self.choice.choice(self.merges))


@pytest.mark.parametrize("seed", range(6))
async def test_merges_leave_what_a_recomputation_of_everything_gives(
    postgres: Database, seed: int
) -> None:
    choice = random.Random(seed)  # noqa: S311 - a test's history, drawn from a seed
    async with driver_of(postgres) as driver:
        stream = MergingStream(driver, choice)
        await stream.begin()
        await stream.run(OPERATIONS)
        await stream.end()
        assert stream.merges
        await equal_now(stream, driver.pool)


async def equal_now(stream: Stream, pool: asyncpg.Pool) -> None:
    """Each decision that stands, and each that was not made, is what the whole record gives."""
    async with pool.acquire() as connection:
        all_ = await everything(connection)
    assert await pool.fetchval("select count(*) from aggregator.evaluation_failure") == 0
    now_ms = milliseconds(stream.clock)
    rows = {
        (row["person"], row["competency"]): row
        for row in await pool.fetch(
            "select person, competency, status, outcome_hash from aggregator.decision_current"
        )
    }
    held = 0
    for person in all_.people:
        for competency in sorted({rule.competency for rule, _ in all_.rules}):
            place = f"{stream.log} {person} {competency}"
            wanted = recomputed(all_, person, competency, now_ms, now_ms)
            row = rows.get((person, competency))
            if row is None:
                assert wanted is None or wanted["status"] == "not_started", place
                continue
            assert wanted is not None, place
            assert row["status"] == wanted["status"], place
            assert wanted["rule"] is None or row["outcome_hash"] == digest(wanted), place
            held += row["status"] != "not_started"
    assert held > 0
