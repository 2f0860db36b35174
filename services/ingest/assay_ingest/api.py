"""The routes of the xAPI front. They read requests and write answers; `handle` does the rest."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

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
from assay_ingest.handle import Ingest
from assay_ingest.metrics import IngestMetrics
from assay_ingest.search import ById, parse_parameters
from assay_ingest.settings import IngestSettings
from assay_ingest.times import iso
from assay_ingest.versions import LATEST, SERVED, negotiate
from assay_runtime.auth import Authenticator, Client
from assay_runtime.postgres import TRANSIENT
from assay_runtime.problem import Problem
from assay_runtime.serve import read_body
from assay_schemas.statement import Version

log = logging.getLogger(__name__)

STATEMENTS_PATH = "/xapi/statements"
ABOUT_PATH = "/xapi/about"
VERSION_HEADER = "X-Experience-API-Version"
CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"
SCOPE_WRITE = "statements/write"
SCOPE_READ = "statements/read"
_JSON = "application/json"


def negotiated(sent: str | None) -> Version:
    """The version whose rules hold for a request. Raises VersionNotKnown."""
    if sent is None:
        raise VersionNotKnown(f"the header {VERSION_HEADER} is missing")
    version = negotiate(sent)
    if version is None:
        raise VersionNotKnown(f"{VERSION_HEADER} must be 1.0.x or 2.0.x")
    return version


class Api:
    """Answers requests; every answer of the statements resource carries both headers of xAPI."""

    def __init__(
        self,
        *,
        settings: IngestSettings,
        ingest: Ingest,
        authenticator: Authenticator,
        metrics: IngestMetrics,
    ) -> None:
        self._settings = settings
        self._ingest = ingest
        self._authenticator = authenticator
        self._metrics = metrics
        self._running = 0
        self._verbs: dict[str, Callable[[Request, Client, Version], Awaitable[Response]]] = {
            "GET": self._get,
            "HEAD": self._get,
            "POST": self._post,
            "PUT": self._put,
        }

    def install(self, app: FastAPI) -> ASGIApp:
        """The front as an ASGI application: `app`, with the statements resource before it.

        The statements resource answers every failure itself, so it needs none of the layers that
        a framework puts around a route; they cost it an eighth of its time.
        """
        app.router.add_route(ABOUT_PATH, self.about, methods=["GET"])

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == STATEMENTS_PATH:
                response = await self.statements(Request(scope, receive, send))
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

    async def statements(self, request: Request) -> Response:
        """The statements resource, whatever the method."""
        version = LATEST
        try:
            if self._running >= self._settings.requests_max:
                raise TooBusy("too many requests are worked on")
            self._running += 1
            try:
                client = await self._authenticator.client(request.headers.get("authorization"))
                version = negotiated(request.headers.get(VERSION_HEADER))
                answer = self._verbs.get(request.method)
                if answer is None:
                    raise Problem(
                        405,
                        "Method not allowed",
                        detail="the statements resource knows GET, HEAD, POST and PUT",
                        headers={"Allow": "GET, HEAD, POST, PUT"},
                    )
                response = await answer(request, client, version)
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
        response.headers[CONSISTENT_HEADER] = iso(self._ingest.watermark_ms)
        self._metrics.requests.labels(request.method, str(response.status_code)).inc()
        return response

    def _refused(self, problem: Problem) -> Response:
        self._metrics.rejected.labels(problem.slug).inc()
        return problem.response()

    async def _post(self, request: Request, client: Client, version: Version) -> Response:
        client.require(SCOPE_WRITE)
        if request.scope["query_string"]:
            raise RequestInvalid("POST takes no parameters")
        body = await self._body(request)
        ids = await self._ingest.accept(client, body, version=version)
        return Response(msgspec.json.encode(ids), media_type=_JSON)

    async def _put(self, request: Request, client: Client, version: Version) -> Response:
        client.require(SCOPE_WRITE)
        parameters = self._parameters(request)
        if [name for name, _ in parameters] != ["statementId"]:
            raise RequestInvalid(
                "PUT takes exactly one parameter, statementId", parameter="statementId"
            )
        wanted = parse_parameters(parameters, version=version)
        if not isinstance(wanted, ById):
            raise RequestInvalid("PUT needs a statementId", parameter="statementId")
        body = await self._body(request)
        await self._ingest.accept(client, body, version=version, put_id=wanted.id)
        return Response(status_code=204)

    async def _get(self, request: Request, client: Client, version: Version) -> Response:
        client.require(SCOPE_READ)
        wanted = parse_parameters(self._parameters(request), version=version)
        if isinstance(wanted, ById):
            body = await self._ingest.read(client.tenant, wanted)
        else:
            body = await self._ingest.list(client.tenant, wanted, STATEMENTS_PATH)
        return Response(body, media_type=_JSON)

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        # The limit comes first: an oversized body is refused whatever it claims to be.
        body = await read_body(request, self._settings.body_bytes_max)
        if kind != _JSON:
            raise WrongContentType(f"the body must be {_JSON}")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise WrongContentType("the body must not be encoded")
        return body

    @staticmethod
    def _parameters(request: Request) -> list[tuple[str, str]]:
        """The query as sent, decoded strictly."""
        try:
            query = request.scope["query_string"].decode("ascii")
            return parse_qsl(
                query,
                keep_blank_values=True,
                strict_parsing=bool(query),
                errors="strict",
                max_num_fields=50,
            )
        except ValueError:
            raise RequestInvalid("the query is not readable") from None
