"""HTTP: the matrix, people by roles, gaps and what expires: lists of people.

Scope `competencies/read`. Every list is also a file (`format`): then it holds all pages.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from assay_aggregator.answers import consistent_ms
from assay_aggregator.copies import instant
from assay_aggregator.dates import format_instant
from assay_aggregator.errors import Refused
from assay_aggregator.reading.exporting import Exports, Rows, Sheet
from assay_aggregator.reading.holding import EXPIRING_DAYS, bucket_of
from assay_aggregator.reading.matrix import (
    COLUMNS_MAX,
    Column,
    MatrixAsked,
    columns_of,
    gaps_of,
    matrix_page,
    matrix_pages,
    role_rows,
    row_document,
    statuses_of,
)
from assay_aggregator.reading.reader import Moment, Reader, moment_of
from assay_aggregator.reading.store import Population
from assay_aggregator.reading.tables import Format, Value, flat
from assay_aggregator.store import Row, Store
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client

READ: Final = "competencies/read"
PAGE_MAX: Final = 500
WITHIN_DAYS_MAX: Final = 366
EXPORT_ROWS: Final = 2_000

Text = Annotated[str, Query(min_length=1, max_length=4_000, pattern=r"^[^\x00]+$")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Competencies = Annotated[list[Text] | None, Query(max_length=COLUMNS_MAX)]

EXPIRING_FIELDS: Final = (
    "person", "competency", "status", "level", "achieved_on", "expires_on", "days_left", "bucket",
    "assigned",
)  # fmt: skip
GAP_FIELDS: Final = (
    "person", "role", "competency", "required", "gap", "status", "level", "achieved_on",
    "expires_on",
)  # fmt: skip


class Opening:
    """Opens readers: one snapshot for one question."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._cells_max = api.settings.recomputed_cells_max

    @asynccontextmanager
    async def reader(
        self, client: Client, as_of: str | None, known_at: str | None
    ) -> AsyncIterator[tuple[Reader, dict[str, str]]]:
        """A reader, and the headers of its answer."""
        async with self._api.reading() as store:
            moment = await moment_of(store, self._api.settings.local_zone, as_of, known_at)
            reader = await Reader.open(
                store, self._api.shelf, client.tenant, moment, self._cells_max
            )
            yield reader, await _headers(store)


async def _headers(store: Store) -> dict[str, str]:
    through = format_instant(instant(await consistent_ms(store)))
    return {"X-Assay-Consistent-Through": through}


def matrix_routes(api: Api, exports: Exports) -> APIRouter:
    """The routes of people's own lines."""
    router = APIRouter()
    opening = Opening(api)
    _matrix(router, api, opening, exports)
    _roles(router, api, opening, exports)
    _gaps(router, api, opening, exports)
    _expiring(router, api, opening, exports)
    return router


# People by competencies --------------------------------------------------------------------------


def _matrix(router: APIRouter, api: Api, opening: Opening, exports: Exports) -> None:
    reader_of = Annotated[Client, Depends(api.client(READ))]

    @router.get("/matrix")
    async def matrix(
        client: reader_of,
        role: Text | None = None,
        organisation: Text | None = None,
        cohort: Text | None = None,
        competency: Competencies = None,
        status: Annotated[list[Text] | None, Query(max_length=10)] = None,
        as_of: str | None = None,
        known_at: str | None = None,
        after: UUID | None = None,
        limit: Limit = 50,
        format: Format = "json",
    ) -> Response:
        filled = None
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            asked = MatrixAsked(
                await reader.population(role, organisation, cohort),
                await columns_of(reader, role, competency or ()),
                statuses_of(status or ()),
                limit,
            )
            if format != "json":
                sheet = Sheet("matrix", _matrix_header(asked.columns), _matrix_rows(reader, asked))
                filled = await exports.fill(format, sheet, reader.moment)
            else:
                page = await matrix_page(reader, asked, after)
                people = [row.person for row in page.rows]
                undecided = await reader.undecided(people, asked.competencies)
        if filled is not None:
            return await exports.answer(filled)
        return json_answer(
            {
                **reader.moment.document(),
                "competencies": [one.document() for one in asked.columns],
                "rows": [row_document(row, asked.columns) for row in page.rows],
                "undecided": undecided,
                "next": page.after,
            },
            headers,
        )


def _matrix_header(columns: Sequence[Column]) -> list[str]:
    header = ["person", "ready"]
    for one in columns:
        named = one.code or one.competency
        header += [f"{named} status", f"{named} level", f"{named} expires on"]
    return header


async def _matrix_rows(reader: Reader, asked: MatrixAsked) -> AsyncIterator[Rows]:
    async for page in matrix_pages(reader, asked):
        rows: list[list[Value]] = []
        for row in page.rows:
            line: list[Value] = [str(row.person), row.ready]
            for cell in row.cells:
                line += [cell.status, cell.level, cell.expires_on]
            rows.append(line)
        yield rows


# People by roles ---------------------------------------------------------------------------------


