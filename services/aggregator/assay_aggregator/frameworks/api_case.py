"""HTTP: the twelve read routes of CASE 1.1, below /ims/case/v1p1 (scope `competencies/read`).

Every refusal is an `imsx_StatusInfo`, also those of the doors before the routes. Where the
specification asks for a member that a package does not hold (`CFPackageURI`, `CFDocumentURI`), it
is added; all else is as it was imported. A set that has no member is an empty list.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from assay_aggregator.errors import Refused, Unknown
from assay_aggregator.frameworks.case_json import dump, read_json
from assay_aggregator.frameworks.case_query import (
    QueryInvalid,
    only_fields,
    page_links,
    parse_fields,
    selected,
)
from assay_aggregator.frameworks.case_shapes import UUID_TEXT
from assay_aggregator.frameworks.exporting import PAGE_OBJECTS, package_text
from assay_aggregator.frameworks.importing import FRAMEWORKS_MAX
from assay_aggregator.frameworks.store import FrameworkStore
from assay_aggregator.store import Row
from assay_aggregator.web import Api
from assay_runtime.auth import Client
from assay_runtime.problem import Problem

PREFIX: Final = "/ims/case/v1p1"
READ: Final = "competencies/read"
LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 500
# Members of a hierarchy that one answer holds.
CHILDREN_MAX: Final = 1_000

# Where a list of definitions is a tree: the code of a child begins with that of its parent.
_HIERARCHIES: Final = ("CFConcepts", "CFSubjects", "CFItemTypes")
_SINGLES: Final = ("CFRubrics", "CFLicenses", "CFAssociationGroupings")

_CODES: Final[Mapping[int, str]] = {
    400: "invalid_selection_field",
    401: "unauthorised_request",
    403: "forbidden",
    404: "unknownobject",
    429: "server_busy",
    503: "server_busy",
}

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _NotThere(Exception):
    """No object of the kind has the identifier; `code` says whether it is one at all."""

    def __init__(self, identifier: str) -> None:
        is_uuid = UUID_TEXT.fullmatch(identifier.lower()) is not None
        super().__init__("Unknown Object" if is_uuid else "Unknown Object: Invalid UUID")
        self.code = "unknownobject" if is_uuid else "invalid_uuid"


class CaseRoute(APIRoute):
    """A route whose refusals are `imsx_StatusInfo`."""

    def get_route_handler(self) -> _Handler:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                code = _CODES.get(problem.status, "internal_server_error")
                text = problem.detail or problem.title
                return status_info(problem.status, text, code, headers=problem.headers)
            except QueryInvalid as error:
                return status_info(400, str(error), error.code, name=error.parameter)
            except RequestValidationError as error:
                first = error.errors()[0]
                name = str(first["loc"][-1])
                return status_info(
                    400, f"{name}: {first['msg']}", "invalid_selection_field", name=name
                )
            except _NotThere as error:
                return status_info(404, str(error), error.code)
            except Unknown as error:
                return status_info(404, str(error), "unknownobject")
            except Refused as error:
                return status_info(400, str(error), "invalid_selection_field")

        return answered


def status_info(
    status: int,
    text: str,
    code: str,
    *,
    name: str = "sourcedId",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A refusal as CASE 1.1 writes it."""
    return _json(
        {
            "imsx_codeMajor": "failure",
            "imsx_severity": "error",
            "imsx_description": text,
            "imsx_codeMinor": {
                "imsx_codeMinorField": [
                    {"imsx_codeMinorFieldName": name, "imsx_codeMinorFieldValue": code}
                ]
            },
        },
        status=status,
        headers=headers,
    )


