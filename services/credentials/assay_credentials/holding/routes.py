"""HTTP for holders: share links and offers (a client that acts for the holder), and what wallets
ask (anybody who has the code).
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from assay_credentials.callers import READ_COST, VERIFY_COST
from assay_credentials.forms import URLENCODED, media_type_of, read_form
from assay_credentials.holding.claiming import Claims
from assay_credentials.holding.codes import new_code
from assay_credentials.holding.errors import NO_STORE, ProtocolRefused, token_refused
from assay_credentials.holding.exchanges import Exchanges
from assay_credentials.holding.metadata import (
    authorization_server_metadata,
    credential_issuer_metadata,
)
from assay_credentials.holding.offering import (
    WALLET_OFFERS_MAX,
    find_offer,
    make_offer,
)
from assay_credentials.holding.offers import (
    CONFIGURATIONS,
    PRE_AUTHORIZED_GRANT,
    Format,
    Offer,
    claim_url,
    interaction_url,
    issuer_url,
    offer_object,
    offer_uri_by_reference,
    offer_uri_by_value,
    standing,
)
from assay_credentials.holding.shares import SHARES_MAX
from assay_credentials.holding.store import HoldingStore, Share
from assay_credentials.store import Row
from assay_runtime.auth import Client
from assay_runtime.bodies import json_body
from assay_runtime.problem import Problem, not_found
from assay_runtime.serve import read_body
from assay_schemas.topics import is_slug

if TYPE_CHECKING:
    from assay_credentials.api import Api

OFFER: Final = "credentials/offer"
TOKEN_BYTES_MAX: Final = 4096
REQUEST_BYTES_MAX: Final = 64 * 1024
"""Four proofs of 8 KiB, or a presentation."""

Body = TypeVar("Body", bound=BaseModel)

_PRIVATE: Final = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShareWanted(_Model):
    """A link. `expires_at` must be given: null says "until I take it back"."""

    expires_at: AwareDatetime | None
    label: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class OfferWanted(_Model):
    protocol: Literal["oid4vci", "vcapi"] = "oid4vci"
    seconds: Annotated[float, Field(ge=30)] | None = None
    """How long it may be answered; no longer than the setting has it."""


def holder_routes(api: "Api") -> APIRouter:
    """Share links and offers."""
    router = APIRouter()
    router.include_router(_share_routes(api))
    router.include_router(_offer_routes(api))
    return router


def _share_routes(api: "Api") -> APIRouter:
    router = APIRouter()
    acting = Annotated[Client, Depends(api.holder_of(OFFER))]

    @router.post("/credentials/{credential}/shares")
    async def share(request: Request, client: acting, credential: UUID) -> Response:
        wanted, now = await api.parsed(request, ShareWanted), api.now()
        row = await _own(api, client, credential)
        if wanted.expires_at is not None and wanted.expires_at <= now:
            raise Problem(400, "Bad request", detail="expires_at: lies in the past")
        made = Share(
            uuid4(),
            new_code(secrets.token_bytes),
            "holder",
            wanted.label,
            client.name,
            now,
            wanted.expires_at,
            None,
        )
        async with api.connected() as connection, connection.transaction():
            store = HoldingStore(connection)
            if await store.count_open_shares(row["tenant"], credential, now) >= SHARES_MAX:
                raise Problem(
                    409,
                    "Too many links",
                    slug="too-many-links",
                    detail=f"{SHARES_MAX} links of it are open; take one back",
                )
            await store.insert_share(row["tenant"], credential, made)
        return _json(_link(api, made, now), status=201)

    @router.get("/credentials/{credential}/shares")
    async def shares(client: acting, credential: UUID) -> Response:
        row = await _own(api, client, credential)
        async with api.connected() as connection:
            found = await HoldingStore(connection).list_shares(row["tenant"], credential)
        return _json({"links": [_link(api, one, api.now()) for one in found]})

    @router.delete("/credentials/{credential}/shares/{link}")
    async def unshare(client: acting, credential: UUID, link: UUID) -> Response:
        async with api.connected() as connection:
            store = HoldingStore(connection)
            if not await store.revoke_share(client.tenant, credential, link, api.now()):
                raise not_found("there is no such link")
        return Response(status_code=204)

    return router


def _offer_routes(api: "Api") -> APIRouter:
    router = APIRouter()
    acting = Annotated[Client, Depends(api.holder_of(OFFER))]

    @router.post("/credentials/{credential}/offers")
    async def offer(request: Request, client: acting, credential: UUID) -> Response:
        wanted = await api.parsed(request, OfferWanted)
        row = await _own(api, client, credential)
        made = await make_offer(api, row, wanted.protocol, wanted.seconds, client.name)
        url = api.settings.public_url
        shown = _offer(api, made.offer)
        if wanted.protocol == "vcapi":
            return _json({**shown, "interaction_url": interaction_url(url, made.code)}, status=201)
        found = await find_offer(api, made.code)
        if found is None:
            raise not_found("there is no such credential")
        issuer = issuer_url(url, found[1].tenant, found[1].issuer)
        return _json(
            {
                **shown,
                "claim_url": claim_url(url, made.code),
                "offer_uri": offer_uri_by_reference(url, made.code),
                "offer_uri_by_value": offer_uri_by_value(issuer, made.code),
                # For the holder, by another way than the offer; never on a page.
                "transaction_code": made.transaction_code,
            },
            status=201,
        )

    @router.get("/credentials/{credential}/offers")
    async def offers(client: acting, credential: UUID) -> Response:
        row = await _own(api, client, credential)
        async with api.connected() as connection:
            found = await HoldingStore(connection).list_offers(
                row["tenant"], credential, WALLET_OFFERS_MAX
            )
        return _json({"offers": [_offer(api, one) for one in found]})

    @router.delete("/credentials/{credential}/offers/{offer}")
    async def withdraw(client: acting, credential: UUID, offer: UUID) -> Response:
        async with api.connected() as connection:
            store = HoldingStore(connection)
            if not await store.withdraw_offer(client.tenant, credential, offer, api.now()):
                raise not_found("there is no such offer")
        return Response(status_code=204)

    return router


async def _own(api: "Api", client: Client, credential: UUID) -> Row:
    async with api.store() as store:
        row = await store.find_credential(credential)
    if row is None or row["tenant"] != client.tenant:
        raise not_found("there is no such credential")
    return row


def _link(api: "Api", share: Share, now: datetime) -> dict[str, Any]:
    is_over = share.expires_at is not None and share.expires_at <= now
    return {
        "link": share.link,
        "share_url": f"{api.settings.public_url}/share/{share.share_id}",
        "purpose": share.purpose,
        "label": share.label,
        "made_by": share.made_by,
        "made_at": share.made_at,
        "expires_at": share.expires_at,
        "revoked_at": share.revoked_at,
        "open": share.revoked_at is None and not is_over,
    }


def _offer(api: "Api", offer: Offer) -> dict[str, Any]:
    return {
        "offer": offer.id,
        "credential": offer.credential,
        "protocol": offer.protocol,
        "status": standing(offer, api.now(), api.settings.offer_wrong_codes_max),
        "made_by": offer.made_by,
        "made_at": offer.made_at,
        "expires_at": offer.expires_at,
        "claimed_at": offer.claimed_at,
        "wallet_event": offer.wallet_event,
        "wallet_event_at": offer.wallet_event_at,
    }


class ProofsGiven(BaseModel):
    """Proofs of keys, by type; others than `jwt` are not taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    jwt: Annotated[list[str], Field(min_length=1)]


