"""The front of every xAPI resource: who asks, by which version, for what; and how refusals look."""

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version as version_of_package

import msgspec
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assay_ingest.alternate import Sent, is_alternate, undo
from assay_ingest.cors import Cors
from assay_ingest.errors import (
    IngestError,
    RequestInvalid,
    StoreNotAvailable,
    TooBusy,
    VersionNotKnown,
    problem_of,
)
from assay_ingest.exchange import Exchange, Handler, Routes, parse_query
from assay_ingest.metrics import IngestMetrics
from assay_ingest.reading import Reading
from assay_ingest.settings import IngestSettings
from assay_ingest.statements_api import STATEMENTS_PATH
from assay_ingest.times import iso
from assay_ingest.versions import LATEST, SERVED, negotiate
from assay_runtime.auth import Authenticator
from assay_runtime.postgres import TRANSIENT
from assay_runtime.problem import Problem, not_found
from assay_runtime.serve import read_body
from assay_schemas.statement import Version

log = logging.getLogger(__name__)

BASE_PATH = "/xapi/"
ABOUT_PATH = "/xapi/about"
VERSION_HEADER = "X-Experience-API-Version"
CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"
# The key of what About says beside the versions; an extension's key is an IRI (Data 4.1).
PRODUCT_EXTENSION = "urn:assay:product"
_PACKAGE = "assay-records"
_JSON = "application/json"
_VERSION_HEADER_LOWER = VERSION_HEADER.lower()


