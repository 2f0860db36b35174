"""HTTP: the measures, each by its one definition (scope `competencies/read`)."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from assay_aggregator.errors import Refused, Unknown
from assay_aggregator.reading import measures
from assay_aggregator.reading.api_matrix import READ, Opening, Text
from assay_aggregator.reading.measures import MEASURES, NOT_POSSIBLE, Definition
from assay_aggregator.reading.measuring import Measured
from assay_aggregator.reading.reader import Reader
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a measure."""

    competency: str | None
    role: str | None
    starts: date | None
    ends: date | None

    def check(self, definition: Definition) -> None:
        """Raises Refused for a parameter that the measure needs and was not given."""
        given = {
            "competency": self.competency,
            "role": self.role,
            "from": self.starts,
            "to": self.ends,
        }
        for name in definition.needs:
            if given[name] is None:
                raise Refused(f"the measure needs `{name}`")


def measure_routes(api: Api) -> APIRouter:
    """The routes below /measures."""
    router = APIRouter()
    opening = Opening(api)
    reader_of = Annotated[Client, Depends(api.client(READ))]

    @router.get("/measures")
    async def definitions(_: reader_of) -> Response:
        return json_answer(
            {
                "measures": [
                    {
                        "measure": name,
                        "title": one.title,
                        "definition": one.text,
                        "needs": one.needs,
                    }
                    for name, one in MEASURES.items()
                ],
                "not_possible": [
                    {"measure": name, "reason": reason} for name, reason in NOT_POSSIBLE.items()
                ],
            }
        )

    @router.get("/measures/{measure}")
    async def one_measure(
        client: reader_of,
        measure: str,
        competency: Text | None = None,
        role: Text | None = None,
        organisation: Text | None = None,
        cohort: Text | None = None,
        starts: Annotated[date | None, Query(alias="from")] = None,
        ends: Annotated[date | None, Query(alias="to")] = None,
        as_of: str | None = None,
        known_at: str | None = None,
    ) -> Response:
        definition = MEASURES.get(measure)
        if definition is None:
            raise Unknown("there is no such measure")
        asked = Asked(competency, role, starts, ends)
        asked.check(definition)
        async with opening.reader(client, as_of, known_at) as (reader, headers):
            population = await reader.population(role, organisation, cohort)
            measured = Measured(
                reader, population, competency or "", api.settings.measured_people_max
            )
            result = await _result(measure, reader, measured, asked)
        return json_answer(
            {
                **reader.moment.document(),
                "measure": measure,
                "definition": definition.text,
                "result": result,
            },
            headers,
        )

    return router


async def _result(measure: str, reader: Reader, measured: Measured, asked: Asked) -> Any:
    """The result: an object, or a list of them (hence Any)."""
    if measure == "time-to-competence" and asked.role is not None:
        started = await measured.started(asked.role)
        return measures.time_to_competence(started, await measured.awards())
    if measure == "on-time-requalification" and asked.starts and asked.ends:
        awards = (await measured.awards()).values()
        return measures.on_time_requalification(awards, asked.starts, asked.ends, reader.moment.day)
    if measure == "evidence-lag":
        return measures.evidence_lag(await measured.lags())
    tried = await measured.tried()
    if measure == "first-time-pass":
        return measures.first_time_pass(tried)
    if measure == "vr-to-practice":
        return measures.vr_to_practice(tried)
    return measures.assessor_leniency(tried)
