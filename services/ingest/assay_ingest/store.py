"""Every query of the service as a typed method. Names are those of sql/queries.sql.

`Reader` is for the processes that answer or check (each method takes a connection of the pool; a
database that is away raises StoreNotAvailable). `Writer` works inside the transaction of a batch
and lets the driver's errors through, because the consumer tells "not now" from "invalid" by them.
"""

import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from assay_ingest.errors import StoreNotAvailable
from assay_ingest.first import Coordinates, Copy, Holder, Key, Known, order
from assay_ingest.index_store import columns
from assay_ingest.lookup import Lookup
from assay_ingest.records import Row, agents_of, term
from assay_ingest.search import Cursor, Search
from assay_ingest.search_sql import Leaders, compose, read_stretch
from assay_runtime.postgres import TRANSIENT, Connection, Pool
from assay_runtime.sql import load_queries
from assay_schemas.terms import StatementTerms, statement_terms

# Held by each batch; "store" in hexadecimal. Only one batch with references runs at a time.
REFERENCE_LOCK = 0x73746F7265


@dataclass(frozen=True, slots=True)
class Source:
    """What a source may do, and in whose name its statements stand."""

    modality: str | None
    authority: Mapping[str, Any] | None
    vouches_for_assessors: bool
    learner_controlled: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A statement as it is answered."""

    stored_ms: int
    raw: bytes
    voided: bool


@dataclass(frozen=True, slots=True)
class Voider:
    """From whom a void is, and what that may do."""

    source: str
    learner_controlled: bool
    may_void: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """How far the store is in one partition."""

    next_offset: int
    stored_ms: int


@dataclass(frozen=True, slots=True)
class PageBounds:
    """What one page may hold, and how much may be read for it: per query, and in all seconds."""

    rows_max: int
    bytes_max: int
    scan_rows_max: int
    seconds_max: float


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a search as (stored_ms, id, raw), and where the list goes on, if it does.

    A page that goes on may have fewer rows than were asked for, even none.
    """

    rows: list[tuple[int, UUID, bytes]]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement, or a whole record with index -1, that was refused on an input topic."""

    tenant: str
    source: str
    topic: str
    topic_id: str
    partition: int
    record_offset: int
    record_index: int
    statement_id: UUID | None
    reason: str
    detail: Sequence[Mapping[str, Any]]
    body: bytes | None
    cluster_id: str
    xapi_version: str | None


class Reader:
    """Queries outside of any transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = load_queries("assay_ingest")
        self._lookup = Lookup(self._find_keys)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except TRANSIENT as error:
            raise StoreNotAvailable(f"the database is not available: {type(error).__name__}") from (
                error
            )

    async def source(self, tenant: str, source: str) -> Source | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(self._sql["find_source"], tenant, source)
        if row is None:
            return None
        authority = row["authority"]
        return Source(
            modality=row["modality"],
            authority=None if authority is None else msgspec.json.decode(authority),
            vouches_for_assessors=row["vouches_for_assessors"],
            learner_controlled=row["learner_controlled"],
        )

    async def keys(self, tenant: str, ids: Sequence[UUID]) -> dict[UUID, Known]:
        """Those of `ids` that the store has."""
        return await self._lookup.find(tenant, ids)

    async def _find_keys(self, tenants: list[str], ids: list[UUID]) -> dict[Key, Known]:
        async with self._connection() as connection:
            rows = await connection.fetch(self._sql["find_keys"], tenants, ids)
        return {
            Key(row["tenant"], row["id"]): Known(
                row["body_hash"], row["source"], row["stored_ms"], row["voids"]
            )
            for row in rows
        }

    async def statement(self, tenant: str, statement_id: UUID) -> Found | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(self._sql["find_statement"], tenant, statement_id)
        return None if row is None else Found(row["stored_ms"], row["raw"], row["voided"])

    async def voids(self, tenant: str, target: UUID) -> list[Voider]:
        """Who voids `target`, whether it counts or not."""
        async with self._connection() as connection:
            rows = await connection.fetch(self._sql["find_voids"], tenant, target)
        return [Voider(row["source"], row["learner_controlled"], row["may_void"]) for row in rows]

    async def definitions(self, tenant: str, activities: Collection[str]) -> dict[str, bytes]:
        """The merged definitions, as JSON, of those of `activities` (IRIs) that have one."""
        async with self._connection() as connection:
            rows = await connection.fetch(
                self._sql["find_definitions"], tenant, sorted({term(one) for one in activities})
            )
        return {row["iri"]: row["definition"].encode() for row in rows}

    async def search(
        self, search: Search, *, tenant: str, watermark_ms: int, bounds: PageBounds
    ) -> Page:
        """One page, stretch by stretch, until it is full, the list ends, or its time is over."""
        deadline = time.monotonic() + bounds.seconds_max
        leaders = Leaders(search)
        rows: list[tuple[int, UUID, bytes]] = []
        size = 0
        while True:
            leader = leaders.choose()
            sql, arguments = compose(
                search,
                self._sql,
                tenant=tenant,
                watermark_ms=watermark_ms,
                rows_max=bounds.rows_max - len(rows),
                bytes_max=bounds.bytes_max - size,
                scan_rows_max=bounds.scan_rows_max,
                leader=leader,
            )
            async with self._connection() as connection:
                answer = await connection.fetch(sql, *arguments)
            found = read_stretch(map(dict, answer), bounds.rows_max - len(rows))
            rows += found.rows
            size += sum(len(raw) for _, _, raw in found.rows)
            is_full = found.is_cut or len(rows) >= bounds.rows_max or size >= bounds.bytes_max
            if found.next is None or is_full or time.monotonic() >= deadline:
                return Page(rows, found.next)
            leaders.came(leader, search.cursor, found.next)
            search = replace(search, cursor=found.next)

    async def applied(self, topic: str) -> dict[int, Applied]:
        """Per partition, how far the store is."""
        async with self._connection() as connection:
            rows = await connection.fetch(self._sql["read_applied"], topic)
        return {row["partition"]: Applied(row["next_offset"], row["stored_ms"]) for row in rows}

    async def quarantined(self) -> int:
        async with self._connection() as connection:
            count: int = await connection.fetchval(self._sql["count_quarantine"])
        return count

    async def insert_rejected(self, refusals: Sequence[Refusal]) -> None:
        """Keep refusals; those that are there already stay as they are."""
        async with self._connection() as connection:
            await connection.execute(
                self._sql["insert_rejected"],
                [one.tenant for one in refusals],
                [one.source for one in refusals],
                [one.topic for one in refusals],
                [one.topic_id for one in refusals],
                [one.partition for one in refusals],
                [one.record_offset for one in refusals],
                [one.record_index for one in refusals],
                [one.statement_id for one in refusals],
                [one.reason for one in refusals],
                [msgspec.json.encode(one.detail).decode() for one in refusals],
                [one.body for one in refusals],
                [one.cluster_id for one in refusals],
                [one.xapi_version for one in refusals],
            )


