"""The tables of people, organisations and cohorts, one typed method per query.

A `PeopleStore` lives as long as one transaction, and answers for one tenant.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from assay_aggregator.store import Row
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_aggregator", file="people")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of records about people. `people` are those of its fields that name a person."""

    name: str
    plural: str
    fields: tuple[str, ...]
    people: tuple[str, ...] = ("person",)


LINK: Final = Kind("link", "links", ("agent", "agent_key", "person", "valid_from", "valid_to"))
AUTHORISATION: Final = Kind(
    "authorisation",
    "authorisations",
    ("assessor", "scope", "valid_from", "valid_to"),
    ("assessor",),
)
CONFLICT: Final = Kind(
    "conflict",
    "conflicts",
    ("assessor", "person", "valid_from", "valid_to"),
    ("assessor", "person"),
)
EMPLOYMENT: Final = Kind(
    "employment", "employments", ("person", "organisation", "role", "valid_from", "valid_to")
)
MEMBERSHIP: Final = Kind(
    "membership", "memberships", ("person", "cohort", "valid_from", "valid_to")
)
KINDS: Final = (LINK, AUTHORISATION, CONFLICT, EMPLOYMENT, MEMBERSHIP)
BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class When:
    """Which records: known at this time of the log (None: those that stand), on this day (all)."""

    known_ms: int | None = None
    day: date | None = None


class PeopleStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    @property
    def connection(self) -> Connection:
        """The connection, for the stores of other areas in the same transaction."""
        return self._connection

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], self._tenant, *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(QUERIES[name], self._tenant, *arguments)
        return row

    async def _execute(self, name: str, *arguments: object) -> int:
        """Run it; how many rows it wrote."""
        tag: str = await self._connection.execute(QUERIES[name], self._tenant, *arguments)
        return int(tag.rpartition(" ")[2])

    # Organisations and cohorts

    async def find_organisation(self, organisation: str) -> Row | None:
        return await self._row("find_organisation", organisation)

    async def put_organisation(
        self, organisation: str, name: str, kind: str, parent: str | None
    ) -> None:
        await self._execute("put_organisation", organisation, name, kind, parent)

    async def is_below(self, organisation: str, above: str) -> bool:
        row = await self._row("is_below", organisation, above)
        return row is not None and bool(row["below"])

    async def list_organisations(
        self, kind: str | None, parent: str | None, after: str | None, limit: int
    ) -> list[Row]:
        return await self._fetch("list_organisations", kind, parent, after, limit)

    async def known_organisations(self, slugs: Iterable[str]) -> set[str]:
        rows = await self._fetch("known_organisations", sorted(slugs))
        return {row["organisation"] for row in rows}

    async def find_cohort(self, cohort: str) -> Row | None:
        return await self._row("find_cohort", cohort)

    async def put_cohort(
        self,
        cohort: str,
        name: str,
        standard: str | None,
        starts_on: date | None,
        ends_on: date | None,
    ) -> None:
        await self._execute("put_cohort", cohort, name, standard, starts_on, ends_on)

    async def list_cohorts(self, standard: str | None, after: str | None, limit: int) -> list[Row]:
        return await self._fetch("list_cohorts", standard, after, limit)

    async def known_cohorts(self, slugs: Iterable[str]) -> set[str]:
        return {row["cohort"] for row in await self._fetch("known_cohorts", sorted(slugs))}

    # Reading records

    async def employments_of_person(self, person: UUID, when: When) -> list[Row]:
        return await self._fetch("employments_of_person", when.known_ms, person, when.day)

    async def employments_of_organisation(
        self, organisation: str, when: When, after: UUID | None, limit: int
    ) -> list[Row]:
        return await self._fetch(
            "employments_of_organisation", when.known_ms, organisation, when.day, after, limit
        )

    async def memberships_of_person(self, person: UUID, when: When) -> list[Row]:
        return await self._fetch("memberships_of_person", when.known_ms, person, when.day)

    async def memberships_of_cohort(
        self, cohort: str, when: When, after: UUID | None, limit: int
    ) -> list[Row]:
        return await self._fetch(
            "memberships_of_cohort", when.known_ms, cohort, when.day, after, limit
        )

    async def list_authorisations(
        self,
        assessor: UUID | None,
        scope: str | None,
        retracted_too: bool,
        after: UUID | None,
        limit: int,
    ) -> list[Row]:
        return await self._fetch(
            "list_authorisations", assessor, scope, retracted_too, after, limit
        )

    async def list_conflicts(
        self, person: UUID | None, retracted_too: bool, after: UUID | None, limit: int
    ) -> list[Row]:
        return await self._fetch("list_conflicts", person, retracted_too, after, limit)

    async def links_of_person(self, person: UUID) -> list[Row]:
        """Every link to a person, of any time."""
        return await self._fetch("links_of_person", person)

    # Records of any kind; each kind has queries of these four names

    async def standing(self, kind: Kind, person: UUID) -> list[UUID]:
        """The ids of the records that stand and name the person."""
        return [row["id"] for row in await self._fetch(f"standing_{kind.plural}", person)]

    async def rows_of(self, kind: Kind, ids: Iterable[UUID]) -> dict[UUID, Row]:
        rows = await self._fetch(f"rows_of_{kind.plural}", sorted(ids))
        return {row["id"]: row for row in rows}

    async def retract(self, kind: Kind, ids: Iterable[UUID], at_ms: int) -> list[Row]:
        """Take records back; the rows of those that stood."""
        return await self._fetch(f"retract_{kind.plural}", at_ms, sorted(ids))

    async def record(self, kind: Kind, rows: Mapping[UUID, Sequence[Any]], at_ms: int) -> None:
        """Add records: the values of the kind's fields, by id."""
        if rows:
            ordered = sorted(rows)
            columns = [list(column) for column in zip(*(rows[one] for one in ordered), strict=True)]
            await self._execute(f"record_{kind.plural}", at_ms, ordered, *columns)

    # Merges

    async def insert_merge(self, merge: UUID, kept: UUID, merged: UUID, at_ms: int) -> None:
        await self._execute("insert_merge", merge, kept, merged, at_ms)

    async def find_merge(self, merge: UUID) -> Row | None:
        return await self._row("find_merge", merge)

    async def retract_merge(self, merge: UUID, at_ms: int) -> None:
        await self._execute("retract_merge", merge, at_ms)

    async def list_merges(self, person: UUID | None, after: UUID | None, limit: int) -> list[Row]:
        return await self._fetch("list_merges", person, after, limit)

    async def insert_moves(
        self, merge: UUID, moves: Iterable[tuple[str, UUID, UUID | None]]
    ) -> None:
        """Moves are (kind, what was made, what it was)."""
        kinds, made, was = zip(*sorted(moves, key=lambda one: one[:2]), strict=True)
        await self._execute("insert_moves", merge, list(kinds), list(made), list(was))

    async def moves_of(self, merge: UUID) -> list[Row]:
        return await self._fetch("moves_of", merge)

    async def succeed_moves(self, kind: Kind, successors: Mapping[UUID, UUID]) -> None:
        """Records of a merge that others took the place of: the later id by the earlier."""
        if successors:
            await self._execute(
                "succeed_moves", kind.name, list(successors.keys()), list(successors.values())
            )

    async def signed_for(self, person: UUID, day: date) -> bool:
        """Whether an override (until that day or later) or a review of the person is open."""
        row = await self._row("signed_for", person, day)
        return row is not None

    async def merge_of_gap(self, link: UUID) -> UUID | None:
        row = await self._row("merge_of_gap", link)
        return None if row is None else row["merge"]

    # Collisions

    async def link_collisions(self, after: tuple[UUID, UUID] | None, limit: int) -> list[Row]:
        one, other = after or (None, None)
        return await self._fetch("link_collisions", one, other, limit)

    async def collisions_of_link(self, link: UUID) -> list[Row]:
        return await self._fetch("collisions_of_link", link)

    async def insert_contradictions(
        self, rows: Sequence[tuple[UUID, Sequence[UUID], str]], at_ms: int
    ) -> None:
        """Rows are (id, agents, place), each set of agents once."""
        ids, agents, places = zip(*sorted(rows, key=lambda one: one[0]), strict=True)
        texts = [" ".join(str(agent) for agent in sorted(many)) for many in agents]
        await self._execute("insert_contradictions", at_ms, list(ids), texts, list(places))

    async def list_contradictions(self, after: UUID | None, limit: int) -> list[Row]:
        return await self._fetch("list_contradictions", after, limit)

    async def retract_contradiction(self, contradiction: UUID, at_ms: int) -> bool:
        return await self._execute("retract_contradiction", contradiction, at_ms) == 1

    # Rosters

    async def people_with_records(self, people: Iterable[UUID]) -> set[UUID]:
        rows = await self._fetch("people_with_records", sorted(people))
        return {row["person"] for row in rows}

    async def standing_employments_of(self, people: Iterable[UUID]) -> list[Row]:
        return await self._fetch("standing_employments_of", sorted(people))

    async def standing_memberships_of(self, people: Iterable[UUID]) -> list[Row]:
        return await self._fetch("standing_memberships_of", sorted(people))


async def count_collisions(connection: Connection) -> int:
    """Collisions of all tenants."""
    return int(await connection.fetchval(QUERIES["count_collisions"]))
