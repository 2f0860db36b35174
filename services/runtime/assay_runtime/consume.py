"""The one Kafka loop of the product: poll a batch, hand it over, write, commit last.

Offsets live in Postgres, in the transaction of the effect that they stand for, compared and set
(table `applied` of the service's schema). Three words decide what happens to a batch:

not now   the database or the broker is away, or two transactions met: the same batch again
invalid   one record cannot be applied: the batch is bisected, and that record goes to the table
          `quarantine` with the reason, in one transaction with its offset; the rest goes on
broken    the log is not the one that was read before, or begins after what was applied: stop

A consumer that lost its partitions without knowing (a woken zombie) finds that its expected
offset is gone: nothing of its transaction stays, and it reads its positions anew.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from assay_runtime.kafka import LogIdentity, client_settings, identify_log
from assay_runtime.logs import fields
from assay_runtime.metrics import ConsumerMetrics
from assay_runtime.postgres import TRANSIENT, Connection, Pool, until_it_works
from assay_runtime.settings import ServiceSettings
from assay_runtime.sql import load_queries

log = logging.getLogger(__name__)


class Broken(Exception):
    """The log is not the one that was applied so far. A person has to look; nothing is reset."""


class Fenced(Exception):
    """Another consumer has moved on with this partition."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `stored_ms` is the running maximum of the append times of its partition."""

    topic: str
    partition: int
    offset: int
    append_ms: int
    stored_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Handler(Protocol):
    """What a service does with a batch, inside the transaction that also holds the offsets."""

    async def apply(self, connection: Connection, batch: Sequence[Record]) -> None:
        """Write the effects. Any exception undoes the batch; a repeat must change nothing."""

    async def committed(self, batch: Sequence[Record]) -> None:
        """Called after the commit, outside of the transaction."""


@dataclass(slots=True)
class _Position:
    next_offset: int
    stored_ms: int


