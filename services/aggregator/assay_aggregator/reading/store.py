"""The queries of reading, one typed method per query, for one tenant.

A `ReadingStore` lives as long as one snapshot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from assay_aggregator.store import Row
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_aggregator", file="reading")


@dataclass(frozen=True, slots=True)
class Population:
    """Whom a question is about: who is all of what is named here, on the day."""

    role: str | None = None
    organisations: tuple[str, ...] | None = None
    cohort: str | None = None

    @property
    def is_everybody(self) -> bool:
        """True when nothing is named."""
        return self.role is None and self.organisations is None and self.cohort is None


class ReadingStore:
    """Queries over one connection. Records are those known at `known_ms`, on `day`."""

    def __init__(
        self, connection: Connection, tenant: str, known_ms: int | None, day: date
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._when = (known_ms, day)

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], self._tenant, *arguments)
        return rows

    # Whom it is about

    async def organisations_below(self, organisation: str) -> tuple[str, ...]:
        """The organisation and all below it; nothing when there is none of that name."""
        rows = await self._fetch("organisations_below", organisation)
        return tuple(row["organisation"] for row in rows)

    async def cohort(self, cohort: str) -> Row | None:
        rows = await self._fetch("cohort", cohort)
        return rows[0] if rows else None

    async def people(self, wanted: Population, after: UUID | None, limit: int) -> list[UUID]:
        """The next people of a population, in the order of their ids."""
        page = (*self._when, after, limit)
        organisations = None if wanted.organisations is None else list(wanted.organisations)
        if wanted.cohort is not None:
            rows = await self._fetch(
                "people_of_cohort", *page, wanted.cohort, organisations, wanted.role
            )
        elif organisations is not None:
            rows = await self._fetch("people_of_organisations", *page, organisations, wanted.role)
        elif wanted.role is not None:
            rows = await self._fetch("people_of_role", *page, wanted.role)
        else:
            rows = await self._fetch("people_of_tenant", *page)
        return [row["person"] for row in rows]

    async def people_with_status(
        self,
        competencies: Sequence[str],
        statuses: Sequence[str],
        after: UUID | None,
        limit: int,
    ) -> list[UUID]:
        """Who has one of the statuses in one of the competencies, as decided now."""
        rows = await self._fetch(
            "people_with_status", after, limit, list(competencies), list(statuses)
        )
        return [row["person"] for row in rows]

    async def assignments_of(self, people: Iterable[UUID]) -> list[Row]:
        """(person, organisation, role, valid_from)."""
        return await self._fetch("assignments_of", *self._when, sorted(people))

    # What is asked of them

    async def role_names(self, roles: Sequence[str] | None = None) -> dict[str, str]:
        rows = await self._fetch("role_names", None if roles is None else list(roles))
        return {row["role"]: row["name"] for row in rows}

    async def requirements(self, roles: Sequence[str] | None = None) -> list[Row]:
        """(role, competency, level)."""
        known_ms, _ = self._when
        return await self._fetch("requirements", known_ms, None if roles is None else list(roles))

    async def competency_names(self, competencies: Iterable[str]) -> dict[str, Row]:
        """(code, name) by competency, of those that a framework holds."""
        rows = await self._fetch("competency_names", sorted(competencies))
        return {row["competency"]: row for row in rows}

    async def organisation_names(self, organisations: Iterable[str]) -> dict[str, str]:
        rows = await self._fetch("organisation_names", sorted(organisations))
        return {row["organisation"]: row["name"] for row in rows}

    # What they hold

    async def cells(self, people: Sequence[UUID], competencies: Sequence[str]) -> list[Row]:
        """What is decided now: (person, competency, status, level, achieved_on, expires_on)."""
        return await self._fetch("cells", list(people), list(competencies))

    async def marks_of(
        self, people: Sequence[UUID], competencies: Sequence[str]
    ) -> set[tuple[UUID, str]]:
        rows = await self._fetch("marks_of", list(people), list(competencies))
        return {(row["person"], row["competency"]) for row in rows}

    async def wakeups_of(
        self, people: Sequence[UUID], competencies: Sequence[str], through_ms: int
    ) -> set[tuple[UUID, str]]:
        rows = await self._fetch("wakeups_of", list(people), list(competencies), through_ms)
        return {(row["person"], row["competency"]) for row in rows}

    async def expiring(
        self,
        between: tuple[date, date],
        wanted: Population,
        competencies: Sequence[str] | None,
        after: tuple[date, UUID, str] | None,
        limit: int,
    ) -> list[Row]:
        """Awards that end between two days, as they stand now."""
        _, day = self._when
        return await self._fetch(
            "expiring",
            None,
            day,
            *between,
            *(after or (None, None, None)),
            None if competencies is None else list(competencies),
            None if wanted.organisations is None else list(wanted.organisations),
            wanted.role,
            wanted.cohort,
            limit,
        )

    async def readiness(self, people: Sequence[UUID]) -> list[Row]:
        """As of now, of these people: (role as key, organisation, people, ready as yes, total)."""
        return await self._fetch("readiness", self._when[1], list(people))

    async def gaps_by_organisation(self, people: Sequence[UUID]) -> list[Row]:
        """As of now: (competency as key, organisation, people, with gap as yes, gaps as total)."""
        return await self._fetch("gaps_by_organisation", self._when[1], list(people))

    async def awards(self, people: Sequence[UUID], competency: str, known_ms: int) -> list[Row]:
        """(person, ordinal, status, level, achieved_on, expires_on), in order."""
        return await self._fetch("awards", list(people), competency, known_ms)

    async def people_decided(self, competency: str, after: UUID | None, limit: int) -> list[UUID]:
        rows = await self._fetch("people_decided", competency, after, limit)
        return [row["person"] for row in rows]
