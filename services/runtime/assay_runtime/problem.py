"""Refusals over HTTP: `application/problem+json` (RFC 9457) with a stable `type`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from assay_runtime.refusals import STATUS, Refusal

TYPE_PREFIX = "urn:assay:problem:"

_SLUGS = {
    400: "bad-request",
    401: "not-authenticated",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    413: "too-large",
    415: "wrong-content-type",
    429: "too-many-requests",
    431: "head-too-large",
    500: "internal-error",
    503: "not-available",
}


class Problem(Exception):
    """A refusal. `slug` names its kind for ever; `detail` is one sentence for a person."""

    def __init__(
        self,
        status: int,
        title: str,
        *,
        slug: str | None = None,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.slug = slug or _SLUGS.get(status, "problem")
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors
        self.members = members

    def response(self) -> Response:
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
        }
        if self.detail is not None:
            body["detail"] = self.detail
        if self.errors is not None:
            body["errors"] = list(self.errors)
        body.update(self.members)
        return Response(
            orjson.dumps(body, default=str),
            status_code=self.status,
            media_type="application/problem+json",
            headers=self.headers,
        )


def not_authenticated(detail: str, *, is_token: bool = False) -> Problem:
    """`is_token` says that a bearer token was sent and is not good (RFC 6750, 3.1)."""
    challenge = (
        'Bearer realm="Assay", error="invalid_token"'
        if is_token
        else 'Basic realm="Assay", charset="UTF-8"'
    )
    return Problem(401, "Not authenticated", detail=detail, headers={"WWW-Authenticate": challenge})


def not_allowed(scope: str) -> Problem:
    return Problem(403, "Not allowed", detail=f"this needs the scope {scope}", scope=scope)


def not_found(detail: str) -> Problem:
    return Problem(404, "Not found", detail=detail)


def not_available(detail: str, *, retry_seconds: int = 2, **members: Any) -> Problem:
    return Problem(
        503,
        "Not available now",
        detail=detail,
        headers={"Retry-After": str(retry_seconds)},
        **members,
    )


def too_many_requests(detail: str, *, slug: str, retry_seconds: float) -> Problem:
    """A limit of the client is reached; `retry_seconds` are rounded up, to 1 at the least."""
    return Problem(
        429,
        "Too many requests",
        slug=slug,
        detail=detail,
        headers={"Retry-After": str(max(1, math.ceil(retry_seconds)))},
    )


_TITLES_OF_REFUSALS: Final = {
    400: "Bad request",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
}


def problem_of(refusal: Refusal, status: Mapping[type[Refusal], int] = STATUS) -> Problem:
    """The refusal as problem+json."""
    found = status.get(type(refusal), 500)
    return Problem(found, _TITLES_OF_REFUSALS.get(found, "Internal error"), detail=str(refusal))


def install(app: FastAPI) -> None:
    """Answer every refusal of `app`, the framework's own included, as problem+json."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        return Problem(
            error.status_code,
            str(error.detail),
            headers=error.headers,
        ).response()

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> Response:
        return Problem(
            400,
            "Bad request",
            detail="a parameter is missing or wrong",
            errors=[
                {"parameter": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
                for one in error.errors()
            ],
        ).response()


def default_slugs() -> tuple[str, ...]:
    """The slugs of refusals that name no kind of their own."""
    return tuple(_SLUGS.values())
