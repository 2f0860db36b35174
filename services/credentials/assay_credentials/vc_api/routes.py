"""The W3C VC-API 1.0 (https://w3c-ccg.github.io/vc-api/): verifying for anybody; issuing and status
only where a conformance suite is to be run, and then by an issuer that nobody trusts.
"""

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response

from assay_credentials.callers import VERIFY_COST
from assay_credentials.canonical import CanonicalisationBudgetExceeded
from assay_credentials.contexts import conformance_contexts
from assay_credentials.errors import DocumentRefused, DocumentUnsupported
from assay_credentials.forms import media_type_of
from assay_credentials.intake import JsonObject, parse_document
from assay_credentials.jsonld import JsonLd
from assay_credentials.vc_api.answers import (
    credential_answer,
    is_verified,
    presentation_answer,
    refused_answer,
)
from assay_credentials.vc_api.test_issuer import LISTS_PATH, IssueOptions, TestIssuer
from assay_credentials.verification.envelope import is_token
from assay_credentials.verify import Given, ResolveStatus, verify_credential, verify_presentation
from assay_credentials.verifying import Means
from assay_runtime.problem import Problem, not_found
from assay_runtime.serve import read_body

if TYPE_CHECKING:
    from assay_credentials.api import Api

_JSON_TYPES: Final = frozenset({"application/json", "application/ld+json"})
_UNREADABLE: Final = (DocumentRefused, DocumentUnsupported, CanonicalisationBudgetExceeded)


def vc_api_routes(api: "Api") -> APIRouter:
    """Verifying, by the product's rules; by those of the suites where these are to be run."""
    router = APIRouter(dependencies=[Depends(api.limited(VERIFY_COST))])
    url = api.settings.vc_api_test_url
    suite = None if url is None else _Suite(api, url)

    @router.post("/credentials/verify")
    async def credential(request: Request) -> Response:
        try:
            body = await _body(api, request)
            given = _given(body, "verifiableCredential")
        except _UNREADABLE as error:
            return _answer(refused_answer(str(error)), 400)
        found = await api.verifier.settle(
            lambda means: verify_credential(
                given,
                **(means._asdict() if suite is None else suite.arguments(means)),
            )
        )
        api.verifier.count(found)
        return _answer(credential_answer(found), 200 if is_verified(found.outcome) else 400)

    @router.post("/presentations/verify")
    async def presentation(request: Request) -> Response:
        try:
            body = await _body(api, request)
            given = _given(body, "verifiablePresentation")
            challenge, domain = (_option(body, name) for name in ("challenge", "domain"))
        except _UNREADABLE as error:
            return _answer(refused_answer(str(error)), 400)
        found = await api.verifier.settle(
            lambda means: verify_presentation(
                given,
                challenge=challenge,
                domain=domain,
                # The data model lets others than the subject present; we say so where it matters.
                bind_holder=suite is None,
                **(means._asdict() if suite is None else suite.arguments(means)),
            )
        )
        for one in found.credentials:
            api.verifier.count(one)
        return _answer(presentation_answer(found), 200 if is_verified(found.outcome) else 400)

    if suite is not None:
        _add_issuing(router, api, suite.issuer)
    return router


class _Suite:
    """What the conformance suites need beyond the product: their vocabularies, inline terms, and
    an issuer that is not the DID that signs.
    """

    def __init__(self, api: "Api", url: str) -> None:
        self.jsonld = JsonLd(conformance_contexts())
        self.issuer = TestIssuer(
            url=url,
            jsonld=self.jsonld,
            now=api.verifier.now,
            random_bytes=secrets.token_bytes,
        )

    def arguments(self, means: Means) -> dict[str, Any]:
        return {
            **means._asdict(),
            "resolve_status": self._resolve(means.resolve_status),
            "jsonld": self.jsonld,
            "issuer_signs": False,
        }

    def _resolve(self, others: ResolveStatus) -> ResolveStatus:
        def resolve(url: str) -> Any:
            return self.issuer.status_list(url) or others(url)

        return resolve


def _add_issuing(router: APIRouter, api: "Api", issuer: TestIssuer) -> None:
    @router.get("/credentials/test-issuer")
    async def test_issuer() -> Response:
        return _answer({"id": issuer.did}, 200)

    @router.post("/credentials/issue")
    async def issue(request: Request) -> Response:
        try:
            body = await _body(api, request)
            if "credential" not in body:
                raise DocumentRefused("form", "credential: missing")
            options = IssueOptions.read(body.get("options"))
            signed = await asyncio.to_thread(issuer.issue, body["credential"], options)
        except _UNREADABLE as error:
            return _answer(refused_answer(str(error)), 400)
        return _answer(signed, 201)

    @router.post("/credentials/status")
    async def status(request: Request) -> Response:
        try:
            body = await _body(api, request)
        except _UNREADABLE as error:
            return _answer(refused_answer(str(error)), 400)
        entry = body.get("credentialStatus")
        purpose = entry.get("statusPurpose") if isinstance(entry, dict) else None
        if not issuer.set_status(
            body.get("credentialId"), purpose, body.get("status") is not False
        ):
            raise not_found("no such credential was issued here with such a status")
        return _answer({}, 200)

    @router.get(LISTS_PATH + "/{purpose}")
    async def status_list(purpose: str) -> Response:
        document = await asyncio.to_thread(issuer.status_list, issuer.list_url(purpose))
        if document is None:
            raise not_found("there is no such status list")
        return _answer(document, 200)


async def _body(api: "Api", request: Request) -> JsonObject:
    if media_type_of(request) not in _JSON_TYPES:
        raise Problem(415, "Wrong content type", detail="send application/json")
    # As strict as for a credential by itself: only in the bytes can a key that stands twice be
    # seen.
    return parse_document(await read_body(request, api.settings.verify_bytes_max))


def _given(body: JsonObject, name: str) -> Given:
    given = body.get(name)
    if isinstance(given, dict) or (isinstance(given, str) and is_token(given)):
        return given
    raise DocumentRefused("form", f"{name}: missing, or neither an object nor a JWT")


def _option(body: JsonObject, name: str) -> str | None:
    options = body.get("options")
    value = options.get(name) if isinstance(options, dict) else None
    if value is not None and not isinstance(value, str):
        raise DocumentRefused("form", f"options.{name}: not a text")
    return value


def _answer(content: object, status: int) -> Response:
    return Response(
        orjson.dumps(content),
        status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
