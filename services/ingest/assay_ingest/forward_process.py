"""Wiring of the process `forward`: settings, resources, run, close.

Where there is no target the log is not read at all; the first target is given what was stored from
the moment on at which it was made.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from aiokafka.errors import KafkaConnectionError, KafkaError
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from prometheus_client import CollectorRegistry

from assay_ingest.forward import Forwarder, Queueing, Targets
from assay_ingest.forward_store import ForwardStore
from assay_ingest.metrics import ForwardMetrics
from assay_ingest.settings import ForwardSettings
from assay_ingest.times import milliseconds_of
from assay_runtime.consume import Consumer
from assay_runtime.kafka import identify_log
from assay_runtime.metrics import ConsumerMetrics
from assay_runtime.outgoing import Guard, Outgoing
from assay_runtime.postgres import TRANSIENT, Pool, open_pool, until_it_works
from assay_runtime.serve import new_app, run_process, serve
from assay_schemas.topics import STATEMENTS

PROJECTION = "forward"
SCHEMA = "ingest"
_TRANSIENT = (KafkaError, *TRANSIENT)
T = TypeVar("T")


def run_forward() -> None:
    """Process `forward`: statements to other record stores and webhooks, until a signal."""
    settings = ForwardSettings.from_environment()
    run_process("forward", settings, lambda: forward(settings))


class Reading:
    """Reads the log while there is a target."""

    def __init__(
        self,
        settings: ForwardSettings,
        pool: Pool,
        store: ForwardStore,
        handler: Queueing,
        metrics: ConsumerMetrics,
        topic: str,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._store = store
        self._handler = handler
        self._metrics = metrics
        self._topic = topic
        self._consumer: Consumer | None = None
        self._looked = False

    async def missing(self) -> str | None:
        """For /readyz."""
        if self._consumer is not None:
            return await self._consumer.missing()
        return None if self._looked else "the targets are not known yet"

    async def run(self) -> None:
        """Until cancelled. Raises Broken."""
        while True:
            oldest = await self._retried(self._store.oldest_target)
            if oldest is None:
                await self._retried(self._store.forget_positions)
                self._looked = True
                await asyncio.sleep(self._settings.forward_targets_seconds)
                continue
            await self._retried(partial(self._begin, oldest))
            await self._read()

    async def _read(self) -> None:
        """Consume until there is no target any more."""
        self._consumer = Consumer(
            settings=self._settings,
            pool=self._pool,
            topic=self._topic,
            projection=PROJECTION,
            schema=SCHEMA,
            handler=self._handler,
            metrics=self._metrics,
        )
        consuming = asyncio.create_task(self._consumer.run())
        try:
            while await self._retried(self._store.oldest_target) is not None:
                await asyncio.wait({consuming}, timeout=self._settings.forward_targets_seconds)
                if consuming.done():
                    await consuming
        finally:
            consuming.cancel()
            await asyncio.wait({consuming})
            self._consumer = None

    async def _begin(self, since: datetime) -> None:
        identity = await asyncio.to_thread(identify_log, self._settings, self._topic)
        offsets = await asyncio.to_thread(
            _offsets_at, self._settings, self._topic, milliseconds_of(since)
        )
        await self._store.begin(offsets, identity.cluster_id, identity.topic_id)

    async def _retried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await until_it_works(
            attempt, "Forwarding", self._settings.retry_seconds_max, _TRANSIENT
        )


def _offsets_at(settings: ForwardSettings, topic: str, milliseconds: int) -> dict[int, int]:
    """Per partition the first offset that was appended at that time or later, or the end.

    Blocking. Raises aiokafka's KafkaError, the one family that callers know.
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
        numbers = admin.list_topics(topic, timeout=10).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in numbers]
        found: dict[int, int] = {}
        for spec in (OffsetSpec.latest(), OffsetSpec.for_timestamp(milliseconds)):
            asked = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=10)
            for place, one in asked.items():
                # -1: nothing was appended since. The end was asked first: no gap in between.
                if (offset := int(one.result().offset)) >= 0:
                    found[place.partition] = min(offset, found.get(place.partition, offset))
    except KafkaException as error:
        raise KafkaConnectionError(str(error)) from None
    return found


async def forward(settings: ForwardSettings, topic: str = STATEMENTS) -> None:
    """Run until cancelled; raises what ends one of its parts, Broken among them."""
    registry = CollectorRegistry()
    metrics = ForwardMetrics.register(registry)
    pool = await open_pool(settings, "assay-forward")
    store = ForwardStore(pool, topic)
    targets = Targets(store, settings.forward_targets_seconds)
    queued = asyncio.Event()
    outgoing = Outgoing(
        Guard(
            request_seconds=settings.forward_request_seconds,
            answer_bytes_max=settings.forward_answer_bytes_max,
            allow_http=settings.forward_http_allowed,
            allow_private=settings.forward_private_allowed,
            ca_file=settings.forward_ca_file,
        )
    )
    handler = Queueing(
        store, targets, metrics, waiting_max=settings.forward_waiting_max, queued=queued
    )
    reading = Reading(settings, pool, store, handler, ConsumerMetrics.register(registry), topic)
    forwarder = Forwarder(
        settings=settings,
        store=store,
        targets=targets,
        outgoing=outgoing,
        metrics=metrics,
        queued=queued,
    )
    app = new_app("Assay forward", registry, {"log": reading.missing})
    try:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(reading.run())
            parts.create_task(forwarder.run())
            parts.create_task(serve(app, settings))
    finally:
        await outgoing.close()
        await pool.close()
