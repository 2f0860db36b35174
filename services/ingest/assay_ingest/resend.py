"""Refused statements of input topics, sent again: after the reason is gone, or with mended bytes.

They take the mover's road: the same checks, the source as it is now, the log. Ids stay those of the
place where the statement stood, so that sending twice is sending once. What was sent is marked with
the time, under a lock on its row, and is not sent a second time unless that is asked for.

Life of a resent statement:
1. its row is locked; one that was sent before stays (`Outcome.SENT_BEFORE`)
2. source and version are looked up
3. its bytes, as they were or mended, pass the checks of `intake`
4. an id that the store has with another content is refused now, not by the projections
5. one record goes to the log, and its acknowledgement is awaited
6. the row is marked; statements of a whole record that are still refused get rows of their own
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from assay_ingest.errors import described
from assay_ingest.intake import WHOLE_RECORD, Intake, Origin, Refused, Taken, derived_id, take_in
from assay_ingest.mover import record_of
from assay_ingest.settings import MoverSettings
from assay_ingest.sources import Sources
from assay_ingest.store import Reader, Refusal
from assay_ingest.versions import LATEST, negotiate
from assay_runtime.postgres import Connection, Pool
from assay_runtime.produce import Producer, RecordTooLarge
from assay_runtime.sql import load_queries
from assay_schemas.refusals import StatementError
from assay_schemas.statement import Version
from assay_schemas.topics import STATEMENTS

PAGE = 100


class Outcome(StrEnum):
    """What became of one refusal."""

    SENT = "sent"
    WOULD_BE_SENT = "would be sent"
    SENT_BEFORE = "sent before"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The key of a refusal within its tenant."""

    topic: str
    topic_id: str
    partition: int
    record_offset: int
    record_index: int

    @property
    def coordinates(self) -> str:
        return f"{self.topic}/{self.partition}/{self.record_offset}/{self.record_index}"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which refusals that were not sent again yet are meant; None matches all."""

    source: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Resent:
    """What became of the refusal at `place`. `at` is when it was sent before."""

    place: Place
    outcome: Outcome
    ids: tuple[UUID, ...] = ()
    reason: str = ""
    errors: tuple[StatementError, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    source: str
    cluster_id: str | None
    xapi_version: str | None
    body: bytes | None
    resent_at: datetime | None


class Resender:
    """Sends refusals again, one after the other."""

    def __init__(
        self,
        *,
        settings: MoverSettings,
        pool: Pool,
        producer: Producer,
        cluster_id: str,
        topic: str = STATEMENTS,
    ) -> None:
        self._settings = settings
        self._limits = settings.limits(settings.statements_per_record_max)
        self._pool = pool
        self._reader = Reader(pool)
        self._sources = Sources(self._reader, settings.source_cache_seconds)
        self._producer = producer
        self._cluster_id = cluster_id
        self._topic = topic
        self._sql = load_queries("assay_ingest")

    async def places_at(self, tenant: str, coordinates: str) -> list[Place]:
        """What was refused at topic/partition/offset/index. ValueError when it has another form.

        More than one where a topic was deleted and made again under its name.
        """
        parts = coordinates.split("/")
        if len(parts) != 4:
            raise ValueError("coordinates have the form topic/partition/offset/index")
        rows = await self._pool.fetch(
            self._sql["find_refusals_at"],
            tenant,
            parts[0],
            int(parts[1]),
            int(parts[2]),
            int(parts[3]),
        )
        return [Place(*row) for row in rows]

    async def places(self, tenant: str, filters: Filters, *, after: Place | None) -> list[Place]:
        """The next PAGE places, in their order, of refusals that were not sent again yet."""
        last = after or Place("", "", -1, -1, WHOLE_RECORD - 1)
        rows = await self._pool.fetch(
            self._sql["list_refusals_to_resend"],
            tenant,
            filters.source,
            filters.reason,
            filters.since,
            filters.until,
            last.topic,
            last.topic_id,
            last.partition,
            last.record_offset,
            last.record_index,
            PAGE,
        )
        return [Place(*row) for row in rows]

    async def resend(
        self,
        tenant: str,
        place: Place,
        *,
        mended: bytes | None = None,
        version_of_old: Version | None = None,
        again: bool = False,
        dry_run: bool = False,
    ) -> Resent:
        """Send one refusal again. `version_of_old` overrides the version that came with the record.

        Raises Unacknowledged (whether it was sent is not known; trying again is safe),
        StoreNotAvailable, or LookupError when there is no such refusal.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await self._locked(connection, tenant, place)
            if row.resent_at is not None and not again:
                return Resent(place, Outcome.SENT_BEFORE, at=row.resent_at)
            body = row.body if mended is None else mended
            source = await self._sources.find(tenant, row.source)
            if source is None:
                return Resent(place, Outcome.REFUSED, reason="unknown_source")
            stated = LATEST if row.xapi_version is None else row.xapi_version
            version = version_of_old or negotiate(stated)
            if version is None:
                return Resent(place, Outcome.REFUSED, reason="version_not_known")
            origin = Origin(
                row.cluster_id or self._cluster_id,
                place.topic_id,
                place.topic,
                place.partition,
                place.record_offset,
            )
            intake = self._taken_in(body, origin, place.record_index, version)
            if not intake.taken:
                return _refused(place, intake.refused)
            conflict = await self._conflicting(tenant, intake.taken)
            if conflict is not None:
                return Resent(place, Outcome.REFUSED, (conflict,), "id_conflict")
            ids = tuple(one.id for one in intake.taken)
            if dry_run:
                return Resent(place, Outcome.WOULD_BE_SENT, ids)
            value, headers = record_of(
                tenant, row.source, source, version, intake.taken, self._settings.public_url
            )
            try:
                await self._producer.send(self._topic, value=value, headers=headers)
            except RecordTooLarge:
                return Resent(place, Outcome.REFUSED, ids, "too_large")
            if intake.refused:
                await self._reader.insert_rejected(
                    [
                        _refusal(tenant, row.source, origin, str(version), one)
                        for one in intake.refused
                    ]
                )
            await connection.execute(
                self._sql["mark_resent"],
                tenant,
                place.topic,
                place.topic_id,
                place.partition,
                place.record_offset,
                place.record_index,
                mended is not None,
            )
        return Resent(place, Outcome.SENT, ids)

    async def _locked(self, connection: Connection, tenant: str, place: Place) -> _Row:
        row = await connection.fetchrow(
            self._sql["lock_refusal"],
            tenant,
            place.topic,
            place.topic_id,
            place.partition,
            place.record_offset,
            place.record_index,
        )
        if row is None:
            raise LookupError(f"nothing of tenant {tenant} was refused at {place.coordinates}")
        return _Row(*row)

    def _taken_in(self, body: bytes | None, origin: Origin, index: int, version: Version) -> Intake:
        """The checks of the mover. One statement of a record keeps its index, and so its id."""
        intake = take_in(body, origin, version=version, limits=self._limits)
        if index == WHOLE_RECORD:
            return intake
        if len(intake.taken) + len(intake.refused) != 1:
            return Intake(refused=[Refused(index, None, "more_than_one_statement", (), body)])
        taken = [
            Taken(index, one.checked.id or derived_id(origin, index), one.checked)
            for one in intake.taken
        ]
        return Intake(taken=taken, refused=intake.refused)

    async def _conflicting(self, tenant: str, taken: Sequence[Taken]) -> UUID | None:
        """An id that the store has with another content."""
        known = await self._reader.keys(tenant, [one.id for one in taken])
        for one in taken:
            held = known.get(one.id)
            if held is not None and held.body_hash != one.checked.comparison_hash:
                return one.id
        return None


def _refused(place: Place, refused: Sequence[Refused]) -> Resent:
    first = refused[0]
    errors = tuple(error for one in refused for error in one.errors)
    return Resent(place, Outcome.REFUSED, reason=first.reason, errors=errors)


def _refusal(tenant: str, source: str, origin: Origin, version: str, one: Refused) -> Refusal:
    return Refusal(
        tenant=tenant,
        source=source,
        topic=origin.topic,
        topic_id=origin.topic_id,
        partition=origin.partition,
        record_offset=origin.offset,
        record_index=one.index,
        statement_id=one.statement_id,
        reason=one.reason,
        detail=[described(error) for error in one.errors],
        body=one.body,
        cluster_id=origin.cluster_id,
        xapi_version=version,
    )
