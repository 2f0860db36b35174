"""What an administrator does to the `ingest` schema; each function takes a connection as owner.

All of them are idempotent. `assay seed`, `assay maintain` and `assay rejected` call them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from assay_ingest.times import milliseconds_of
from assay_runtime.auth import hash_secret
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.topics import STATEMENTS, is_slug

_PARTITIONED = ("statement", "statement_agent", "statement_related", "statement_via")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refusal, an id conflict or a void without authority."""

    at: datetime
    tenant: str
    source: str
    reason: str
    topic: str
    partition: int
    record_offset: int
    record_index: int
    statement_id: UUID | None
    detail: Sequence[Mapping[str, Any]] = ()
    body: bytes | None = None
    resent_at: datetime | None = None

    @property
    def coordinates(self) -> str:
        """How it is named: topic/partition/offset/index."""
        return f"{self.topic}/{self.partition}/{self.record_offset}/{self.record_index}"


async def put_tenant(connection: Connection, tenant: str) -> None:
    """Make a tenant. ValueError when its name cannot be a part of a topic's name."""
    _check_slug(tenant)
    await connection.execute(load_queries("assay_ingest")["put_tenant"], tenant)


async def put_source(
    connection: Connection,
    tenant: str,
    source: str,
    *,
    modality: str | None = None,
    authority: Mapping[str, Any] | None = None,
    vouches_for_assessors: bool = False,
    learner_controlled: bool = False,
) -> None:
    """Make or change a source of a tenant that is there."""
    _check_slug(source)
    await connection.execute(
        load_queries("assay_ingest")["put_source"],
        tenant,
        source,
        modality,
        None if authority is None else msgspec.json.encode(authority).decode(),
        vouches_for_assessors,
        learner_controlled,
    )


async def put_client(
    connection: Connection,
    name: str,
    tenant: str,
    source: str | None,
    scopes: Sequence[str],
    secret: str,
) -> None:
    """Make or change an API client, revoked or not."""
    await connection.execute(
        load_queries("assay_ingest")["put_client"],
        name,
        tenant,
        hash_secret(secret),
        source,
        sorted(scopes),
    )


async def list_rejected(connection: Connection, tenant: str, *, limit: int = 100) -> list[Rejected]:
    """The newest refusals of a tenant, without their bytes."""
    rows = await connection.fetch(
        load_queries("assay_ingest")["list_rejected"], tenant, limit, STATEMENTS
    )
    return [Rejected(**dict(row)) for row in rows]


async def show_rejected(connection: Connection, tenant: str, coordinates: str) -> list[Rejected]:
    """What was refused at `coordinates`, with the faults and the bytes; empty when nothing was.

    ValueError when they do not have the form topic/partition/offset/index. There is more than one
    answer where a topic was deleted and made again under its name.
    """
    parts = coordinates.split("/")
    if len(parts) != 4:
        raise ValueError("coordinates have the form topic/partition/offset/index")
    rows = await connection.fetch(
        load_queries("assay_ingest")["show_rejected"],
        tenant,
        parts[0],
        int(parts[1]),
        int(parts[2]),
        int(parts[3]),
        STATEMENTS,
    )
    return [Rejected(**{**dict(row), "detail": msgspec.json.decode(row["detail"])}) for row in rows]


async def maintain(
    connection: Connection, *, now: datetime | None = None, months_ahead: int = 3
) -> list[str]:
    """Make the monthly partitions of this month and those ahead; returns the names of new ones.

    Rows that the default partition took in for such a month move into it.
    """
    moment = now or datetime.now(UTC)
    made: list[str] = []
    for ahead in range(months_ahead + 1):
        begin = _month(moment, ahead)
        end = _month(moment, ahead + 1)
        for table in _PARTITIONED:
            name = f"{table}_y{begin:%Y}m{begin:%m}"
            if await connection.fetchval("select to_regclass($1) is null", f"ingest.{name}"):
                await _make_partition(connection, table, name, begin, end)
                made.append(name)
    return made


async def _make_partition(
    connection: Connection, table: str, name: str, begin: datetime, end: datetime
) -> None:
    low, high = milliseconds_of(begin), milliseconds_of(end)
    # Names and numbers are made above, never given from outside.
    inside = f"stored_ms >= {low} and stored_ms < {high}"
    async with connection.transaction():
        await connection.execute("set local lock_timeout = '5s'")
        await connection.execute(f"create table ingest.{name} (like ingest.{table} including all)")
        # Nobody may write into the default partition between the move and the attachment.
        await connection.execute(f"lock table ingest.{table}_default in access exclusive mode")
        # The new table was made like the default one, so their columns stand in one order.
        await connection.execute(
            f"with moved as (delete from ingest.{table}_default where {inside} returning *) "  # noqa: S608
            f"insert into ingest.{name} select * from moved"
        )
        await connection.execute(
            f"alter table ingest.{table} attach partition ingest.{name} "
            f"for values from ({low}) to ({high})"
        )


def _month(moment: datetime, ahead: int) -> datetime:
    number = moment.year * 12 + moment.month - 1 + ahead
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _check_slug(name: str) -> None:
    if not is_slug(name):
        raise ValueError(f"{name!r} is not 1 to 40 of a-z, 0-9, '-' and '_'")
