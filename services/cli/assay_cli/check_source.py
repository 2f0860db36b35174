"""Where `assay check` reads: one Postgres connection of the owner, and topics up to fixed offsets.

Everything is read in pieces, so that the memory needed does not grow with the log.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient

from assay_cli.check_report import EXAMPLES_MAX
from assay_cli.processes import ADMIN_PRINCIPAL
from assay_cli.stack import StackInfo
from assay_runtime.consume import Record
from assay_runtime.sql import Queries

CHUNK_RECORDS = 500
CHUNK_BYTES = 8 * 1024 * 1024
FETCH_SECONDS_MAX = 60.0
# What is in flight between two processes settles within this time, all together, or it is wrong.
SETTLE_SECONDS = 30.0


class LogUnreadable(Exception):
    """The broker gave no records for FETCH_SECONDS_MAX although there must be some."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records of one topic, in the order of each partition.

    `stored_known` is False for a partition whose begin is gone: the running maximum is not known.
    """

    records: Sequence[Record]
    stored_known: frozenset[int]


class Database:
    """The named queries of `sql/check.sql`, on a connection of the owner."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        text = files("assay_cli").joinpath("sql", "check.sql").read_text(encoding="utf-8")
        self._sql = Queries(text)
        self._settle_until: float | None = None

    async def rows(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await self.connection.fetch(self._sql[name], *arguments)
        return found

    async def row(self, name: str, *arguments: object) -> asyncpg.Record:
        """The one row of a query that always has one."""
        (found,) = await self.rows(name, *arguments)
        return found

    async def execute(self, name: str, *arguments: object) -> None:
        await self.connection.execute(self._sql[name], *arguments)

    async def places(self, name: str, *arguments: object) -> list[str]:
        """The column `what` of a query whose last argument is a limit."""
        return [row["what"] for row in await self.rows(name, *arguments, EXAMPLES_MAX)]

    async def settled(
        self, name: str, *arguments: object, between: Callable[[], Awaitable[None]] | None = None
    ) -> list[str]:
        """Like `places`, asked again while something may still be in flight.

        `between` is run before each further look. What is left at the end is wrong.
        """
        loop = asyncio.get_running_loop()
        while found := await self.places(name, *arguments):
            if self._settle_until is None:
                self._settle_until = loop.time() + SETTLE_SECONDS
            if loop.time() > self._settle_until:
                return found
            await asyncio.sleep(0.5)
            if between is not None:
                await between()
        return []


class Log:
    """Reads topics as the admin, without a group: it leaves no trace at the broker."""

    def __init__(self, consumer: AIOKafkaConsumer, admin: AdminClient) -> None:
        self._consumer = consumer
        self._admin = admin

    @classmethod
    async def open(cls, stack: StackInfo) -> "Log":
        access = stack.kafka(ADMIN_PRINCIPAL)
        consumer = AIOKafkaConsumer(
            **access.aiokafka(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_bytes=CHUNK_BYTES,
            max_partition_fetch_bytes=CHUNK_BYTES,
        )
        await consumer.start()
        return cls(consumer, AdminClient({**access.confluent(), "log_level": 0}))

    async def close(self) -> None:
        await self._consumer.stop()

    async def partitions(self) -> dict[str, list[int]]:
        """The partitions of every topic."""
        listed = await asyncio.to_thread(self._admin.list_topics, timeout=FETCH_SECONDS_MAX)
        return {name: sorted(topic.partitions) for name, topic in listed.topics.items()}

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """Partition to (begin, end) of what the broker holds now; empty for an unknown topic."""
        numbers = (await self.partitions()).get(topic, [])
        places = [TopicPartition(topic, number) for number in numbers]
        begins = await self._consumer.beginning_offsets(places)
        ends = await self._consumer.end_offsets(places)
        return {place.partition: (begins[place], ends[place]) for place in places}

    async def chunks(self, topic: str, bounds: dict[int, tuple[int, int]]) -> AsyncIterator[Chunk]:
        """The records within `bounds` (begin, end) of each partition."""
        consumer = self._consumer
        waiting = {number: end for number, (begin, end) in bounds.items() if begin < end}
        if not waiting:
            return
        consumer.assign([TopicPartition(topic, number) for number in sorted(waiting)])
        for number in waiting:
            consumer.seek(TopicPartition(topic, number), bounds[number][0])
        whole = frozenset(number for number, (begin, _) in bounds.items() if begin == 0)
        stored = dict.fromkeys(bounds, 0)
        loop = asyncio.get_running_loop()
        moved = loop.time()
        while waiting:
            fetched = await consumer.getmany(timeout_ms=500, max_records=CHUNK_RECORDS)
            records = []
            for place, messages in fetched.items():
                end = waiting.get(place.partition)
                if end is None:
                    continue
                records += [
                    _record(message, stored) for message in messages if message.offset < end
                ]
                if messages[-1].offset + 1 >= end:
                    del waiting[place.partition]
                    consumer.pause(place)
            if records:
                moved = loop.time()
                yield Chunk(records, whole)
            elif loop.time() - moved > FETCH_SECONDS_MAX:
                raise LogUnreadable(f"no records of {topic} for {FETCH_SECONDS_MAX:g} s")
        consumer.unsubscribe()


def _record(message: Any, stored: dict[int, int]) -> Record:
    # The client's records have no types, hence Any.
    partition: int = message.partition
    stored[partition] = max(stored[partition], message.timestamp)
    return Record(
        topic=message.topic,
        partition=partition,
        offset=message.offset,
        append_ms=message.timestamp,
        stored_ms=stored[partition],
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
    )