@dataclass(frozen=True, slots=True)
class Claims:
    """Identities whose first is a copy of this batch; `replaced` says whom it took the place of.

    `are_referred_to` says whether any of them is the target of a reference that is known already.
    """

    won: frozenset[Key]
    are_referred_to: bool
    replaced: dict[Key, tuple[Holder, int]]


class Writer:
    """Queries of the projection, inside its transaction. Arguments come sorted by key."""

    def __init__(self) -> None:
        self._sql = load_queries("assay_ingest")

    async def begin_batch(self, connection: Connection, *, has_references: bool) -> None:
        await connection.execute(self._sql["begin_batch"], REFERENCE_LOCK, has_references)

    async def claim_keys(self, connection: Connection, rows: Sequence[Row]) -> Claims:
        """Write the identities of `rows` (each once) where they are earlier than what is there."""
        answers = await connection.fetch(
            self._sql["claim_keys"],
            [row.key.tenant for row in rows],
            [row.key.id for row in rows],
            [row.at.append_ms for row in rows],
            [row.at.partition for row in rows],
            [row.at.record_offset for row in rows],
            [row.at.record_index for row in rows],
            [row.stored_ms for row in rows],
            [row.body_hash for row in rows],
            [row.source for row in rows],
            [row.voids for row in rows],
        )
        won: list[Key] = []
        replaced: dict[Key, tuple[Holder, int]] = {}
        are_referred_to = False
        for tenant, one, append, partition, offset, index, stored, body_hash, is_target in answers:
            key = Key(tenant, one)
            won.append(key)
            are_referred_to = are_referred_to or is_target
            if append is not None:
                at = Coordinates(append, partition, offset, index)
                replaced[key] = (Holder(at, body_hash), stored)
        return Claims(frozenset(won), are_referred_to, replaced)

    async def holders(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, Holder]:
        answers = await connection.fetch(
            self._sql["find_holders"], [key.tenant for key in keys], [key.id for key in keys]
        )
        return {
            Key(tenant, statement_id): Holder(
                Coordinates(append, partition, offset, index), body_hash
            )
            for tenant, statement_id, append, partition, offset, index, body_hash in answers
        }

    async def insert_statements(self, connection: Connection, rows: Sequence[Row]) -> None:
        await connection.execute(
            self._sql["insert_statements"],
            [row.key.tenant for row in rows],
            [row.stored_ms for row in rows],
            [row.key.id for row in rows],
            [row.source for row in rows],
            [row.client for row in rows],
            [row.version for row in rows],
            [row.verb for row in rows],
            [row.actor for row in rows],
            [row.activity for row in rows],
            [row.registration for row in rows],
            [row.timestamp for row in rows],
            [row.voids for row in rows],
            [row.raw for row in rows],
            [row.authority for row in rows],
        )
        places = [
            (row.key.tenant, agent, row.stored_ms, row.key.id)
            for row in rows
            for agent in row.agents
        ]
        if places:
            await connection.execute(self._sql["insert_agents"], *columns(places))

    async def delete_statements(
        self, connection: Connection, replaced: Mapping[Key, tuple[Holder, int]]
    ) -> list[tuple[Copy, StatementTerms]]:
        """Take away the rows of copies that are no longer the first, their agents and voids."""
        rows = await connection.fetch(
            self._sql["delete_statements"],
            [key.tenant for key in replaced],
            [stored_ms for _, stored_ms in replaced.values()],
            [key.id for key in replaced],
        )
        copies: list[tuple[Copy, StatementTerms]] = []
        agents: list[tuple[str, UUID, int, UUID]] = []
        voids: list[tuple[str, UUID, UUID]] = []
        for tenant, stored_ms, statement_id, source, client, target, raw in rows:
            key = Key(tenant, statement_id)
            holder = replaced[key][0]
            copy = Copy(key, holder.at, stored_ms, holder.body_hash, source, client, raw)
            terms = statement_terms(raw)
            copies.append((copy, terms))
            agents += [(tenant, agent, stored_ms, statement_id) for agent in agents_of(terms)]
            if target is not None:
                voids.append((tenant, target, statement_id))
        if agents:
            await connection.execute(self._sql["delete_agents"], *columns(agents))
        if voids:
            await connection.execute(self._sql["delete_voids"], *columns(sorted(voids)))
        return copies

    async def keep_conflicts(self, connection: Connection, losers: Sequence[Copy]) -> None:
        await connection.execute(
            self._sql["keep_conflicts"],
            [one.key.tenant for one in losers],
            [one.key.id for one in losers],
            [one.body_hash for one in losers],
            [one.at.append_ms for one in losers],
            [one.at.partition for one in losers],
            [one.at.record_offset for one in losers],
            [one.at.record_index for one in losers],
            [one.stored_ms for one in losers],
            [one.source for one in losers],
            [one.client for one in losers],
            [one.raw for one in losers],
        )

    async def forget_conflicts(self, connection: Connection, firsts: Sequence[Copy]) -> None:
        """A copy that is now the first, or has its content, is no conflict any more."""
        await connection.execute(
            self._sql["forget_conflicts"],
            *columns([(one.key.tenant, one.key.id, one.body_hash) for one in firsts]),
        )

    async def insert_voids(self, connection: Connection, rows: Sequence[Row]) -> None:
        voids = sorted(
            (
                row.key.tenant,
                row.voids,
                row.key.id,
                row.stored_ms,
                row.source,
                row.may_void,
                row.learner_controlled,
            )
            for row in rows
            if row.voids is not None
        )
        await connection.execute(self._sql["insert_voids"], *columns(voids))

    async def judge_voids(self, connection: Connection, targets: Iterable[Key]) -> None:
        """Decide anew whether the voids of `targets` count."""
        places = sorted(set(targets), key=order)
        await connection.execute(
            self._sql["judge_voids"], [key.tenant for key in places], [key.id for key in places]
        )
