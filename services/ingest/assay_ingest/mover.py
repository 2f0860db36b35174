"""The mover: statements from the sources' input topics into the log, at least once.

Produce, await the acknowledgement, keep the refusals, commit: killed at any point, the mover only
moves some records again. That is harmless, since a statement without id gets one derived from
where it stands, and a repeated copy is the same statement.

A topic that is not the one that was moved before is *broken*: its partition is left alone and named
by /readyz, while the others go on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from assay_ingest.errors import StoreNotAvailable, described
from assay_ingest.intake import WHOLE_RECORD, Intake, Origin, Refused, Taken, take_in
from assay_ingest.metrics import MoverMetrics
from assay_ingest.settings import MoverSettings
from assay_ingest.sources import Sources, authority_of
from assay_ingest.store import Reader, Refusal, Source
from assay_ingest.versions import LATEST, STATED_VERSION, negotiate
from assay_runtime.kafka import LogIdentity, client_settings, identify_log
from assay_runtime.logs import fields
from assay_runtime.produce import Producer, RecordTooLarge, Unacknowledged
from assay_schemas.envelope import Envelope, Headers, seal
from assay_schemas.statement import Version, complete_statement
from assay_schemas.topics import INPUT_PATTERN, STATEMENTS, source_of_input

log = logging.getLogger(__name__)

GROUP = "assay-mover"
VERSION_HEADER = "xapi-version"
_VERSION_BYTES = 40
T = TypeVar("T")
_INTERRUPTIONS = (KafkaError, IllegalStateError, StoreNotAvailable, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Inbound:
    """One record of an input topic, as it was fetched."""

    tenant: str
    source: str
    origin: Origin
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def version_sent(self) -> str | None:
        """The version that the record states, in a form that can be kept whatever it is."""
        sent = dict(self.headers).get(VERSION_HEADER)
        if sent is None:
            return None
        return sent[:_VERSION_BYTES].decode("ascii", "backslashreplace").replace("\0", "\\0")


@dataclass(slots=True)
class Assigned:
    """What a membership of the group has been given."""

    identities: dict[str, LogIdentity] = field(default_factory=dict)
    failure: Exception | None = None


class Mover:
    """Moves all input topics; several movers share them by partition."""

    def __init__(
        self,
        *,
        settings: MoverSettings,
        reader: Reader,
        sources: Sources,
        producer: Producer,
        metrics: MoverMetrics,
        topic: str = STATEMENTS,
        pattern: str = INPUT_PATTERN,
        group: str = GROUP,
    ) -> None:
        self._settings = settings
        self._limits = settings.limits(settings.statements_per_record_max)
        self._reader = reader
        self._sources = sources
        self._producer = producer
        self._metrics = metrics
        self._topic = topic
        self._pattern = pattern
        self._group = group
        self.joined = False
        self.broken: dict[str, str] = {}

    async def missing(self) -> str | None:
        """For /readyz."""
        if self.broken:
            return "; ".join(f"{place} is broken: {why}" for place, why in self.broken.items())
        return None if self.joined else "the mover has not joined its group"

    async def run(self) -> None:
        """Move until cancelled."""
        pause = 0.1
        while True:
            try:
                await self._session()
            except _INTERRUPTIONS as error:
                log.warning(
                    "Moving was interrupted",
                    extra=fields(error=type(error).__name__, why=str(error)),
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._settings.retry_seconds_max)
            else:
                pause = 0.1
            finally:
                self.joined = False

    async def _session(self) -> None:
        """One membership of the group."""
        settings = self._settings
        consumer = AIOKafkaConsumer(
            **client_settings(settings),
            group_id=self._group,
            enable_auto_commit=False,
            # Where to begin is decided on assignment; the client never resets anything.
            auto_offset_reset="none",
            session_timeout_ms=int(settings.kafka_session_seconds * 1000),
            heartbeat_interval_ms=int(settings.kafka_session_seconds * 1000 / 3),
            fetch_max_bytes=settings.consume_fetch_bytes,
            max_partition_fetch_bytes=settings.consume_fetch_bytes,
            fetch_max_wait_ms=100,
            # New input topics are found when the metadata is read again.
            metadata_max_age_ms=int(settings.new_topics_seconds * 1000),
        )
        assigned = Assigned()
        consumer.subscribe(pattern=self._pattern, listener=_Assignment(self, consumer, assigned))
        try:
            await consumer.start()
            self.joined = True
            while True:
                try:
                    fetched = await consumer.getmany(
                        timeout_ms=200, max_records=settings.move_batch_records
                    )
                finally:
                    if assigned.failure is not None:
                        raise assigned.failure
                if fetched:
                    await self.move(self._inbound(fetched, assigned))
                    # Nothing of this poll can be lost any more; only now is it done.
                    await consumer.commit(
                        {place: records[-1].offset + 1 for place, records in fetched.items()}
                    )
                    self._note_lag(consumer, fetched)
        finally:
            await consumer.stop()

    async def take_positions(
        self,
        consumer: AIOKafkaConsumer,
        assigned: Assigned,
        partitions: Sequence[TopicPartition],
    ) -> None:
        """Begin where the group has committed; leave alone what cannot be what was moved before."""
        self.broken.clear()
        # Before anything is awaited, every partition gets a position and rests: else the client
        # would look for one by itself, and fetch.
        for place in partitions:
            consumer.seek(place, 0)
            consumer.pause(place)
        begins: dict[TopicPartition, int] = {}
        for place in partitions:
            if place.topic not in assigned.identities:
                assigned.identities[place.topic] = await asyncio.to_thread(
                    identify_log, self._settings, place.topic
                )
            committed = await consumer.committed(place)
            start = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
            begin = 0 if committed is None else committed
            if start <= begin <= end:
                begins[place] = begin
                continue
            why = f"it holds offsets {start} to {end}, but {begin} is the next to move"
            self.broken[f"{place.topic}/{place.partition}"] = why
            log.critical(
                "Broken", extra=fields(topic=place.topic, partition=place.partition, why=why)
            )
        # A topic made in the meantime has changed the subscription: this assignment is void, and
        # the next one comes here again. From here on nothing is awaited.
        if consumer.assignment().issuperset(partitions):
            for place, begin in begins.items():
                consumer.seek(place, begin)
                consumer.resume(place)
        self._metrics.broken.set(len(self.broken))

    @staticmethod
    def _inbound(
        fetched: Mapping[TopicPartition, Sequence[Any]], assigned: Assigned
    ) -> list[Inbound]:
        # The client's records have no types, hence Any.
        records: list[Inbound] = []
        for place, messages in fetched.items():
            tenant, source = source_of_input(place.topic)
            identity = assigned.identities[place.topic]
            records += [
                Inbound(
                    tenant=tenant,
                    source=source,
                    origin=Origin(
                        identity.cluster_id,
                        identity.topic_id,
                        place.topic,
                        place.partition,
                        message.offset,
                    ),
                    value=message.value,
                    headers=tuple(message.headers),
                )
                for message in messages
            ]
        return records

    async def move(self, records: Sequence[Inbound]) -> None:
        """Put records into the log; returns when each is in it, or in the rejected table."""
        # 1. Check each record, and send what is good: side by side, for the broker's sake.
        refusals = await asyncio.gather(*(self._move_one(record) for record in records))
        # 2. Keep what was refused, with its bytes.
        kept = [refusal for some in refusals for refusal in some]
        if kept:
            await self._until(lambda: self._reader.insert_rejected(kept))
            for refusal in kept:
                self._metrics.rejected.labels(refusal.reason).inc()

    async def _move_one(self, record: Inbound) -> list[Refusal]:
        source = await self._until(lambda: self._sources.find(record.tenant, record.source))
        if source is None:
            return [self._refusal(record, _whole("unknown_source", record.value))]
        sent = record.version_sent
        version = negotiate(LATEST if sent is None else sent)
        if version is None:
            return [self._refusal(record, _whole("version_not_known", record.value))]
        intake = take_in(record.value, record.origin, version=version, limits=self._limits)
        if intake.taken:
            value, headers = record_of(
                record.tenant,
                record.source,
                source,
                version,
                intake.taken,
                self._settings.public_url,
            )
            try:
                await self._until(
                    lambda: self._producer.send(self._topic, value=value, headers=headers)
                )
            except RecordTooLarge:
                _all_too_large(intake)
            else:
                self._metrics.produced.inc()
                self._metrics.accepted.inc(len(intake.taken))
        return [self._refusal(record, refused) for refused in intake.refused]

    async def _until(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Not now: try again with growing pauses. The loop ends with the process."""
        pause = 0.05
        while True:
            try:
                return await attempt()
            except (Unacknowledged, StoreNotAvailable) as error:
                self._metrics.retries.inc()
                log.warning("Not now, will try again", extra=fields(error=type(error).__name__))
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._settings.retry_seconds_max)

    @staticmethod
    def _refusal(record: Inbound, refused: Refused) -> Refusal:
        return Refusal(
            tenant=record.tenant,
            source=record.source,
            topic=record.origin.topic,
            topic_id=record.origin.topic_id,
            partition=record.origin.partition,
            record_offset=record.origin.offset,
            record_index=refused.index,
            statement_id=refused.statement_id,
            reason=refused.reason,
            detail=[described(error) for error in refused.errors],
            body=refused.body,
            cluster_id=record.origin.cluster_id,
            xapi_version=record.version_sent,
        )

    def _note_lag(
        self, consumer: AIOKafkaConsumer, moved: Mapping[TopicPartition, Sequence[Any]]
    ) -> None:
        waiting = 0
        for place, records in moved.items():
            end = consumer.highwater(place)
            if end is not None:
                waiting += max(0, end - records[-1].offset - 1)
        self._metrics.lag_records.set(waiting)


