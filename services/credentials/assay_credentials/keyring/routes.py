"""HTTP: who issues here, and with which keys. For anybody."""

from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi import APIRouter, Depends, Response

from assay_credentials.callers import READ_COST
from assay_credentials.keyring.documents import did_document, multikey
from assay_credentials.keyring.names import MAIN
from assay_credentials.keyring.store import KeyringStore, Row
from assay_runtime.problem import not_found
from assay_schemas.topics import is_slug

if TYPE_CHECKING:
    from assay_credentials.api import Api

DID_JSON: Final = "application/did+json"

_IN_PUBLIC: Final = ("active", "verify_only")
"""A key that was removed, or is another's too, is no key of the issuer any more."""


def issuer_routes(api: "Api") -> APIRouter:
    """The routes `/issuers/…`."""
    router = APIRouter(dependencies=[Depends(api.limited(READ_COST))])
    seconds = api.settings.did_document_seconds
    headers = {"Cache-Control": f"public, max-age={seconds}", "Access-Control-Allow-Origin": "*"}

    async def keys_of(tenant: str, issuer: str) -> list[Row]:
        found: list[Row] = []
        if is_slug(tenant) and is_slug(issuer):
            async with api.store() as store:
                rows = await KeyringStore(store.connection).public_keys(tenant, issuer)
            found = [row for row in rows if row["state"] in _IN_PUBLIC]
        if not found:
            raise not_found("nobody of this name has issued a credential here")
        return found

    async def described(tenant: str, issuer: str) -> Response:
        keys = await keys_of(tenant, issuer)
        # The one that signs comes first; earlier ones still hold for what they signed.
        first = keys[0]
        content: dict[str, Any] = {
            "tenant": tenant,
            "issuer": issuer,
            "name": first["name"] or (tenant if issuer == MAIN else issuer),
            "url": first["url"],
            "did": first["did"],
            "keys": [multikey(row["method"]) for row in keys],
        }
        return Response(orjson.dumps(content), media_type="application/json", headers=headers)

    @router.get("/issuers/{tenant}")
    async def main_issuer(tenant: str) -> Response:
        return await described(tenant, MAIN)

    @router.get("/issuers/{tenant}/{issuer}")
    async def one_issuer(tenant: str, issuer: str) -> Response:
        return await described(tenant, issuer)

    @router.get("/issuers/{tenant}/{issuer}/did.json")
    async def did_json(tenant: str, issuer: str) -> Response:
        dids: dict[str, list[str]] = {}
        for row in await keys_of(tenant, issuer):
            if row["did"].startswith("did:web:"):
                dids.setdefault(row["did"], []).append(row["method"])
        if not dids:
            raise not_found("this issuer has no did:web")
        # Another one is there only when our address was changed: the one that signs is at it now.
        did, methods = next(iter(dids.items()))
        return Response(
            orjson.dumps(did_document(did, methods)), media_type=DID_JSON, headers=headers
        )

    return router
