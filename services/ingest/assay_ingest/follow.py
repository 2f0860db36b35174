"""How far the store is, as this process knows it: the watermark, and when the window may let go.

A time is passed when every partition of the topic is applied *beyond* it: two records of one
partition may share a millisecond, so the smallest applied `stored` itself may still get company.
"""

import asyncio
import logging
import time

from aiokafka.errors import KafkaConnectionError, KafkaError
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from assay_ingest.errors import StoreNotAvailable
from assay_ingest.metrics import IngestMetrics
from assay_ingest.store import Applied, Reader
from assay_ingest.window import Window
from assay_runtime.logs import fields
from assay_runtime.postgres import until_it_works
from assay_runtime.settings import ServiceSettings
from assay_schemas.topics import STATEMENTS

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
# New partitions are made by a person; until they are seen here the watermark may not count them.
ENDS_SECONDS = 60.0


def log_ends(settings: ServiceSettings, topic: str) -> dict[int, int]:
    """The offset after the last record of each partition of `topic`.

    Blocking: call it in a thread. Raises aiokafka's KafkaError, the one family that callers know.
    """
    admin = AdminClient(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": settings.kafka_user,
            "sasl.password": settings.kafka_password(),
            "log_level": 0,
        }
    )
    try:
        partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
        latest = OffsetSpec.latest()
        asked = admin.list_offsets(
            {TopicPartition(topic, number): latest for number in partitions}, request_timeout=10
        )
        ends = {place.partition: int(one.result().offset) for place, one in asked.items()}
    except KafkaException as error:
        raise KafkaConnectionError(str(error)) from None
    if not ends:
        raise KafkaError(f"the topic {topic} is not there, or may not be seen")
    return ends


class Follower:
    """Looks at the table `applied`: often while something waits for it, else once a second."""

    def __init__(
        self,
        reader: Reader,
        window: Window,
        metrics: IngestMetrics,
        *,
        settings: ServiceSettings,
        follow_seconds: float,
        topic: str = STATEMENTS,
    ) -> None:
        self._topic = topic
        self._reader = reader
        self._window = window
        self._metrics = metrics
        self._settings = settings
        self._follow_seconds = follow_seconds
        self._goal: dict[int, int] | None = None
        self._partitions: frozenset[int] = frozenset()
        self._wanted = asyncio.Event()
        self._moved = asyncio.Event()
        self.watermark_ms = 0
        self.caught_up = False

    async def missing(self) -> str | None:
        """For /readyz: what the store had not applied when this process started."""
        if self.caught_up:
            return None
        return "the store has not applied yet what was in the log when this process started"

    async def refresh(self) -> int:
        """Look now; the watermark in milliseconds. Raises StoreNotAvailable."""
        self._take(await self._reader.applied(self._topic))
        return self.watermark_ms

    def _take(self, applied: dict[int, Applied]) -> None:
        for partition, one in applied.items():
            self._window.applied(partition, one.next_offset)
        if self._partitions and self._partitions <= applied.keys():
            reached = min(one.stored_ms for one in applied.values()) - 1
            self.watermark_ms = max(self.watermark_ms, reached)
            self._window.passed(self.watermark_ms)
        goal = self._goal
        if not self.caught_up and goal is not None:
            self.caught_up = all(
                partition in applied and applied[partition].next_offset >= end
                for partition, end in goal.items()
            )
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def look_often(self) -> None:
        """Something waits for the store from now on."""
        self._wanted.set()

    async def reach(self, time_ms: int, seconds: float) -> bool:
        """Wait at most `seconds` until the watermark is at `time_ms` or later; whether it is."""
        self._wanted.set()
        try:
            async with asyncio.timeout(seconds):
                while self.watermark_ms < time_ms:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    @property
    def _in_a_hurry(self) -> bool:
        window = self._window
        return not self.caught_up or window.is_waiting or window.newest_ms > self.watermark_ms

    async def run(self) -> None:
        """Follow until cancelled."""
        asking = asyncio.create_task(self._follow_partitions())
        try:
            while True:
                self._wanted.clear()
                try:
                    await self.refresh()
                except StoreNotAvailable as error:
                    log.warning("Cannot see how far the store is", extra=fields(why=str(error)))
                    await asyncio.sleep(IDLE_SECONDS)
                    continue
                self._tell()
                if self._in_a_hurry:
                    await asyncio.sleep(self._follow_seconds)
                    continue
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._wanted.wait()
                except TimeoutError:
                    continue
        finally:
            asking.cancel()

    async def _follow_partitions(self) -> None:
        while True:
            ends = await until_it_works(
                lambda: asyncio.to_thread(log_ends, self._settings, self._topic),
                "Kafka",
                self._settings.retry_seconds_max,
                (KafkaError, OSError, TimeoutError),
            )
            self._partitions = frozenset(ends)
            if self._goal is None:
                self._goal = ends
            await asyncio.sleep(ENDS_SECONDS)

    def _tell(self) -> None:
        self._metrics.in_flight.set(len(self._window))
        self._metrics.in_flight_bytes.set(self._window.bytes)
        if self.watermark_ms:
            self._metrics.watermark_age.set(max(0.0, time.time() - self.watermark_ms / 1000))
