"""The projection of statements: the handler of process `store`.

Everything here is batched; nothing is awaited per item. A repeat changes nothing, and any order of
the same copies gives the same rows.
"""

from collections.abc import Sequence

from assay_ingest.first import Copy, Holder, conflicts, first_of_each, order
from assay_ingest.metrics import StoreMetrics
from assay_ingest.records import rows_of
from assay_ingest.store import Writer
from assay_ingest.ticks import Ticks
from assay_runtime.consume import Record
from assay_runtime.postgres import Connection


class Projection:
    """`consume.Handler` of the store."""

    def __init__(self, metrics: StoreMetrics, ticks: Ticks | None = None) -> None:
        self._metrics = metrics
        self._ticks = ticks
        self._writer = Writer()

    async def apply(self, connection: Connection, batch: Sequence[Record]) -> None:
        """Write the statements of `batch`. Raises for a record that cannot be read."""
        # 1. Read every record, and find the first copy of each identity within the batch.
        firsts, losers = first_of_each(rows_of(batch))
        if not firsts:
            return
        rows = list(firsts.values())
        has_voids = any(row.voids is not None for row in rows)
        writer = self._writer
        await writer.begin_batch(connection, has_voids=has_voids)
        # 2. Claim the identities: ours where we are earlier than what is there.
        claims = await writer.claim_keys(connection, rows)
        won = [row for row in rows if row.key in claims.won]
        lost: list[Copy] = [*losers, *(row for row in rows if row.key not in claims.won)]
        # 3. Rows of copies that were taken for the first until now leave.
        if claims.replaced:
            lost += await writer.delete_statements(connection, claims.replaced)
        # 4. The first copies come in, with the agents that they are about.
        if won:
            await writer.insert_statements(connection, won)
        # 5. Copies with another content than the first are kept as conflicts.
        if lost:
            holders = {row.key: Holder(row.at, row.body_hash) for row in won}
            elsewhere = sorted({one.key for one in lost} - holders.keys(), key=order)
            if elsewhere:
                holders |= await writer.holders(connection, elsewhere)
            differing = conflicts(lost, holders)
            if differing:
                await writer.keep_conflicts(connection, differing)
                self._metrics.conflicts.inc(len(differing))
        if claims.replaced:
            now_first = [row for row in won if row.key in claims.replaced]
            await writer.forget_conflicts(connection, now_first)
        # 6. Voids are noted, and every void that these statements are concerned with is judged.
        voiding = [row for row in won if row.voids is not None]
        if voiding:
            await writer.insert_voids(connection, voiding)
        targets = {row.key for row in won}
        targets |= {row.key._replace(id=row.voids) for row in voiding if row.voids is not None}
        if targets:
            await writer.judge_voids(connection, targets)
        self._metrics.statements.inc(len(won))

    async def committed(self, batch: Sequence[Record]) -> None:
        """Let the other partitions tell the time, so that the watermark follows."""
        if self._ticks is not None:
            self._ticks.committed(batch)