class CredentialWanted(BaseModel):
    """The Credential Request (OpenID4VCI 1.0, section 8.2). Members that are not ours are for
    extensions, and are left alone.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    credential_configuration_id: str
    proofs: ProofsGiven
    credential_response_encryption: Any = None


class NotificationGiven(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    notification_id: str
    event: Literal["credential_accepted", "credential_failure", "credential_deleted"]
    event_description: Annotated[str, Field(max_length=1000)] | None = None


def wallet_routes(api: "Api") -> APIRouter:
    """OpenID4VCI 1.0 by the pre-authorised code flow, and VC-API exchanges."""
    router = APIRouter()
    claims = Claims(api)
    router.include_router(_metadata_routes(api))
    router.include_router(_claim_routes(api, claims))
    router.include_router(_exchange_routes(api, Exchanges(api, claims)))
    return router


def _metadata_routes(api: "Api") -> APIRouter:
    router = APIRouter(dependencies=[Depends(api.limited(READ_COST))])

    @router.get("/.well-known/openid-credential-issuer/{path:path}")
    async def issuer_metadata(path: str) -> Response:
        tenant, issuer, name = await _issuer(api, path)
        url = api.settings.public_url
        return _json(credential_issuer_metadata(url, tenant, issuer, name), _PUBLIC)

    @router.get("/.well-known/oauth-authorization-server/{path:path}")
    async def server_metadata(path: str) -> Response:
        tenant, issuer, _ = await _issuer(api, path)
        url = api.settings.public_url
        return _json(authorization_server_metadata(url, tenant, issuer), _PUBLIC)

    @router.get("/oid4vci/offers/{code}")
    async def offer(code: str) -> Response:
        found = await find_offer(api, code)
        if found is not None and found[0].protocol == "oid4vci":
            wrong_max = api.settings.offer_wrong_codes_max
            if standing(found[0], api.now(), wrong_max) == "open":
                issuer = issuer_url(api.settings.public_url, found[1].tenant, found[1].issuer)
                return _json(offer_object(issuer, code), _PRIVATE)
        raise not_found("there is no such offer, or it is over")

    return router


def _claim_routes(api: "Api", claims: Claims) -> APIRouter:
    router = APIRouter()
    reads, signs = Depends(api.limited(READ_COST)), Depends(api.limited(VERIFY_COST))

    @router.post("/oid4vci/token", dependencies=[signs])
    async def token(request: Request) -> Response:
        if media_type_of(request) != URLENCODED:
            raise ProtocolRefused("invalid_request", f"send {URLENCODED}")
        fields = await read_form(request, TOKEN_BYTES_MAX)
        if fields.get("grant_type") != PRE_AUTHORIZED_GRANT.encode():
            raise ProtocolRefused("unsupported_grant_type", f"there is {PRE_AUTHORIZED_GRANT}")
        code, transaction_code = (
            _field(fields, name) for name in ("pre-authorized_code", "tx_code")
        )
        if code is None:
            raise ProtocolRefused("invalid_request", "pre-authorized_code: missing")
        made = await claims.redeem(code, transaction_code)
        return _json(
            {"access_token": made.text, "token_type": "Bearer", "expires_in": made.expires_in},
            NO_STORE,
        )

    @router.post("/oid4vci/nonce", dependencies=[reads])
    async def nonce() -> Response:
        return _json({"c_nonce": await claims.nonce()}, NO_STORE)

    @router.post("/oid4vci/credential", dependencies=[signs])
    async def credential(request: Request) -> Response:
        bearer = _bearer(request)
        wanted = await _wallet_body(request, CredentialWanted, "invalid_credential_request")
        if wanted.credential_response_encryption is not None:
            raise ProtocolRefused(
                "invalid_encryption_parameters", "answers are encrypted by TLS alone"
            )
        identifier = wanted.credential_configuration_id
        claimed = await claims.claim(bearer, identifier, wanted.proofs.jwt)
        format_ = CONFIGURATIONS[identifier]
        return _json(
            {
                "credentials": [{"credential": _given(one, format_)} for one in claimed.documents],
                "notification_id": str(claimed.offer.id),
            },
            NO_STORE,
        )

    @router.post("/oid4vci/notification", dependencies=[reads])
    async def notification(request: Request) -> Response:
        bearer = _bearer(request)
        given = await _wallet_body(request, NotificationGiven, "invalid_notification_request")
        await claims.note(bearer, given.notification_id, given.event)
        return Response(status_code=204)

    return router


def _exchange_routes(api: "Api", exchanges: Exchanges) -> APIRouter:
    router = APIRouter()
    reads, signs = Depends(api.limited(READ_COST)), Depends(api.limited(VERIFY_COST))

    @router.get("/interactions/{code}", dependencies=[reads])
    async def interaction(code: str) -> Response:
        return _json(await exchanges.protocols(code), _PRIVATE)

    @router.get("/exchanges/{code}/protocols", dependencies=[reads])
    async def protocols(code: str) -> Response:
        return _json(await exchanges.protocols(code), _PRIVATE)

    @router.post("/exchanges/{code}", dependencies=[signs])
    async def exchange(request: Request, code: str) -> Response:
        # Not a body of ours: an empty one begins the exchange.
        message = await json_body(request, REQUEST_BYTES_MAX)
        if not isinstance(message, dict):
            raise Problem(400, "Bad request", detail="not a JSON object")
        return _json(await exchanges.take_part(code, message), _PRIVATE)

    return router


_PUBLIC: Final = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


async def _issuer(api: "Api", path: str) -> tuple[str, str, str]:
    """Tenant, issuer and name of an identifier's path, as it stands after `/.well-known/...`
    (RFC 8615, as RFC 8414, section 3.1, has it).
    """
    before = urlsplit(api.settings.public_url).path
    parts = f"/{path}".removeprefix(before).split("/")
    if f"/{path}".startswith(before) and len(parts) == 4 and parts[:2] == ["", "issuers"]:
        tenant, issuer = parts[2:]
        if is_slug(tenant) and is_slug(issuer):
            async with api.connected() as connection:
                name = await HoldingStore(connection).issuer_name(tenant, issuer)
            if name is not None:
                return tenant, issuer, name
    raise not_found("nobody of this name has issued a credential here")


def _field(fields: dict[str, bytes], name: str) -> str | None:
    value = fields.get(name)
    # What is not text fits no code.
    return None if value is None else value.decode(errors="replace")


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise token_refused()
    return token.strip()


async def _wallet_body(request: Request, model: type[Body], error: str) -> Body:
    """The JSON body as a model. Raises ProtocolRefused with `error`."""
    try:
        return model.model_validate_json(await read_body(request, REQUEST_BYTES_MAX))
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if place.startswith("proofs"):
            error = "invalid_proof"
        raise ProtocolRefused(
            error, f"{place}: {first['msg']}" if place else first["msg"]
        ) from None


def _given(document: bytes, format_: Format) -> object:
    return orjson.loads(document) if format_ == "ldp_vc" else document.decode()


def _json(content: object, headers: Mapping[str, str] = _PRIVATE, *, status: int = 200) -> Response:
    return Response(
        orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z),
        status_code=status,
        media_type="application/json",
        headers=dict(headers),
    )
