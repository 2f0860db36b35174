"""HTTP: organisations, cohorts, who belonged to them when, and who assesses whom."""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path, Query, Response

from assay_aggregator.answers import consistent_ms
from assay_aggregator.copies import instant, milliseconds_down
from assay_aggregator.dates import format_instant
from assay_aggregator.errors import Unknown
from assay_aggregator.organisation.model import OrganisationKind
from assay_aggregator.organisation.store import PeopleStore, When
from assay_aggregator.store import Row, Store
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client
from assay_runtime.problem import Problem

READ: Final = "competencies/read"
PAGE_MAX: Final = 500

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
# The database keeps no U+0000, so no text of ours holds one.
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]

PathSlug = Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,40}$")]


def organisation_routes(api: Api, zone: ZoneInfo) -> APIRouter:
    """The routes that read; `zone` is where a record's time becomes a local date."""
    router = APIRouter()
    router.include_router(_places(api))
    router.include_router(_of_person(api))
    router.include_router(_authority(api, zone))
    return router


def _places(api: Api) -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/organisations")
    async def organisations(
        client: reader,
        kind: OrganisationKind | None = None,
        parent: Text | None = None,
        after: Text | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            rows = await _people(store, client).list_organisations(kind, parent, after, limit)
        return _page("organisations", rows, "organisation", limit)

    @router.get("/organisations/{organisation}")
    async def one_organisation(client: reader, organisation: PathSlug) -> Response:
        async with api.reading() as store:
            row = await _people(store, client).find_organisation(organisation)
        if row is None:
            raise Unknown("there is no such organisation")
        return json_answer(dict(row))

    @router.get("/organisations/{organisation}/people")
    async def employees(
        client: reader,
        organisation: PathSlug,
        as_of: Text | None = None,
        known_at: Text | None = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        day = day_of(as_of)
        async with api.reading() as store:
            people = _people(store, client)
            if await people.find_organisation(organisation) is None:
                raise Unknown("there is no such organisation")
            when = await _when(store, day, known_at)
            rows = await people.employments_of_organisation(organisation, when, after, limit)
        return _page("employments", rows, "employment", limit)

    @router.get("/cohorts")
    async def cohorts(
        client: reader,
        standard: Text | None = None,
        after: Text | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            rows = await _people(store, client).list_cohorts(standard, after, limit)
        return _page("cohorts", rows, "cohort", limit)

    @router.get("/cohorts/{cohort}")
    async def one_cohort(client: reader, cohort: PathSlug) -> Response:
        async with api.reading() as store:
            row = await _people(store, client).find_cohort(cohort)
        if row is None:
            raise Unknown("there is no such cohort")
        return json_answer(dict(row))

    @router.get("/cohorts/{cohort}/people")
    async def members(
        client: reader,
        cohort: PathSlug,
        as_of: Text | None = None,
        known_at: Text | None = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        day = day_of(as_of)
        async with api.reading() as store:
            people = _people(store, client)
            if await people.find_cohort(cohort) is None:
                raise Unknown("there is no such cohort")
            when = await _when(store, day, known_at)
            rows = await people.memberships_of_cohort(cohort, when, after, limit)
        return _page("memberships", rows, "membership", limit)

    return router


def _of_person(api: Api) -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/people/{person}/employments")
    async def employments(
        client: reader, person: UUID, as_of: Text | None = None, known_at: Text | None = None
    ) -> Response:
        day = day_of(as_of)
        async with api.reading() as store:
            await _require(store, client, person)
            when = await _when(store, day, known_at)
            rows = await _people(store, client).employments_of_person(person, when)
        return json_answer({"person": person, "employments": [record_of(row) for row in rows]})

    @router.get("/people/{person}/cohorts")
    async def memberships(
        client: reader, person: UUID, as_of: Text | None = None, known_at: Text | None = None
    ) -> Response:
        day = day_of(as_of)
        async with api.reading() as store:
            await _require(store, client, person)
            when = await _when(store, day, known_at)
            rows = await _people(store, client).memberships_of_person(person, when)
        return json_answer({"person": person, "memberships": [record_of(row) for row in rows]})

    return router


def _authority(api: Api, zone: ZoneInfo) -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/authorisations")
    async def authorisations(
        client: reader,
        person: UUID | None = None,
        scope: Text | None = None,
        retracted: bool = False,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            rows = await _people(store, client).list_authorisations(
                person, scope, retracted, after, limit
            )
        return _page("authorisations", rows, "authorisation", limit, zone)

    @router.get("/conflicts")
    async def conflicts(
        client: reader,
        person: UUID | None = None,
        retracted: bool = False,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            rows = await _people(store, client).list_conflicts(person, retracted, after, limit)
        return _page("conflicts", rows, "conflict", limit, zone)

    return router


def record_of(row: Row, zone: ZoneInfo | None = None) -> dict[str, Any]:
    """A record as JSON: times of the log as instants; with a zone, whether it was back-dated."""
    found = dict(row)
    if "valid_from" in found:
        found["from"], found["to"] = found.pop("valid_from"), found.pop("valid_to")
    first_ms = found.pop("first_ms", None)
    for name in ("recorded", "retracted"):
        if f"{name}_ms" in found:
            at_ms = found.pop(f"{name}_ms")
            found[name] = None if at_ms is None else format_instant(instant(at_ms))
    if zone is not None and first_ms is not None:
        found["first_recorded"] = format_instant(instant(first_ms))
        found["back_dated"] = is_back_dated(found["from"], first_ms, zone)
    return found


def is_back_dated(valid_from: date | None, recorded_ms: int, zone: ZoneInfo) -> bool:
    """Whether a record speaks of days before the local date on which it was recorded."""
    return valid_from is None or instant(recorded_ms).astimezone(zone).date() > valid_from


def day_of(text: str | None) -> date | None:
    """The day of `as_of`: a date, or the date of an RFC 3339 time where it was written."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise Problem(400, "Bad request", detail="`as_of` is a date or an RFC 3339 time") from None


async def _when(store: Store, day: date | None, known_at: str | None) -> When:
    """Which records are asked for; what may be known is capped as everywhere."""
    if known_at is None:
        return When(None, day)
    try:
        moment = datetime.fromisoformat(known_at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1 < moment.year < 9999:
        raise Problem(
            400, "Bad request", detail="`known_at` is an RFC 3339 time with its offset from UTC"
        )
    return When(min(milliseconds_down(moment), await consistent_ms(store)), day)


def _people(store: Store, client: Client) -> PeopleStore:
    return PeopleStore(store.connection, client.tenant)


async def _require(store: Store, client: Client, person: UUID) -> None:
    if not await store.person_exists(client.tenant, person):
        raise Unknown("there is no such person")


def _page(
    name: str, rows: list[Row], key: str, limit: int, zone: ZoneInfo | None = None
) -> Response:
    return json_answer(
        {
            name: [record_of(row, zone) for row in rows],
            "next": rows[-1][key] if len(rows) == limit else None,
        }
    )
