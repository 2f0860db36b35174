"""HTTP: frameworks and roles as this product speaks of them.

Reading needs `competencies/read`, importing and stating roles `competencies/admin` and a reason.
"""

import asyncio
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator.admin import Act
from assay_aggregator.api_admin import QueryWhy, Why
from assay_aggregator.errors import Unknown
from assay_aggregator.frameworks.api_case import package_stream
from assay_aggregator.frameworks.case_check import Checked
from assay_aggregator.frameworks.case_json import read_json
from assay_aggregator.frameworks.ctdl import CTDL_ASN_TYPE, ctdl_of
from assay_aggregator.frameworks.exporting import PAGE_OBJECTS, whole_package
from assay_aggregator.frameworks.findings import Findings, NotAFramework, refuse_if
from assay_aggregator.frameworks.importing import check, import_package, state_roles
from assay_aggregator.frameworks.roles import NAME_LENGTH_MAX, StatedRole, Wanted
from assay_aggregator.frameworks.store import FrameworkStore
from assay_aggregator.store import Row
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client
from assay_runtime.problem import Problem
from assay_runtime.serve import read_body

READ: Final = "competencies/read"
ADMIN: Final = "competencies/admin"
PAGE_MAX: Final = 500
REQUIREMENTS_MAX: Final = 1_000

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Text = Annotated[str, Query(max_length=4_000, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RequirementBody(_Body):
    """A competency, by URI or by a code that only one has, and the level of it."""

    competency: Annotated[str, Field(min_length=1, max_length=2_000)]
    level: Annotated[int, Field(ge=0, le=999_999_999)] | None = None


class RoleBody(_Body):
    """A role, whole: what is not in it is asked for no more."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX)]
    requirements: Annotated[list[RequirementBody], Field(max_length=REQUIREMENTS_MAX)]
    reason: Why


def framework_routes(api: Api) -> APIRouter:
    """The routes /frameworks, /roles, /competencies and their changes below /admin."""
    router = APIRouter()
    _frameworks(router, api)
    _roles(router, api)
    _changes(router, api)
    return router


def _frameworks(router: APIRouter, api: Api) -> None:
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/frameworks")
    async def frameworks(client: reader, after: Text = "", limit: Limit = 100) -> Response:
        async with api.reading() as store:
            rows = await FrameworkStore(store.connection, client.tenant).listed(after, limit)
        return json_answer(
            {
                "frameworks": [_framework(row) for row in rows],
                "next": rows[-1]["framework"] if len(rows) == limit else None,
            }
        )

    @router.get("/frameworks/{framework}")
    async def one_framework(client: reader, framework: str) -> Response:
        async with api.reading() as store:
            frameworks = FrameworkStore(store.connection, client.tenant)
            row = await _newest(frameworks, framework)
            objects = await frameworks.sections(row["framework"], row["version"])
        return json_answer(
            {**_framework(row), "objects": objects, "findings": orjson.loads(row["findings"])}
        )

    @router.get("/frameworks/{framework}/package")
    async def package(client: reader, framework: str, form: Text = "case") -> Response:
        """`form` is case or ctdl-asn."""
        if form not in ("case", "ctdl-asn"):
            raise Problem(400, "Bad request", detail="`form` is case or ctdl-asn")
        async with api.reading() as store:
            row = await _newest(FrameworkStore(store.connection, client.tenant), framework)
        stream = package_stream(api, client.tenant, row)
        if form == "case":
            return StreamingResponse(stream, media_type="application/json")

        async def page(section: str, after: int) -> list[Row]:
            async with api.reading() as store:
                return await FrameworkStore(store.connection, client.tenant).page(
                    row["framework"], row["version"], section, after, PAGE_OBJECTS
                )

        document = await whole_package(row["frame"], page)
        exported = await asyncio.to_thread(ctdl_of, document, row["attribution"])
        return Response(orjson.dumps(exported), media_type=CTDL_ASN_TYPE)

    @router.get("/competencies")
    async def competencies(
        client: reader, framework: Text | None = None, after: Text = "", limit: Limit = 100
    ) -> Response:
        async with api.reading() as store:
            rows = await FrameworkStore(store.connection, client.tenant).list_competencies(
                after, framework, limit
            )
        return json_answer(
            {
                "competencies": [dict(row) for row in rows],
                "next": rows[-1]["competency"] if len(rows) == limit else None,
            }
        )


def _roles(router: APIRouter, api: Api) -> None:
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/roles")
    async def roles(client: reader, after: Text = "", limit: Limit = 100) -> Response:
        async with api.reading() as store:
            rows = await FrameworkStore(store.connection, client.tenant).list_roles(after, limit)
        return json_answer(
            {
                "roles": [dict(row) for row in rows],
                "next": rows[-1]["role"] if len(rows) == limit else None,
            }
        )

    @router.get("/roles/{role}")
    async def one_role(client: reader, role: str) -> Response:
        async with api.reading() as store:
            return json_answer(
                await role_as_json(FrameworkStore(store.connection, client.tenant), role)
            )


async def role_as_json(store: FrameworkStore, role: str) -> dict[str, Any]:
    """A role with what it asks for. Raises Unknown."""
    row = (await store.roles([role])).get(role)
    if row is None:
        raise Unknown("there is no such role")
    asked = (await store.requirements_of([role])).get(role, [])
    names = ("competency", "code", "name", "level")
    return {
        **dict(row),
        "requirements": [{name: one[name] for name in names} for one in asked],
    }


def _changes(router: APIRouter, api: Api) -> None:
    admin = Annotated[Client, Depends(api.client(ADMIN))]

    @router.post("/admin/frameworks")
    async def import_framework(
        client: admin,
        request: Request,
        reason: QueryWhy,
        strict: bool = False,
        dry_run: bool = False,
    ) -> Response:
        """The body is a CFPackage."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "Wrong content type", detail="send application/json")
        body = await read_body(request, api.settings.framework_body_limit_bytes)

        def checked() -> Checked:
            return check(read_json(body), strict=strict)

        try:
            # Not in the way of the consumer, which shares this process.
            package = await asyncio.to_thread(checked)
            async with api.writing() as store:
                done = await import_package(
                    store.connection,
                    client.tenant,
                    package,
                    Act(client.name, reason),
                    dry_run=dry_run,
                )
        except NotAFramework as error:
            raise _problem(error) from None
        return json_answer(done.as_json(), status=201 if done.changed and not dry_run else 200)

    @router.put("/admin/roles/{role}")
    async def put_role(client: admin, request: Request, role: str) -> Response:
        body = await api.parsed(request, RoleBody)
        stated = StatedRole(
            role,
            body.name,
            [
                Wanted(one.competency, one.level, f"/requirements/{index}/competency")
                for index, one in enumerate(body.requirements)
            ],
        )
        findings = Findings()
        try:
            async with api.changing(client, body.reason) as records:
                await state_roles(records, [stated], findings)
                refuse_if(findings, strict=False)
                store = FrameworkStore(records.store.connection, client.tenant)
                return json_answer(await role_as_json(store, role))
        except NotAFramework as error:
            raise _problem(error) from None


def _problem(error: NotAFramework) -> Problem:
    return Problem(
        400,
        "Not a framework",
        slug="not-a-framework",
        detail=str(error),
        errors=[{"pointer": one.pointer, "message": one.rule} for one in error.findings],
    )


async def _newest(store: FrameworkStore, framework: str) -> Row:
    row = await store.newest(framework.lower())
    if row is None:
        raise Unknown("there is no such framework")
    return row


def _framework(row: Row) -> dict[str, Any]:
    names = ("framework", "version", "uri", "title", "framework_type", "attribution")
    return {**{name: row[name] for name in names}, "hash": row["hash"].hex()}
