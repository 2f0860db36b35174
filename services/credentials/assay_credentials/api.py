"""HTTP: verify (anybody), status lists (anybody), credentials (reader key or share id).

Everything that needs a key is scoped by the tenant of the authenticated client; what belongs to
another tenant is answered like what is not there.
"""

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response

from assay_credentials.multibase import decode_ed25519_public_key, encode_ed25519_public_key
from assay_credentials.settings import CredentialsSettings
from assay_credentials.statuses import StatusLists
from assay_credentials.store import SCHEMA, Row, Store
from assay_credentials.verify import Verification
from assay_credentials.verifying import Verifier
from assay_runtime.auth import Authenticator, Client
from assay_runtime.postgres import TRANSIENT, Pool
from assay_runtime.problem import Problem, not_available, not_found
from assay_runtime.serve import read_body
from assay_schemas.topics import is_slug

READ: Final = "credentials/read"
PAGE_MAX: Final = 500
SHARE_CHARACTERS_MAX: Final = 100
_FIRST: Final = UUID(int=0)

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
ShareId = Annotated[str | None, Query(max_length=SHARE_CHARACTERS_MAX)]

VC: Final = "application/vc"
_OFFERED: Final = (VC, "application/ld+json", "application/json")
_VERIFIABLE: Final = frozenset({*_OFFERED, "application/vc+ld+json", "application/credential+json"})


class Api:
    """The routes' common ground."""

    def __init__(
        self, pool: Pool, settings: CredentialsSettings, lists: StatusLists, verifier: Verifier
    ) -> None:
        self._pool = pool
        self.settings = settings
        self.lists = lists
        self.verifier = verifier
        self._authenticator = Authenticator(pool, SCHEMA, settings)

    async def client(self, request: Request) -> Client:
        """The client, who holds the scope to read credentials."""
        with_scope = await self._authenticator.client(request.headers.get("authorization"))
        with_scope.require(READ)
        return with_scope

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        async with self._pool.acquire(timeout=5) as connection:
            yield Store(connection)

    async def reachable(self, request: Request, credential: UUID, share: str | None) -> Row:
        """The credential, for who holds its share id or a reader key of its tenant.

        Problems: 401 and 403 as the key has them, 404 for everything else.
        """
        client = None if share is not None else await self.client(request)
        async with self.store() as store:
            row = await store.find_credential(credential)
        if row is not None:
            if client is not None and client.tenant == row["tenant"]:
                return row
            if share is not None and hmac.compare_digest(share.encode(), row["share_id"].encode()):
                return row
        raise not_found("there is no such credential")


def install(
    app: FastAPI,
    *,
    pool: Pool,
    settings: CredentialsSettings,
    lists: StatusLists,
    verifier: Verifier,
) -> None:
    """Add the routes of the credentials service to `app`."""

    # Whatever a route was doing: the database is away, and the same request may succeed later.
    async def _away(_: Request, __: Exception) -> Response:
        return not_available("the database does not answer").response()

    for error in TRANSIENT:
        if issubclass(error, Exception):
            app.add_exception_handler(error, _away)

    api = Api(pool, settings, lists, verifier)
    app.include_router(_public(api))
    app.include_router(_credentials(api))


