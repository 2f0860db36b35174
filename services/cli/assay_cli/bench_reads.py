"""`assay bench --reads`: GET by every filter over many statements, documents, and attachments.

Targets: each filter's p95 under 50 ms at a million statements; a thousand documents a second; the
memory of `ingest` flat while attachments of one megabyte pass through it.
"""

import asyncio
import hashlib
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
import orjson
import psutil
from rich.console import Console
from rich.table import Table

from assay_cli import bench_load
from assay_cli.bench_ceilings import SINGLE_CONNECTIONS
from assay_cli.bench_http import Connection, LoadError, Tally, connect, run_load
from assay_cli.bench_product import batches, online_evidence, post_headers, until_drained
from assay_cli.errors import StackError
from assay_cli.stack import HOST, StackInfo
from assay_cli.state import StackState

READ_CONNECTIONS = 2
READS_PER_FILTER = 300
FILL_SECONDS = 20.0
DOCUMENT_BYTES = 300
DOCUMENTS = 2_000
ATTACHMENT_BYTES = 1_000_000
ATTACHMENTS = 200
FILTER_P95_SECONDS = 0.05
DOCUMENTS_PER_SECOND = 1_000.0

Query = Mapping[str, str]


@dataclass(slots=True)
class Reads:
    """Everything that was measured; times in seconds, memory in bytes."""

    statements: int = 0
    filters: dict[str, dict[str, float]] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    memory_bytes: dict[str, int] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)


def run(stack: StackInfo, *, statements: int, seconds: int, output: Path | None) -> int:
    """Measure, print tables, write JSON. Exit code 1 when a target is missed."""
    console = Console()
    try:
        result = asyncio.run(_measure(stack, statements, float(seconds), console))
    except (OSError, StackError, KeyError) as error:
        console.print(f"[red]The stack cannot be measured:[/] {error}. Is `make run` running?")
        return 2
    _print(console, result)
    if output is not None:
        document = {name: getattr(result, name) for name in Reads.__slots__}
        output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        console.print(f"Written to {output}")
    for line in result.missed:
        console.print(f"[red]missed[/] {line}")
    return 1 if result.missed else 0


async def _measure(stack: StackInfo, wanted: int, seconds: float, console: Console) -> Reads:
    result = Reads()
    result.statements = await _fill(stack, wanted, console)
    for name, query in (await _filters(stack)).items():
        with console.status(name):
            result.filters[name] = await _timed(stack, query)
    for name, load in (("documents, PUT", _put), ("documents, GET", _get)):
        with console.status(name):
            result.rates[name] = _rate(await _documents(stack, load, seconds))
    with console.status("attachments"):
        await _attachments(stack, result)
    for name, found in result.filters.items():
        if found["p95"] > FILTER_P95_SECONDS:
            result.missed.append(f"{name}: p95 {found['p95'] * 1000:.0f} ms, wanted 50")
    for name, rate in result.rates.items():
        if name.startswith("documents") and rate < DOCUMENTS_PER_SECOND:
            result.missed.append(f"{name}: {rate:,.0f}/s, wanted {DOCUMENTS_PER_SECOND:,.0f}")
    return result


async def _fill(stack: StackInfo, wanted: int, console: Console) -> int:
    """Post batches until there are `wanted` statements; how many there are.

    Some are always posted: what is asked for is drawn from the newest.
    """
    pool = bench_load.endless(bench_load.make_pool(1, online_evidence()))
    while True:
        await batches(stack, pool, FILL_SECONDS)
        await until_drained(stack)
        count = await _count(stack)
        console.print(f"  {count:,} statements so far")
        if count >= wanted:
            return count


async def _count(stack: StackInfo) -> int:
    connection = await asyncpg.connect(stack.dsn_with_password())
    try:
        # Exact, and seconds long with a million rows; it is asked a few times.
        count: int = await connection.fetchval("select count(*) from ingest.statement_key")
    finally:
        await connection.close()
    return count


