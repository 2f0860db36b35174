"""The tables of overrides and reviews, one typed method per query."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from assay_aggregator.store import Person, Row
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_aggregator", file="decisions")


class ReviewStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(QUERIES[name], *arguments)
        return row

    async def said_of_people(self, people: Iterable[Person]) -> list[Row]:
        """Overrides in force at some time, and reviews; `kind` tells them apart."""
        tenants, persons = [], []
        for tenant, person in people:
            tenants.append(tenant)
            persons.append(person)
        return await self._fetch("said_of_people", tenants, persons)

    async def emissions(self, tenants: Iterable[str]) -> dict[str, Row]:
        """Of each tenant that tells its decisions as statements, how."""
        return {row["tenant"]: row for row in await self._fetch("emissions", sorted(tenants))}

    async def insert_override(self, *values: object) -> None:
        """(tenant, override, person, competency, level, from, to, meaning, reason, proposed by,
        its signature, proposed, recorded).
        """
        await self._connection.execute(QUERIES["insert_override"], *values)

    async def lock_override(self, tenant: str, override: UUID) -> Row | None:
        return await self._row("lock_override", tenant, override)

    async def approve_override(
        self, tenant: str, override: UUID, account: str, signature: UUID, recorded_ms: int
    ) -> None:
        await self._connection.execute(
            QUERIES["approve_override"], tenant, override, account, signature, recorded_ms
        )

    async def retract_override(self, tenant: str, override: UUID, at_ms: int) -> Row | None:
        return await self._row("retract_override", tenant, override, at_ms)

    async def list_overrides(
        self, tenant: str, person: UUID | None, after: UUID | None, limit: int
    ) -> list[Row]:
        return await self._fetch("list_overrides", tenant, person, after, limit)

    async def insert_review(self, *values: object) -> bool:
        """(tenant, review, person, competency, kind, reason, opened by, its signature, recorded).

        False when the same one has an open review of it already.
        """
        tag: str = await self._connection.execute(QUERIES["insert_review"], *values)
        return tag.endswith(" 1")

    async def lock_review(self, tenant: str, review: UUID) -> Row | None:
        return await self._row("lock_review", tenant, review)

    async def close_review(self, tenant: str, review: UUID, *values: object) -> None:
        """(closed, outcome, reason, closed by, its signature)."""
        await self._connection.execute(QUERIES["close_review"], tenant, review, *values)

    async def list_reviews(
        self,
        tenant: str,
        person: UUID | None,
        is_open: bool | None,
        after: UUID | None,
        limit: int,
    ) -> list[Row]:
        return await self._fetch("list_reviews", tenant, person, is_open, after, limit)
