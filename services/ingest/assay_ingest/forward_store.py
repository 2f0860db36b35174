"""Every query of forwarding as a typed method. Names are those of sql/queries.sql.

A driver error means "not now" to the callers, who have one loop each that tries again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from assay_ingest.forward_rules import Kind, Target
from assay_runtime.postgres import Connection, Pool
from assay_runtime.sql import load_queries


class Wanted(NamedTuple):
    """A statement for a target, and where its record stands in the log."""

    tenant: str
    target: str
    id: UUID
    partition: int
    record_offset: int
    stored_ms: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A statement that waits for a target.

    `raw` is None when the store does not have it: not yet, unless it `is_applied`.
    """

    id: UUID
    is_applied: bool
    stored_ms: int | None
    version: str | None
    raw: bytes | None


@dataclass(frozen=True, slots=True)
class Dead:
    """A statement that a target does not get, and why."""

    id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Depth:
    """How much stands in the two tables."""

    waiting: int
    dead: int


class ForwardStore:
    """Queries of process `forward`."""

    def __init__(self, pool: Pool, topic: str) -> None:
        self._pool = pool
        self._topic = topic
        self._sql = load_queries("assay_ingest")

    async def targets(self) -> list[Target]:
        """Every target, in the order of its key."""
        rows = await self._pool.fetch(self._sql["list_forward_targets"])
        return [
            Target(
                tenant=row["tenant"],
                name=row["target"],
                kind=Kind(row["kind"]),
                url=row["url"],
                user=row["api_user"],
                own_source=row["own_source"],
                sources=frozenset(row["sources"]),
                verbs=frozenset(row["verbs"]),
                activity_prefixes=tuple(row["activity_prefixes"]),
            )
            for row in rows
        ]

    async def oldest_target(self) -> datetime | None:
        """When the first target was made; None when there is none."""
        moment: datetime | None = await self._pool.fetchval(self._sql["find_oldest_target"])
        return moment

    async def begin(self, offsets: Mapping[int, int], cluster_id: str, topic_id: str) -> None:
        """Begin at `offsets` where no position is known yet."""
        numbers = sorted(offsets)
        await self._pool.execute(
            self._sql["begin_forward"],
            self._topic,
            numbers,
            [offsets[number] for number in numbers],
            cluster_id,
            topic_id,
        )

    async def forget_positions(self) -> None:
        """Nobody wants anything: what passes now is for nobody, and holds back no deletion."""
        await self._pool.execute(self._sql["forget_forward"])

    async def enqueue(
        self, connection: Connection, wanted: Sequence[Wanted], waiting_max: int
    ) -> int:
        """Queue statements inside the transaction of a batch; returns how many found no room.

        A target that has `waiting_max` waiting gets no more: those are dead letters.
        """
        overflow: int = await connection.fetchval(
            self._sql["enqueue_forward"],
            [one.tenant for one in wanted],
            [one.target for one in wanted],
            [one.id for one in wanted],
            [one.partition for one in wanted],
            [one.record_offset for one in wanted],
            [one.stored_ms for one in wanted],
            waiting_max,
        )
        return overflow

    async def due(self, targets_max: int) -> list[tuple[str, str]]:
        """Targets that something waits for, that are not left alone, and that nobody serves."""
        rows = await self._pool.fetch(self._sql["find_due_targets"], targets_max, self._topic)
        return [(row["tenant"], row["target"]) for row in rows]

    async def lease(self, tenant: str, target: str, seconds: float) -> bool:
        """Take a target for a time; False when another process serves it."""
        answer = await self._pool.fetchval(self._sql["lease_target"], tenant, target, seconds)
        return answer is not None

    async def renew(self, tenant: str, target: str, seconds: float) -> None:
        """Keep a target that is leased already."""
        await self._pool.execute(self._sql["renew_lease"], tenant, target, seconds)

    async def give_back(self, tenant: str, target: str) -> None:
        """End the lease; nothing else is said of the target."""
        await self._pool.execute(self._sql["end_lease"], tenant, target)

    async def next_waiting(self, tenant: str, target: str, count: int) -> list[Waiting]:
        """The first of what waits, in order."""
        rows = await self._pool.fetch(
            self._sql["list_forward_waiting"], tenant, target, count, self._topic
        )
        return [
            Waiting(row["id"], bool(row["applied"]), row["stored_ms"], row["version"], row["raw"])
            for row in rows
        ]

    async def settle(
        self, tenant: str, target: str, done: Sequence[UUID], dead: Sequence[Dead]
    ) -> None:
        """`done` and `dead` wait no more."""
        await self._pool.execute(
            self._sql["settle_forward"],
            tenant,
            target,
            list(done),
            [one.id for one in dead],
            [one.reason for one in dead],
        )

    async def succeeded(self, tenant: str, target: str) -> None:
        """The target took what it was sent: it is free, and has no failures."""
        await self._pool.execute(self._sql["free_target"], tenant, target)

    async def failed(
        self,
        tenant: str,
        target: str,
        ids: Sequence[UUID],
        *,
        why: str,
        pause_seconds: float,
        tries_max: int,
    ) -> int:
        """Count a try of `ids`, and leave the target alone; returns how many died of it."""
        died: int = await self._pool.fetchval(
            self._sql["fail_target"], tenant, target, list(ids), why, pause_seconds, tries_max
        )
        return died

    async def failures(self, tenant: str, target: str) -> int:
        """How often in a row the target failed; 0 when it is gone."""
        count: int | None = await self._pool.fetchval(self._sql["count_failures"], tenant, target)
        return count or 0

    async def depth(self) -> Depth:
        (row,) = await self._pool.fetch(self._sql["count_forward"])
        return Depth(row["waiting"], row["dead"])
