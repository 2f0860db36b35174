"""HTTP: questions about competencies (scope `competencies/read`).

Everything is scoped by the tenant of the authenticated client; lists are paged by key.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response

from assay_aggregator.admin import key_of_agent
from assay_aggregator.answers import Question, answer, consistent_ms
from assay_aggregator.api_admin import admin_routes
from assay_aggregator.copies import instant
from assay_aggregator.dates import format_instant
from assay_aggregator.errors import STATUS, AggregatorError, Unknown
from assay_aggregator.frameworks.api_case import case_routes
from assay_aggregator.frameworks.api_frameworks import framework_routes
from assay_aggregator.inspection.api_audit import audit_routes
from assay_aggregator.inspection.api_inspection import inspection_routes
from assay_aggregator.lifecycle.api_accounts import account_routes
from assay_aggregator.lifecycle.api_rules import rule_routes
from assay_aggregator.organisation.api import organisation_routes
from assay_aggregator.organisation.api_admin import people_admin_routes
from assay_aggregator.people import text_hash
from assay_aggregator.reading.api_reading import reading_routes
from assay_aggregator.reviews.routes import review_routes
from assay_aggregator.rule import RuleError
from assay_aggregator.settings import AggregatorSettings
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Row, Store
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client
from assay_runtime.postgres import Pool
from assay_runtime.problem import Problem, not_found, problem_of

READ: Final = "competencies/read"
PAGE_MAX: Final = 500

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
# The database keeps no U+0000, so no text of ours holds one.
Text = Annotated[str, Query(max_length=4_000, pattern=r"^[^\x00]*$")]


def install(app: FastAPI, *, pool: Pool, shelf: RuleShelf, settings: AggregatorSettings) -> None:
    """Add the routes of the aggregator to `app`, and its errors as problem+json."""

    @app.exception_handler(AggregatorError)
    async def _refused(_: Request, error: AggregatorError) -> Response:
        return problem_of(error, STATUS).response()

    @app.exception_handler(RuleError)
    async def _not_a_rule(_: Request, error: RuleError) -> Response:
        return Problem(
            400,
            "Not a rule",
            slug="not-a-rule",
            detail="the document is no rule that this engine evaluates",
            errors=[{"pointer": one.pointer, "message": one.reason} for one in error.problems],
        ).response()

    api = Api(pool, shelf, settings)
    app.include_router(_people(api))
    app.include_router(_person(api))
    app.include_router(_overview(api))
    app.include_router(admin_routes(api))
    app.include_router(audit_routes(api))
    app.include_router(inspection_routes(api))
    app.include_router(framework_routes(api))
    app.include_router(case_routes(api))
    app.include_router(reading_routes(api))
    app.include_router(organisation_routes(api, settings.local_zone))
    app.include_router(people_admin_routes(api))
    app.include_router(account_routes(api))
    app.include_router(review_routes(api))
    app.include_router(rule_routes(api))


def _people(api: Api) -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/people")
    async def people(
        client: reader,
        agent: str | None = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        if agent is not None:
            key = text_hash(key_of_agent(_agent(agent)))
            async with api.reading() as store:
                rows = await store.links_of_agents([(client.tenant, key)])
            standing = sorted({row["person"] for row in rows if row["retracted_ms"] is None})
            if not standing:
                raise not_found("nobody is known by this agent")
            return json_answer(
                {"people": [{"person": person} for person in standing], "next": None}
            )
        async with api.reading() as store:
            rows = await store.list_people(client.tenant, after, limit)
        return json_answer(
            {
                "people": [{"person": row["person"]} for row in rows],
                "next": rows[-1]["person"] if len(rows) == limit else None,
            }
        )

    @router.get("/people/{person}")
    async def one_person(client: reader, person: UUID) -> Response:
        async with api.reading() as store:
            await _require(store, client, person)
            rows = await store.current_of_person(client.tenant, person)
        return json_answer({"person": person, "competencies": [_current(row) for row in rows]})

    return router


def _person(api: Api) -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/people/{person}/decisions")
    async def decisions(
        client: reader,
        person: UUID,
        competency: Text,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            await _require(store, client, person)
            rows = await store.decisions_of_person(client.tenant, person, competency, after, limit)
        return json_answer(
            {
                "person": person,
                "competency": competency,
                "decisions": [_decided(row) for row in rows],
                "next": rows[-1]["ordinal"] if len(rows) == limit else None,
            }
        )

    @router.get("/people/{person}/competencies")
    async def competencies(
        client: reader,
        person: UUID,
        competency: str | None = None,
        as_of: str | None = None,
        known_at: str | None = None,
    ) -> Response:
        question = Question(
            client.tenant, person, competency, _time("as_of", as_of), _time("known_at", known_at)
        )
        async with api.reading() as store:
            found = await answer(store, api.shelf, question)
            through = format_instant(instant(await consistent_ms(store)))
        return json_answer(found, {"X-Assay-Consistent-Through": through})

    @router.get("/people/{person}/competencies/{competency:path}")
    async def one_competency(
        client: reader,
        person: UUID,
        competency: str,
        as_of: str | None = None,
        known_at: str | None = None,
    ) -> Response:
        return await competencies(client, person, competency, as_of, known_at)

    return router


def _overview(api: Api) -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/decisions")
    async def current(
        client: reader,
        competency: Text | None = None,
        status: Text | None = None,
        after: Text | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            rows = await store.list_current(client.tenant, competency, status, _after(after), limit)
        last = f"{rows[-1]['person']} {rows[-1]['competency']}" if len(rows) == limit else None
        return json_answer(
            {
                "decisions": [{"person": row["person"], **_current(row)} for row in rows],
                "next": last,
            }
        )

    @router.get("/summary")
    async def summary(client: reader) -> Response:
        counts: dict[str, dict[str, int]] = {}
        async with api.reading() as store:
            for row in await store.summary(client.tenant):
                counts.setdefault(row["competency"], {})[row["status"]] = row["people"]
            statements = await store.statement_count(client.tenant)
        return json_answer(
            {
                "statements": statements,
                "competencies": [
                    {"competency": competency, "people": by_status}
                    for competency, by_status in counts.items()
                ],
            }
        )

    @router.get("/reasons")
    async def reasons(client: reader) -> Response:
        async with api.reading() as store:
            rows = await store.reasons(client.tenant)
        return json_answer({"reasons": {row["reason"]: row["statements"] for row in rows}})

    return router


async def _require(store: Store, client: Client, person: UUID) -> None:
    if not await store.person_exists(client.tenant, person):
        raise Unknown("there is no such person")


def _agent(text: str) -> Mapping[str, Any]:
    try:
        agent = orjson.loads(text)
    except orjson.JSONDecodeError:
        agent = None
    if not isinstance(agent, dict):
        raise Problem(400, "Bad request", detail="`agent` is the JSON object of an xAPI agent")
    return agent


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1 < moment.year < 9999:
        raise Problem(
            400, "Bad request", detail=f"`{name}` is an RFC 3339 time with its offset from UTC"
        )
    return moment.astimezone(UTC)


def _after(text: str | None) -> tuple[UUID, str] | None:
    if text is None:
        return None
    person, _, competency = text.partition(" ")
    try:
        return UUID(person), competency
    except ValueError:
        raise Problem(400, "Bad request", detail="`after` is not a `next` of ours") from None


def _current(row: Row) -> dict[str, Any]:
    names = (
        "competency", "decision", "sequence", "status", "level", "achieved_on", "expires_on"
    )  # fmt: skip
    return {name: row[name] for name in names}


def _decided(row: Row) -> dict[str, Any]:
    return {
        "ordinal": row["ordinal"],
        "decision": row["decision"],
        "sequence": row["sequence"],
        "as_of": format_instant(instant(row["as_of_ms"])),
        "known_at": format_instant(instant(row["known_at_ms"])),
        "rule": None
        if row["rule_id"] is None
        else {"id": row["rule_id"], "version": row["rule_version"], "hash": row["rule_hash"]},
        "engine": row["engine_version"],
        "status": row["status"],
        "level": row["level"],
        "achieved_on": row["achieved_on"],
        "expires_on": row["expires_on"],
    }
