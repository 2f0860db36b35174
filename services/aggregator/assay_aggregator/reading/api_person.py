"""HTTP: one person at a glance (scope `competencies/read`).

The explanations are at /people/{person}/competencies.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from assay_aggregator.errors import Unknown
from assay_aggregator.reading.api_matrix import READ, Opening
from assay_aggregator.reading.holding import NOTHING, bucket_of, is_ready, weakest_expiry
from assay_aggregator.reading.matrix import cell_document
from assay_aggregator.reading.reader import Reader
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client


def person_routes(api: Api) -> APIRouter:
    """The summary of a person."""
    router = APIRouter()
    opening = Opening(api)
    reader_of = Annotated[Client, Depends(api.client(READ))]

    @router.get("/people/{person}/summary")
    async def summary_of_person(
        client: reader_of,
        person: UUID,
        as_of: str | None = None,
        known_at: str | None = None,
    ) -> Response:
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            if not await reader.knows(person):
                raise Unknown("there is no such person")
            found = await _summary(reader, person)
        return json_answer({**reader.moment.document(), "person": person, **found}, headers)

    return router


async def _summary(reader: Reader, person: UUID) -> dict[str, Any]:
    """What the person holds, what their roles ask for, and what of that is missing."""
    assigned = (await reader.assignments([person])).get(person, [])
    required = await reader.requirements(sorted({row["role"] for row in assigned}))
    asked = {one.competency for many in required.values() for one in many}
    competencies = sorted({*reader.competencies(), *asked})
    cells = (await reader.cells([person], competencies)).get(person, {})
    names = await reader.tables.competency_names(competencies)
    role_names = await reader.tables.role_names(sorted(required))
    held = []
    for competency in competencies:
        cell, row = cells.get(competency, NOTHING), names.get(competency)
        expires_on = cell.expires_on if cell.status in ("achieved", "expired") else None
        held.append(
            {
                "competency": competency,
                "code": None if row is None else row["code"],
                "name": None if row is None else row["name"],
                "bucket": None if expires_on is None else bucket_of(expires_on, reader.moment.day),
                **cell_document(cell, None),
            }
        )
    return {
        "competencies": held,
        "roles": [
            {
                "role": role,
                "name": role_names.get(role),
                "organisations": sorted(
                    {row["organisation"] for row in assigned if row["role"] == role}
                ),
                "ready": is_ready(wanted, cells),
                "expires_on": weakest_expiry(wanted, cells),
                "gaps": [
                    {
                        "competency": one.competency,
                        "required": one.level,
                        "gap": one.gap(cells.get(one.competency, NOTHING)),
                    }
                    for one in wanted
                    if not one.met_by(cells.get(one.competency, NOTHING))
                ],
            }
            for role, wanted in required.items()
        ],
        "undecided": await reader.undecided([person], competencies),
    }
