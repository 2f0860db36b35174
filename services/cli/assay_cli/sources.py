"""`assay sources …`: the registry of sources, kept by an operator in the schema of `ingest`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import msgspec

from assay_cli.errors import StackError
from assay_cli.owner_connection import owner_connection, require_tenant
from assay_ingest.admin import put_source
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.topics import OWN_SOURCE

PAGE = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """What a source is. Without a modality it yields no evidence."""

    tenant: str
    source: str
    modality: str | None = None
    vouches_for_assessors: bool = False
    learner_controlled: bool = False


def listed(tenant: str | None) -> list[dict[str, Any]]:
    """Every source of a tenant, or of all. Raises StackError."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        query = load_queries("assay_cli", file="sources")["list_sources"]
        found: list[dict[str, Any]] = []
        after = ("", "")
        while rows := await connection.fetch(query, tenant, *after, PAGE):
            found += [dict(row) for row in rows]
            after = (rows[-1]["tenant"], rows[-1]["source"])
        return found

    return _as_owner(work)


def put(wanted: Source) -> None:
    """Make or change a source; an authority that it has stays. Raises StackError."""
    if wanted.source == OWN_SOURCE:
        # Its statements are made of decisions: as evidence they would decide about themselves.
        raise StackError(f"the source {OWN_SOURCE} is the product's own, and is never evidence")

    async def work(connection: Connection) -> None:
        async with connection.transaction():
            await require_tenant(connection, wanted.tenant)
            held = await connection.fetchrow(
                load_queries("assay_cli", file="sources")["find_source"],
                wanted.tenant,
                wanted.source,
            )
            authority = None if held is None else held["authority"]
            await put_source(
                connection,
                wanted.tenant,
                wanted.source,
                modality=wanted.modality,
                authority=None if authority is None else msgspec.json.decode(authority),
                vouches_for_assessors=wanted.vouches_for_assessors,
                learner_controlled=wanted.learner_controlled,
            )

    _as_owner(work)


def _as_owner(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with owner_connection() as connection:
            return await work(connection)

    try:
        return asyncio.run(run())
    except ValueError as error:
        # A name that cannot be part of a topic's name.
        raise StackError(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error
