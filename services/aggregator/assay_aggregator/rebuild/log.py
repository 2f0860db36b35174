"""The log as a rebuild reads it: from given offsets to given ends, without a consumer group."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from assay_runtime.consume import Record
from assay_runtime.kafka import LogIdentity

BATCH_RECORDS: Final = 500
FETCH_BYTES: Final = 16 * 1024 * 1024
FETCH_MILLISECONDS: Final = 500
# So many fetches without a record, where there must be some, and the broker is not believed.
SILENCE_FETCHES: Final = 120


class LogSilent(Exception):
    """The broker gives no records although there must be some."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read on in a partition, and the running maximum of append times before it."""

    next_offset: int
    stored_ms: int


class Log(Protocol):
    """One topic. `batches` yields records in the order of each partition."""

    identity: LogIdentity
    topic: str

    async def begins(self) -> dict[int, int]:
        """The first offset that is still there, of each partition."""

    async def ends(self) -> dict[int, int]:
        """The offset after the last one, of each partition."""

    def batches(
        self, places: Mapping[int, Place], ends: Mapping[int, int]
    ) -> AsyncIterator[Sequence[Record]]:
        """The records from `places` up to, without, `ends`."""


class Again(Protocol):
    """Sends statements again whose records are deleted, to a topic of the run's own."""

    async def send(self, begins: Mapping[int, int]) -> str:
        """Send all that stood before these offsets; returns the topic."""

    async def open(self, topic: str) -> Log:
        """A topic that `send` made."""


class KafkaLog:
    """A topic at the broker; `consumer` is started, and nobody else's."""

    def __init__(
        self, consumer: AIOKafkaConsumer, topic: str, numbers: Sequence[int], identity: LogIdentity
    ) -> None:
        self._consumer = consumer
        self._wheres = [TopicPartition(topic, number) for number in numbers]
        self.topic = topic
        self.identity = identity

    @classmethod
    async def open(cls, access: Mapping[str, Any], topic: str, identity: LogIdentity) -> "KafkaLog":
        """`access` holds aiokafka's arguments to come in (of several types, hence Any)."""
        # Asked for by name only so that its partitions are known at the start.
        consumer = AIOKafkaConsumer(
            topic,
            **access,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await consumer.start()
        numbers = sorted(consumer.partitions_for_topic(topic) or ())
        consumer.unsubscribe()
        return cls(consumer, topic, numbers, identity)

    async def close(self) -> None:
        await self._consumer.stop()

    async def begins(self) -> dict[int, int]:
        found = await self._consumer.beginning_offsets(self._wheres)
        return {where.partition: found[where] for where in self._wheres}

    async def ends(self) -> dict[int, int]:
        found = await self._consumer.end_offsets(self._wheres)
        return {where.partition: found[where] for where in self._wheres}

    async def batches(
        self, places: Mapping[int, Place], ends: Mapping[int, int]
    ) -> AsyncIterator[Sequence[Record]]:
        consumer = self._consumer
        waiting = {n: end for n, end in ends.items() if places[n].next_offset < end}
        if not waiting:
            return
        consumer.assign([TopicPartition(self.topic, number) for number in sorted(waiting)])
        for number in waiting:
            consumer.seek(TopicPartition(self.topic, number), places[number].next_offset)
        stored = {number: places[number].stored_ms for number in waiting}
        silent = 0
        while waiting:
            fetched = await consumer.getmany(
                timeout_ms=FETCH_MILLISECONDS, max_records=BATCH_RECORDS
            )
            batch: list[Record] = []
            for where, messages in fetched.items():
                end = waiting.get(where.partition)
                if end is None:
                    continue
                batch += [_record(message, stored) for message in messages if message.offset < end]
                if messages[-1].offset + 1 >= end:
                    del waiting[where.partition]
                    consumer.pause(where)
            silent = 0 if fetched else silent + 1
            if silent > SILENCE_FETCHES:
                raise LogSilent(f"{self.topic}: no records of partitions {sorted(waiting)}")
            if batch:
                yield batch
        consumer.unsubscribe()


def _record(message: Any, stored: dict[int, int]) -> Record:
    # The client's records have no types, hence Any.
    number: int = message.partition
    stored[number] = max(stored[number], message.timestamp)
    return Record(
        topic=message.topic,
        partition=number,
        offset=message.offset,
        append_ms=message.timestamp,
        stored_ms=stored[number],
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
    )
