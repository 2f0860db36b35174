"""`assay check`: laws 1 to 6 and 8 of the design, verified on a running system up to a watermark.

Life of a check, also while load runs:

1. What the mover has committed is noted, then the end of the log: `committed_input`, `Log.bounds`.
2. The projections get a moment to reach that end; what they have then is the watermark (`_limits`).
3. The log is read once, in pieces, and compared with both projections (`check_log`), then the
   input topics and a client's record (`check_input`, `check_acknowledged`).
4. The tables are compared with each other (`check_projections`), the events with the decisions
   (`check_events`), and people are decided anew (`check_decisions`).
5. Voids and credentials: `check_voids`, `check_credentials`; every stored credential is verified
   again (`check_documents`).
6. What was set aside, failed or is broken is an alarm (`_alarms`).
"""

import asyncio
import secrets
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from rich.console import Console

from assay_cli.check_credentials import check_credentials, has_credentials
from assay_cli.check_decisions import check_decisions, check_events, check_voids
from assay_cli.check_documents import check_documents
from assay_cli.check_report import Report
from assay_cli.check_source import Database, Log, LogUnreadable
from assay_cli.check_statements import (
    RecordUnusable,
    admin_settings,
    check_acknowledged,
    check_input,
    check_log,
    check_projections,
    committed_input,
)
from assay_cli.errors import StackError
from assay_cli.stack import StackInfo
from assay_runtime.kafka import identify_log
from assay_schemas.topics import STATEMENTS

# The system is away, or a file that was given is not what it should be: nothing is known then.
_NOT_DONE = (
    OSError,
    StackError,
    KafkaError,
    KafkaException,
    LogUnreadable,
    RecordUnusable,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
CATCH_UP_SECONDS = 60.0
STATEMENT_SECONDS = 300


def run(
    stack: StackInfo,
    *,
    as_json: bool = False,
    everything: bool = False,
    seed: str | None = None,
    acknowledged: Path | None = None,
) -> int:
    """Check and print. 0 when clean, 1 when a law is broken, 2 when it could not be checked.

    `everything` decides for all people instead of some drawn by `seed`; `acknowledged` is a file
    of statement ids, one per line, that a client was told are kept.
    """
    console = Console(soft_wrap=True)
    drawn = None if everything else seed or secrets.token_hex(4)
    try:
        report = asyncio.run(check(stack, drawn, acknowledged))
    except _NOT_DONE as error:
        Console(stderr=True, soft_wrap=True).print(
            f"assay check: could not be done: {type(error).__name__}: {error}",
            style="red",
            highlight=False,
            markup=False,
        )
        return 2
    if as_json:
        print(report.as_json())
    else:
        report.show(console)
    return 0 if report.clean else 1


async def check(stack: StackInfo, seed: str | None, acknowledged: Path | None) -> Report:
    """The report on a running stack; `seed` None decides for all people."""
    connection = await asyncpg.connect(
        stack.dsn_with_password(),
        server_settings={"application_name": "assay-check", "jit": "off"},
        command_timeout=STATEMENT_SECONDS,
    )
    try:
        log = await Log.open(stack)
        try:
            return await _check(stack, Database(connection), log, seed, acknowledged)
        finally:
            await log.close()
    finally:
        await connection.close()


async def _check(
    stack: StackInfo, database: Database, log: Log, seed: str | None, acknowledged: Path | None
) -> Report:
    # 1. What was committed, before the end of the log: it is in the log by then.
    committed = await committed_input(stack)
    bounds = await log.bounds(STATEMENTS)
    # 2. The watermark.
    ends = {number: end for number, (_, end) in bounds.items()}
    limits, watermark_ms = await _limits(database, ends)
    report = Report(watermark_ms=watermark_ms, limits=limits, seed=seed)
    behind = {n: (limits.get(n, 0), end) for n, end in ends.items() if limits.get(n, 0) < end}
    # 3. The log, the input and the client's record, against the tables.
    within = {n: (begin, max(begin, limits.get(n, 0))) for n, (begin, _) in bounds.items()}
    await check_log(report, database, log, within)
    if behind:
        text = f"records that are not applied yet (partition: applied, end): {behind}"
        report.laws[1].not_looked_at.append(text)
        report.laws[1].not_looked_at.append("input topics and a client's record, for that reason")
    else:
        await check_input(report, stack, database, log, committed)
        await check_acknowledged(report, database, acknowledged)
    # 4. The tables against each other, and the decisions against the facts.
    await check_projections(report, database)
    await check_events(report, database, log)
    await check_decisions(report, database, seed)
    # 5. Voids and what they must reach.
    await check_voids(report, database)
    await check_credentials(report, database)
    if await has_credentials(database):
        await check_documents(report, database)
    # 6. Alarms.
    report.alarms += await _alarms(stack, database, log)
    return report


async def _limits(database: Database, ends: dict[int, int]) -> tuple[dict[int, int], int]:
    """What both projections have applied of each partition, and the smallest stored of it.

    The projections get CATCH_UP_SECONDS to reach `ends`.
    """
    until = asyncio.get_running_loop().time() + CATCH_UP_SECONDS
    while True:
        rows = await database.rows("positions", STATEMENTS)
        applied: dict[int, list[int]] = {}
        for row in rows:
            applied.setdefault(row["partition"], []).append(row["next_offset"])
        # A partition that one of the two has never seen is applied up to nothing.
        reached = {n: min(some) for n, some in applied.items() if len(some) == 2}
        there = all(reached.get(number, 0) >= end for number, end in ends.items())
        if there or asyncio.get_running_loop().time() > until:
            stored = [row["stored_ms"] for row in rows]
            return {n: min(at, ends.get(n, at)) for n, at in reached.items()}, min(
                stored, default=0
            )
        await asyncio.sleep(0.2)


async def _alarms(stack: StackInfo, database: Database, log: Log) -> list[str]:
    alarms = [f"set aside: {place}" for place in await database.places("quarantined")]
    failures = await database.places("evaluation_failures")
    alarms += [f"evaluation failed: {place}" for place in failures]
    # Positions first, then the log: it only grows at its end.
    rows = await database.rows("positions", STATEMENTS)
    bounds = await log.bounds(STATEMENTS)
    identity = await asyncio.to_thread(identify_log, admin_settings(stack), STATEMENTS)
    for row in rows:
        place = f"{row['projection']}, partition {row['partition']} of {STATEMENTS}"
        if (row["cluster_id"], row["topic_id"]) != (identity.cluster_id, identity.topic_id):
            alarms.append(f"broken: {place} is of another log than the one that is there")
            continue
        begin, end = bounds.get(row["partition"], (0, 0))
        if not begin <= row["next_offset"] <= end:
            alarms.append(
                f"broken: {place} continues at {row['next_offset']}, "
                f"but the log holds {begin} to {end}"
            )
    return alarms
