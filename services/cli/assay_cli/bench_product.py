"""The product under load: HTTP batches and singles, Kafka input, and how long each step takes."""

import asyncio
import base64
import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from assay_cli import bench_load
from assay_cli.bench_ceilings import BATCH, BATCH_CONNECTIONS, SINGLE_CONNECTIONS
from assay_cli.bench_http import Connection, LoadError, Tally, connect, post_request, run_load
from assay_cli.bench_load import Template, batch
from assay_cli.stack import HOST, StackInfo
from assay_schemas.agents import agent_key
from assay_schemas.topics import STATEMENT_RECORD_BYTES, STATEMENTS, TOPICS, input_topic

TENANT = "demo"
POLL_SECONDS = 0.02
DRAIN_SECONDS = 300.0
_PARTITIONS = next(one.partitions for one in TOPICS if one.name == STATEMENTS)


def rules() -> list[dict[str, Any]]:
    """The rules of the demo tenant, as documents."""
    folder = files("assay_cli").joinpath("data", "rules")
    return [
        json.loads(one.read_text(encoding="utf-8"))
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.name.endswith(".json")
    ]


def online_evidence() -> list[str]:
    """The activities that some clause for online evidence names."""
    return sorted(
        {
            activity
            for rule in rules()
            for clause in rule["evidence"].values()
            if "online" in clause["modality"]
            for activity in clause["match"].get("activity", ())
        }
    )


def one_pass_awards() -> tuple[str, str]:
    """(activity, competency) of a rule that one online pass fulfils."""
    for rule in rules():
        clauses = list(rule["evidence"].values())
        if len(clauses) != 1 or clauses[0]["modality"] != ["online"]:
            continue
        clause = clauses[0]
        if clause.get("attempts", {}).get("policy", "any") == "any" and "assessor" not in clause:
            return clause["match"]["activity"][0], rule["competency"]
    raise LookupError("no rule of the demo tenant is fulfilled by one online pass")


def post_headers(stack: StackInfo, key: str = "online") -> list[tuple[str, str]]:
    user = stack.keys()[key]
    token = base64.b64encode(f"{user['user']}:{user['password']}".encode()).decode()
    return [("Authorization", f"Basic {token}"), ("X-Experience-API-Version", "2.0.0")]


async def batches(stack: StackInfo, pool: Iterator[Template], seconds: float) -> Tally:
    headers = post_headers(stack)
    return await run_load(
        host=HOST,
        port=stack.port("ingest"),
        connections=BATCH_CONNECTIONS,
        seconds=seconds,
        make_request=lambda: (
            post_request("/xapi/statements", headers, batch(pool, BATCH)),
            BATCH,
        ),
    )


async def singles(stack: StackInfo, pool: Iterator[Template], seconds: float) -> Tally:
    headers = post_headers(stack)

    def one() -> tuple[bytes, int]:
        return post_request("/xapi/statements", headers, batch(islice(pool, 1), 1)[1:-1]), 1

    return await run_load(
        host=HOST,
        port=stack.port("ingest"),
        connections=SINGLE_CONNECTIONS,
        seconds=seconds,
        make_request=one,
    )


@dataclass(slots=True)
class Behind:
    """How far the projections were behind when the load ended, in seconds."""

    stored: float
    decided: float


async def until_drained(stack: StackInfo) -> Behind:
    """Wait until store and aggregator have applied all there is now, and no mark waits.

    Ticks are appended for ever, so the log's end of this moment is what counts.
    """
    consumer = AIOKafkaConsumer(**stack.kafka("admin").aiokafka())
    await consumer.start()
    try:
        ends = await consumer.end_offsets(
            [TopicPartition(STATEMENTS, number) for number in range(_PARTITIONS)]
        )
    finally:
        await consumer.stop()
    wanted = {where.partition: end for where, end in ends.items()}
    began = time.perf_counter()
    connection = await asyncpg.connect(stack.dsn_with_password())
    stored: float | None = None
    facts: float | None = None
    try:
        while time.perf_counter() - began < DRAIN_SECONDS:
            now = time.perf_counter() - began
            if stored is None and await _applied(connection, "ingest", wanted):
                stored = now
            if facts is None and await _applied(connection, "aggregator", wanted):
                facts = now
            if stored is not None and facts is not None:
                waiting = await connection.fetchval("select count(*) from aggregator.mark")
                if waiting == 0:
                    return Behind(stored=stored, decided=time.perf_counter() - began)
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()
    raise TimeoutError(f"the projections were not through after {DRAIN_SECONDS:.0f} s")


