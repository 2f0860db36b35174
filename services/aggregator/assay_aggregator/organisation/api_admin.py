"""HTTP: changes of organisations, cohorts, and who is who (scope `competencies/admin`)."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator.api_admin import ADMIN, QueryWhy, Why
from assay_aggregator.days import Days
from assay_aggregator.errors import Unknown
from assay_aggregator.organisation import directory
from assay_aggregator.organisation.api import Limit, PathSlug, record_of
from assay_aggregator.organisation.collisions import agent_of, collisions, set_aside
from assay_aggregator.organisation.merging import merge, unmerge
from assay_aggregator.organisation.model import (
    NAME_CHARACTERS_MAX,
    Cohort,
    Organisation,
    OrganisationKind,
)
from assay_aggregator.organisation.store import EMPLOYMENT, MEMBERSHIP, PeopleStore
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client

Slug = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
MERGES_SHOWN_MAX: Final = 100
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    reason: Why


class _Dated(_Body):
    valid_from: date | None = Field(default=None, alias="from")
    valid_to: date | None = Field(default=None, alias="to")

    def days(self) -> Days:
        return Days(self.valid_from, self.valid_to)


class OrganisationBody(_Body):
    """An employer, a site of one, or a training centre."""

    name: Name
    kind: OrganisationKind = "organisation"
    parent: Slug | None = None


class CohortBody(_Body):
    """People who learn together."""

    name: Name
    standard: Name | None = None
    starts_on: date | None = None
    ends_on: date | None = None


class EmploymentBody(_Dated):
    """A person works there, in a role."""

    person: UUID
    organisation: Slug
    role: Slug | None = None


class MembershipBody(_Dated):
    """A person is in a cohort."""

    person: UUID
    cohort: Slug


class EndBody(_Body):
    """The last day of an employment or membership."""

    on: date


class MergeBody(_Body):
    """Two people are one."""

    kept: UUID
    merged: UUID


def people_admin_routes(api: Api) -> APIRouter:
    """The routes below /admin of this area."""
    router = APIRouter(prefix="/admin")
    router.include_router(_places(api))
    router.include_router(_records(api))
    router.include_router(_identity(api))
    return router


def _places(api: Api) -> APIRouter:
    router = APIRouter()
    admin = Annotated[Client, Depends(api.client(ADMIN))]

    @router.put("/organisations/{organisation}")
    async def put_organisation(client: admin, organisation: PathSlug, request: Request) -> Response:
        body = await api.parsed(request, OrganisationBody)
        wanted = Organisation(organisation, body.name, body.kind, body.parent)
        async with api.changing(client, body.reason) as records:
            await directory.put_organisation(records, wanted)
        return json_answer({"organisation": organisation})

    @router.put("/cohorts/{cohort}")
    async def put_cohort(client: admin, cohort: PathSlug, request: Request) -> Response:
        body = await api.parsed(request, CohortBody)
        wanted = Cohort(cohort, body.name, body.standard, body.starts_on, body.ends_on)
        async with api.changing(client, body.reason) as records:
            await directory.put_cohort(records, wanted)
        return json_answer({"cohort": cohort})

    return router


def _records(api: Api) -> APIRouter:
    router = APIRouter()
    admin = Annotated[Client, Depends(api.client(ADMIN))]

    @router.post("/employments")
    async def add_employment(client: admin, request: Request) -> Response:
        body = await api.parsed(request, EmploymentBody)
        async with api.changing(client, body.reason) as records:
            made = await directory.add_employment(
                records, body.person, body.organisation, body.role, body.days()
            )
        return json_answer({"employment": made}, status=201)

    @router.post("/employments/{employment}/end")
    async def end_employment(client: admin, employment: UUID, request: Request) -> Response:
        body = await api.parsed(request, EndBody)
        async with api.changing(client, body.reason) as records:
            made = await directory.end(records, EMPLOYMENT, employment, body.on)
        return json_answer({"employment": made})

    @router.delete("/employments/{employment}")
    async def retract_employment(client: admin, employment: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await directory.take_back(records, EMPLOYMENT, employment)
        return Response(status_code=204)

    @router.post("/memberships")
    async def add_membership(client: admin, request: Request) -> Response:
        body = await api.parsed(request, MembershipBody)
        async with api.changing(client, body.reason) as records:
            made = await directory.add_membership(records, body.cohort, body.person, body.days())
        return json_answer({"membership": made}, status=201)

    @router.post("/memberships/{membership}/end")
    async def end_membership(client: admin, membership: UUID, request: Request) -> Response:
        body = await api.parsed(request, EndBody)
        async with api.changing(client, body.reason) as records:
            made = await directory.end(records, MEMBERSHIP, membership, body.on)
        return json_answer({"membership": made})

    @router.delete("/memberships/{membership}")
    async def retract_membership(client: admin, membership: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await directory.take_back(records, MEMBERSHIP, membership)
        return Response(status_code=204)

    return router


def _identity(api: Api) -> APIRouter:
    router = APIRouter()
    admin = Annotated[Client, Depends(api.client(ADMIN))]

    @router.post("/merges")
    async def merge_people(client: admin, request: Request) -> Response:
        body = await api.parsed(request, MergeBody)
        async with api.changing(client, body.reason) as records:
            made = await merge(records, body.kept, body.merged)
        return json_answer({"merge": made}, status=201)

    @router.delete("/merges/{merge}")
    async def unmerge_people(client: admin, merge: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await unmerge(records, merge)
        return Response(status_code=204)

    @router.get("/merges")
    async def merges(
        client: admin,
        person: UUID | None = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            people = PeopleStore(store.connection, client.tenant)
            rows = await people.list_merges(person, after, limit)
        return json_answer(
            {
                "merges": [record_of(row) for row in rows],
                "next": rows[-1]["merge"] if len(rows) == limit else None,
            }
        )

    @router.get("/people/{person}")
    async def identity(client: admin, person: UUID) -> Response:
        async with api.reading() as store:
            people = PeopleStore(store.connection, client.tenant)
            if not await store.person_exists(client.tenant, person):
                raise Unknown("there is no such person")
            links = await people.links_of_person(person)
            merged = await people.list_merges(person, None, MERGES_SHOWN_MAX)
        return json_answer(
            {
                "person": person,
                "links": [_link(record_of(row)) for row in links],
                "merges": [record_of(row) for row in merged],
            }
        )

    @router.get("/collisions")
    async def list_collisions(
        client: admin, after: Annotated[str | None, Query()] = None, limit: Limit = 100
    ) -> Response:
        async with api.reading() as store:
            people = PeopleStore(store.connection, client.tenant)
            found, following = await collisions(people, after, limit)
        return json_answer({"collisions": found, "next": following})

    @router.delete("/collisions/{contradiction}")
    async def set_collision_aside(client: admin, contradiction: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await set_aside(records, contradiction)
        return Response(status_code=204)

    return router


def _link(record: dict[str, Any]) -> dict[str, Any]:
    """A link with its agent as xAPI writes it."""
    return {**record, "agent": agent_of(record.pop("agent_key"))}
