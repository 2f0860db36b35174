"""`assay bench --decisions`: how fast evidence becomes decisions.

1. The pure evaluator alone, on one core, with 20 to 1,000 pieces of evidence.
2. A backlog: evidence that waits in the log, from the moment it may be applied until every mark is
   decided; then smaller ones with 10, 100 and 1,000 pieces of evidence a person.
3. A rebuild of the tables from the whole log of the stack (`assay rebuild aggregator`).
4. Reads of competencies over HTTP (`bench_answers`).

While a backlog is made, the lock that consumers share is held: the aggregator waits, the store
does not. So what is measured is the aggregator's own road, on the cores of this machine.
"""

import asyncio
import json
import math
import os
import platform
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
from rich.console import Console
from rich.table import Table

from assay_aggregator.evaluate import evaluate
from assay_aggregator.fact import Fact, Score
from assay_aggregator.rule import parse_rule
from assay_aggregator.world import Authorisation, IdentityLink, World
from assay_cli import bench_answers, bench_backlog, rebuilding
from assay_cli.bench_backlog import Backlog
from assay_cli.bench_http import LoadError
from assay_cli.errors import StackError
from assay_cli.stack import StackInfo
from assay_cli.state import StackState

PIECES: Final = (10, 20, 50, 100, 200, 500, 1_000)
# The smallest of several times is the one that other processes disturbed least.
REPEATS: Final = 5
PIECES_OF_ONE_TIMING: Final = 4_000
EVIDENCE_PER_PERSON: Final = (10, 100, 1_000)
PEOPLE: Final = 5_000
POLL_SECONDS: Final = 0.1
DECIDED_SECONDS_MAX: Final = 3_600.0
STATEMENT_SECONDS: Final = 120

# What is to be reached (issue and docs/performance.md).
EVALUATIONS_PER_SECOND: Final = 2_000.0
STATEMENTS_PER_SECOND: Final = 4_000.0
RATE_RATIO: Final = 0.5
MATRIX_P95_SECONDS: Final = 0.1

_WAITING = "select exists (select from aggregator.mark)"
_APPLIED = """
    select coalesce(sum(a.next_offset), 0)::bigint as aggregator,
      (select coalesce(sum(s.next_offset), 0)::bigint from ingest.applied as s
       where s.projection = 'store' and s.topic = a.topic) as store
    from aggregator.applied as a
    where a.projection = 'aggregator' and a.topic = 'assay.statements.v1'
    group by a.topic
"""


@dataclass(slots=True)
class Decisions:
    """Everything that was measured. Rates are per second, times are seconds."""

    machine: dict[str, Any]
    evaluator: dict[str, dict[str, float]] = field(default_factory=dict)
    backlog: dict[str, float] = field(default_factory=dict)
    by_evidence: dict[str, dict[str, float]] = field(default_factory=dict)
    reads: dict[str, dict[str, float]] = field(default_factory=dict)
    rebuild: dict[str, float] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)


def run(stack: StackInfo, *, statements: int, output: Path | None) -> int:
    """Measure, print tables, write JSON. Exit code 1 when a target is missed."""
    console = Console()
    result = Decisions(
        machine={
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": round(os.getloadavg()[0], 2),
        }
    )
    try:
        _evaluator(result)
        asyncio.run(_backlogs(stack, statements, result, console))
        _rebuild(result, console)
        asyncio.run(_reads(stack, result, console))
    except (OSError, StackError, LoadError, asyncpg.PostgresError) as error:
        console.print(f"[red]The stack cannot be measured:[/] {error}. Is `make run` running?")
        return 2
    _judge(result)
    _print(console, result)
    if output is not None:
        document = {name: getattr(result, name) for name in Decisions.__slots__}
        output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        console.print(f"Written to {output}")
    for line in result.missed:
        console.print(f"[red]missed[/] {line}")
    return 1 if result.missed else 0


# --- the pure evaluator