class Consumer:
    """Applies one topic to one projection. `schema` holds the tables `applied` and `quarantine`."""

    def __init__(
        self,
        *,
        settings: ServiceSettings,
        pool: Pool,
        topic: str,
        projection: str,
        schema: str,
        handler: Handler,
        metrics: ConsumerMetrics,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._topic = topic
        self._projection = projection
        self._sql = load_queries("assay_runtime", schema=schema)
        self._handler = handler
        self._metrics = metrics
        self._positions: dict[int, _Position] = {}
        self._identity: LogIdentity | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self.broken: str | None = None
        self.failed_assignment: Exception | None = None
        self.assigned = asyncio.Event()

    async def missing(self) -> str | None:
        """For /readyz: why nothing is applied, or None."""
        if self.broken is not None:
            return f"broken: {self.broken}"
        return None if self.assigned.is_set() else "no partition is assigned yet"

    def positions(self) -> dict[int, int]:
        """Partition to `stored_ms`, for the partitions that this process applies now."""
        return {number: one.stored_ms for number, one in self._positions.items()}

    async def caught_up_partitions(self) -> list[int]:
        """Partitions that have no unread record, as far as the last fetch told."""
        consumer = self._consumer
        if consumer is None:
            return []
        idle = []
        for number, position in list(self._positions.items()):
            try:
                end = consumer.highwater(TopicPartition(self._topic, number))
            except IllegalStateError:
                continue
            if end is not None and end <= position.next_offset:
                idle.append(number)
        return idle

    async def run(self) -> None:
        """Consume until cancelled. Raises Broken."""
        self._identity = await until_it_works(
            lambda: asyncio.to_thread(identify_log, self._settings, self._topic),
            "Kafka",
            self._settings.retry_seconds_max,
            (KafkaError, OSError, TimeoutError),
        )
        while True:
            try:
                await self._session()
            except Broken as error:
                self.broken = str(error)
                log.critical("Broken", extra=fields(projection=self._projection, why=str(error)))
                raise
            except Fenced:
                log.warning(
                    "Another consumer moved on, reading positions anew",
                    extra=fields(projection=self._projection),
                )
            except (KafkaError, *TRANSIENT) as error:
                log.warning(
                    "Consuming was interrupted",
                    extra=fields(projection=self._projection, error=type(error).__name__),
                )
                await asyncio.sleep(0.2)

    async def _session(self) -> None:
        """One membership of the group: join, apply batches, leave."""
        settings = self._settings
        consumer = AIOKafkaConsumer(
            **client_settings(settings),
            group_id=f"assay-{self._projection}",
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=int(settings.kafka_session_seconds * 1000),
            heartbeat_interval_ms=int(settings.kafka_session_seconds * 1000 / 3),
            max_poll_interval_ms=300_000,
            fetch_max_bytes=settings.consume_fetch_bytes,
            max_partition_fetch_bytes=settings.consume_fetch_bytes,
            # A fetch and a transaction cost the same for one record as for many: under single
            # records the broker waits a moment for more of them.
            fetch_min_bytes=settings.consume_gather_bytes,
            fetch_max_wait_ms=int(settings.consume_gather_seconds * 1000),
            metadata_max_age_ms=10_000,
        )
        self._positions.clear()
        consumer.subscribe([self._topic], listener=_Assignment(self, consumer))
        try:
            await consumer.start()
            self._consumer = consumer
            while True:
                try:
                    fetched = await consumer.getmany(
                        timeout_ms=200, max_records=settings.consume_batch_records
                    )
                finally:
                    self._raise_failed_assignment()
                batch = self._ordered(fetched)
                if batch:
                    await self._apply(batch)
                    self._note_lag(consumer)
        finally:
            self._consumer = None
            self.assigned.clear()
            self._positions.clear()
            await consumer.stop()

    def _raise_failed_assignment(self) -> None:
        failure, self.failed_assignment = self.failed_assignment, None
        if failure is not None:
            raise failure

    async def take_positions(self, consumer: AIOKafkaConsumer, partitions: Sequence[int]) -> None:
        """Seek newly assigned partitions to what the database says was applied."""
        self._positions.clear()
        wheres = [TopicPartition(self._topic, number) for number in partitions]
        starts = await consumer.beginning_offsets(wheres)
        loaded = {where: await self._load(where.partition, starts[where]) for where in wheres}
        # Asked last: until a moment ago somebody else may have moved these positions.
        ends = await consumer.end_offsets(wheres)
        for where, position in loaded.items():
            if not starts[where] <= position.next_offset <= ends[where]:
                raise Broken(
                    f"{self._topic}/{where.partition} holds offsets {starts[where]} to "
                    f"{ends[where]}, but {position.next_offset} is the next to apply"
                )
            self._positions[where.partition] = position
            consumer.seek(where, position.next_offset)
        consumer.resume(*wheres)
        self.assigned.set()

    async def _load(self, partition: int, log_start: int) -> _Position:
        identity = self._identity
        if identity is None:
            raise Broken("positions were asked for before the log was identified")
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                self._sql["find_applied"],
                self._projection,
                self._topic,
                partition,
            )
            if row is None:
                if log_start != 0:
                    raise Broken(f"{self._topic}/{partition} begins at {log_start}, not at 0")
                await connection.execute(
                    self._sql["begin_applied"],
                    self._projection,
                    self._topic,
                    partition,
                    identity.cluster_id,
                    identity.topic_id,
                )
                return _Position(next_offset=0, stored_ms=0)
        if (row["cluster_id"], row["topic_id"]) != (identity.cluster_id, identity.topic_id):
            raise Broken(
                f"{self._topic} is topic {identity.topic_id} of cluster {identity.cluster_id}, but "
                f"{row['topic_id']} of cluster {row['cluster_id']} was applied so far"
            )
        return _Position(next_offset=row["next_offset"], stored_ms=row["stored_ms"])

    def _ordered(self, fetched: dict[TopicPartition, list[object]]) -> list[Record]:
        batch: list[Record] = []
        for where, messages in fetched.items():
            position = self._positions.get(where.partition)
            if position is None:
                continue
            stored = position.stored_ms
            for message in messages:
                offset: int = message.offset  # type: ignore[attr-defined]
                if offset < position.next_offset:
                    continue
                append: int = message.timestamp  # type: ignore[attr-defined]
                stored = max(stored, append)
                batch.append(
                    Record(
                        topic=where.topic,
                        partition=where.partition,
                        offset=offset,
                        append_ms=append,
                        stored_ms=stored,
                        key=message.key,  # type: ignore[attr-defined]
                        value=message.value,  # type: ignore[attr-defined]
                        headers=tuple(message.headers),  # type: ignore[attr-defined]
                    )
                )
        return batch

    async def _apply(self, batch: Sequence[Record]) -> None:
        """Apply a batch whole, or in halves until the one bad record stands alone."""
        pause = 0.05
        while True:
            began = time.perf_counter()
            try:
                await self._transaction(batch)
                break
            except (Fenced, Broken):
                raise
            except TRANSIENT as error:
                # The driver's complaint about a value is of the family of "connection lost".
                if isinstance(error, ValueError):
                    await self._bisect(batch, error)
                    return
                self._metrics.retries.inc()
                log.warning(
                    "The batch could not be written now, will try again",
                    extra=fields(projection=self._projection, error=type(error).__name__),
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._settings.retry_seconds_max)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is kept
                await self._bisect(batch, error)
                return
        self._metrics.batches.inc()
        self._metrics.records.inc(len(batch))
        self._metrics.batch_seconds.observe(time.perf_counter() - began)
        await self._handler.committed(batch)

    async def _bisect(self, batch: Sequence[Record], error: Exception) -> None:
        if len(batch) == 1:
            await self._quarantine(batch[0], error)
            return
        middle = len(batch) // 2
        await self._apply(batch[:middle])
        await self._apply(batch[middle:])

    async def _transaction(self, batch: Sequence[Record]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            # 1. The offsets first: a fenced consumer learns it before it does any work, and the
            #    row lock keeps two owners of one partition from writing at the same time.
            after = await self._advance(connection, batch)
            # 2. The effects.
            await self._handler.apply(connection, batch)
        # 3. Committed: only now does the position move.
        self._positions.update(after)

    async def _advance(
        self, connection: Connection, batch: Sequence[Record]
    ) -> dict[int, _Position]:
        after: dict[int, _Position] = {}
        for record in batch:
            # Positions may have been read anew while this batch waited for another try.
            position = self._positions.get(record.partition)
            if position is None or record.offset < position.next_offset:
                raise Fenced
            after[record.partition] = _Position(record.offset + 1, record.stored_ms)
        numbers = sorted(after)
        moved = await connection.fetch(
            self._sql["advance_applied"],
            self._projection,
            self._topic,
            numbers,
            [self._positions[number].next_offset for number in numbers],
            [after[number].next_offset for number in numbers],
            [after[number].stored_ms for number in numbers],
        )
        if len(moved) != len(numbers):
            raise Fenced
        return after

    async def _quarantine(self, record: Record, error: Exception) -> None:
        """Set one record aside, with its bytes and the reason, and go on after it."""
        log.error(
            "A record cannot be applied and is set aside",
            exc_info=error,
            extra=fields(
                projection=self._projection,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
            ),
        )

        async def write() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                after = await self._advance(connection, [record])
                await connection.execute(
                    self._sql["quarantine"],
                    self._projection,
                    record.topic,
                    record.partition,
                    record.offset,
                    record.append_ms,
                    type(error).__name__,
                    [name.encode() + b"=" + value for name, value in record.headers],
                    record.key,
                    record.value,
                )
            self._positions.update(after)

        await until_it_works(write, "Postgres", self._settings.retry_seconds_max)
        self._metrics.quarantined.inc()

    def _note_lag(self, consumer: AIOKafkaConsumer) -> None:
        waiting = 0
        oldest = None
        for number, position in self._positions.items():
            end = consumer.highwater(TopicPartition(self._topic, number))
            if end is not None:
                waiting += max(0, end - position.next_offset)
            if end is not None and end > position.next_offset:
                oldest = min(position.stored_ms, oldest or position.stored_ms)
        self._metrics.lag_records.set(waiting)
        self._metrics.lag_seconds.set(
            0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
        )


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Gives newly assigned partitions their positions before anything is fetched."""

    def __init__(self, owner: Consumer, consumer: AIOKafkaConsumer) -> None:
        self._owner = owner
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002
        self._owner.assigned.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        # Before the first await: without a position the fetcher would ask the group for one, find
        # none and fail. Paused, nothing is fetched until the right position is known.
        self._consumer.pause(*assigned)
        for where in assigned:
            self._consumer.seek(where, 0)
        try:
            await self._owner.take_positions(
                self._consumer, sorted(one.partition for one in assigned)
            )
        except Exception as error:  # noqa: BLE001 - the client would only log it; the loop raises it
            self._owner.failed_assignment = error
