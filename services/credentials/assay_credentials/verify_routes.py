"""`POST /verify`: anybody may ask what can be said about a credential, a link to one, or a file
that holds one."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from assay_credentials.callers import VERIFY_COST
from assay_credentials.errors import KeyFileRefused
from assay_credentials.forms import MULTIPART, URLENCODED, media_type_of, read_form
from assay_credentials.given import Given
from assay_credentials.receipts.paper import receipt_json, receipt_pdf
from assay_credentials.receipts.receipt import NotAReceipt, Receipt, issuer_answer, public_jwk
from assay_credentials.verify import Verification
from assay_runtime.logs import fields
from assay_runtime.problem import Problem, not_available
from assay_runtime.serve import read_body, too_large

if TYPE_CHECKING:
    from assay_credentials.api import Api

log = logging.getLogger(__name__)

TEXTS: Final = frozenset(
    {"application/vc", "application/ld+json", "application/json", "application/vc+ld+json"}
    | {"application/credential+json", "application/vc+jwt", "application/jwt", "text/plain"}
)
FILES: Final = frozenset(
    {"image/png", "image/svg+xml", "application/pdf", "application/octet-stream"}
)
RECEIPT_FORM_BYTES_MAX: Final = 2 * 1024 * 1024
"""A credential as large as may be verified, as a form writes it: up to three bytes for one."""

KEYS_CACHE_SECONDS: Final = 3600

Kind = Literal["json", "pdf"]
Lang = Literal["en", "cy"]

_NOT_KEPT: Final = {"Cache-Control": "no-store"}

FORM_FIELDS: Final = ("file", "text")
"""Of a form, the first of these that is not empty is what is to be verified."""


def verify_routes(api: "Api") -> APIRouter:
    router = APIRouter(dependencies=[Depends(api.limited(VERIFY_COST))])

    @router.post("/verify")
    async def verify(request: Request, receipt: Kind | None = None, lang: Lang = "en") -> Response:
        given = await api.verifier.verify_given(await _content(api, request))
        if receipt == "pdf":
            return await _paper(await _signed(api, given), lang)
        answer = verification_answer(given.verification)
        if receipt == "json":
            signed = await _signed(api, given)
            answer["receipt"] = {"receipt": signed.content, "jws": signed.jws}
        return _json(answer)

    @router.post("/verify/receipts")
    async def receipts(request: Request) -> Response:
        """Of a receipt (`receipt`), whether it is ours, and what it says; of a credential (`text`),
        a new one.
        """
        wanted = await _wanted(request)
        if wanted.receipt is not None:
            try:
                found = await api.receipts.read(wanted.receipt)
            except NotAReceipt as error:
                raise Problem(
                    400, "Not a receipt of this service", slug="not-a-receipt", detail=str(error)
                ) from None
        elif wanted.text is not None:
            content = wanted.text.encode()
            if len(content) > api.settings.verify_bytes_max:
                raise too_large(api.settings.verify_bytes_max)
            found = await _signed(api, await api.verifier.verify_given(content))
        else:
            raise Problem(400, "Bad request", detail="`receipt` or `text` must be given")
        if wanted.format == "pdf":
            return await _paper(found, wanted.lang)
        return Response(
            receipt_json(found),
            media_type="application/json",
            headers={**_NOT_KEPT, **_file("json", found)},
        )

    @router.get("/verify/receipts/keys")
    async def keys() -> Response:
        """The keys of receipts as a JSON Web Key Set (RFC 7517), for software of others."""
        found = await api.receipts.keys()
        return Response(
            orjson.dumps({"keys": [public_jwk(did, method) for method, did in found.items()]}),
            media_type="application/jwk-set+json",
            headers={"Cache-Control": f"public, max-age={KEYS_CACHE_SECONDS}"},
        )

    return router


def verification_answer(found: Verification) -> dict[str, Any]:
    """What is told of a verification. Of the issuer, what our list and its registry say: never
    what it says of itself."""
    return {
        "outcome": found.outcome,
        "sentence": found.sentence,
        "checks": [
            {"name": one.name, "result": one.result, "detail": one.detail} for one in found.checks
        ],
        "issuer": issuer_answer(found),
        "valid_from": found.valid_from,
        "valid_until": found.valid_until,
        # Of a transcript: what can be said of each credential in it.
        "credentials": [verification_answer(one) for one in found.credentials],
    }


class _Wanted(BaseModel):
    """The body of `POST /verify/receipts`, a form or JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    receipt: str | None = None
    text: str | None = None
    format: Kind = "json"
    lang: Lang = "en"


async def _wanted(request: Request) -> _Wanted:
    media_type = media_type_of(request)
    values: object
    if media_type in (MULTIPART, URLENCODED):
        form = await read_form(request, RECEIPT_FORM_BYTES_MAX)
        values = {name: value.decode("utf-8", "replace") for name, value in form.items()}
    elif media_type == "application/json":
        try:
            values = orjson.loads(await read_body(request, RECEIPT_FORM_BYTES_MAX))
        except orjson.JSONDecodeError as error:
            raise Problem(400, "Bad request", detail=f"not JSON: {error.msg}") from None
    else:
        raise Problem(415, "Wrong content type", detail="send application/json, or a form")
    try:
        return _Wanted.model_validate(values)
    except ValidationError as error:
        raise Problem(
            400,
            "Bad request",
            detail="a field is missing or wrong",
            errors=[
                {"field": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
                for one in error.errors(include_input=False, include_url=False)
            ],
        ) from None


async def _signed(api: "Api", given: Given) -> Receipt:
    try:
        return await api.receipts.sign(given)
    except (KeyFileRefused, OSError) as error:
        log.error("A receipt cannot be signed", extra=fields(error=type(error).__name__))
        raise not_available("receipts cannot be signed now") from error


async def _paper(receipt: Receipt, lang: str) -> Response:
    # In a thread: setting it takes 10 ms and more.
    return Response(
        await asyncio.to_thread(receipt_pdf, receipt, lang),
        media_type="application/pdf",
        headers={**_NOT_KEPT, **_file("pdf", receipt)},
    )


def _file(ending: str, receipt: Receipt) -> dict[str, str]:
    day = str(receipt.content["checked_at"])[:10]
    name = f"receipt-{day}-{str(receipt.content['id'])[-12:]}.{ending}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _json(content: object) -> Response:
    return Response(
        orjson.dumps(content, option=orjson.OPT_UTC_Z),
        media_type="application/json",
        headers=_NOT_KEPT,
    )


async def _content(api: "Api", request: Request) -> bytes:
    """What is to be verified. The media type says how much it may be, and whether it is a form."""
    media_type = media_type_of(request)
    if media_type == MULTIPART:
        form = await read_form(request, api.settings.upload_bytes_max)
        content = next((form[name] for name in FORM_FIELDS if form.get(name)), None)
        if content is None:
            raise Problem(
                400, "Bad request", detail=f"the form has none of: {', '.join(FORM_FIELDS)}"
            )
        return content
    if media_type in FILES:
        return await read_body(request, api.settings.upload_bytes_max)
    if media_type in TEXTS:
        return await read_body(request, api.settings.verify_bytes_max)
    raise Problem(
        415,
        "Wrong content type",
        detail="send application/vc, application/json, application/vc+jwt, text/plain, a PNG, SVG "
        "or PDF, or a form with one of these as `file`",
    )
