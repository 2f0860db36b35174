"""The tables of rules before and after they decide, one typed method per query."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import orjson
from asyncpg.cursor import CursorFactory

from assay_aggregator.store import Row
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_aggregator", file="lifecycle")


@dataclass(frozen=True, slots=True, order=True)
class VersionKey:
    """Which version of which rule of which tenant."""

    tenant: str
    rule_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.rule_id}/{self.version}"


class LifecycleStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(QUERIES[name], *arguments)
        return row

    async def insert_draft(self, key: VersionKey, *values: object) -> None:
        """(revision, competency, hash, document, actor, account, signature, reason, recorded)."""
        await self._connection.execute(QUERIES["insert_draft"], *_of(key), *values)

    async def last_draft(self, key: VersionKey) -> Row | None:
        return await self._row("last_draft", *_of(key))

    async def drafts(self, key: VersionKey) -> list[Row]:
        return await self._fetch("drafts", *_of(key))

    async def authors(self, key: VersionKey) -> set[str]:
        return {row["account"] for row in await self._fetch("authors", *_of(key))}

    async def last_step(self, key: VersionKey) -> Row | None:
        return await self._row("last_step", *_of(key))

    async def insert_step(self, key: VersionKey, *values: object) -> None:
        """(step, action, state, revision, hash, actor, account, signature, reason, recorded)."""
        await self._connection.execute(QUERIES["insert_step"], *_of(key), *values)

    async def steps(self, key: VersionKey) -> list[Row]:
        return await self._fetch("steps", *_of(key))

    async def insert_approval(self, key: VersionKey, *values: object) -> None:
        """(signature, revision, hash, account, preview, recorded)."""
        await self._connection.execute(QUERIES["insert_approval"], *_of(key), *values)

    async def approvals(self, key: VersionKey) -> list[Row]:
        return await self._fetch("approvals", *_of(key))

    async def insert_retirement(self, key: VersionKey, *values: object) -> None:
        """(effective_to, account, signature, reason, recorded)."""
        await self._connection.execute(QUERIES["insert_retirement"], *_of(key), *values)

    async def find_version(self, key: VersionKey) -> Row | None:
        return await self._row("find_version", *_of(key))

    async def list_rules(self, tenant: str, after: tuple[str, int] | None, limit: int) -> list[Row]:
        rule_id, version = (None, None) if after is None else after
        return await self._fetch("list_rules", tenant, rule_id, version, limit)

    def people_concerned(
        self,
        tenant: str,
        competencies: Sequence[str],
        verbs: Sequence[UUID] | None,
        activities: Sequence[UUID] | None,
        matches: bool,
    ) -> "CursorFactory[Row]":
        """A cursor over (person), in order; it lives as long as the transaction."""
        return self._connection.cursor(
            QUERIES["people_concerned"], tenant, list(competencies), verbs, activities, matches
        )

    async def insert_preview(self, tenant: str, *values: object) -> None:
        """(preview, rule, version, hash, actor, as of, known at, people, counts, changes hash)."""
        await self._connection.execute(QUERIES["insert_preview"], tenant, *values)

    async def insert_preview_changes(
        self, tenant: str, preview: UUID, columns: Sequence[Sequence[object]]
    ) -> None:
        """Columns are people, competencies, kinds (by spaces), before and after (JSON texts)."""
        await self._connection.execute(QUERIES["insert_preview_changes"], tenant, preview, *columns)

    async def find_preview(self, tenant: str, preview: UUID) -> Row | None:
        return await self._row("find_preview", tenant, preview)

    async def previews(self, key: VersionKey, limit: int) -> list[Row]:
        return await self._fetch("previews", *_of(key), limit)

    async def preview_changes(
        self, tenant: str, preview: UUID, after: tuple[UUID, str] | None, limit: int
    ) -> list[Row]:
        person, competency = (None, None) if after is None else after
        return await self._fetch("preview_changes", tenant, preview, person, competency, limit)


def _of(key: VersionKey) -> tuple[str, str, int]:
    return key.tenant, key.rule_id, key.version


def retirement_hash(key: VersionKey, rule_hash: str, effective_to: date) -> str:
    """What somebody signs who ends a version: SHA-256, in hex, of version, content and day."""
    content = {"retire": str(key), "hash": rule_hash, "effective_to": str(effective_to)}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