class Api:
    """The xAPI front. Every answer carries the version's header."""

    def __init__(
        self,
        *,
        settings: IngestSettings,
        reading: Reading,
        authenticator: Authenticator,
        metrics: IngestMetrics,
        resources: Sequence[Routes],
    ) -> None:
        self._settings = settings
        self._reading = reading
        self._authenticator = authenticator
        self._metrics = metrics
        self._cors = Cors(settings.cors_origins, preflight_seconds=settings.cors_preflight_seconds)
        self._running = 0
        self._routes: dict[str, Mapping[str, Handler]] = {}
        for routes in resources:
            self._routes.update(routes)
        # Whoever speaks 1.0.x is told of nothing else: those are all values that 1.0.3 knows
        # (XAPI-00316), and a client library of its time refuses to read any other.
        self._about = {"1.0.3": _about(("1.0.3",)), LATEST: _about(SERVED)}

    def install(self, app: FastAPI) -> ASGIApp:
        """The front as an ASGI application: `app`, with all that is below /xapi/ before it.

        The resources answer every failure themselves, so they need none of the layers that a
        framework puts around a route; those cost a single statement an eighth of its time.
        """

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"].startswith(BASE_PATH):
                response = await self.answer(Request(scope, receive, send))
                await response(scope, receive, send)
            else:
                await app(scope, receive, send)

        return front

    async def answer(self, request: Request) -> Response:
        """The answer to a request below /xapi/, whatever the path and the method."""
        path: str = request.scope["path"]
        method: str = request.scope["method"]
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in request.scope["headers"]
        }
        version = negotiate(headers.get(_VERSION_HEADER_LOWER, "")) or LATEST
        try:
            if self._running >= self._settings.requests_max:
                raise TooBusy("too many requests are worked on")
            self._running += 1
            try:
                if method == "OPTIONS":
                    response = self._options(path, headers)
                else:
                    sent = Sent(method, parse_query(request.scope["query_string"]), headers)
                    if is_alternate(sent):
                        form = await read_body(request, self._settings.form_bytes_max)
                        sent = undo(sent, form)
                        version = negotiate(sent.headers.get(_VERSION_HEADER_LOWER, "")) or LATEST
                    response = await self._respond(request, path, sent)
            finally:
                self._running -= 1
        except Problem as problem:
            response = self._refused(problem)
        except IngestError as error:
            response = self._refused(problem_of(error))
        except ClientDisconnect:
            # Nobody reads the answer; it is counted all the same.
            response = self._refused(Problem(400, "Bad request", detail="the body did not come"))
        except TRANSIENT as error:
            unavailable = StoreNotAvailable(f"not available now: {type(error).__name__}")
            response = self._refused(problem_of(unavailable))
        except Exception:
            log.exception("A request failed")
            response = self._refused(Problem(500, "Internal error"))
        answered = response.headers
        answered[VERSION_HEADER] = version
        if path == STATEMENTS_PATH:
            answered[CONSISTENT_HEADER] = iso(self._reading.watermark_ms)
        if method in ("GET", "HEAD"):
            # A browser would otherwise guess from Last-Modified how long an answer stays good.
            answered.setdefault("Cache-Control", "private, no-cache")
        self._cors.mark(answered, headers)
        self._metrics.requests.labels(method, str(response.status_code)).inc()
        return response

    async def _respond(self, request: Request, path: str, sent: Sent) -> Response:
        if path == ABOUT_PATH:
            return self._answer_about(sent)
        if path not in self._routes:
            raise not_found("there is no such resource")
        client = await self._authenticator.client(sent.headers.get("authorization"))
        version = negotiated(sent.headers.get(_VERSION_HEADER_LOWER))
        if sent.content is not None and version != "1.0.3":
            raise RequestInvalid(
                "the alternate request syntax is of xAPI 1.0.3 only", parameter="method"
            )
        exchange = Exchange(
            method=sent.method,
            path=path,
            parameters=sent.parameters,
            headers=sent.headers,
            client=client,
            version=version,
            request=request,
            content=sent.content,
        )
        return await self._handler(path, sent.method)(exchange)

    def _answer_about(self, sent: Sent) -> Response:
        """Versions and product, for whoever asks: no key and no version is needed (2.8)."""
        if sent.method not in ("GET", "HEAD"):
            raise _not_allowed("GET, HEAD")
        if sent.parameters:
            name = sent.parameters[0][0][:60]
            raise RequestInvalid(f"{name} is not a parameter here", parameter=name)
        version = negotiate(sent.headers.get(_VERSION_HEADER_LOWER, "")) or LATEST
        return Response(self._about[version], media_type=_JSON)

    def _handler(self, path: str, method: str) -> Handler:
        handler = self._routes[path].get("GET" if method == "HEAD" else method)
        if handler is None:
            raise _not_allowed(self._methods(path))
        return handler

    def _methods(self, path: str) -> str:
        """The methods of a resource, as the header Allow has them."""
        known = ("GET",) if path == ABOUT_PATH else tuple(self._routes.get(path, ()))
        if not known:
            raise not_found("there is no such resource")
        return ", ".join([*known, "HEAD"] if "GET" in known else known)

    def _options(self, path: str, headers: Mapping[str, str]) -> Response:
        """What a browser asks before it sends what a page wants: needs neither key nor version."""
        methods = self._methods(path)
        return Response(
            status_code=204,
            headers={"Allow": methods, **self._cors.preflight(headers, methods)},
        )

    def _refused(self, problem: Problem) -> Response:
        self._metrics.rejected.labels(problem.slug).inc()
        return problem.response()


def negotiated(sent: str | None) -> Version:
    """The version whose rules hold for a request. Raises VersionNotKnown."""
    if sent is None:
        raise VersionNotKnown(f"the header {VERSION_HEADER} is missing")
    version = negotiate(sent)
    if version is None:
        raise VersionNotKnown(f"{VERSION_HEADER} must be 1.0.x or 2.0.x")
    return version


def _not_allowed(methods: str) -> Problem:
    return Problem(
        405,
        "Method not allowed",
        detail=f"this resource knows {methods}",
        headers={"Allow": methods},
    )


def _about(versions: Sequence[Version]) -> bytes:
    product = {"name": "Assay", "version": version_of_package(_PACKAGE)}
    return msgspec.json.encode({"version": versions, "extensions": {PRODUCT_EXTENSION: product}})