async def until_issued(stack: StackInfo) -> float:
    """Wait until no award waits for its credential, so that no load is measured beside it."""
    began = time.perf_counter()
    connection = await asyncpg.connect(stack.dsn_with_password())
    try:
        while time.perf_counter() - began < DRAIN_SECONDS:
            waiting = await connection.fetchval(
                "select (select count(*) from credentials.award where version <> done_version) "
                "+ (select count(*) from aggregator.outbox)"
            )
            if waiting == 0:
                return time.perf_counter() - began
            await asyncio.sleep(0.2)
    finally:
        await connection.close()
    raise TimeoutError(f"credentials were not issued within {DRAIN_SECONDS:.0f} s")


async def _applied(connection: asyncpg.Connection, schema: str, wanted: dict[int, int]) -> bool:
    rows = await connection.fetch(
        f"select partition, next_offset from {schema}.applied "  # noqa: S608
        "where topic = $1 and projection = $2",
        STATEMENTS,
        "store" if schema == "ingest" else schema,
    )
    have = {row["partition"]: row["next_offset"] for row in rows}
    return all(have.get(number, 0) >= end for number, end in wanted.items())


async def kafka_input(stack: StackInfo, pool: Iterator[Template], records: int) -> Tally:
    """Records of 100 statements into the input topic of the VR source, until all are stored."""
    topic = input_topic(TENANT, "vr").name
    producer = AIOKafkaProducer(
        **stack.kafka(f"in-{TENANT}-vr").aiokafka(),
        acks="all",
        enable_idempotence=True,
        max_batch_size=1024 * 1024,
        max_request_size=STATEMENT_RECORD_BYTES,
    )
    await producer.start()
    last_ids: list[UUID] = []
    began = time.perf_counter()
    try:
        waiting = []
        for _ in range(records):
            value = batch(pool, BATCH)
            last_ids.append(UUID(orjson.loads(value)[-1]["id"]))
            waiting.append(await producer.send(topic, value))
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
    connection = await asyncpg.connect(stack.dsn_with_password())
    try:
        while True:
            found = await connection.fetchval(
                "select count(*) from ingest.statement_key where tenant = $1 and id = any($2)",
                TENANT,
                last_ids,
            )
            if found == len(last_ids):
                break
            if time.perf_counter() - began > DRAIN_SECONDS:
                raise TimeoutError("the input topic was not moved in time")
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return Tally(
        seconds=time.perf_counter() - began,
        requests=records,
        statements=records * BATCH,
        statuses={},
    )


@dataclass(slots=True)
class Latencies:
    """Seconds from the moment a statement was sent."""

    acknowledged: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    decided: list[float] = field(default_factory=list)
    credential: list[float] = field(default_factory=list)
    statements: int = 0
    missing: int = 0


