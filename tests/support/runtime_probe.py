"""A consuming service that does next to nothing, for the tests of the runtime.

Its schema `probe` has the tables that every consuming service has, and one table of effects:
which record arrived, with which `stored`, and how often it was written.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import CollectorRegistry

from assay_cli.stack import KafkaAccess
from assay_runtime.consume import Consumer, Record
from assay_runtime.metrics import ConsumerMetrics
from assay_runtime.postgres import Connection, Pool, open_pool
from assay_runtime.settings import ServiceSettings

WAIT_SECONDS = 30.0

TABLES = """
create schema probe;
create table probe.applied (projection text, topic text, partition int, cluster_id text not null,
  topic_id text not null, next_offset bigint not null, stored_ms bigint not null,
  applied_at timestamptz not null default now(), primary key (projection, topic, partition));
create table probe.quarantine (projection text, topic text, partition int, record_offset bigint,
  append_ms bigint not null, reason text not null, headers bytea[] not null, key bytea,
  value bytea, at timestamptz not null default now(),
  primary key (projection, topic, partition, record_offset));
create table probe.outbox (id bigint generated always as identity primary key,
  topic text not null, key bytea not null, value bytea not null,
  created_at timestamptz not null default now());
create table probe.api_client (name text primary key, tenant text not null,
  secret_hash text, source text, scopes text[] not null,
  created_at timestamptz not null default now(), revoked_at timestamptz,
  previous_secret_hash text, previous_secret_until timestamptz, last_used_at timestamptz,
  oidc_issuer text, oidc_claim text, oidc_value text, requests_per_second_max float8,
  statements_per_second_max float8, statements_per_day_max bigint);
create table probe.effect (partition int, record_offset bigint, stored_ms bigint not null,
  number int not null, writes int not null default 1, primary key (partition, record_offset));
"""

WRITE_EFFECT = """
insert into probe.effect (partition, record_offset, stored_ms, number) values ($1, $2, $3, $4)
on conflict (partition, record_offset) do update set writes = probe.effect.writes + 1
"""


class Handler:
    """Writes each record's number. A value that is no number cannot be applied."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.committed_offsets: list[int] = []
        # Run inside the transaction, after the effects: for what must happen at that moment.
        self.inside: Callable[[Connection], Awaitable[None]] | None = None

    async def apply(self, connection: Connection, batch: Sequence[Record]) -> None:
        self.batches.append([record.offset for record in batch])
        rows = [
            (record.partition, record.offset, record.stored_ms, int(record.value or b"no value"))
            for record in batch
        ]
        await connection.executemany(WRITE_EFFECT, rows)
        if self.inside is not None:
            await self.inside(connection)

    async def committed(self, batch: Sequence[Record]) -> None:
        self.committed_offsets.extend(record.offset for record in batch)


@dataclass(slots=True)
class Running:
    """A consumer at work."""

    consumer: Consumer
    handler: Handler
    metrics: ConsumerMetrics
    task: "asyncio.Task[None]"


