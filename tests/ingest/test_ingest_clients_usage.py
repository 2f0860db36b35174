"""Usage: every process adds what it counted, a quota holds over all of them within one interval."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import asyncpg
import pytest

from assay_ingest.clients_usage import UsageKeeper
from assay_runtime.auth_limits import Limits, Meter
from assay_runtime.postgres import Pool
from assay_runtime.problem import Problem
from assay_testing import Database

DAY, NEXT = date(2031, 5, 1), date(2031, 5, 2)


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator[Pool]:
    role = "assay_ingest"
    async with asyncpg.create_pool(
        postgres.dsn(role), password=postgres.password(role), min_size=1, max_size=4
    ) as opened:
        yield opened


class Process:
    """What one process of ingest holds of one client."""

    def __init__(self, pool: Pool, quota: int | None = None) -> None:
        self.meter = Meter("t1", "c1", Limits(statements_per_day=quota))
        self.day = DAY
        self.keeper = UsageKeeper(pool, lambda: [self.meter], 3600, lambda: self.day)

    def accept(self, count: int) -> bool:
        """Whether so many statements were let through."""
        self.meter.take_request(0.0)
        try:
            self.meter.take_statements(count)
        except Problem:
            return False
        return True


async def rows(pool: Pool) -> list[tuple[date, int, int]]:
    found = await pool.fetch("select day, requests, statements from ingest.client_usage order by 1")
    return [tuple(one) for one in found]


async def test_what_is_counted_is_added_up_once(pool: Pool) -> None:
    process = Process(pool)
    for _ in range(3):
        assert process.accept(10)
    await process.keeper.flush()
    await process.keeper.flush()
    assert await rows(pool) == [(DAY, 3, 30)]
    assert process.accept(5)
    assert (process.meter.requests_pending, process.meter.statements_pending) == (1, 5)
    await process.keeper.flush()
    assert await rows(pool) == [(DAY, 4, 35)]
    assert process.meter.statements_pending == 0
    assert process.meter.statements_today == 35


async def test_what_is_counted_while_it_is_added_up_is_not_lost(pool: Pool) -> None:
    process = Process(pool)
    process.accept(10)
    flushing = asyncio.create_task(process.keeper.flush())
    await asyncio.sleep(0)
    process.accept(7)
    await flushing
    assert process.meter.statements_pending == 7
    await process.keeper.flush()
    assert await rows(pool) == [(DAY, 2, 17)]


async def test_a_process_that_starts_learns_what_was_used_before(pool: Pool) -> None:
    first = Process(pool, quota=100)
    assert first.accept(90)
    await first.keeper.flush()
    second = Process(pool, quota=100)
    await second.keeper.flush()
    assert not second.accept(11)
    assert second.accept(10)


async def test_processes_pass_a_quota_by_no_more_than_one_interval_of_the_others(
    pool: Pool,
) -> None:
    processes = [Process(pool, quota=1000) for _ in range(3)]
    total, intervals = 0, []
    for _ in range(40):
        within = 0
        for process in processes:
            within += sum(20 for _ in range(3) if process.accept(20))
        total += within
        intervals.append(within)
        await asyncio.gather(*(process.keeper.flush() for process in processes))
        # The first to flush does not know yet what the others add in the same round.
        await asyncio.gather(*(process.keeper.flush() for process in processes if within))
    assert 1000 - 20 < total <= 1000 + 2 * max(intervals)
    assert await rows(pool) == [(DAY, 360, total)]
    assert not any(process.accept(20) for process in processes)


async def test_a_new_day_begins_at_nothing_also_for_who_is_silent(pool: Pool) -> None:
    process = Process(pool, quota=10)
    assert process.accept(10)
    await process.keeper.flush()
    assert not process.accept(1)
    await process.keeper.flush()
    process.day = NEXT
    await process.keeper.flush()
    assert process.accept(10)
    assert not process.accept(1)
    await process.keeper.flush()
    assert await rows(pool) == [(DAY, 2, 10), (NEXT, 2, 10)]


async def test_many_processes_at_once_lose_no_count(pool: Pool) -> None:
    meters = [[Meter("t1", f"c{number}") for number in range(20)] for _ in range(6)]
    keepers = [
        UsageKeeper(pool, lambda mine=mine: mine, 3600, lambda: DAY)  # type: ignore[misc]
        for mine in meters
    ]
    for _ in range(10):
        for mine in meters:
            for meter in mine:
                meter.take_request(0.0)
                meter.take_statements(3)
        await asyncio.gather(*(keeper.flush() for keeper in keepers))
    found = await pool.fetch("select client, requests, statements from ingest.client_usage")
    assert {row["client"]: (row["requests"], row["statements"]) for row in found} == {
        f"c{number}": (60, 180) for number in range(20)
    }


async def test_without_a_database_what_is_pending_stays_and_still_counts(
    pool: Pool, postgres: Database, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(pool, quota=10)
    assert process.accept(10)
    owner = await postgres.connect()
    try:
        await owner.execute("alter table ingest.client_usage rename to away")
        process.keeper._flush_seconds = 0.01
        running = asyncio.create_task(process.keeper.run())
        async with asyncio.timeout(10):
            while "Usage was not added up" not in caplog.text:
                await asyncio.wait({running}, timeout=0.01)
        assert not process.accept(1)
        await owner.execute("alter table ingest.away rename to client_usage")
        # It is added at the end at the latest.
        running.cancel()
        await asyncio.wait({running})
        assert await rows(pool) == [(DAY, 2, 10)]
    finally:
        await owner.close()


async def test_the_day_is_that_of_utc(pool: Pool) -> None:
    meter = Meter("t1", "c1")
    meter.take_request(0.0)
    before = datetime.now(UTC).date()
    await UsageKeeper(pool, lambda: [meter], 1).flush()
    ((day, _, _),) = await rows(pool)
    assert before <= day <= datetime.now(UTC).date()