def _roles(router: APIRouter, api: Api, opening: Opening, exports: Exports) -> None:
    reader_of = Annotated[Client, Depends(api.client(READ))]

    @router.get("/matrix/roles")
    async def matrix_of_roles(
        client: reader_of,
        role: Annotated[list[Text] | None, Query(max_length=COLUMNS_MAX)] = None,
        organisation: Text | None = None,
        cohort: Text | None = None,
        as_of: str | None = None,
        known_at: str | None = None,
        after: UUID | None = None,
        limit: Limit = 50,
        format: Format = "json",
    ) -> Response:
        filled = None
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            wanted = await reader.population(None, organisation, cohort)
            required = await reader.requirements(role)
            if len(required) > COLUMNS_MAX:
                raise Refused(f"a matrix has up to {COLUMNS_MAX} roles: name those that you want")
            if format != "json":
                header = ["person"]
                for one in required:
                    header += [f"{one} assigned", f"{one} ready", f"{one} met", f"{one} required"]
                    header.append(f"{one} expires on")

                async def rows() -> AsyncIterator[Rows]:
                    async for people in reader.chunks(wanted):
                        yield [
                            [
                                str(row.person),
                                *(flat(value) for cell in row.cells for value in cell.values()),
                            ]
                            for row in await role_rows(reader, people, required)
                        ]

                sheet = Sheet("roles", header, rows())
                filled = await exports.fill(format, sheet, reader.moment)
            else:
                people = await reader.tables.people(wanted, after, limit)
                found = await role_rows(reader, people, required)
                names = await reader.tables.role_names(list(required))
        if filled is not None:
            return await exports.answer(filled)
        return json_answer(
            {
                **reader.moment.document(),
                "roles": [{"role": one, "name": names.get(one)} for one in required],
                "rows": [{"person": row.person, "cells": row.cells} for row in found],
                "next": people[-1] if len(people) == limit else None,
            },
            headers,
        )


# Gaps --------------------------------------------------------------------------------------------


def _gaps(router: APIRouter, api: Api, opening: Opening, exports: Exports) -> None:
    reader_of = Annotated[Client, Depends(api.client(READ))]

    @router.get("/gaps")
    async def gaps(
        client: reader_of,
        role: Text | None = None,
        organisation: Text | None = None,
        cohort: Text | None = None,
        as_of: str | None = None,
        known_at: str | None = None,
        after: UUID | None = None,
        limit: Limit = 50,
        format: Format = "json",
    ) -> Response:
        filled = None
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            wanted = await reader.population(role, organisation, cohort)
            if format != "json":

                async def rows() -> AsyncIterator[Rows]:
                    async for people in reader.chunks(wanted):
                        yield _lines(await gaps_of(reader, people, role), GAP_FIELDS)

                sheet = Sheet("gaps", GAP_FIELDS, rows())
                filled = await exports.fill(format, sheet, reader.moment)
            else:
                people = await reader.tables.people(wanted, after, limit)
                found = await gaps_of(reader, people, role)
        if filled is not None:
            return await exports.answer(filled)
        return json_answer(
            {
                **reader.moment.document(),
                "gaps": found,
                "next": people[-1] if len(people) == limit else None,
            },
            headers,
        )


# What expires ------------------------------------------------------------------------------------


def _expiring(router: APIRouter, api: Api, opening: Opening, exports: Exports) -> None:
    reader_of = Annotated[Client, Depends(api.client(READ))]

    @router.get("/expiring")
    async def expiring(
        client: reader_of,
        within_days: Annotated[int, Query(ge=0, le=WITHIN_DAYS_MAX)] = max(EXPIRING_DAYS.values()),
        overdue: bool = True,
        role: Text | None = None,
        organisation: Text | None = None,
        cohort: Text | None = None,
        competency: Competencies = None,
        after: Text | None = None,
        limit: Limit = 100,
        format: Format = "json",
    ) -> Response:
        key = _key(after)
        filled = None
        async with opening.reader(client, None, None) as (reader, headers):
            wanted = await reader.population(role, organisation, cohort)
            day = reader.moment.day
            between = (date.min if overdue else day, day + timedelta(days=within_days))
            if format != "json":
                every = _expiring_rows(reader, between, wanted, competency)
                sheet = Sheet("expiring", EXPIRING_FIELDS, every)
                filled = await exports.fill(format, sheet, reader.moment)
            else:
                rows = await reader.tables.expiring(between, wanted, competency, key, limit)
        if filled is not None:
            return await exports.answer(filled)
        last = rows[-1] if len(rows) == limit else None
        return json_answer(
            {
                **reader.moment.document(),
                "expiring": [_expiring_document(row, reader.moment) for row in rows],
                "next": None
                if last is None
                else f"{last['expires_on']} {last['person']} {last['competency']}",
            },
            headers,
        )


async def _expiring_rows(
    reader: Reader,
    between: tuple[date, date],
    wanted: Population,
    competencies: Sequence[str] | None,
) -> AsyncIterator[Rows]:
    after: tuple[date, UUID, str] | None = None
    while True:
        rows = await reader.tables.expiring(between, wanted, competencies, after, EXPORT_ROWS)
        yield _lines([_expiring_document(row, reader.moment) for row in rows], EXPIRING_FIELDS)
        if len(rows) < EXPORT_ROWS:
            return
        after = (rows[-1]["expires_on"], rows[-1]["person"], rows[-1]["competency"])


def _expiring_document(row: Row, moment: Moment) -> dict[str, Any]:
    return {
        **{name: row[name] for name in EXPIRING_FIELDS if name not in ("days_left", "bucket")},
        "days_left": (row["expires_on"] - moment.day).days,
        "bucket": bucket_of(row["expires_on"], moment.day),
    }


def _key(text: str | None) -> tuple[date, UUID, str] | None:
    if text is None:
        return None
    day, _, rest = text.partition(" ")
    person, _, competency = rest.partition(" ")
    try:
        return date.fromisoformat(day), UUID(person), competency
    except ValueError:
        raise Refused("`after` is not a `next` of ours") from None


def _lines(documents: Sequence[dict[str, Any]], fields: Sequence[str]) -> list[list[Value]]:
    return [[flat(document[field]) for field in fields] for document in documents]
