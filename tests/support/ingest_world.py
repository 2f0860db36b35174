"""A statement store without Kafka: records are applied, and searched by the front's own reader."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import asyncpg
from prometheus_client import CollectorRegistry

from assay_ingest.__main__ import INDEXES_ONLY
from assay_ingest.metrics import StoreMetrics
from assay_ingest.projection import Projection, ProjectionLimits
from assay_ingest.search import Search
from assay_ingest.store import Page, PageBounds, Reader
from assay_runtime.consume import Record
from assay_testing import Database

BOUNDS = PageBounds(rows_max=100, bytes_max=1 << 20, scan_rows_max=1000, seconds_max=10.0)


def new_projection(limits: ProjectionLimits | None = None) -> Projection:
    return Projection(StoreMetrics.register(CollectorRegistry()), limits=limits)


@dataclass(frozen=True)
class World:
    """A store, and a reader of it."""

    store: asyncpg.Connection
    reader: Reader
    projection: Projection = field(default_factory=new_projection)

    async def apply(self, records: list[Record]) -> None:
        """Apply each record as a batch of its own."""
        for one in records:
            async with self.store.transaction():
                await self.projection.apply(self.store, [one])
            await self.projection.committed([one])

    async def empty(self) -> None:
        await self.store.execute(
            "truncate ingest.statement, ingest.statement_key, ingest.statement_agent, ingest.void, "
            "ingest.statement_related, ingest.statement_ref, ingest.statement_via, ingest.conflict"
        )

    async def ids(self, search: Search, bounds: PageBounds = BOUNDS) -> list[UUID]:
        """Every page of a list."""
        found: list[UUID] = []
        while True:
            page: Page = await self.reader.search(
                search, tenant="t1", watermark_ms=10_000, bounds=bounds
            )
            assert len(page.rows) <= bounds.rows_max
            found += [one for _, one, _ in page.rows]
            if page.next is None:
                return found
            search = replace(search, cursor=page.next)


@asynccontextmanager
async def world_on(database: Database) -> AsyncIterator[World]:
    """A world in `database`; the store is its owner, so that a test can empty the tables."""
    store = await database.connect()
    pool = await asyncpg.create_pool(
        database.dsn("assay_ingest"),
        password=database.password("assay_ingest"),
        min_size=1,
        max_size=1,
        server_settings=INDEXES_ONLY,
    )
    try:
        yield World(store, Reader(pool))
    finally:
        await pool.close()
        await store.close()
