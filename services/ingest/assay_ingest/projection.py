"""The projection of statements: the handler of process `store`.

Everything here is batched; nothing is awaited per item. A repeat changes nothing, and any order of
the same copies gives the same rows.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from assay_ingest.definitions import Recent, Stamp, new_definitions, new_names
from assay_ingest.first import Copy, Holder, conflicts, first_of_each, order
from assay_ingest.index_store import IndexWriter
from assay_ingest.metrics import StoreMetrics
from assay_ingest.records import Row, rows_of
from assay_ingest.store import Claims, Writer
from assay_ingest.ticks import Ticks
from assay_runtime.consume import Record
from assay_runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class ProjectionLimits:
    """Bounds of what is derived; the settings of the process say what each is for."""

    reference_steps_max: int = 16
    definitions_per_activity_max: int = 50
    names_per_agent_max: int = 20
    recent_entries_max: int = 20_000


class Projection:
    """`consume.Handler` of the store."""

    def __init__(
        self,
        metrics: StoreMetrics,
        ticks: Ticks | None = None,
        *,
        limits: ProjectionLimits | None = None,
        delay_seconds: float = 0.0,
    ) -> None:
        """`delay_seconds` makes the store lag, to try out who reads from it."""
        self._metrics = metrics
        self._delay_seconds = delay_seconds
        self._ticks = ticks
        self._limits = limits or ProjectionLimits()
        self._writer = Writer()
        self._index = IndexWriter()
        self._definitions: Recent[tuple[str, str, bytes], Stamp] = Recent(
            self._limits.recent_entries_max
        )
        self._names: Recent[tuple[str, str, str], Stamp] = Recent(self._limits.recent_entries_max)

    async def apply(self, connection: Connection, batch: Sequence[Record]) -> None:
        """Write the statements of `batch`. Raises for a record that cannot be read."""
        if self._delay_seconds:
            await self._lag(batch)
        # 1. Read every record, and find the first copy of each identity within the batch.
        self._definitions.begin()
        self._names.begin()
        copies = list(rows_of(batch))
        if not copies:
            return
        firsts, losers = first_of_each(copies)
        rows = list(firsts.values())
        refers = any(row.target is not None for row in rows)
        writer = self._writer
        await writer.begin_batch(connection, has_references=refers)
        # 2. Claim the identities: ours where we are earlier than what is there.
        claims = await writer.claim_keys(connection, rows)
        won = [row for row in rows if row.key in claims.won]
        lost: list[Copy] = [*losers, *(row for row in rows if row.key not in claims.won)]
        # 3. Rows of copies that were taken for the first until now leave, with all they brought.
        if claims.replaced:
            lost += await self._replace(connection, claims)
        # 4. The first copies come in, with the agents and activities that they are about.
        if won:
            await writer.insert_statements(connection, won)
            await self._index.insert_related(connection, won)
            await self._index.insert_attachments(connection, won)
        # 5. Copies with another content than the first are kept as conflicts.
        if lost:
            await self._keep_lost(connection, won, lost)
        if claims.replaced:
            now_first = [row for row in won if row.key in claims.replaced]
            await writer.forget_conflicts(connection, now_first)
        # 6. References are followed, and every void that these statements are concerned with is
        #    judged.
        if refers or claims.are_referred_to:
            await self._follow(connection, won)
        # 7. What every copy says of activities and agents is noted.
        await self._note(connection, copies)
        self._metrics.statements.inc(len(won))

    async def _replace(self, connection: Connection, claims: Claims) -> list[Copy]:
        left = await self._writer.delete_statements(connection, claims.replaced)
        if any(terms.statement_ref is not None for _, terms in left):
            # A reference leaves; if two batches come to this at once, one of them is tried again.
            await self._writer.begin_batch(connection, has_references=True)
        await self._index.forget(
            connection, [(copy.key, copy.stored_ms, terms) for copy, terms in left]
        )
        return [copy for copy, _ in left]

    async def _keep_lost(
        self, connection: Connection, won: Sequence[Row], lost: Sequence[Copy]
    ) -> None:
        holders = {row.key: Holder(row.at, row.body_hash) for row in won}
        elsewhere = sorted({one.key for one in lost} - holders.keys(), key=order)
        if elsewhere:
            holders |= await self._writer.holders(connection, elsewhere)
        differing = conflicts(lost, holders)
        if differing:
            await self._writer.keep_conflicts(connection, differing)
            self._metrics.conflicts.inc(len(differing))

    async def _follow(self, connection: Connection, won: Sequence[Row]) -> None:
        """References in both directions: to what leads to these, and to what these lead to."""
        steps = self._limits.reference_steps_max
        keys = [row.key for row in won]
        await self._index.insert_refs(connection, won)
        referrers = await self._index.find_referrers(connection, keys, steps)
        referring = {row.key for row in won if row.target is not None}
        await self._index.renew_via(connection, referrers | referring, steps)
        voiding = [row for row in won if row.voids is not None]
        if voiding:
            await self._writer.insert_voids(connection, voiding)
        targets = {row.key._replace(id=row.voids) for row in voiding if row.voids is not None}
        await self._writer.judge_voids(connection, targets.union(keys))

    async def _note(self, connection: Connection, copies: Sequence[Row]) -> None:
        stated = new_definitions(copies, self._definitions)
        await self._index.put_definitions(
            connection, stated, self._limits.definitions_per_activity_max
        )
        named = new_names(copies, self._names)
        await self._index.put_names(connection, named, self._limits.names_per_agent_max)

    async def _lag(self, batch: Sequence[Record]) -> None:
        due = max(record.append_ms for record in batch) / 1000 + self._delay_seconds
        await asyncio.sleep(max(0.0, due - time.time()))

    async def committed(self, batch: Sequence[Record]) -> None:
        """Remember what was noted; let the other partitions tell the time for the watermark."""
        self._definitions.commit()
        self._names.commit()
        if self._ticks is not None:
            self._ticks.committed(batch)