@dataclass(slots=True)
class Probe:
    """One database and one topic of a test's own."""

    settings: ServiceSettings
    pool: Pool
    topic: str
    access: KafkaAccess
    # Consumer groups are named after projections: a name of the test's own keeps tests apart.
    projection: str
    _running: list["asyncio.Task[None]"] = field(default_factory=list)

    def admin(self) -> AdminClient:
        return AdminClient({**self.access.confluent(), "log_level": 0})

    async def create_topic(self, partitions: int = 1, **config: str) -> None:
        await asyncio.to_thread(_create_topic, self.admin(), self.topic, partitions, config)

    async def delete_topic(self) -> None:
        admin = self.admin()
        answers = admin.delete_topics([self.topic])
        await asyncio.to_thread(answers[self.topic].result, WAIT_SECONDS)

    async def send(
        self, *values: bytes, partition: int = 0, times_ms: Sequence[int] | None = None
    ) -> None:
        """Append records in one batch of the log, so that they become visible together."""
        producer = AIOKafkaProducer(**self.access.aiokafka(), acks="all")
        await producer.start()
        try:
            batch = producer.create_batch()
            for index, value in enumerate(values):
                at = times_ms[index] if times_ms is not None else None
                batch.append(value=value, key=b"key", timestamp=at, headers=[("h", b"1")])
            await (await producer.send_batch(batch, self.topic, partition=partition))
        finally:
            await producer.stop()

    async def delete_records(self, before: int, partition: int = 0) -> None:
        """Move the begin of the log, as the janitor does."""
        where = TopicPartition(self.topic, partition, before)
        # A client that nobody holds any more is closed, and its answers never come.
        admin = self.admin()
        answers = admin.delete_records([where])
        await asyncio.to_thread(answers[where].result, WAIT_SECONDS)

    async def read_all(self) -> list[tuple[bytes | None, bytes]]:
        """Key and value of every record of partition 0, in order."""
        consumer = AIOKafkaConsumer(**self.access.aiokafka(), auto_offset_reset="earliest")
        where = KafkaPartition(self.topic, 0)
        await consumer.start()
        try:
            consumer.assign([where])
            end = (await consumer.end_offsets([where]))[where]
            found: list[tuple[bytes | None, bytes]] = []
            while await consumer.position(where) < end:
                for message in (await consumer.getmany(where, timeout_ms=500)).get(where, []):
                    found.append((message.key, message.value))
            return found
        finally:
            await consumer.stop()

    def consume(self, projection: str | None = None, handler: Handler | None = None) -> Running:
        """Start a consumer. It stops with the probe, unless the test stops it before."""
        handler = handler or Handler()
        metrics = ConsumerMetrics.register(CollectorRegistry())
        consumer = Consumer(
            settings=self.settings,
            pool=self.pool,
            topic=self.topic,
            projection=projection or self.projection,
            schema="probe",
            handler=handler,
            metrics=metrics,
        )
        task = asyncio.create_task(consumer.run())
        self._running.append(task)
        return Running(consumer, handler, metrics, task)

    async def effects(self) -> dict[tuple[int, int], int]:
        """(partition, offset) to the number that was written."""
        rows = await self.pool.fetch("select partition, record_offset, number from probe.effect")
        return {(row["partition"], row["record_offset"]): row["number"] for row in rows}

    async def positions(self, projection: str | None = None) -> dict[int, int]:
        rows = await self.pool.fetch(
            "select partition, next_offset from probe.applied where projection = $1",
            projection or self.projection,
        )
        return {row["partition"]: row["next_offset"] for row in rows}

    async def until_applied(self, expected: dict[int, int], projection: str | None = None) -> None:
        """Wait until the next offsets are `expected`."""

        async def there() -> bool:
            return await self.positions(projection) == expected

        await until(there, f"positions {expected}")

    async def close(self) -> None:
        await stop(*self._running)


async def until(there: Callable[[], Awaitable[bool]], what: str) -> None:
    """Ask again and again; a test fails when it is not so after WAIT_SECONDS."""
    end = asyncio.get_running_loop().time() + WAIT_SECONDS
    while not await there():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {WAIT_SECONDS} s: {what}")
        await asyncio.sleep(0.02)


async def stop(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _create_topic(admin: AdminClient, topic: str, partitions: int, config: dict[str, str]) -> None:
    settings = {"message.timestamp.type": "LogAppendTime"} | {
        name.replace("_", "."): value for name, value in config.items()
    }
    new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=settings)
    admin.create_topics([new])[topic].result(WAIT_SECONDS)
    # The answer means that the controller knows it; a broker learns of it a moment later.
    admin.list_topics(topic, timeout=WAIT_SECONDS)


@asynccontextmanager
async def open_probe(superuser_dsn: str, access: KafkaAccess, folder: Path) -> AsyncIterator[Probe]:
    """A probe in a new database of the server at `superuser_dsn`, which is dropped at the end."""
    name = f"probe_{uuid4().hex[:12]}"
    server = await asyncpg.connect(superuser_dsn)
    try:
        await server.execute(f"create database {name}")
        password_file = folder / "kafka.password"
        password_file.write_text(access.password, encoding="utf-8")
        base, _, _ = superuser_dsn.rpartition("/")
        settings = ServiceSettings(
            postgres_dsn=f"{base}/{name}",
            postgres_idle_in_transaction_seconds=1.0,
            kafka_bootstrap=access.bootstrap,
            kafka_user=access.user,
            kafka_password_file=password_file,
            http_port=1,
            kafka_session_seconds=6.0,
            retry_seconds_max=0.5,
        )
        pool = await open_pool(settings, "probe")
        probe = Probe(settings, pool, name.replace("_", "."), access, projection=name)
        try:
            await pool.execute(TABLES)
            yield probe
        finally:
            await probe.close()
            await pool.close()
            await server.execute(f"drop database {name} with (force)")
    finally:
        await server.close()
