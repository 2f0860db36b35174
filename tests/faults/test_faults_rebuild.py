"""A rebuild on a running stack: killed again and again, while statements come, and with a log whose
beginning the janitor has deleted.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from assay_cli import bench_backlog
from assay_cli.bench_backlog import Backlog
from assay_cli.check_report import LAWS
from assay_cli.check_source import Log
from assay_cli.rebuild_again import PREFIX
from assay_runtime.broker import Broker
from assay_schemas.topics import STATEMENTS
from assay_testing import RunningStack

# Moments after the start of the command, which needs about half a second before it does anything.
KILLED_AFTER_SECONDS = (0.7, 1.0, 1.3, 1.8, 2.5)
DRAIN_SECONDS = 180.0
COUNT = "select count(*) from aggregator.statement_fact where tenant = 'bench'"
HISTORY = "select count(*), sum(ordinal), max(decided_at) from aggregator.decision"


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[RunningStack]:
    """A stack of our own, with 20,000 statements that are applied and decided."""
    running = RunningStack.new()
    try:
        await asyncio.to_thread(running.start)
        connection = await asyncpg.connect(running.info.dsn_with_password())
        await bench_backlog.record_rules(connection)
        await connection.close()
        await bench_backlog.produce(running.info, Backlog("first", 20_000, 100))
        await until_decided(running)
        yield running
    finally:
        await asyncio.to_thread(running.remove)


async def until_decided(stack: RunningStack) -> None:
    """Until everything in the log is applied and no mark waits."""
    log = await Log.open(stack.info)
    connection = await asyncpg.connect(stack.info.dsn_with_password())
    try:
        ends = {number: end for number, (_, end) in (await log.bounds(STATEMENTS)).items()}
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                rows = await connection.fetch(
                    "select partition, next_offset from aggregator.applied where topic = $1",
                    STATEMENTS,
                )
                at = {row["partition"]: row["next_offset"] for row in rows}
                marks = await connection.fetchval("select count(*) from aggregator.mark")
                if not marks and all(at.get(number, 0) >= end for number, end in ends.items()):
                    return
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
        await log.close()


async def rebuild(stack: RunningStack) -> dict[str, Any]:
    done = await asyncio.to_thread(stack.assay, "rebuild", "aggregator", "--json", seconds=300.0)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def kill_after(stack: RunningStack, seconds: float) -> int:
    """Start a rebuild and kill it; its exit code."""
    running = subprocess.Popen(
        [sys.executable, "-m", "assay_cli", "rebuild", "aggregator"],
        env=stack._environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
        return running.wait()


async def test_killed_again_and_again_while_statements_come(stack: RunningStack) -> None:
    connection = await asyncpg.connect(stack.info.dsn_with_password())
    try:
        coming = asyncio.create_task(
            bench_backlog.produce(stack.info, Backlog("second", 10_000, 50, seed=2))
        )
        codes = [
            await asyncio.to_thread(kill_after, stack, seconds) for seconds in KILLED_AFTER_SECONDS
        ]
        assert -signal.SIGKILL in codes, "every run had ended before its kill"
        await coming
        await until_decided(stack)
        before = await connection.fetchrow(HISTORY)
        report = await rebuild(stack)
        assert report["same"], report
        assert report["exchanged"]
        assert await connection.fetchval(COUNT) == 30_000
        assert await connection.fetchrow(HISTORY) == before, "something was decided anew"
    finally:
        await connection.close()


async def test_the_service_goes_on_and_the_checker_is_clean(stack: RunningStack) -> None:
    await bench_backlog.produce(stack.info, Backlog("third", 2_000, 20, seed=3))
    await until_decided(stack)
    checked = await asyncio.to_thread(stack.assay, "check", "--all", "--json", seconds=300.0)
    # The tenant of the benchmark has no issuer: what law 5 says of credentials is not asked here.
    found = {law["law"]: law for law in json.loads(checked.stdout)["laws"] if law["law"] != 5}
    assert {number: law["differences"] for number, law in found.items()} == {
        number: [] for number in LAWS if number != 5
    }


async def test_a_log_without_its_beginning_gives_the_same_tables(stack: RunningStack) -> None:
    broker = Broker.from_password_file(
        stack.info.kafka_bootstrap, "admin", stack.info.kafka_password_file("admin")
    )
    log = await Log.open(stack.info)
    try:
        bounds = await log.bounds(STATEMENTS)
        deleted = {(STATEMENTS, number): end * 2 // 3 for number, (_, end) in bounds.items()}
        await asyncio.to_thread(broker.delete_records_before, deleted)
        report = await rebuild(stack)
        assert report["same"], report
        assert report["statements"] >= 32_000
        assert not [name for name in await log.partitions() if name.startswith(PREFIX)]
    finally:
        await log.close()


async def test_what_was_lost_comes_back_and_only_differences_are_decided(
    stack: RunningStack,
) -> None:
    """Lost facts of records that the log still holds: for the others nobody knows the rights."""
    await bench_backlog.produce(stack.info, Backlog("fourth", 500, 5, seed=4))
    await until_decided(stack)
    connection = await asyncpg.connect(stack.info.dsn_with_password())
    try:
        newest = "(select id from aggregator.statement_fact order by append_ms desc, id limit 10)"
        await connection.execute(
            f"delete from aggregator.statement_fact where id in {newest}"  # noqa: S608
        )
        report = await rebuild(stack)
        assert len(report["facts"]) == 10
        assert await connection.fetchval(COUNT) == 32_500
        await connection.execute(
            "delete from aggregator.statement_fact where id in "
            "(select id from aggregator.statement_fact order by append_ms, id limit 10)"
        )
        done = await asyncio.to_thread(stack.assay, "rebuild", "aggregator", seconds=300.0)
        assert done.returncode == 2
        assert "10 statements stand in the store alone" in done.stderr
    finally:
        await connection.close()