def evaluation_seconds(pieces: int) -> float:
    """Seconds of one core for one evaluation of a person with so many pieces of evidence."""
    rule = parse_rule(bench_backlog.rule(0))
    begins = datetime(2025, 6, 1, tzinfo=UTC)
    step = timedelta(days=bench_backlog.DAYS) / pieces
    world = World(
        facts=[_fact(number, begins + number * step) for number in range(pieces)],
        links=[IdentityLink("person", "p"), IdentityLink("assessor", "a")],
        authorisations=[Authorisation("a", "bench")],
    )
    as_of = begins + timedelta(days=bench_backlog.DAYS)
    best = math.inf
    count = max(2, PIECES_OF_ONE_TIMING // pieces)
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(count):
            evaluate(rule, world, "p", as_of, as_of)
        best = min(best, (time.process_time() - began) / count)
    return best


def _fact(number: int, at: datetime) -> Fact:
    """One piece of evidence of the backlog's kind: one in five fails."""
    modality = ("online", "vr", "vr", "in_person")[number % 4]
    passed = number % 5 != 3
    return Fact(
        id=f"{number * 2654435761 % 2**32:08x}-0000-4000-8000-000000000000",
        body_hash=f"{number:064x}",
        source="bench",
        stored=at,
        timestamp=at,
        verb="http://adlnet.gov/expapi/verbs/" + ("passed" if passed else "failed"),
        actor="person",
        modality=modality,
        vouches=True,
        instructors=("assessor",) if modality == "in_person" else (),
        activity=f"https://assay.example/bench/evidence/0/{modality}",
        success=passed,
        score=Score(scaled="0.93" if passed else "0.41"),
        registration=f"{number:032x}",
    )


def _evaluator(result: Decisions) -> None:
    seconds = {pieces: evaluation_seconds(pieces) for pieces in PIECES}
    for pieces, one in seconds.items():
        grown = seconds[20] * pieces * math.log(pieces) / (20 * math.log(20))
        result.evaluator[str(pieces)] = {
            "per_second": 1 / one,
            "microseconds": one * 1e6,
            "of_n_log_n": one / grown,
        }


# --- the backlog


async def _backlogs(stack: StackInfo, statements: int, result: Decisions, console: Console) -> None:
    people = max(1, min(PEOPLE, statements // 200))
    taken = await measure_backlog(stack, statements, people, console)
    result.backlog = {"statements": statements, "people": people, **taken}
    for pieces in EVIDENCE_PER_PERSON:
        # A fifth of the backlog for each, so that the curve does not cost three times as much.
        count = max(2_000, statements // 5)
        found = await measure_backlog(stack, count, max(1, count // pieces), console)
        result.by_evidence[str(pieces)] = {"statements": count, **found}


async def measure_backlog(
    stack: StackInfo, statements: int, people: int, console: Console
) -> dict[str, float]:
    """Let a backlog wait in the log, then decide it; rates of applying and of deciding."""
    backlog = Backlog(bench_backlog.fresh_population(), statements, people)
    connection = await asyncpg.connect(stack.dsn_with_password(), command_timeout=STATEMENT_SECONDS)
    try:
        await bench_backlog.record_rules(connection)
        await _until_idle(connection)
        with console.status(f"{statements:,} statements of {people:,} people into the log"):
            async with _consumers_held(stack):
                before = await _applied(connection)
                await bench_backlog.produce(stack, backlog)
                records = -(-statements // bench_backlog.BATCH)
                await _until_stored(connection, before["store"] + records)
        began, cpu = time.perf_counter(), _cpu_seconds(stack)
        with console.status("deciding"):
            await _until_applied(connection, before["aggregator"] + records)
            applied = time.perf_counter() - began
            await _until_idle(connection)
            decided = time.perf_counter() - began
        spent = {name: now - cpu[name] for name, now in _cpu_seconds(stack).items()}
    finally:
        await connection.close()
    console.print(
        f"  {statements:,} statements of {people:,} people: applied in {applied:.1f} s, "
        f"decided after {decided:.1f} s: {statements / decided:,.0f} statements/s"
    )
    return {
        "people": people,
        "applied_seconds": applied,
        "decided_seconds": decided,
        "statements_per_second": statements / decided,
        "aggregator_cpu_microseconds": spent["aggregator"] / statements * 1e6,
        "postgres_cpu_microseconds": spent["postgres"] / statements * 1e6,
    }


def _cpu_seconds(stack: StackInfo) -> dict[str, float]:
    """What the aggregator and Postgres, with its backends, have used of the cores so far."""
    state = StackState.read(stack.state_file)
    found = {}
    for name in ("aggregator", "postgres"):
        identity = None if state is None else state.processes[name].identity
        if identity is None:
            raise StackError(f"{name} does not run")
        process = psutil.Process(identity.pid)
        own = process.cpu_times()
        # Backends that have ended are in the times of their parent's children.
        total = own.user + own.system + own.children_user + own.children_system
        for child in process.children():
            with suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                total += times.user + times.system
        found[name] = total
    return found


@asynccontextmanager
async def _consumers_held(stack: StackInfo) -> AsyncIterator[None]:
    """No consumer of the aggregator applies anything meanwhile, nor are records changed."""
    holder = await asyncpg.connect(stack.dsn_with_password(), command_timeout=STATEMENT_SECONDS)
    try:
        await holder.execute("select pg_advisory_lock(hashtext('aggregator.records'))")
        yield
    finally:
        await holder.close()


async def _until_stored(connection: asyncpg.Connection, offsets: int) -> None:
    """Until the store has applied so many records: it is not to work beside the aggregator."""
    while (await _applied(connection))["store"] < offsets:  # noqa: ASYNC110 - asks the tables
        await asyncio.sleep(POLL_SECONDS)


async def _applied(connection: asyncpg.Connection) -> asyncpg.Record:
    """Records applied so far, by `aggregator` and by `store`."""
    row = await connection.fetchrow(_APPLIED)
    if row is None:
        raise StackError("the aggregator has applied nothing yet")
    return row


async def _until_applied(connection: asyncpg.Connection, offsets: int) -> None:
    deadline = time.perf_counter() + DECIDED_SECONDS_MAX
    while (await _applied(connection))["aggregator"] < offsets:
        if time.perf_counter() > deadline:
            raise StackError(f"the backlog is not applied after {DECIDED_SECONDS_MAX:,.0f} s")
        await asyncio.sleep(POLL_SECONDS)


async def _until_idle(connection: asyncpg.Connection) -> None:
    """Until no mark waits."""
    deadline = time.perf_counter() + DECIDED_SECONDS_MAX
    while await connection.fetchval(_WAITING):
        if time.perf_counter() > deadline:
            raise StackError(f"marks still wait after {DECIDED_SECONDS_MAX:,.0f} s")
        await asyncio.sleep(POLL_SECONDS)


# --- reads, and a rebuild


async def _reads(stack: StackInfo, result: Decisions, console: Console) -> None:
    connection = await asyncpg.connect(stack.dsn_with_password(), command_timeout=600)
    try:
        with console.status("reads, of a matrix that is filled first"):
            result.reads = await bench_answers.reads(stack, connection)
    finally:
        await connection.close()


def _rebuild(result: Decisions, console: Console) -> None:
    """Of everything that the stack's log holds. The tables must be found to be right."""
    report = rebuilding.rebuild(console, exchange=True, anew=True)
    result.rebuild = {
        "statements": report.statements,
        "people": report.people,
        "seconds": report.seconds,
        "statements_per_second": report.statements / report.seconds,
    }
    if not report.same:
        result.missed.append("the rebuild found tables that are not what the log says")


# --- what comes of it


def _judge(result: Decisions) -> None:
    reached = result.evaluator["20"]["per_second"]
    if reached < EVALUATIONS_PER_SECOND:
        result.missed.append(
            f"evaluations with 20 pieces: {reached:,.0f}/s, wanted {EVALUATIONS_PER_SECOND:,.0f}"
        )
    if result.evaluator["1000"]["of_n_log_n"] > 1:
        result.missed.append("the evaluator's time for 1,000 pieces grows faster than n log n")
    rate = result.backlog["statements_per_second"]
    if rate < STATEMENTS_PER_SECOND:
        result.missed.append(f"backlog: {rate:,.0f}/s, wanted {STATEMENTS_PER_SECOND:,.0f}")
    rate = result.rebuild["statements_per_second"]
    if rate < STATEMENTS_PER_SECOND:
        result.missed.append(f"rebuild: {rate:,.0f}/s, wanted {STATEMENTS_PER_SECOND:,.0f}")
    for name, times in result.reads.items():
        if name.startswith("matrix") and times["p95"] > MATRIX_P95_SECONDS:
            result.missed.append(f"{name}: p95 {times['p95'] * 1000:.0f} ms, wanted 100")
    ratio = curve_ratio(result)
    if ratio < RATE_RATIO:
        result.missed.append(f"rate with 1,000 pieces / 10: {ratio:.2f}, wanted {RATE_RATIO}")


def curve_ratio(result: Decisions) -> float:
    """The rate with 1,000 pieces of evidence a person, as a part of that with 10."""
    curve = result.by_evidence
    return curve["1000"]["statements_per_second"] / curve["10"]["statements_per_second"]


def _print(console: Console, result: Decisions) -> None:
    table = Table(title="The pure evaluator, one core", title_justify="left")
    for column in ("pieces of evidence", "evaluations/s", "us each", "of n log n from 20"):
        table.add_column(column, justify="right")
    for pieces, one in result.evaluator.items():
        table.add_row(
            pieces,
            f"{one['per_second']:,.0f}",
            f"{one['microseconds']:,.0f}",
            f"{one['of_n_log_n']:.2f}",
        )
    console.print(table)
    table = Table(title="Backlogs, until all is decided", title_justify="left")
    for column in ("statements", "people", "pieces each", "applied", "decided", "per s", "cpu us"):
        table.add_column(column, justify="right")
    for one in (result.backlog, *result.by_evidence.values()):
        table.add_row(
            f"{one['statements']:,.0f}",
            f"{one['people']:,.0f}",
            f"{one['statements'] / one['people']:,.0f}",
            f"{one['applied_seconds']:.1f} s",
            f"{one['decided_seconds']:.1f} s",
            f"{one['statements_per_second']:,.0f}",
            f"{one['aggregator_cpu_microseconds']:.0f} + {one['postgres_cpu_microseconds']:.0f}",
        )
    console.print(table)
    console.print("cpu: of the aggregator and of Postgres, for each statement")
    console.print(f"rate with 1,000 pieces / rate with 10: {curve_ratio(result):.2f}")
    table = Table(title="Reads over HTTP, ms", title_justify="left")
    for column in ("what", "p50", "p95"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, times in result.reads.items():
        table.add_row(name, f"{times['p50'] * 1000:.1f}", f"{times['p95'] * 1000:.1f}")
    console.print(table)
    found = result.rebuild
    console.print(
        f"rebuild of {found['statements']:,.0f} statements and {found['people']:,.0f} people: "
        f"{found['seconds']:.1f} s, {found['statements_per_second']:,.0f} statements/s"
    )
