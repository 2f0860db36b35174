"""The tables of an inspection pack, one typed method per query.

Rows become JSON objects here. What is read is cut to what was known at one time of the log.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from assay_aggregator.copies import instant
from assay_aggregator.dates import format_instant
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_aggregator", file="inspection")

Json = dict[str, Any]
"""A JSON object, of any members"""

_TIMES: Final = {
    "recorded_ms": "recorded",
    "retracted_ms": "retracted",
    "proposed_ms": "proposed",
    "as_of_ms": "as_of",
    "known_at_ms": "known_at",
}
_DAYS: Final = {"valid_from": "from", "valid_to": "to"}


class InspectionStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    @property
    def tenant(self) -> str:
        """Whose records are read."""
        return self._tenant

    async def _rows(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._connection.fetch(
            QUERIES[name], self._tenant, *arguments
        )
        return rows

    async def _documents(self, name: str, *arguments: object) -> list[Json]:
        return [document_of(row) for row in await self._rows(name, *arguments)]

    # Whom and what

    async def hold_people(self, people: Sequence[UUID]) -> None:
        await self._rows("hold_people", list(people))

    async def organisations_below(self, organisation: str) -> list[str]:
        """The organisation too; empty when there is none."""
        rows = await self._rows("organisations_below", organisation)
        return [row["organisation"] for row in rows]

    async def people_employed(
        self,
        known_at_ms: int,
        day: date,
        role: str | None,
        organisations: Sequence[str] | None,
        limit: int | None,
    ) -> list[UUID]:
        rows = await self._rows("people_employed", known_at_ms, day, role, organisations, limit)
        return [row["person"] for row in rows]

    async def people_with_evidence(self, competencies: Sequence[str], limit: int) -> list[UUID]:
        rows = await self._rows("people_with_evidence", list(competencies), limit)
        return [row["person"] for row in rows]

    async def role_requirements(self, role: str, known_at_ms: int) -> list[str]:
        rows = await self._rows("role_requirements", role, known_at_ms)
        return [row["competency"] for row in rows]

    async def competency_names(
        self, competencies: Sequence[str], known_at_ms: int
    ) -> dict[str, str]:
        """Code and name; without those that no framework names."""
        rows = await self._rows("competency_names", list(competencies), known_at_ms)
        return {
            row["competency"]: " ".join(part for part in (row["code"], row["name"]) if part)
            for row in rows
        }

    # Of people

    async def links(self, people: Sequence[UUID], known_at_ms: int) -> list[Json]:
        return await self._documents("links_of_people", list(people), known_at_ms)

    async def employments(self, people: Sequence[UUID], known_at_ms: int) -> list[Json]:
        return await self._documents("employments_of_people", list(people), known_at_ms)

    async def history(
        self, people: Sequence[UUID], competencies: Sequence[str], known_at_ms: int
    ) -> list[Json]:
        return await self._documents(
            "history_of_people", list(people), list(competencies), known_at_ms
        )

    async def overrides(self, people: Sequence[UUID], known_at_ms: int) -> list[Json]:
        """With the signatures of both persons."""
        found = await self._documents("overrides_of_people", list(people), known_at_ms)
        return await self._signed(found)

    async def reviews(self, people: Sequence[UUID], known_at_ms: int) -> list[Json]:
        found = await self._documents("reviews_of_people", list(people), known_at_ms)
        return await self._signed(found)

    async def conflicts(self, people: Sequence[UUID], known_at_ms: int) -> list[Json]:
        return await self._documents("conflicts_between", list(people), known_at_ms)

    # Of authority and rules

    async def authorisations(self, assessors: Sequence[UUID], known_at_ms: int) -> list[Json]:
        return await self._documents("authorisations_of_assessors", list(assessors), known_at_ms)

    async def rule_versions(self, competencies: Sequence[str], known_at_ms: int) -> list[Json]:
        """With the document as it was recorded."""
        return await self._documents("rule_versions", list(competencies), known_at_ms)

    async def rule_approvals(self, rules: Sequence[str], known_at_ms: int) -> list[Json]:
        return await self._signed(await self._documents("rule_approvals", list(rules), known_at_ms))

    async def rule_drafts(self, rules: Sequence[str], known_at_ms: int) -> list[Json]:
        """Each content that a version had, with the signature of its author."""
        return await self._signed(await self._documents("rule_drafts", list(rules), known_at_ms))

    async def rule_steps(self, rules: Sequence[str], known_at_ms: int) -> list[Json]:
        return await self._signed(await self._documents("rule_steps", list(rules), known_at_ms))

    async def rule_retirements(self, rules: Sequence[str], known_at_ms: int) -> list[Json]:
        return await self._signed(
            await self._documents("rule_retirements", list(rules), known_at_ms)
        )

    async def _signed(self, documents: list[Json]) -> list[Json]:
        """Each member that names a signature becomes what was signed, by whom and when."""
        wanted = {UUID(one[name]) for one in documents for name in _signatures(one)}
        if not wanted:
            return documents
        rows = await self._rows("signatures", sorted(wanted))
        found = {str(row["signature"]): document_of(row) for row in rows}
        return [
            {**one, **{name: found.get(one[name]) for name in _signatures(one)}}
            for one in documents
        ]


def _signatures(document: Mapping[str, Any]) -> Iterable[str]:
    return [
        name
        for name, value in document.items()
        if name.endswith("signature") and isinstance(value, str)
    ]


def document_of(row: asyncpg.Record) -> Json:
    """A row as JSON: times of the log and days under the names that people know them by."""
    found: Json = {}
    for name, value in row.items():
        if name in _TIMES:
            found[_TIMES[name]] = None if value is None else format_instant(instant(value))
        elif name == "document":
            found[name] = orjson.loads(value)
        elif isinstance(value, bytes):
            found[name] = value.hex()
        elif isinstance(value, UUID):
            found[name] = str(value)
        elif name.endswith("_at") and value is not None:
            found[name] = format_instant(value)
        elif isinstance(value, date):
            found[_DAYS.get(name, name)] = value.isoformat()
        else:
            found[_DAYS.get(name, name)] = value
    return found
