"""The pages for people: verify, what was shared, claim. They need no account and no script."""

import logging
import re
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response

from assay_credentials.callers import READ_COST, VERIFY_COST
from assay_credentials.errors import KeyFileRefused
from assay_credentials.forms import MULTIPART, URLENCODED, media_type_of, read_form
from assay_credentials.given import Given
from assay_credentials.holding.offering import read_claim
from assay_credentials.pages.beside import beside
from assay_credentials.pages.language import other, text
from assay_credentials.pages.qr import qr_svg
from assay_credentials.pages.render import NOINDEX, language_of, page, refusal
from assay_credentials.pages.route import page_route
from assay_credentials.pages.static_files import static_files
from assay_credentials.pages.view import shown
from assay_runtime.problem import Problem, not_found

if TYPE_CHECKING:
    from assay_credentials.api import Api

log = logging.getLogger(__name__)

SHARE_CHARACTERS_MAX: Final = 100
# As they are made, and what could be one.
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
MEGABYTE: Final = 1024 * 1024
FOR_EVER: Final = "public, max-age=31536000, immutable"
# A browser that was told of newer files than this process has must not keep ours under that name.
NOT_FOR_EVER: Final = "no-store"

ShareId = Annotated[str | None, Query(max_length=SHARE_CHARACTERS_MAX)]


def pages_routes(api: "Api") -> APIRouter:
    router = APIRouter(route_class=page_route(api.settings), include_in_schema=False)
    reads, verifies = Depends(api.limited(READ_COST)), Depends(api.limited(VERIFY_COST))

    @router.get("/verify", dependencies=[reads])
    async def verify_page(request: Request, share: ShareId = None) -> Response:
        if share is None:
            return _empty(api, request)
        await api.limited(VERIFY_COST)(request)
        link = f"{api.settings.public_url}/verify?{urlencode({'share': share})}"
        return await result_page(api, request, link.encode())

    @router.post("/verify/result", dependencies=[verifies])
    async def result(request: Request) -> Response:
        if media_type_of(request) not in (MULTIPART, URLENCODED):
            raise Problem(415, "Wrong content type", detail="send the form of the page /verify")
        fields = await read_form(request, api.settings.upload_bytes_max)
        content = fields.get("file") or fields.get("text", b"").strip()
        if not content:
            return _empty(api, request, nothing=True)
        return await result_page(api, request, content, posted=True)

    @router.get("/claim/{code}", dependencies=[reads])
    async def claim_page(request: Request, code: str) -> Response:
        is_code = _CODE.fullmatch(code) is not None
        claim = await read_claim(api, code) if is_code else None
        is_open = claim is not None and not claim.claimed
        label = text(language_of(request), "claim.qr")
        return page(
            request,
            api.settings,
            "claim.html",
            status=200 if claim is not None else 404,
            claim=claim,
            qr=qr_svg(claim.offer_uri, label) if claim is not None and is_open else None,
        )

    return router


def static_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{digest}/{name:path}")
    async def static(digest: str, name: str) -> Response:
        files = static_files()
        file = files.files.get(name)
        if file is None:
            raise not_found("there is no such file")
        return Response(
            file.content,
            media_type=file.media_type,
            headers={
                "Cache-Control": FOR_EVER if digest == files.digest else NOT_FOR_EVER,
                "X-Content-Type-Options": "nosniff",
                "Cross-Origin-Resource-Policy": "same-origin",
            },
        )

    return router


async def result_page(
    api: "Api",
    request: Request,
    content: bytes,
    *,
    posted: bool = False,
    share: str | None = None,
) -> Response:
    """What can be said about `content`, as a page.

    Problems: as `Verifier.verify_given` has them.
    """
    given = await api.verifier.verify_given(content)
    language = language_of(request)
    root = urlsplit(api.settings.public_url).path
    stands = await beside(api, given.verification, language)
    return page(
        request,
        api.settings,
        "result.html",
        one=shown(
            given.verification,
            public_url=api.settings.public_url,
            language=language,
            edition=stands.edition,
        ),
        checked_at=given.checked_at,
        # What came in a form is given again to be told in the other language.
        given_text=given.text if posted else None,
        other_result_link=f"{root}/verify/result?{urlencode({'lang': other(language)})}",
        receipt=await _receipt(api, given),
        endorsements=stands.endorsements,
        share=share,
        root=root,
    )


async def share_page(api: "Api", request: Request, share: str) -> Response:
    """What was shared, as a page: how it stands now, what it says, and the files to take away."""
    try:
        await api.limited(VERIFY_COST)(request)
        if not 0 < len(share) <= SHARE_CHARACTERS_MAX:
            raise not_found("there is no such credential")
        link = f"{api.settings.public_url}/share/{quote(share, safe='')}"
        return await result_page(api, request, link.encode(), share=share)
    except Problem as problem:
        return refusal(request, api.settings, problem)


def _empty(api: "Api", request: Request, *, nothing: bool = False) -> Response:
    # Alone of all pages, this one may be found by searching.
    headers = dict.fromkeys(NOINDEX, "all") if not nothing else {}
    return page(
        request,
        api.settings,
        "verify.html",
        status=400 if nothing else 200,
        headers=headers,
        nothing=nothing,
        megabytes=max(1, api.settings.upload_bytes_max // MEGABYTE),
    )


async def _receipt(api: "Api", given: Given) -> str | None:
    try:
        return (await api.receipts.sign(given)).jws
    except (KeyFileRefused, OSError):
        # What was found is worth telling without one.
        log.exception("No receipt can be signed")
        return None