def _public(api: Api) -> APIRouter:
    router = APIRouter()

    @router.post("/verify")
    async def verify(request: Request) -> Response:
        if _media_type(request) not in _VERIFIABLE:
            raise Problem(
                415, "Wrong content type", detail="send application/json, or application/vc"
            )
        body = await read_body(request, api.settings.verify_bytes_max)
        return _json(_verification(await api.verifier.verify(body)))

    @router.get("/status/{list_}")
    async def status_list(request: Request, list_: UUID) -> Response:
        document = await api.lists.served(list_)
        if document is None:
            raise not_found("there is no such status list")
        # The same for everybody and every list, whoever asks.
        seconds = api.settings.status_cache_seconds
        return _document(request, document, {"Cache-Control": f"public, max-age={seconds}"})

    @router.get("/issuers/{tenant}")
    async def issuer(tenant: str) -> Response:
        if not is_slug(tenant):
            raise not_found("nobody of this name has issued a credential here")
        async with api.store() as store:
            keys = await store.issuer_keys(tenant)
            named = await store.issuers([tenant])
        if not keys:
            raise not_found("nobody of this name has issued a credential here")
        name, url = named.get(tenant, (tenant, None))
        return _json(
            {
                "tenant": tenant,
                "name": name,
                "url": url,
                # The newest key signs; earlier ones still hold for what they signed.
                "did": keys[-1]["did"],
                "keys": [_key(row) for row in keys],
            }
        )

    @router.get("/share/{share_id}")
    async def shared(request: Request, share_id: str) -> Response:
        if len(share_id) > SHARE_CHARACTERS_MAX or "\0" in share_id:
            raise not_found("there is no such credential")
        async with api.store() as store:
            row = await store.find_shared(share_id)
        if row is None:
            raise not_found("there is no such credential")
        return _document(request, row["document"], _PRIVATE)

    return router


def _credentials(api: Api) -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.client)]

    @router.get("/credentials")
    async def of_person(
        client: reader, person: UUID, after: UUID = _FIRST, limit: Limit = 100
    ) -> Response:
        async with api.store() as store:
            rows = await store.list_credentials(client.tenant, person, after, limit)
        return _json(
            {
                "credentials": [_summary(api, row) for row in rows],
                "next": rows[-1]["credential"] if len(rows) == limit else None,
            },
            _PRIVATE,
        )

    @router.get("/credentials/{credential}")
    async def one(request: Request, credential: UUID, share: ShareId = None) -> Response:
        row = await api.reachable(request, credential, share)
        return _document(request, row["document"], _PRIVATE)

    @router.get("/credentials/{credential}/status")
    async def status(request: Request, credential: UUID, share: ShareId = None) -> Response:
        row = await api.reachable(request, credential, share)
        found = _summary(api, row)
        if share is not None:
            # Whoever was shown a credential is told what became of it, not what stands behind it.
            found = {name: found[name] for name in _SHOWN}
        return _json(found, _PRIVATE)

    return router


_PRIVATE: Final = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}
_SHOWN: Final = ("id", "competency", "status", "valid_from", "valid_until", "issued_at")


def _summary(api: Api, row: Row) -> dict[str, Any]:
    return {
        "id": row["credential"],
        "person": row["person"],
        "competency": row["competency"],
        "status": row["state"],
        "level": row["level"],
        "decision": row["decision"],
        "sequence": row["sequence"],
        "valid_from": row["valid_from"],
        "valid_until": row["valid_until"],
        "issued_at": row["issued_at"],
        "changed_at": row["changed_at"],
        "share_url": f"{api.settings.public_url}/share/{row['share_id']}",
    }


def _key(row: Row) -> dict[str, str]:
    did: str = row["did"]
    public_key = decode_ed25519_public_key(did.removeprefix("did:key:"))
    return {
        "id": row["method"],
        "type": "Multikey",
        "controller": did,
        "publicKeyMultibase": encode_ed25519_public_key(public_key),
    }


def _verification(found: Verification) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "sentence": found.sentence,
        "checks": [
            {"name": one.name, "result": one.result, "detail": one.detail} for one in found.checks
        ],
        "issuer": None if found.issuer is None else {"id": found.issuer, "name": found.issuer_name},
        "valid_from": found.valid_from,
        "valid_until": found.valid_until,
    }


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _document(request: Request, document: bytes, headers: Mapping[str, str]) -> Response:
    """The signed bytes, under the first media type that the client asks for by name."""
    accepted = {
        part.partition(";")[0].strip().lower()
        for part in request.headers.get("accept", "").split(",")
    }
    media_type = next((one for one in _OFFERED if one in accepted), VC)
    return Response(document, media_type=media_type, headers={"Vary": "Accept", **headers})


def _json(content: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z),
        media_type="application/json",
        headers=dict(headers or {}),
    )
