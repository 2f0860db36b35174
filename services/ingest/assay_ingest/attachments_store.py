"""What Postgres knows of attachments and signing keys, as typed methods.

Names of queries are those of sql/queries.sql. `AttachmentStore` is for the front; the functions are
for an administrator, and take a connection as owner.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from assay_ingest.pooled import connection_of
from assay_ingest.signatures import KEYS_TRIED_MAX, SigningKey
from assay_runtime.postgres import Connection, Pool
from assay_runtime.sql import load_queries

KEYS_LISTED_MAX: Final = 10_000


class AttachmentStore:
    """Every method raises StoreNotAvailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = load_queries("assay_ingest")

    async def announce(self, tenant: str, contents: Collection[str]) -> None:
        """Say that contents are about to be referenced, so that nobody collects them meanwhile.

        Where one of them is being collected at this moment, this waits until it is gone.
        """
        async with connection_of(self._pool) as connection:
            await connection.execute(self._sql["announce_contents"], tenant, sorted(contents))

    async def signing_keys(
        self, tenant: str, names: Collection[str], agents: Collection[str]
    ) -> list[SigningKey]:
        """The registered keys of these ids or thumbprints, and of these agents."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(
                self._sql["find_signing_keys"],
                tenant,
                sorted(names),
                sorted(agents),
                KEYS_TRIED_MAX,
            )
        return [SigningKey(**dict(row)) for row in rows]


async def put_signing_key(connection: Connection, tenant: str, key: SigningKey, *, by: str) -> bool:
    """Register a key. False where its id or the key itself is registered already."""
    added = await connection.fetchval(
        load_queries("assay_ingest")["put_signing_key"],
        tenant,
        key.key_id,
        key.thumbprint,
        key.public_key,
        key.agent,
        key.valid_from,
        key.valid_to,
        by,
    )
    return added is not None


async def list_signing_keys(connection: Connection, tenant: str) -> list[SigningKey]:
    """The keys of a tenant, in order of their ids."""
    rows = await connection.fetch(
        load_queries("assay_ingest")["list_signing_keys"], tenant, KEYS_LISTED_MAX
    )
    return [SigningKey(**dict(row)) for row in rows]


async def revoke_signing_key(
    connection: Connection, tenant: str, key_id: str, *, by: str
) -> datetime | None:
    """Revoke a key, from now on or from when it was revoked first; None where there is none."""
    revoked_at: datetime | None = await connection.fetchval(
        load_queries("assay_ingest")["revoke_signing_key"], tenant, key_id, by
    )
    return revoked_at


async def applied_ms(
    connection: Connection, *, projection: str, topic: str, partitions: int
) -> int | None:
    """Up to when the store has applied the log; None while that is not known."""
    found: int | None = await connection.fetchval(
        load_queries("assay_ingest")["collectable_since"], projection, partitions, topic
    )
    return found


async def list_orphans(
    connection: Connection, after: tuple[str, str], before: datetime, limit: int
) -> list[tuple[str, str]]:
    """Contents that no statement holds and nobody announced since `before`, behind `after`."""
    rows = await connection.fetch(
        load_queries("assay_ingest")["list_orphans"], after[0], after[1], before, limit
    )
    return [(row["tenant"], row["sha2"]) for row in rows]


@asynccontextmanager
async def locked_orphan(
    connection: Connection, tenant: str, sha2: str, before: datetime
) -> AsyncIterator[bool]:
    """Whether the content is still an orphan, in a transaction in which nobody can announce it.

    At the end of a True one its row is taken away.
    """
    queries = load_queries("assay_ingest")
    async with connection.transaction():
        found = await connection.fetchval(queries["lock_orphan"], tenant, sha2, before)
        yield found is not None
        if found is not None:
            await connection.execute(queries["forget_content"], tenant, sha2)