def _whole(reason: str, value: bytes | None) -> Refused:
    return Refused(WHOLE_RECORD, None, reason, (), value)


def _all_too_large(intake: Intake) -> None:
    """With id, authority and version the statements do not fit into one record of the log."""
    intake.refused += [
        Refused(one.index, one.id, "too_large", (), one.checked.raw) for one in intake.taken
    ]
    intake.taken.clear()


def record_of(
    tenant: str,
    source_id: str,
    source: Source,
    version: Version,
    taken: Sequence[Taken],
    public_url: str,
) -> tuple[bytes, Headers]:
    """Value and headers of the record of the log that holds statements of an input topic."""
    client = f"in-{tenant}-{source_id}"
    authority = authority_of(source, client, public_url)
    value = b"[%b]" % b",".join(
        complete_statement(
            one.checked, statement_id=one.id, authority=authority, version=STATED_VERSION[version]
        )
        for one in taken
    )
    envelope = Envelope(
        tenant=tenant,
        source=source_id,
        modality=source.modality,
        client=client,
        xapi_version=version,
        vouches_for_assessors=source.vouches_for_assessors,
        learner_controlled=source.learner_controlled,
    )
    return value, seal(
        envelope, [one.id for one in taken], [one.checked.comparison_hash for one in taken]
    )


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Gives newly assigned partitions their positions before anything is fetched."""

    def __init__(self, owner: Mover, consumer: AIOKafkaConsumer, assigned: Assigned) -> None:
        self._owner = owner
        self._consumer = consumer
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Nothing to give back: what was not committed is moved again by the next owner."""

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        try:
            await self._owner.take_positions(self._consumer, self._assigned, sorted(assigned))
        except Exception as error:  # noqa: BLE001 - the client would only log it; the loop raises it
            self._assigned.failure = error
