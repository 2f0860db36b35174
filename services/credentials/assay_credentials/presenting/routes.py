"""Asking a wallet for a credential: pages for who asks, and the two addresses for wallets."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import orjson
from fastapi import APIRouter, Depends, Request, Response

from assay_credentials.callers import READ_COST, VERIFY_COST
from assay_credentials.forms import MULTIPART, URLENCODED, media_type_of, read_form
from assay_credentials.pages.language import asked_language, text
from assay_credentials.pages.qr import qr_svg
from assay_credentials.pages.render import HEADERS, language_of, page
from assay_credentials.pages.route import page_route
from assay_credentials.pages.view import check_lines, shown, tone_of
from assay_credentials.presenting.desk import Desk, read_verification
from assay_credentials.presenting.request import (
    REQUEST_OBJECT,
    request_object,
    uri_by_reference,
    uri_by_value,
)
from assay_credentials.presenting.response import AnswerRefused, read_answer
from assay_credentials.presenting.store import Asked
from assay_credentials.verify import Result, Verification
from assay_runtime.problem import Problem, not_found

if TYPE_CHECKING:
    from assay_credentials.api import Api

# As we make them, and what could be one.
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
FORM_FACTOR: Final = 4
"""A form may be that much longer than the presentation in it: each byte may be written as %XX."""

_NO_STORE: Final = {"Cache-Control": "no-store"}


def presenting_routes(api: "Api", desk: Desk) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    router.include_router(_pages(api, desk))
    router.include_router(_for_wallets(api, desk))
    return router


def _pages(api: "Api", desk: Desk) -> APIRouter:
    router = APIRouter(route_class=page_route(api.settings))
    reads, costs = Depends(api.limited(READ_COST)), Depends(api.limited(VERIFY_COST))

    @router.post("/present", dependencies=[costs])
    async def ask(request: Request) -> Response:
        session = await desk.ask()
        chosen = asked_language(request.query_params.get("lang"))
        query = f"?{urlencode({'lang': chosen})}" if chosen is not None else ""
        root = urlsplit(api.settings.public_url).path
        return Response(
            status_code=303,
            headers={**HEADERS, "Location": f"{root}/present/{session}{query}"},
        )

    @router.get("/present/{session}", dependencies=[reads])
    async def asked_page(request: Request, session: str, form: str = "value") -> Response:
        found = await _found(desk, session)
        if found.answer is not None:
            return _answer_page(api, request, found, found.answer)
        by_value = form != "reference"
        uri = (uri_by_value if by_value else uri_by_reference)(
            found.request, api.settings.public_url
        )
        state = _state(api, found)
        label = text(language_of(request), "present.qr")
        return page(
            request,
            api.settings,
            "present.html",
            session=session,
            state=state,
            uri=uri,
            by_value=by_value,
            qr=qr_svg(uri, label) if state == "waiting" else None,
            expires_at=found.request.expires_at,
        )

    @router.get("/present/{session}/state", dependencies=[reads])
    async def state(session: str) -> Response:
        found = await _found(desk, session)
        return _json({"state": _state(api, found)})

    return router


def _for_wallets(api: "Api", desk: Desk) -> APIRouter:
    router = APIRouter()
    reads, costs = Depends(api.limited(READ_COST)), Depends(api.limited(VERIFY_COST))

    @router.get("/oid4vp/request/{name}", dependencies=[reads])
    async def request_by_reference(name: str) -> Response:
        asked = await desk.waiting(name) if _is_secret(name) else None
        if asked is None:
            raise not_found("no request of this name waits for an answer")
        return Response(
            request_object(asked, api.settings.public_url),
            media_type=REQUEST_OBJECT,
            headers=_NO_STORE,
        )

    @router.post("/oid4vp/response", dependencies=[costs])
    async def answered(request: Request) -> Response:
        if media_type_of(request) not in (URLENCODED, MULTIPART):
            raise Problem(415, "Wrong content type", detail=f"send {URLENCODED}")
        fields = await read_form(request, FORM_FACTOR * api.settings.verify_bytes_max)
        try:
            await desk.answer(read_answer(fields))
        except AnswerRefused as error:
            api.verifier.metrics.presentations.labels(result="refused").inc()
            # RFC 6749, section 5.2, which wallets read; the words are ours.
            return _json({"error": "invalid_request", "error_description": str(error)}, 400)
        return _json({})

    return router


def _answer_page(api: "Api", request: Request, found: Asked, answer: bytes) -> Response:
    told = read_verification(answer)
    language = language_of(request)
    # That a credential names the key which signed proves nothing when that was signed for another
    # request: then nothing is said of its holder.
    is_for_us = all(one.result is Result.PASSED for one in told.checks)
    credentials = [one if is_for_us else _without_holder(one) for one in told.credentials]
    return page(
        request,
        api.settings,
        "presentation.html",
        outcome=told.outcome.value,
        tone=tone_of(told.outcome),
        lines=tuple(check_lines(told)),
        holder=told.holder,
        credentials=[
            (shown(one, public_url=api.settings.public_url, language=language), _is_bound(one))
            for one in credentials
        ],
        checked_at=found.answered_at,
        root=urlsplit(api.settings.public_url).path,
    )


def _without_holder(found: Verification) -> Verification:
    return replace(found, checks=tuple(one for one in found.checks if one.name != "holder"))


def _is_bound(found: Verification) -> bool:
    return any(one.name == "holder" and one.result is Result.PASSED for one in found.checks)


async def _found(desk: Desk, session: str) -> Asked:
    found = await desk.of_session(session) if _is_secret(session) else None
    if found is None:
        raise not_found("nothing was asked here, or it is over")
    return found


def _is_secret(name: str) -> bool:
    return _SECRET.fullmatch(name) is not None


def _state(api: "Api", found: Asked) -> str:
    if found.answer is not None:
        return "answered"
    if found.declined is not None:
        return "declined"
    return "waiting" if api.verifier.now() < found.request.expires_at else "ended"


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json", headers=_NO_STORE)
