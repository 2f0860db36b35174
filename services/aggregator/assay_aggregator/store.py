"""The tables, one typed method per query. A `Store` lives as long as one transaction.

Rows that are written come as sequences of tuples in the order of the table's columns; they are
sorted here by the table's key, so that two transactions never wait for each other crosswise.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg

from assay_aggregator.copies import Copy
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.topics import STATEMENTS

PROJECTION: Final = "aggregator"
SCHEMA: Final = "aggregator"
QUERIES: Final = load_queries("assay_aggregator")

Row = asyncpg.Record
Agent = tuple[str, UUID]
Person = tuple[str, UUID]
Key = tuple[str, UUID, str]
"""(tenant, person, competency)"""

# The copies' columns; UUIDs and times that may be null do not compare, so rows sort by their key.
_COPY_KEY: Final = 3


def _columns(rows: Iterable[Sequence[Any]], key: int, width: int) -> list[list[Any]]:
    """Parallel arrays of rows sorted by their first `key` values (any type, hence Any)."""
    ordered = sorted(rows, key=lambda row: _sortable(row[:key]))
    return [list(column) for column in zip(*ordered, strict=True)] or [[] for _ in range(width)]


def _sortable(values: Sequence[Any]) -> list[Any]:
    """The values with each UUID as its number: comparing UUID objects is slow."""
    return [value.int if isinstance(value, UUID) else value for value in values]


class Store:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """The connection, for the stores of other areas in the same transaction."""
        return self._connection

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(QUERIES[name], *arguments)
        return row

    async def _one(self, name: str, *arguments: object) -> Row:
        """The one row of a query that always has one."""
        row = await self._row(name, *arguments)
        if row is None:
            raise LookupError(f"the query {name} gave no row")
        return row

    async def _execute(self, name: str, *arguments: object) -> int:
        """Run it; how many rows it wrote."""
        tag: str = await self._connection.execute(QUERIES[name], *arguments)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    # Consuming

    async def hold_records_still(self) -> None:
        await self._fetch("hold_records_still")

    async def change_records(self) -> None:
        await self._fetch("change_records")

    async def insert_facts(self, copies: Iterable[Copy]) -> set[tuple[str, UUID]]:
        """The keys that were not there before."""
        columns = _columns(copies, _COPY_KEY, len(Copy._fields))
        rows = await self._fetch("insert_facts", *columns)
        return {(row["tenant"], row["id"]) for row in rows}

    async def lock_facts(self, keys: Iterable[tuple[str, UUID]]) -> list[Copy]:
        rows = await self._fetch("lock_facts", *_columns(keys, 2, 2))
        return [Copy(*row) for row in rows]

    async def conflicts_of(self, keys: Iterable[tuple[str, UUID]]) -> list[Copy]:
        rows = await self._fetch("conflicts_of", *_columns(keys, 2, 2))
        return [Copy(*row) for row in rows]

    async def replace_facts(self, copies: Iterable[Copy]) -> None:
        await self._execute("replace_facts", *_columns(copies, _COPY_KEY, len(Copy._fields)))

    async def put_conflicts(self, copies: Iterable[Copy]) -> None:
        await self._execute("put_conflicts", *_columns(copies, _COPY_KEY, len(Copy._fields)))

    async def delete_conflicts(self, keys: Iterable[tuple[str, UUID, bytes]]) -> None:
        await self._execute("delete_conflicts", *_columns(keys, 3, 3))

    async def insert_fact_agents(self, rows: Iterable[tuple[str, UUID, str, UUID, UUID]]) -> None:
        """Rows of (tenant, agent, role, id, verb)."""
        await self._execute("insert_fact_agents", *_columns(rows, 4, 5))

    async def insert_voids(self, rows: Iterable[tuple[str, UUID, UUID]]) -> None:
        """Rows of (tenant, target, id)."""
        await self._execute("insert_voids", *_columns(rows, 3, 3))

    async def void_targets(self, keys: Iterable[tuple[str, UUID]]) -> list[Row]:
        return await self._fetch("void_targets", *_columns(keys, 2, 2))

    async def links_of_agents(self, agents: Iterable[Agent]) -> list[Row]:
        return await self._fetch("links_of_agents", *_columns(agents, 2, 2))

    async def insert_people(self, people: Iterable[Person]) -> None:
        await self._execute("insert_people", *_columns(people, 2, 2))

    async def insert_automatic_links(
        self, links: Iterable[tuple[str, UUID, str, UUID, UUID]]
    ) -> list[Person]:
        """Rows of (tenant, agent, agent key, person, link); the people whose link was taken."""
        tenant, agent, key, person, link = _columns(links, 2, 5)
        rows = await self._fetch("insert_automatic_links", tenant, link, agent, key, person)
        return [(row["tenant"], row["person"]) for row in rows]

    async def due_wakeups(self, at_ms: int, limit: int) -> list[Key]:
        rows = await self._fetch("due_wakeups", at_ms, limit)
        return [(row["tenant"], row["person"], row["competency"]) for row in rows]

    async def delete_due_wakeups(self, at_ms: int, keys: Iterable[Key]) -> None:
        await self._execute("delete_due_wakeups", at_ms, *_columns(keys, 3, 3))

    async def mark(self, marks: Mapping[Key, int | None]) -> None:
        """Mark each key; the value is the `stored` time of what caused it, if it was a record."""
        rows = [(*key, caused_ms) for key, caused_ms in marks.items()]
        await self._execute("mark", *_columns(rows, 3, 4))

    async def applied_through(self) -> tuple[int, int]:
        """(greatest, smallest) applied `stored` over the partitions; zeros before any record."""
        row = await self._one("applied_through", PROJECTION, STATEMENTS)
        return row["greatest_ms"] or 0, row["smallest_ms"] or 0

    # Deciding

    async def take_marks(self, limit: int) -> list[Row]:
        return await self._fetch("take_marks", limit)

    async def lock_people(self, people: Iterable[Person]) -> None:
        await self._fetch("lock_people", *_columns(people, 2, 2))

    async def links_around_people(self, people: Iterable[Person]) -> list[Row]:
        return await self._fetch("links_around_people", *_columns(people, 2, 2))

    async def links_around_agents(self, agents: Iterable[Agent]) -> list[Row]:
        return await self._fetch("links_around_agents", *_columns(agents, 2, 2))

    async def evidence(self, wanted: Iterable[tuple[str, UUID, UUID, UUID | None]]) -> list[Row]:
        """Wanted are (tenant, agent, verb); the rows hold (tenant, fact)."""
        return await self._fetch("evidence", *_columns(wanted, 3, 4))

    async def evidence_of_any_verb(self, agents: Iterable[Agent]) -> list[Row]:
        return await self._fetch("evidence_of_any_verb", *_columns(agents, 2, 2))

    async def authorisations_of(self, assessors: Iterable[Person]) -> list[Row]:
        return await self._fetch("authorisations_of", *_columns(assessors, 2, 2))

    async def conflicts_of_interest_of(self, people: Iterable[Person]) -> list[Row]:
        return await self._fetch("conflicts_of_interest_of", *_columns(people, 2, 2))

    async def rules_of(self, tenants: Sequence[str]) -> list[Row]:
        return await self._fetch("rules_of", list(tenants))

    async def rule_documents(self, hashes: Sequence[str]) -> list[Row]:
        return await self._fetch("rule_documents", list(hashes))

    async def current_decisions(self, keys: Iterable[Key]) -> dict[Key, Row]:
        rows = await self._fetch("current_decisions", *_columns(keys, 3, 3))
        return {(row["tenant"], row["person"], row["competency"]): row for row in rows}

    async def insert_decisions(self, rows: Sequence[Sequence[object]]) -> None:
        await self._execute("insert_decisions", *_columns(rows, 3, 19))

    async def put_current_decisions(self, rows: Sequence[Sequence[object]]) -> None:
        """`used` and `reasons` come as the text of an array and of an object."""
        await self._execute("put_current_decisions", *_columns(rows, 3, 14))

    async def insert_outbox(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Messages are (key, value), in the order in which they must leave."""
        keys, values = [key for key, _ in messages], [value for _, value in messages]
        await self._execute("insert_outbox", topic, keys, values)
        await self._fetch("notify_outbox")

    async def put_wakeups(self, due: Mapping[Key, int]) -> None:
        rows = [(*key, due_ms) for key, due_ms in due.items()]
        await self._execute("put_wakeups", *_columns(rows, 3, 4))

    async def delete_wakeups(self, keys: Iterable[Key]) -> None:
        await self._execute("delete_wakeups", *_columns(keys, 3, 3))

    async def delete_marks(self, versions: Mapping[Key, int]) -> int:
        """Delete the marks whose version has not moved; how many those were."""
        rows = [(*key, version) for key, version in versions.items()]
        return await self._execute("delete_marks", *_columns(rows, 3, 4))

    async def put_failures(self, failures: Mapping[Key, str]) -> None:
        rows = [(*key, error) for key, error in failures.items()]
        await self._execute("put_failures", *_columns(rows, 3, 4))

    async def delete_failures(self, keys: Iterable[Key]) -> None:
        await self._execute("delete_failures", *_columns(keys, 3, 3))

    # Changing records

    async def insert_links(self, rows: Sequence[Sequence[object]]) -> None:
        """(tenant, link, agent, agent key, person, from, to, recorded)."""
        await self._execute("insert_links", *_columns(rows, 2, 8))

    async def retract_link(self, tenant: str, link: UUID, at_ms: int) -> Row | None:
        return await self._row("retract_link", tenant, link, at_ms)

    async def insert_authorisations(self, rows: Sequence[Sequence[object]]) -> None:
        """(tenant, authorisation, assessor, scope, from, to, recorded)."""
        await self._execute("insert_authorisations", *_columns(rows, 2, 7))

    async def retract_authorisation(self, tenant: str, one: UUID, at_ms: int) -> Row | None:
        return await self._row("retract_authorisation", tenant, one, at_ms)

    async def insert_conflicts_of_interest(self, rows: Sequence[Sequence[object]]) -> None:
        """(tenant, conflict, assessor, person, from, to, recorded)."""
        await self._execute("insert_conflicts_of_interest", *_columns(rows, 2, 7))

    async def retract_conflict_of_interest(self, tenant: str, one: UUID, at_ms: int) -> Row | None:
        return await self._row("retract_conflict_of_interest", tenant, one, at_ms)

    async def insert_rule(self, row: Sequence[object]) -> bool:
        """False when this id and version is there already."""
        return await self._execute("insert_rule", *row) == 1

    async def find_rule(self, tenant: str, rule_id: str, version: int) -> Row | None:
        return await self._row("find_rule", tenant, rule_id, version)

    async def competency_of_rule(self, tenant: str, rule_id: str) -> str | None:
        row = await self._row("competency_of_rule", tenant, rule_id)
        return None if row is None else row["competency"]

    async def rule_of_competency(self, tenant: str, competency: str) -> str | None:
        row = await self._row("rule_of_competency", tenant, competency)
        return None if row is None else row["rule_id"]

    async def facts_of_agents(self, tenant: str, agents: Sequence[UUID]) -> list[bytes]:
        return [row["fact"] for row in await self._fetch("facts_of_agents", tenant, list(agents))]

    async def facts_assessed_by(self, tenant: str, agents: Sequence[UUID]) -> list[bytes]:
        rows = await self._fetch("facts_assessed_by", tenant, list(agents))
        return [row["fact"] for row in rows]

    async def facts_for_rule(
        self, tenant: str, verbs: Sequence[UUID] | None, activities: Sequence[UUID] | None
    ) -> list[bytes]:
        rows = await self._fetch("facts_for_rule", tenant, verbs, activities)
        return [row["fact"] for row in rows]

    async def mark_decided(self, tenant: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Pairs of competencies: who has a decision on the first is marked for the second."""
        seen, marked = [one for one, _ in pairs], [one for _, one in pairs]
        await self._execute("mark_decided", tenant, seen, marked)

    async def merges_of(self, tenant: str, people: Iterable[UUID]) -> list[Row]:
        """Those of the people who were merged into others: (merge, merged, kept)."""
        return await self._fetch("merges_of", tenant, sorted(people))

    async def agents_of_people(self, tenant: str, people: Iterable[UUID]) -> list[UUID]:
        rows = await self._fetch("agents_of_people", tenant, sorted(people))
        return [row["agent"] for row in rows]

    # Answering

    async def person_exists(self, tenant: str, person: UUID) -> bool:
        return await self._row("person_exists", tenant, person) is not None

    async def known_people(self, tenant: str, people: Iterable[UUID]) -> set[UUID]:
        rows = await self._fetch("known_people", tenant, sorted(people))
        return {row["person"] for row in rows}

    async def list_people(self, tenant: str, after: UUID | None, limit: int) -> list[Row]:
        return await self._fetch("list_people", tenant, after, limit)

    async def current_of_person(self, tenant: str, person: UUID) -> list[Row]:
        return await self._fetch("current_of_person", tenant, person)

    async def list_current(
        self,
        tenant: str,
        competency: str | None,
        status: str | None,
        after: tuple[UUID, str] | None,
        limit: int,
    ) -> list[Row]:
        person, following = (None, None) if after is None else after
        return await self._fetch(
            "list_current", tenant, competency, status, person, following, limit
        )

    async def decisions_of_person(
        self, tenant: str, person: UUID, competency: str, after: int, limit: int
    ) -> list[Row]:
        return await self._fetch("decisions_of_person", tenant, person, competency, after, limit)

    async def summary(self, tenant: str) -> list[Row]:
        return await self._fetch("summary", tenant)

    async def reasons(self, tenant: str) -> list[Row]:
        return await self._fetch("reasons", tenant)

    async def statement_count(self, tenant: str) -> int:
        return int((await self._one("statement_counts", tenant))["statements"])

    async def waiting(self) -> tuple[int, float]:
        """Marks that wait, and the age of the oldest in seconds."""
        row = await self._one("waiting")
        return row["marks"], row["oldest_seconds"] or 0.0

    async def count(self, name: str) -> int:
        """One of the counting queries: `failures`, `quarantined`, `outbox_depth`."""
        return int((await self._one(name))[0])


def recorded_fields(row: Row) -> tuple[date | None, date | None, int | None, int | None]:
    """(from, to, recorded, retracted) of a row of a record."""
    return row["valid_from"], row["valid_to"], row["recorded_ms"], row["retracted_ms"]
