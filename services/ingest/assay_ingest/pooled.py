"""A connection of the pool, with the driver's "not now" turned into the service's own error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from assay_ingest.errors import StoreNotAvailable
from assay_runtime.postgres import TRANSIENT, Connection, Pool


@asynccontextmanager
async def connection_of(pool: Pool) -> AsyncIterator[Connection]:
    """Raises StoreNotAvailable when the database is away."""
    try:
        async with pool.acquire() as connection:
            yield connection
    except TRANSIENT as error:
        raise StoreNotAvailable(f"the database is not available: {type(error).__name__}") from error
