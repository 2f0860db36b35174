"""HTTP: the changes of records that mark people (scope `competencies/admin`)."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator.days import Days
from assay_aggregator.organisation.collisions import collides_with
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client
from assay_runtime.problem import Problem

ADMIN: Final = "competencies/admin"
# Brings a rule into force that nobody approved: the way of approval is `lifecycle`.
FORCE: Final = "rules/force"
REASON_CHARACTERS_MAX: Final = 1_000

# Why a record is changed goes into the audit trail (21 CFR 11.10(e), EU GMP Annex 11 clause 9).
Why = Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]
QueryWhy = Annotated[
    str,
    Query(
        min_length=1,
        max_length=REASON_CHARACTERS_MAX,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="why; kept in the audit trail",
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Dated(_Body):
    valid_from: date | None = Field(default=None, alias="from")
    valid_to: date | None = Field(default=None, alias="to")

    def days(self) -> Days:
        return Days(self.valid_from, self.valid_to)


class PersonBody(_Body):
    """Agents (xAPI) that are one person."""

    agents: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=20)]
    reason: Why | None = None


class LinkBody(_Dated):
    """An agent (xAPI) is a person."""

    agent: dict[str, Any]
    person: UUID
    reason: Why


class AuthorisationBody(_Dated):
    """A person may assess within a scope."""

    assessor: UUID
    scope: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Why


class ConflictBody(_Dated):
    """An assessor may not assess a person."""

    assessor: UUID
    person: UUID = Field(alias="with")
    reason: Why


def admin_routes(api: Api) -> APIRouter:
    """The routes below /admin."""
    router = APIRouter(prefix="/admin")
    admin = Annotated[Client, Depends(api.client(ADMIN))]
    forcing = Annotated[Client, Depends(api.client(FORCE))]

    @router.post("/people")
    async def put_person(client: admin, request: Request) -> Response:
        body = await api.parsed(request, PersonBody)
        async with api.changing(client, body.reason) as records:
            return json_answer({"person": await records.put_person(body.agents)})

    @router.post("/links")
    async def add_link(client: admin, request: Request) -> Response:
        body = await api.parsed(request, LinkBody)
        async with api.changing(client, body.reason) as records:
            link = await records.add_link(body.agent, body.person, body.days())
            others = await collides_with(records, link)
        return json_answer({"link": link, "collides_with": others}, status=201)

    @router.delete("/links/{link}")
    async def retract_link(client: admin, link: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await records.retract_link(link)
        return Response(status_code=204)

    @router.post("/authorisations")
    async def add_authorisation(client: admin, request: Request) -> Response:
        body = await api.parsed(request, AuthorisationBody)
        async with api.changing(client, body.reason) as records:
            record = await records.add_authorisation(body.assessor, body.scope, body.days())
        return json_answer({"authorisation": record}, status=201)

    @router.delete("/authorisations/{record}")
    async def retract_authorisation(client: admin, record: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await records.retract_authorisation(record)
        return Response(status_code=204)

    @router.post("/conflicts")
    async def add_conflict(client: admin, request: Request) -> Response:
        body = await api.parsed(request, ConflictBody)
        async with api.changing(client, body.reason) as records:
            record = await records.add_conflict(body.assessor, body.person, body.days())
        return json_answer({"conflict": record}, status=201)

    @router.delete("/conflicts/{record}")
    async def retract_conflict(client: admin, record: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await records.retract_conflict(record)
        return Response(status_code=204)

    @router.put("/rules")
    async def put_rule(
        client: forcing, request: Request, reason: QueryWhy | None = None
    ) -> Response:
        document = await api.body(request)
        if not isinstance(document, dict):
            raise Problem(400, "Bad request", detail="a rule is a JSON object")
        async with api.changing(client, reason) as records:
            rule = await records.put_rule(document)
        return json_answer({"rule": rule.id, "version": rule.version, "hash": rule.hash})

    return router
