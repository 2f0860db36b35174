"""HTTP: counts over many people, small numbers suppressed (scope `competencies/aggregates`).

Who may read people (`competencies/read`) may read these, too. `/coverage` names people, so it asks
for `competencies/read`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response

from assay_aggregator.errors import Unknown
from assay_aggregator.reading.aggregates import (
    coverage,
    expiring_counts,
    heat_map,
    progress,
    readiness,
)
from assay_aggregator.reading.api_matrix import READ, Competencies, Opening, Text
from assay_aggregator.reading.exporting import Exports, Sheet, one
from assay_aggregator.reading.matrix import columns_of
from assay_aggregator.reading.tables import Format, Value, flat
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client

AGGREGATES: Final = "competencies/aggregates"

READINESS_FIELDS: Final = ("people", "ready", "readiness_percent", "suppressed")
GAP_FIELDS: Final = ("people", "people_with_gap", "gap", "suppressed")


def aggregate_routes(api: Api, exports: Exports) -> APIRouter:
    """The routes of counts."""
    router = APIRouter()
    opening = Opening(api)
    _of_tenant(router, api, opening, exports)
    _of_some(router, api, opening)
    return router


def _of_tenant(router: APIRouter, api: Api, opening: Opening, exports: Exports) -> None:
    reader_of = Annotated[Client, Depends(api.client(AGGREGATES))]

    @router.get("/readiness")
    async def readiness_of_roles(
        client: reader_of,
        role: Text | None = None,
        as_of: str | None = None,
        known_at: str | None = None,
        format: Format = "json",
    ) -> Response:
        filled = None
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            found = await readiness(reader)
            if role is not None:
                found = [one for one in found if one["role"] == role]
                if not found:
                    raise Unknown("there is no such role")
            if format != "json":
                rows = list(_nested(found, "role", READINESS_FIELDS))
                header = ("role", "organisation", *READINESS_FIELDS)
                sheet = Sheet("readiness", header, one(rows))
                filled = await exports.fill(format, sheet, reader.moment)
        if filled is not None:
            return await exports.answer(filled)
        return json_answer({**reader.moment.document(), "roles": found}, headers)

    @router.get("/gaps/by-organisation")
    async def gaps_by_organisation(
        client: reader_of,
        as_of: str | None = None,
        known_at: str | None = None,
        format: Format = "json",
    ) -> Response:
        filled = None
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            found = await heat_map(reader)
            if format != "json":
                rows = list(_nested(found, "competency", GAP_FIELDS))
                header = ("competency", "organisation", *GAP_FIELDS)
                sheet = Sheet("gaps-by-organisation", header, one(rows))
                filled = await exports.fill(format, sheet, reader.moment)
        if filled is not None:
            return await exports.answer(filled)
        return json_answer({**reader.moment.document(), "competencies": found}, headers)

    @router.get("/expiring/counts")
    async def counts_of_expiring(client: reader_of) -> Response:
        async with opening.reader(client, None, None) as (reader, headers):
            found = await expiring_counts(reader)
        return json_answer({**reader.moment.document(), "competencies": found}, headers)


def _of_some(router: APIRouter, api: Api, opening: Opening) -> None:
    counting = Annotated[Client, Depends(api.client(AGGREGATES))]
    naming = Annotated[Client, Depends(api.client(READ))]

    @router.get("/cohorts/{cohort}/progress")
    async def progress_of_cohort(
        client: counting,
        cohort: str,
        role: Text | None = None,
        competency: Competencies = None,
        as_of: str | None = None,
        known_at: str | None = None,
    ) -> Response:
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            row = None if "\x00" in cohort else await reader.tables.cohort(cohort)
            if row is None:
                raise Unknown("there is no such cohort")
            if role is not None:
                await reader.population(role, None, None)
            columns = await columns_of(reader, role, competency or ())
            found = await progress(reader, row, columns)
        return json_answer({**reader.moment.document(), **found}, headers)

    @router.get("/coverage")
    async def coverage_of_place(
        client: naming,
        organisation: Text,
        role: Text | None = None,
        competency: Competencies = None,
        as_of: str | None = None,
        known_at: str | None = None,
    ) -> Response:
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            # Whoever is at the place may do the task, whatever their own role is.
            wanted = await reader.population(None, organisation, None)
            if role is not None:
                await reader.population(role, None, None)
            columns = await columns_of(reader, role, competency or ())
            found = await coverage(reader, wanted, columns)
        return json_answer(
            {**reader.moment.document(), "organisation": organisation, "competencies": found},
            headers,
        )


def _nested(
    found: Sequence[Mapping[str, Any]], key: str, fields: Sequence[str]
) -> Iterator[list[Value]]:
    """Lines of the whole and of each organisation, as a table; no organisation is the whole."""
    for above in found:
        yield [above[key], None, *(flat(above[field]) for field in fields)]
        for place in above["organisations"]:
            yield [above[key], place["organisation"], *(flat(place[field]) for field in fields)]
