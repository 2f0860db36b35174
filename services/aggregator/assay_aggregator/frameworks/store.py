"""The tables of frameworks and roles, one typed method per query, for one tenant.

Lives as long as one transaction, or as one read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID, uuid4

from assay_aggregator.frameworks.case_json import dump
from assay_aggregator.frameworks.packages import Member
from assay_aggregator.store import Row
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_aggregator", file="frameworks")

# Rows of one insert: some megabytes of text.
INSERT_ROWS: Final = 2_000
# The most associations of one item that an answer holds.
ASSOCIATIONS_MAX: Final = 10_000


class FrameworkStore:
    """Queries over one connection."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self.connection = connection
        self.tenant = tenant

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self.connection.fetch(QUERIES[name], self.tenant, *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self.connection.fetchrow(QUERIES[name], self.tenant, *arguments)
        return row

    async def _execute(self, name: str, *arguments: object) -> int:
        tag: str = await self.connection.execute(QUERIES[name], self.tenant, *arguments)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    # Frameworks

    async def lock(self, what: str) -> None:
        """Hold `what` of this tenant until the transaction ends."""
        await self.connection.execute(QUERIES["lock_framework"], f"{self.tenant} {what}")

    async def newest(self, framework: str) -> Row | None:
        return await self._row("newest_framework", framework)

    async def listed(self, after: str, limit: int) -> list[Row]:
        return await self._fetch("list_frameworks", after, limit)

    async def count(self) -> int:
        row = await self._row("count_frameworks")
        return 0 if row is None else row["frameworks"]

    async def insert_framework(
        self, framework: str, version: int, columns: Sequence[object]
    ) -> None:
        """`columns`: uri, title, type, attribution, hash, frame, findings, recorded."""
        await self._execute("insert_framework", framework, version, *columns)

    async def insert_objects(self, framework: str, version: int, objects: Iterable[Member]) -> None:
        waiting = list(objects)
        for start in range(0, len(waiting), INSERT_ROWS):
            some = waiting[start : start + INSERT_ROWS]
            await self._execute(
                "insert_framework_objects",
                framework,
                version,
                [one.section for one in some],
                [one.position for one in some],
                [one.identifier for one in some],
                [one.origin for one in some],
                [one.destination for one in some],
                [dump(one.body) for one in some],
            )

    async def sections(self, framework: str, version: int) -> dict[str, int]:
        """How many objects each list holds."""
        rows = await self._fetch("framework_sections", framework, version)
        return {row["section"]: row["objects"] for row in rows}

    async def page(
        self, framework: str, version: int, section: str, after: int, limit: int
    ) -> list[Row]:
        return await self._fetch("framework_page", framework, version, section, after, limit)

    async def find(self, section: str, identifier: str) -> Row | None:
        return await self._row("find_object", identifier.lower(), section)

    async def associations_of(self, identifier: str) -> list[Row]:
        return await self._fetch("associations_of", identifier.lower(), ASSOCIATIONS_MAX)

    async def known_nodes(self, identifiers: Iterable[str]) -> set[str]:
        rows = await self._fetch("known_nodes", sorted(identifiers))
        return {row["identifier"] for row in rows}

    # Competencies

    async def put_competencies(self, framework: str, rows: Sequence[Sequence[object]]) -> None:
        """Rows of (competency, code, name, statement, kind, identifier, position)."""
        columns = [list(one) for one in zip(*rows, strict=True)] or [[] for _ in range(7)]
        await self._execute("put_competencies", framework, *columns)

    async def withdraw_competencies(self, framework: str, kept: Sequence[str]) -> int:
        return await self._execute("withdraw_competencies", framework, kept)

    async def taken_competencies(self, framework: str, wanted: Sequence[str]) -> list[Row]:
        return await self._fetch("taken_competencies", wanted, framework)

    async def competencies_named(self, references: Iterable[str]) -> list[Row]:
        return await self._fetch("competencies_named", sorted(references))

    async def list_competencies(self, after: str, framework: str | None, limit: int) -> list[Row]:
        return await self._fetch("list_competencies", after, framework, limit)

    # Roles

    async def list_roles(self, after: str, limit: int) -> list[Row]:
        return await self._fetch("list_roles", after, limit)

    async def roles(self, slugs: Iterable[str]) -> dict[str, Row]:
        rows = await self._fetch("roles_by_slug", sorted(slugs))
        return {row["role"]: row for row in rows}

    async def roles_of_framework(self, framework: str) -> list[str]:
        rows = await self._fetch("roles_of_framework", framework)
        return [row["role"] for row in rows]

    async def put_role(self, role: str, name: str, framework: str | None) -> None:
        await self._execute("put_role", role, name, framework)

    async def requirements_of(self, slugs: Iterable[str]) -> dict[str, list[Row]]:
        """Standing requirements by role."""
        found: dict[str, list[Row]] = {}
        for row in await self._fetch("requirements_of", sorted(slugs)):
            found.setdefault(row["role"], []).append(row)
        return found

    async def retract_requirements(self, requirements: Iterable[UUID], at_ms: int) -> None:
        await self._execute("retract_requirements", list(requirements), at_ms)

    async def insert_requirements(
        self, role: str, wanted: Mapping[str, int | None], at_ms: int
    ) -> None:
        """Levels by competency."""
        await self._execute(
            "insert_requirements",
            [uuid4() for _ in wanted],
            role,
            list(wanted),
            list(wanted.values()),
            at_ms,
        )