async def _filters(stack: StackInfo) -> dict[str, Callable[[], Query]]:
    """Every filter, and the pairs that are asked most, each drawing another value each time."""
    draw = random.Random(5)  # noqa: S311 - a benchmark is to be repeatable
    registrations, ids = await _known(stack)

    def agent() -> str:
        actor = bench_load.learner(draw.randrange(bench_load.LEARNERS))
        return orjson.dumps(actor).decode()

    def verb() -> str:
        return draw.choice(bench_load.VERBS)

    def activity() -> str:
        return f"https://assay.example/bench/activities/{draw.randrange(bench_load.ACTIVITIES)}"

    def course() -> str:
        return f"https://assay.example/bench/courses/{draw.randrange(20)}"

    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    return {
        "no filter": dict,
        "statementId": lambda: {"statementId": draw.choice(ids)},
        "verb": lambda: {"verb": verb()},
        "activity": lambda: {"activity": activity()},
        "agent": lambda: {"agent": agent()},
        "registration": lambda: {"registration": draw.choice(registrations)},
        "since": lambda: {"since": since, "ascending": "true"},
        "until": lambda: {"until": since},
        "related_agents": lambda: {"agent": agent(), "related_agents": "true"},
        "related_activities": lambda: {"activity": course(), "related_activities": "true"},
        "agent, verb": lambda: {"agent": agent(), "verb": verb()},
        "agent, activity": lambda: {"agent": agent(), "activity": activity()},
        "verb, activity": lambda: {"verb": verb(), "activity": activity()},
        "agent, verb, since": lambda: {"agent": agent(), "verb": verb(), "since": since},
        "nobody, verb": lambda: {"agent": '{"mbox":"mailto:nobody@x.org"}', "verb": verb()},
        "agent, canonical": lambda: {"agent": agent(), "format": "canonical"},
        "agent, ids": lambda: {"agent": agent(), "format": "ids"},
    }


async def _known(stack: StackInfo) -> tuple[list[str], list[str]]:
    """Some registrations and ids that are there."""
    connection = await connect(HOST, stack.port("ingest"))
    try:
        await connection.send(_request("GET", "/xapi/statements", stack, {"limit": "200"}))
        found = orjson.loads(connection.body)["statements"]
    finally:
        connection.close()
    registrations = [
        one["context"]["registration"] for one in found if "registration" in one.get("context", {})
    ]
    return registrations, [one["id"] for one in found]


async def _timed(stack: StackInfo, query: Callable[[], Query]) -> dict[str, float]:
    """The percentiles of pages of ten; what a page has too few of is asked for no further."""
    times: list[float] = []

    async def one(connection: Connection) -> None:
        for _ in range(READS_PER_FILTER // READ_CONNECTIONS):
            wanted = query()
            if "statementId" not in wanted:
                wanted = {**wanted, "limit": "10"}
            request = _request("GET", "/xapi/statements", stack, wanted)
            sent = time.perf_counter()
            status = await connection.send(request)
            times.append(time.perf_counter() - sent)
            if status != 200:
                raise LoadError(f"a read was answered {status}")

    connections = [await connect(HOST, stack.port("ingest")) for _ in range(READ_CONNECTIONS)]
    try:
        await asyncio.gather(*(one(connection) for connection in connections))
    finally:
        for connection in connections:
            connection.close()
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def _request(
    method: str,
    path: str,
    stack: StackInfo,
    query: Query,
    body: bytes = b"",
    content_type: str = "application/json",
) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in post_headers(stack))
    if body:
        headers += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    target = f"{path}?{urlencode(query)}" if query else path
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode() + body


def _document(number: int) -> Query:
    # xAPI 2.0 refuses to overwrite without a condition, so each is a document of its own.
    return {
        "activityId": f"https://assay.example/bench/activities/{number % bench_load.ACTIVITIES}",
        "agent": orjson.dumps(bench_load.learner(number % bench_load.LEARNERS)).decode(),
        "stateId": f"bench-{os.getpid()}-{number}",
    }