def case_routes(api: Api) -> APIRouter:
    """The routes of CASE 1.1."""
    router = APIRouter(prefix=PREFIX, route_class=CaseRoute)
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/CFDocuments")
    async def documents(
        client: reader,
        request: Request,
        limit: Annotated[int, Query(ge=1)] = LIMIT_DEFAULT,
        offset: Annotated[int, Query(ge=0)] = 0,
        sort: str | None = None,
        order: Annotated[str | None, Query(alias="orderBy")] = None,
        where: Annotated[str | None, Query(alias="filter", max_length=4_000)] = None,
        fields: str | None = None,
    ) -> Response:
        wanted = parse_fields(fields)
        async with api.reading() as store:
            rows = await FrameworkStore(store.connection, client.tenant).listed("", FRAMEWORKS_MAX)
        base = _base(api, request)
        found = selected((_document(row, base) for row in rows), where, sort, order)
        limit = min(limit, LIMIT_MAX)
        headers = {"X-Total-Count": str(len(found))}
        query = [(key, value) for key, value in request.query_params.multi_items()]
        if links := page_links(f"{base}/CFDocuments", query, offset, limit, len(found)):
            headers["Link"] = links
        page = [only_fields(one, wanted) for one in found[offset : offset + limit]]
        return _json({"CFDocuments": page}, headers=headers)

    @router.get("/CFDocuments/{identifier}")
    async def document(client: reader, request: Request, identifier: str) -> Response:
        async with api.reading() as store:
            row = await _framework(FrameworkStore(store.connection, client.tenant), identifier)
        return _json(_document(row, _base(api, request)))

    @router.get("/CFPackages/{identifier}")
    async def package(client: reader, identifier: str) -> Response:
        async with api.reading() as store:
            row = await _framework(FrameworkStore(store.connection, client.tenant), identifier)
        return StreamingResponse(
            package_stream(api, client.tenant, row), media_type="application/json"
        )

    @router.get("/CFItems/{identifier}")
    async def item(client: reader, identifier: str) -> Response:
        return _json(_placed(await _found(api, client, "CFItems", identifier)))

    @router.get("/CFAssociations/{identifier}")
    async def association(client: reader, identifier: str) -> Response:
        return _json(_placed(await _found(api, client, "CFAssociations", identifier)))

    @router.get("/CFItemAssociations/{identifier}")
    async def item_associations(client: reader, identifier: str) -> Response:
        async with api.reading() as store:
            frameworks = FrameworkStore(store.connection, client.tenant)
            row = await frameworks.find("CFItems", identifier)
            if row is None:
                raise _NotThere(identifier)
            rows = await frameworks.associations_of(identifier)
        return _json(
            {
                "CFItem": _placed(row),
                "CFAssociations": [read_json(one["body"].encode()) for one in rows],
            }
        )

    for section in _HIERARCHIES:
        _hierarchy(router, api, section)
    for section in _SINGLES:
        _single(router, api, section)

    @router.get("/{rest:path}", include_in_schema=False)
    async def nothing_else(client: reader, rest: str) -> Response:  # noqa: ARG001
        return status_info(404, "CASE 1.1 has no such route", "unknownobject")

    return router


def _single(router: APIRouter, api: Api, section: str) -> None:
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get(f"/{section}/{{identifier}}", name=section)
    async def one(client: reader, identifier: str) -> Response:
        row = await _found(api, client, section, identifier)
        return _json(read_json(row["body"].encode()))


def _hierarchy(router: APIRouter, api: Api, section: str) -> None:
    """A definition and, after it, those below it in the same framework."""
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get(f"/{section}/{{identifier}}", name=section)
    async def one_and_children(client: reader, identifier: str) -> Response:
        async with api.reading() as store:
            frameworks = FrameworkStore(store.connection, client.tenant)
            row = await frameworks.find(section, identifier)
            if row is None:
                raise _NotThere(identifier)
            rows = await frameworks.page(
                row["framework"], row["version"], section, -1, CHILDREN_MAX
            )
        first = read_json(row["body"].encode())
        code = first.get("hierarchyCode")
        others = [read_json(one["body"].encode()) for one in rows]
        below = [one for one in others if _is_below(one.get("hierarchyCode"), code)]
        return _json({section: [first, *below]})


def _is_below(code: Any, parent: Any) -> bool:
    return isinstance(code, str) and isinstance(parent, str) and code.startswith(f"{parent}.")


async def package_stream(api: Api, tenant: str, row: Row) -> AsyncIterator[str]:
    """A package, page by page, each read in a transaction of its own."""

    async def page(section: str, after: int) -> list[Row]:
        async with api.reading() as store:
            return await FrameworkStore(store.connection, tenant).page(
                row["framework"], row["version"], section, after, PAGE_OBJECTS
            )

    async for piece in package_text(row["frame"], page):
        yield piece


async def _framework(store: FrameworkStore, identifier: str) -> Row:
    row = await store.newest(identifier.lower())
    if row is None:
        raise _NotThere(identifier)
    return row


async def _found(api: Api, client: Client, section: str, identifier: str) -> Row:
    async with api.reading() as store:
        row = await FrameworkStore(store.connection, client.tenant).find(section, identifier)
    if row is None:
        raise _NotThere(identifier)
    return row


def _document(row: Row, base: str) -> dict[str, Any]:
    """The document as it stands alone."""
    document: dict[str, Any] = read_json(row["frame"].encode())["CFDocument"]
    if "CFPackageURI" not in document:
        document["CFPackageURI"] = {
            "title": row["title"],
            "identifier": document["identifier"],
            "uri": f"{base}/CFPackages/{document['identifier']}",
        }
    return document


def _placed(row: Row) -> dict[str, Any]:
    """An item or an association as it stands alone: with the link to its document."""
    body: dict[str, Any] = read_json(row["body"].encode())
    if "CFDocumentURI" not in body:
        document = read_json(row["frame"].encode())["CFDocument"]
        body["CFDocumentURI"] = {
            "title": row["title"],
            "identifier": document["identifier"],
            "uri": row["uri"],
        }
    return body


def _base(api: Api, request: Request) -> str:
    """Where these routes are reached from outside."""
    return (api.settings.case_public_url or str(request.base_url)).rstrip("/") + PREFIX


def _json(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        dump(content),
        status_code=status,
        media_type="application/json",
        headers=dict(headers or {}),
    )
