"""The routes of the xAPI front. They read requests and write answers; `handle` does the rest."""

import logging
from collections.abc import Mapping, Sequence

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assay_ingest.errors import (
    IngestError,
    RequestInvalid,
    StoreNotAvailable,
    TooBusy,
    VersionNotKnown,
    WrongContentType,
    problem_of,
)
from assay_ingest.exchange import Exchange, Handler, Routes, parse_query
from assay_ingest.handle import Ingest
from assay_ingest.metrics import IngestMetrics
from assay_ingest.search import ById, parse_parameters
from assay_ingest.settings import IngestSettings
from assay_ingest.times import iso
from assay_ingest.versions import LATEST, SERVED, negotiate
from assay_runtime.auth import Authenticator
from assay_runtime.postgres import TRANSIENT
from assay_runtime.problem import Problem
from assay_schemas.statement import Version

log = logging.getLogger(__name__)

STATEMENTS_PATH = "/xapi/statements"
ABOUT_PATH = "/xapi/about"
VERSION_HEADER = "X-Experience-API-Version"
CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"
SCOPE_WRITE = "statements/write"
SCOPE_READ = "statements/read"
_JSON = "application/json"
_VERSION_HEADER_LOWER = VERSION_HEADER.lower()


def negotiated(sent: str | None) -> Version:
    """The version whose rules hold for a request. Raises VersionNotKnown."""
    if sent is None:
        raise VersionNotKnown(f"the header {VERSION_HEADER} is missing")
    version = negotiate(sent)
    if version is None:
        raise VersionNotKnown(f"{VERSION_HEADER} must be 1.0.x or 2.0.x")
    return version


class Api:
    """The xAPI front. Every answer carries the version's header."""

    def __init__(
        self,
        *,
        settings: IngestSettings,
        ingest: Ingest,
        authenticator: Authenticator,
        metrics: IngestMetrics,
        resources: Sequence[Routes] = (),
    ) -> None:
        """`resources` are the routes beside the statements."""
        self._settings = settings
        self._ingest = ingest
        self._authenticator = authenticator
        self._metrics = metrics
        self._running = 0
        statements: Routes = {
            STATEMENTS_PATH: {"GET": self._get, "POST": self._post, "PUT": self._put}
        }
        self._routes: dict[str, Mapping[str, Handler]] = {}
        for routes in (statements, *resources):
            self._routes.update(routes)

    def install(self, app: FastAPI) -> ASGIApp:
        """The front as an ASGI application: `app`, with the xAPI resources before it.

        They answer every failure themselves, so they need none of the layers that a framework puts
        around a route; those cost a single statement an eighth of its time.
        """
        app.router.add_route(ABOUT_PATH, self.about, methods=["GET"])

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] in self._routes:
                response = await self.answer(Request(scope, receive, send))
                await response(scope, receive, send)
            else:
                await app(scope, receive, send)

        return front

    async def about(self, _: Request) -> Response:
        return Response(
            msgspec.json.encode({"version": SERVED}),
            media_type=_JSON,
            headers={VERSION_HEADER: LATEST},
        )

    async def answer(self, request: Request) -> Response:
        """The answer to a request for one of the resources, whatever the method."""
        version = LATEST
        path: str = request.scope["path"]
        try:
            if self._running >= self._settings.requests_max:
                raise TooBusy("too many requests are worked on")
            self._running += 1
            try:
                headers = {
                    name.decode("latin-1"): value.decode("latin-1")
                    for name, value in request.scope["headers"]
                }
                client = await self._authenticator.client(headers.get("authorization"))
                version = negotiated(headers.get(_VERSION_HEADER_LOWER))
                method: str = request.scope["method"]
                exchange = Exchange(
                    method=method,
                    path=path,
                    parameters=parse_query(request.scope["query_string"]),
                    headers=headers,
                    client=client,
                    version=version,
                    request=request,
                )
                response = await self._handler(path, method)(exchange)
            finally:
                self._running -= 1
        except Problem as problem:
            response = self._refused(problem)
        except IngestError as error:
            response = self._refused(problem_of(error))
        except TRANSIENT as error:
            unavailable = StoreNotAvailable(f"not available now: {type(error).__name__}")
            response = self._refused(problem_of(unavailable))
        except Exception:
            log.exception("A request failed")
            response = self._refused(Problem(500, "Internal error"))
        response.headers[VERSION_HEADER] = version
        if path == STATEMENTS_PATH:
            response.headers[CONSISTENT_HEADER] = iso(self._ingest.watermark_ms)
        self._metrics.requests.labels(request.method, str(response.status_code)).inc()
        return response

    def _handler(self, path: str, method: str) -> Handler:
        known = self._routes[path]
        handler = known.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = ", ".join([*known, "HEAD"] if "GET" in known else known)
            raise Problem(
                405,
                "Method not allowed",
                detail=f"this resource knows {allowed}",
                headers={"Allow": allowed},
            )
        return handler

    def _refused(self, problem: Problem) -> Response:
        self._metrics.rejected.labels(problem.slug).inc()
        return problem.response()

    async def _post(self, exchange: Exchange) -> Response:
        exchange.client.require(SCOPE_WRITE)
        if exchange.parameters:
            raise RequestInvalid("POST takes no parameters")
        body = await self._statements(exchange)
        ids = await self._ingest.accept(exchange.client, body, version=exchange.version)
        return Response(msgspec.json.encode(ids), media_type=_JSON)

    async def _put(self, exchange: Exchange) -> Response:
        exchange.client.require(SCOPE_WRITE)
        version = exchange.version
        if [name for name, _ in exchange.parameters] != ["statementId"]:
            raise RequestInvalid(
                "PUT takes exactly one parameter, statementId", parameter="statementId"
            )
        wanted = parse_parameters(exchange.parameters, version=version)
        if not isinstance(wanted, ById):
            raise RequestInvalid("PUT needs a statementId", parameter="statementId")
        body = await self._statements(exchange)
        await self._ingest.accept(exchange.client, body, version=version, put_id=wanted.id)
        return Response(status_code=204)

    async def _get(self, exchange: Exchange) -> Response:
        exchange.client.require(SCOPE_READ)
        tenant = exchange.client.tenant
        wanted = parse_parameters(exchange.parameters, version=exchange.version)
        if isinstance(wanted, ById):
            body = await self._ingest.read(tenant, wanted)
        else:
            body = await self._ingest.list(tenant, wanted, STATEMENTS_PATH)
        return Response(body, media_type=_JSON)

    async def _statements(self, exchange: Exchange) -> bytes:
        # The limit comes first: an oversized body is refused whatever it claims to be.
        body = await exchange.body(self._settings.body_bytes_max)
        if exchange.media_type != _JSON:
            raise WrongContentType(f"the body must be {_JSON}")
        if exchange.headers.get("content-encoding", "identity").lower() != "identity":
            raise WrongContentType("the body must not be encoded")
        return body