async def latencies(stack: StackInfo, per_second: int, seconds: float) -> Latencies:
    """Post single statements at a steady rate; each tenth one earns a new learner an award."""
    result = Latencies()
    activity, competency = one_pass_awards()
    population = f"late-{int(time.time())}"
    randomness = random.Random(7)  # noqa: S311 - a benchmark is to be repeatable
    ordinary = bench_load.endless(bench_load.make_pool(11, online_evidence()))
    headers = post_headers(stack)
    sent_ids: dict[UUID, float] = {}
    sent_agents: dict[UUID, float] = {}
    watching = asyncio.create_task(_watch(stack, competency, sent_ids, sent_agents, result))
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(SINGLE_CONNECTIONS):
        free.put_nowait(await connect(HOST, stack.port("ingest")))
    posting: set[asyncio.Task[None]] = set()

    async def post(connection: Connection, request: bytes, sent: float) -> None:
        try:
            status = await connection.send(request)
        finally:
            free.put_nowait(connection)
        if status != 200:
            raise LoadError(f"a statement was answered {status}")
        result.acknowledged.append(time.perf_counter() - sent)

    began = time.perf_counter()
    count = int(per_second * seconds)
    for number in range(count):
        pause = began + number / per_second - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        statement_id = bench_load.new_id()
        if number % bench_load.EVIDENCE_ONE_IN == 0:
            actor = bench_load.learner(number, population)
            document = bench_load.statement(
                randomness,
                bench_load.learner(0, population),
                ("http://adlnet.gov/expapi/verbs/passed", "passed"),
                activity,
            )
            document["result"] = {"success": True, "score": {"scaled": 0.95}}
            chosen = bench_load.template(document)
        else:
            actor = None
            chosen = next(ordinary)
        request = post_request(
            "/xapi/statements", headers, chosen.fill(statement_id, bench_load.now_text(), number)
        )
        connection = await free.get()
        sent = time.perf_counter()
        if actor is not None:
            sent_ids[UUID(statement_id.decode())] = sent
            sent_agents[_hash(actor)] = sent
        task = asyncio.create_task(post(connection, request, sent))
        posting.add(task)
        task.add_done_callback(posting.discard)
    await asyncio.gather(*posting)
    result.statements = count
    result.missing = await watching
    while not free.empty():
        free.get_nowait().close()
    return result


def _hash(agent: dict[str, Any]) -> UUID:
    key = agent_key(agent)
    if key is None:
        raise ValueError("a learner has an identifier")
    return UUID(bytes=hashlib.sha256(key.encode()).digest()[:16])


async def _watch(
    stack: StackInfo,
    competency: str,
    ids: dict[UUID, float],
    agents: dict[UUID, float],
    result: Latencies,
) -> int:
    """See when statements, decisions and credentials can be read; answer how many never could."""
    connection = await asyncpg.connect(stack.dsn_with_password())
    seen_ids: set[UUID] = set()
    seen_decided: set[UUID] = set()
    seen_credential: set[UUID] = set()
    quiet_since = time.perf_counter()
    try:
        while True:
            now_open = [one for one in ids if one not in seen_ids]
            found = await connection.fetch(
                "select id from ingest.statement_key where tenant = $1 and id = any($2)",
                TENANT,
                now_open,
            )
            at = time.perf_counter()
            for row in found:
                seen_ids.add(row["id"])
                result.stored.append(at - ids[row["id"]])
            progressed = bool(found)
            for table, seen, times in (
                ("aggregator.decision_current", seen_decided, result.decided),
                ("credentials.credential", seen_credential, result.credential),
            ):
                rows = await connection.fetch(
                    _AWARDED[table],
                    TENANT,
                    [one for one in agents if one not in seen],
                    competency,
                )
                at = time.perf_counter()
                progressed = progressed or bool(rows)
                for row in rows:
                    seen.add(row["agent"])
                    times.append(at - agents[row["agent"]])
            if progressed or not agents:
                quiet_since = time.perf_counter()
            missing = 2 * len(agents) - len(seen_decided) - len(seen_credential)
            idle = time.perf_counter() - quiet_since
            if agents and ((missing == 0 and idle > 2) or idle > 60):
                return missing
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()


_AWARDED = {
    "aggregator.decision_current": """
        select l.agent from aggregator.identity_link l
        join aggregator.decision_current d using (tenant, person)
        where l.tenant = $1 and l.agent = any($2) and d.competency = $3 and d.status = 'achieved'
    """,
    "credentials.credential": """
        select l.agent from aggregator.identity_link l
        join credentials.credential c using (tenant, person)
        where l.tenant = $1 and l.agent = any($2) and c.competency = $3 and c.state = 'issued'
    """,
}
