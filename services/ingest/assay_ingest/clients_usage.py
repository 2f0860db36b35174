"""What the clients did, added up in Postgres in the background.

A quota holds over all processes as far as they know of each other: each adds what it counted every
`usage_flush_seconds` and learns the sum. So a client may pass its quota by what it sends to the
other processes within one interval, and by what a process that was killed had not added yet.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime

from assay_runtime.auth_limits import Meter
from assay_runtime.logs import fields
from assay_runtime.postgres import TRANSIENT, Pool
from assay_runtime.sql import load_queries

log = logging.getLogger(__name__)

LAST_FLUSH_SECONDS = 2.0


def today() -> date:
    """The day in whose row is counted (UTC)."""
    return datetime.now(UTC).date()


class UsageKeeper:
    """Adds up what the meters counted."""

    def __init__(
        self,
        pool: Pool,
        meters: Callable[[], Iterable[Meter]],
        flush_seconds: float,
        clock: Callable[[], date] = today,
    ) -> None:
        self._pool = pool
        self._meters = meters
        self._flush_seconds = flush_seconds
        self._clock = clock
        self._day = clock()
        self._queries = load_queries("assay_ingest")

    async def run(self) -> None:
        """Flush again and again; once more at the end. Without a database it is tried later."""
        try:
            while True:
                await asyncio.sleep(self._flush_seconds)
                await self._try_flush(None)
        finally:
            await self._try_flush(LAST_FLUSH_SECONDS)

    async def _try_flush(self, seconds_max: float | None) -> None:
        try:
            async with asyncio.timeout(seconds_max):
                await self.flush()
        except TRANSIENT as error:
            # What is pending stays so, and counts against the quota in this process.
            log.warning("Usage was not added up", extra=fields(error=type(error).__name__))

    async def flush(self) -> None:
        """Add what is pending to the row of today, and learn the sums."""
        day = self._clock()
        is_new_day = day != self._day
        # 1. Who did something, or is new here, or begins a day at nothing; in the order of keys.
        asked = sorted(
            (
                (meter.tenant, meter.name, meter.requests_pending, meter.statements_pending, meter)
                for meter in self._meters()
                if is_new_day or not meter.is_counted or meter.requests_pending
            ),
            key=lambda one: one[:2],
        )
        if asked:
            # 2. One statement; what is counted meanwhile stays pending.
            rows = await self._pool.fetch(
                self._queries["add_usage"],
                day,
                [one[0] for one in asked],
                [one[1] for one in asked],
                [one[2] for one in asked],
                [one[3] for one in asked],
            )
            sums = {row["client"]: row["statements"] for row in rows}
            for _, name, requests, statements, meter in asked:
                meter.counted(requests, statements, sums[name])
        self._day = day
