"""The training matrix: people by competencies, people by roles, and the gaps in them, page by page.

A page follows the ids of people. With a filter by status it may hold fewer rows than asked for,
even none, while `after` still names where the next one begins: only so many people are looked at
for one page.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from assay_aggregator.errors import Refused
from assay_aggregator.reading.holding import (
    NOTHING,
    STATUSES,
    Cell,
    Requirement,
    is_ready,
    weakest_expiry,
)
from assay_aggregator.reading.reader import CHUNK_PEOPLE, Reader
from assay_aggregator.reading.store import Population
from assay_aggregator.store import Row

COLUMNS_MAX: Final = 300
"""Competencies, or roles, of one matrix."""
SCANNED_PEOPLE_MAX: Final = 500
"""People who are looked at for one page, where a filter by status leaves some out."""


@dataclass(frozen=True, slots=True)
class Column:
    """A competency, what it is called, and what the role asks of it (if one is asked about)."""

    competency: str
    code: str | None
    name: str | None
    requirement: Requirement | None
    has_rule: bool

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "competency": self.competency,
            "code": self.code,
            "name": self.name,
            "has_rule": self.has_rule,
        }
        if self.requirement is not None:
            found["required"] = {"level": self.requirement.level}
        return found


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One person: a cell for each column. `ready` is None where no role is asked about."""

    person: UUID
    cells: tuple[Cell, ...]
    ready: bool | None


@dataclass(frozen=True, slots=True)
class MatrixPage:
    """Some rows. `after` is where the next page begins, None after the last."""

    rows: tuple[MatrixRow, ...]
    after: UUID | None


@dataclass(frozen=True, slots=True)
class MatrixAsked:
    """What a matrix is of. `statuses` keeps who has one of them in one of the columns."""

    population: Population
    columns: tuple[Column, ...]
    statuses: frozenset[str]
    limit: int

    @property
    def competencies(self) -> list[str]:
        """Those of the columns, in order."""
        return [one.competency for one in self.columns]


async def columns_of(
    reader: Reader, role: str | None, competencies: Sequence[str]
) -> tuple[Column, ...]:
    """The columns: those named, or what the role asks for, or everything that has a rule.

    Raises Refused for more than COLUMNS_MAX.
    """
    asked: Mapping[str, Requirement] = {}
    if role is not None:
        required = (await reader.requirements([role])).get(role, ())
        asked = {one.competency: one for one in required}
    ruled = set(reader.competencies())
    wanted = list(dict.fromkeys(competencies)) or sorted(asked if role is not None else ruled)
    if len(wanted) > COLUMNS_MAX:
        raise Refused(f"a matrix has up to {COLUMNS_MAX} competencies: name those that you want")
    names = await reader.tables.competency_names(wanted)
    columns = [
        _column(one, names.get(one), asked.get(one), has_rule=one in ruled) for one in wanted
    ]
    if competencies:
        return tuple(columns)
    return tuple(sorted(columns, key=lambda one: (one.code or "", one.competency)))


def _column(
    competency: str, row: Row | None, requirement: Requirement | None, *, has_rule: bool
) -> Column:
    code, name = (None, None) if row is None else (row["code"], row["name"])
    return Column(competency, code, name, requirement, has_rule)


def statuses_of(names: Sequence[str]) -> frozenset[str]:
    """Raises Refused for a name that is no status."""
    for name in names:
        if name not in STATUSES:
            raise Refused(f"`status` is one of {', '.join(STATUSES)}")
    return frozenset(names)


async def matrix_page(reader: Reader, asked: MatrixAsked, after: UUID | None) -> MatrixPage:
    """The rows behind a person."""
    rows: list[MatrixRow] = []
    scanned = 0
    while True:
        room = asked.limit - len(rows)
        people = await _candidates(reader, asked, after, room)
        found = await reader.cells(people, asked.competencies)
        for person in people:
            row = _row(person, asked.columns, found.get(person, {}))
            if not asked.statuses or any(one.status in asked.statuses for one in row.cells):
                rows.append(row)
        scanned += len(people)
        after = people[-1] if len(people) == room else None
        if after is None or len(rows) == asked.limit or scanned >= SCANNED_PEOPLE_MAX:
            return MatrixPage(tuple(rows), after)


