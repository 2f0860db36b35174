"""The ceilings, measured in the same run as the product: what the parts can do alone."""

import asyncio
import io
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice

import asyncpg
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from assay_cli import bench_bare
from assay_cli.bench_http import Tally, connect, post_request, run_load
from assay_cli.bench_load import Template, batch
from assay_cli.stack import HOST, StackInfo
from assay_schemas.topics import STATEMENT_RECORD_BYTES

KAFKA_TOPIC = "assay.bench.kafka.v1"
BARE_DATABASE = "assay_bench"
BARE_PORT = 9
BATCH = 100
BATCH_CONNECTIONS = 4
SINGLE_CONNECTIONS = 32
COPY_ROWS = 100_000
# What one accepted statement comes to: these rows, in these tables with their indexes.
COPIED_TABLES = (
    "ingest.statement_key",
    "ingest.statement",
    "ingest.statement_agent",
    "aggregator.statement_fact",
)


async def make_topics(stack: StackInfo, *names: str) -> None:
    """Make topics anew, so that no run measures what another one left."""
    admin = AdminClient({**stack.kafka("admin").confluent()})

    def make() -> None:
        existing = admin.list_topics(timeout=10).topics
        old = [name for name in names if name in existing]
        for answer in admin.delete_topics(old, operation_timeout=10).values() if old else ():
            answer.result()
        new = [
            NewTopic(
                name,
                num_partitions=bench_bare.PARTITIONS,
                replication_factor=1,
                config={
                    "message.timestamp.type": "LogAppendTime",
                    "max.message.bytes": str(STATEMENT_RECORD_BYTES),
                },
            )
            for name in names
        ]
        for answer in admin.create_topics(new, operation_timeout=10).values():
            answer.result()

    await asyncio.to_thread(make)


async def kafka_produce(stack: StackInfo, pool: Iterator[Template], seconds: float) -> float:
    """Statements per second that Kafka takes in records of 100, from one idempotent producer."""
    records = [batch(pool, BATCH) for _ in range(30)]
    producer = AIOKafkaProducer(
        **stack.kafka("admin").aiokafka(),
        acks="all",
        enable_idempotence=True,
        max_batch_size=1024 * 1024,
        max_request_size=STATEMENT_RECORD_BYTES,
    )
    await producer.start()
    try:
        began = time.perf_counter()
        sent = 0
        waiting: set[asyncio.Future[object]] = set()
        while time.perf_counter() - began < seconds:
            waiting.add(await producer.send(KAFKA_TOPIC, records[sent % len(records)]))
            sent += 1
            if len(waiting) >= 64:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(waiting)
        return sent * BATCH / (time.perf_counter() - began)
    finally:
        await producer.stop()


def pydantic_alone(pool: Iterator[Template], seconds: float) -> float:
    """Statements per second that the bare pydantic model validates, on one core."""
    from pydantic import TypeAdapter

    adapter = TypeAdapter(list[bench_bare.Statement])
    bodies = [batch(pool, BATCH) for _ in range(30)]
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < seconds:
        adapter.validate_json(bodies[count % len(bodies)])
        count += 1
    return count * BATCH / (time.perf_counter() - began)


def checking_alone(pool: Iterator[Template], seconds: float) -> float:
    """Statements per second that the product's own checking takes, on one core."""
    from assay_schemas.limits import Limits
    from assay_schemas.statement import check_statements

    limits = Limits()
    bodies = [batch(pool, BATCH) for _ in range(30)]
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < seconds:
        check_statements(bodies[count % len(bodies)], version="2.0.0", limits=limits)
        count += 1
    return count * BATCH / (time.perf_counter() - began)


async def postgres_copy(stack: StackInfo) -> tuple[float, int]:
    """(statements per second, rows of each table): COPY of the newest rows into copies."""
    connection = await asyncpg.connect(stack.dsn_with_password())
    try:
        await connection.execute("drop schema if exists bench cascade")
        await connection.execute("create schema bench")
        seconds = 0.0
        statements = await connection.fetchval(
            "select count(*) from (select 1 from ingest.statement_key limit $1) as counted",
            COPY_ROWS,
        )
        for table in COPIED_TABLES:
            copy = table.partition(".")[2]
            await connection.execute(f"create table bench.{copy} (like {table} including all)")
            columns = [
                row["attname"]
                for row in await connection.fetch(
                    "select attname from pg_attribute where attrelid = $1::text::regclass "
                    "and attnum > 0 and not attisdropped order by attnum",
                    table,
                )
            ]
            held = io.BytesIO()
            await connection.copy_from_query(
                f"select {', '.join(columns)} from {table} order by stored_ms desc limit $1",  # noqa: S608
                COPY_ROWS,
                output=held,
                format="binary",
            )
            held.seek(0)
            began = time.perf_counter()
            await connection.copy_to_table(
                copy, source=held, schema_name="bench", columns=columns, format="binary"
            )
            seconds += time.perf_counter() - began
        await connection.execute("drop schema bench cascade")
    finally:
        await connection.close()
    return (statements / seconds if seconds else 0.0), statements


@asynccontextmanager
async def bare_road(stack: StackInfo) -> AsyncIterator[int]:
    """The two processes of the bare road, ready to be posted to; gives the port."""
    administrator = await asyncpg.connect(stack.dsn_with_password("postgres", "postgres"))
    try:
        await administrator.execute(f"drop database if exists {BARE_DATABASE} with (force)")
        await administrator.execute(f"create database {BARE_DATABASE}")
    finally:
        await administrator.close()
    port = stack.port_base + BARE_PORT
    environment = {
        **os.environ,
        "ASSAY_BENCH_KAFKA": json.dumps(stack.kafka("admin").aiokafka()),
        "ASSAY_BENCH_DSN": stack.dsn_with_password("postgres", BARE_DATABASE),
        "ASSAY_BENCH_PORT": str(port),
    }
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "assay_cli.bench_bare", word, env=environment
        )
        for word in ("serve", "project")
    ]
    try:
        await _until_listening(port, running)
        yield port
    finally:
        for one in running:
            if one.returncode is None:
                one.terminate()
        for one in running:
            try:
                async with asyncio.timeout(10):
                    await one.wait()
            except TimeoutError:
                one.kill()


async def _until_listening(port: int, running: list[asyncio.subprocess.Process]) -> None:
    for _ in range(200):
        if any(one.returncode is not None for one in running):
            raise OSError("the bare road died at start; its error stands above")
        try:
            (await connect(HOST, port)).close()
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return
    raise OSError("the bare road did not listen within 20 s")


async def bare_batches(port: int, pool: Iterator[Template], seconds: float) -> Tally:
    return await run_load(
        host=HOST,
        port=port,
        connections=BATCH_CONNECTIONS,
        seconds=seconds,
        make_request=lambda: (post_request("/statements", (), batch(pool, BATCH)), BATCH),
    )


async def bare_singles(port: int, pool: Iterator[Template], seconds: float) -> Tally:
    def one() -> tuple[bytes, int]:
        return post_request("/statement", (), batch(islice(pool, 1), 1)[1:-1]), 1

    return await run_load(
        host=HOST, port=port, connections=SINGLE_CONNECTIONS, seconds=seconds, make_request=one
    )


async def bare_rows(stack: StackInfo) -> int:
    """How many statements the bare road has projected so far."""
    connection = await asyncpg.connect(stack.dsn_with_password("postgres", BARE_DATABASE))
    try:
        return int(await connection.fetchval("select count(*) from bare_statement"))
    finally:
        await connection.close()