def _put(stack: StackInfo, number: int) -> bytes:
    body = orjson.dumps({"page": number, "note": "x" * DOCUMENT_BYTES})
    return _request("PUT", "/xapi/activities/state", stack, _document(number), body)


def _get(stack: StackInfo, number: int) -> bytes:
    return _request("GET", "/xapi/activities/state", stack, _document(number % DOCUMENTS))


async def _documents(
    stack: StackInfo, make: Callable[[StackInfo, int], bytes], seconds: float
) -> Tally:
    numbers = iter(range(10**9))
    tally = await run_load(
        host=HOST,
        port=stack.port("ingest"),
        connections=SINGLE_CONNECTIONS,
        seconds=seconds,
        make_request=lambda: (make(stack, next(numbers)), 1),
    )
    bad = {status: count for status, count in tally.statuses.items() if status not in (200, 204)}
    if bad:
        raise LoadError(f"documents were answered {bad}")
    return tally


def _rate(tally: Tally) -> float:
    return tally.requests / tally.seconds


async def _attachments(stack: StackInfo, result: Reads) -> None:
    """Post statements with an attachment of one megabyte each, and watch the memory of ingest."""
    process = psutil.Process(_pid(stack, "ingest"))
    result.memory_bytes["ingest before"] = process.memory_info().rss
    peak = 0
    connection = await connect(HOST, stack.port("ingest"))
    began = time.perf_counter()
    try:
        for number in range(ATTACHMENTS):
            status = await connection.send(_with_attachment(stack, number))
            if status != 200:
                raise LoadError(f"an attachment was answered {status}")
            peak = max(peak, process.memory_info().rss)
    finally:
        connection.close()
    result.rates["attachments of 1 MB, POST"] = ATTACHMENTS / (time.perf_counter() - began)
    result.memory_bytes["ingest, highest while posting"] = peak


def _pid(stack: StackInfo, name: str) -> int:
    state = StackState.read(stack.state_file)
    found = None if state is None else state.processes.get(name)
    if found is None or found.identity is None:
        raise StackError(f"{name} is not running")
    return found.identity.pid


def _with_attachment(stack: StackInfo, number: int) -> bytes:
    content = os.urandom(ATTACHMENT_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    statement = {
        "actor": bench_load.learner(number),
        "verb": {"id": bench_load.VERBS[0]},
        "object": {"id": "https://assay.example/bench/activities/0"},
        "attachments": [
            {
                "usageType": "https://assay.example/bench/recording",
                "display": {"en-GB": "a recording"},
                "contentType": "application/octet-stream",
                "length": len(content),
                "sha2": digest,
            }
        ],
    }
    boundary = "bench-boundary"
    body = b"".join(
        (
            f"--{boundary}\r\nContent-Type: application/json\r\n\r\n".encode(),
            orjson.dumps(statement),
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n".encode(),
            b"Content-Transfer-Encoding: binary\r\n",
            f"X-Experience-API-Hash: {digest}\r\n\r\n".encode(),
            content,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    kind = f"multipart/mixed; boundary={boundary}"
    return _request("POST", "/xapi/statements", stack, {}, body, kind)


def _print(console: Console, result: Reads) -> None:
    title = f"GET /xapi/statements, pages of 10 out of {result.statements:,}, ms"
    _table(
        console,
        title,
        ("filter", "p50", "p95", "p99"),
        [
            (name, *(f"{found[key] * 1000:.1f}" for key in ("p50", "p95", "p99")))
            for name, found in result.filters.items()
        ],
    )
    rows = [(name, f"{rate:,.0f}/s") for name, rate in result.rates.items()]
    rows += [(name, f"{size / 1e6:,.0f} MB") for name, size in result.memory_bytes.items()]
    _table(console, "Documents and attachments", ("what", "value"), rows)


def _table(
    console: Console, title: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]]
) -> None:
    table = Table(title=title, title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