async def _candidates(
    reader: Reader, asked: MatrixAsked, after: UUID | None, limit: int
) -> list[UUID]:
    """The next people who may be rows. A status is found by its index where that says it all."""
    by_index = (
        reader.moment.is_live
        and asked.population.is_everybody
        and bool(asked.statuses)
        and "not_started" not in asked.statuses
    )
    if by_index:
        return await reader.tables.people_with_status(
            asked.competencies, sorted(asked.statuses), after, limit
        )
    return await reader.tables.people(asked.population, after, limit)


def _row(person: UUID, columns: Sequence[Column], cells: Mapping[str, Cell]) -> MatrixRow:
    required = [one.requirement for one in columns if one.requirement is not None]
    return MatrixRow(
        person,
        tuple(cells.get(one.competency, NOTHING) for one in columns),
        is_ready(required, cells) if required else None,
    )


async def matrix_pages(reader: Reader, asked: MatrixAsked) -> AsyncIterator[MatrixPage]:
    """The whole matrix."""
    asked = replace(asked, limit=CHUNK_PEOPLE)
    after: UUID | None = None
    while True:
        page = await matrix_page(reader, asked, after)
        yield page
        after = page.after
        if after is None:
            return


def cell_document(cell: Cell, requirement: Requirement | None) -> dict[str, Any]:
    """A cell as JSON; with what the role asks of it, whether that is met."""
    found: dict[str, Any] = {
        "status": cell.status,
        "level": cell.level,
        "achieved_on": cell.achieved_on,
        "expires_on": cell.expires_on,
    }
    if requirement is not None:
        found["meets"] = requirement.met_by(cell)
    return found


def row_document(row: MatrixRow, columns: Sequence[Column]) -> dict[str, Any]:
    """A row as JSON; its cells stand in the order of the columns."""
    found: dict[str, Any] = {
        "person": row.person,
        "cells": [
            cell_document(cell, column.requirement)
            for cell, column in zip(row.cells, columns, strict=True)
        ],
    }
    if row.ready is not None:
        found["ready"] = row.ready
    return found


# People by roles ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One person: for each role whether it is theirs, and how far it is met."""

    person: UUID
    cells: tuple[dict[str, Any], ...]


async def role_rows(
    reader: Reader,
    people: Sequence[UUID],
    required: Mapping[str, tuple[Requirement, ...]],
) -> list[RoleRow]:
    """The roles of `required`, for each of the people."""
    competencies = sorted({one.competency for many in required.values() for one in many})
    cells = await reader.cells(people, competencies)
    assigned = await reader.assignments(people)
    rows = []
    for person in people:
        own = cells.get(person, {})
        theirs = {row["role"] for row in assigned.get(person, ())}
        rows.append(
            RoleRow(
                person,
                tuple(
                    {
                        "assigned": role in theirs,
                        "ready": is_ready(wanted, own),
                        "met": sum(one.met_by(own.get(one.competency, NOTHING)) for one in wanted),
                        "required": len(wanted),
                        "expires_on": weakest_expiry(wanted, own),
                    }
                    for role, wanted in required.items()
                ),
            )
        )
    return rows


# Gaps --------------------------------------------------------------------------------------------


async def gaps_of(reader: Reader, people: Sequence[UUID], role: str | None) -> list[dict[str, Any]]:
    """What people lack of what their roles ask for (of one of them, when it is named)."""
    assigned = await reader.assignments(people)
    roles = sorted({row["role"] for many in assigned.values() for row in many})
    required = await reader.requirements([one for one in roles if role in (None, one)])
    competencies = sorted({one.competency for many in required.values() for one in many})
    cells = await reader.cells(people, competencies)
    found = []
    for person in people:
        own = cells.get(person, {})
        for theirs in sorted({row["role"] for row in assigned.get(person, ())}):
            for one in required.get(theirs, ()):
                cell = own.get(one.competency, NOTHING)
                if not one.met_by(cell):
                    found.append(
                        {
                            "person": person,
                            "role": theirs,
                            "competency": one.competency,
                            "required": one.level,
                            "gap": one.gap(cell),
                            **cell_document(cell, None),
                        }
                    )
    return found
