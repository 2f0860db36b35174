"""HTTP: verify (anybody), status lists (anybody), credentials (reader key or share id).

Everything that needs a key is scoped by the tenant of the authenticated client; what belongs to
another tenant is answered like what is not there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response

from assay_credentials.awarding.reasons import told
from assay_credentials.awarding.routes import award_routes
from assay_credentials.callers import READ_COST, Callers
from assay_credentials.downloads.routes import download_routes
from assay_credentials.holding.routes import holder_routes, wallet_routes
from assay_credentials.holding.shares import shared
from assay_credentials.issuers import Issuers
from assay_credentials.keyring.routes import issuer_routes
from assay_credentials.pages.receipt_page import receipt_page_routes
from assay_credentials.pages.render import prefers_html
from assay_credentials.pages.routes import pages_routes, share_page, static_routes
from assay_credentials.presenting.desk import Desk
from assay_credentials.presenting.routes import presenting_routes
from assay_credentials.receipts.signing import Receipts
from assay_credentials.records import ACCOUNTS, SIGNING, Act, Records, recorded_ms
from assay_credentials.settings import CredentialsSettings
from assay_credentials.statuses import StatusLists
from assay_credentials.store import SCHEMA, Row, Store
from assay_credentials.templates.routes import template_routes
from assay_credentials.vc_api.routes import vc_api_routes
from assay_credentials.verify_routes import verify_routes
from assay_credentials.verifying import Verifier
from assay_runtime.account_routes import account_routes
from assay_runtime.auth import Authenticator, Client
from assay_runtime.bodies import Model, parsed_body
from assay_runtime.postgres import TRANSIENT, Connection, Pool
from assay_runtime.problem import not_available, not_found, problem_of
from assay_runtime.refusals import Refusal, SignatureRefused
from assay_runtime.signing import Lockout

READ: Final = "credentials/read"
PAGE_MAX: Final = 500
SHARE_CHARACTERS_MAX: Final = 100
_FIRST: Final = UUID(int=0)

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
ShareId = Annotated[str | None, Query(max_length=SHARE_CHARACTERS_MAX)]

VC: Final = "application/vc"
_OFFERED: Final = (VC, "application/ld+json", "application/json")


class Api:
    """The routes' common ground."""

    def __init__(
        self,
        pool: Pool,
        settings: CredentialsSettings,
        lists: StatusLists,
        verifier: Verifier,
        callers: Callers,
        receipts: Receipts,
        issuers: Issuers,
        now: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self.issuers = issuers
        self.now = now
        self.settings = settings
        self.lists = lists
        self.verifier = verifier
        self.receipts = receipts
        self._callers = callers
        self._authenticator = Authenticator(pool, SCHEMA, settings)

    async def client(self, request: Request) -> Client:
        """The client, who holds the scope to read credentials."""
        with_scope = await self._authenticator.client(request.headers.get("authorization"))
        with_scope.require(READ)
        return with_scope

    def holder_of(self, scope: str) -> Callable[[Request], Awaitable[Client]]:
        """A dependency: the client, who holds the scope."""

        async def authenticated(request: Request) -> Client:
            client = await self._authenticator.client(request.headers.get("authorization"))
            client.require(scope)
            return client

        return authenticated

    def limited(self, cost: float) -> Callable[[Request], Awaitable[None]]:
        """A dependency of routes that need no key: 429 when one address asks too fast."""

        async def limited(request: Request) -> None:
            peer = None if request.client is None else request.client.host
            self._callers.take(peer, request.headers.getlist("x-forwarded-for"), cost)

        return limited

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        async with self._pool.acquire(timeout=5) as connection:
            yield Store(connection)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A connection, to read."""
        async with self._pool.acquire(timeout=5) as connection:
            yield connection

    async def parsed(self, request: Request, model: type[Model]) -> Model:
        """The JSON body as a model. Problems: 400 with each member and its rule, 413, 415."""
        return await parsed_body(request, model, self.settings.records_bytes_max)

    @asynccontextmanager
    async def changing(self, client: Client, reason: str | None = None) -> AsyncIterator[Records]:
        """The client's records, in one transaction; the audit trail gets client and reason."""
        try:
            async with (
                self._pool.acquire(timeout=5) as connection,
                connection.transaction(),
            ):
                yield await Records.begin(connection, client.tenant, Act(client.name, reason))
        except SignatureRefused as refused:
            # Of its own: the failure stays counted when the change is given up.
            async with (
                self._pool.acquire(timeout=5) as connection,
                connection.transaction(),
            ):
                await SIGNING.count_refusal(
                    connection,
                    refused,
                    actor=client.name,
                    recorded_ms=await recorded_ms(connection),
                    lockout=Lockout(
                        self.settings.signature_failures_max,
                        self.settings.signature_lock_seconds,
                    ),
                )
            raise

    async def reachable(self, request: Request, credential: UUID, share: str | None) -> Row:
        """The credential, for who holds its share id or a reader key of its tenant.

        Problems: 401 and 403 as the key has them, 404 for everything else.
        """
        client = None if share is not None else await self.client(request)
        async with self.store() as store:
            if share is not None:
                row = await shared(store, share)
                is_reached = row is not None and row["credential"] == credential
            else:
                row = await store.find_credential(credential)
                tenant = None if client is None else client.tenant
                is_reached = row is not None and row["tenant"] == tenant
        if row is None or not is_reached:
            raise not_found("there is no such credential")
        return row


def install(
    app: FastAPI,
    *,
    pool: Pool,
    settings: CredentialsSettings,
    lists: StatusLists,
    verifier: Verifier,
    callers: Callers,
    receipts: Receipts,
    issuers: Issuers,
    now: Callable[[], datetime],
) -> None:
    """Add the routes of the credentials service to `app`."""

    # Whatever a route was doing: the database is away, and the same request may succeed later.
    async def _away(_: Request, __: Exception) -> Response:
        return not_available("the database does not answer").response()

    for error in TRANSIENT:
        if issubclass(error, Exception):
            app.add_exception_handler(error, _away)

    @app.exception_handler(Refusal)
    async def _refused(_: Request, refusal: Refusal) -> Response:
        return problem_of(refusal).response()

    api = Api(pool, settings, lists, verifier, callers, receipts, issuers, now)
    app.include_router(_public(api))
    app.include_router(issuer_routes(api))
    app.include_router(verify_routes(api))
    app.include_router(vc_api_routes(api))
    app.include_router(pages_routes(api))
    app.include_router(receipt_page_routes(api))
    app.include_router(static_routes())
    app.include_router(presenting_routes(api, Desk(api)))
    app.include_router(_credentials(api))
    app.include_router(template_routes(api))
    app.include_router(download_routes(api))
    app.include_router(award_routes(api))
    app.include_router(holder_routes(api))
    app.include_router(wallet_routes(api))
    app.include_router(
        account_routes(
            api, ACCOUNTS, own_scope=READ, characters_min=settings.password_characters_min
        )
    )


def _public(api: Api) -> APIRouter:
    router = APIRouter(dependencies=[Depends(api.limited(READ_COST))])

    @router.get("/status/{list_}")
    async def status_list(request: Request, list_: UUID) -> Response:
        document = await api.lists.served(list_)
        if document is None:
            raise not_found("there is no such status list")
        # The same for everybody and every list, whoever asks.
        seconds = api.settings.status_cache_seconds
        return _document(request, document, {"Cache-Control": f"public, max-age={seconds}"})

    @router.get("/share/{share_id}")
    async def by_link(request: Request, share_id: str) -> Response:
        if prefers_html(request):
            return await share_page(api, request, share_id)
        async with api.store() as store:
            row = await shared(store, share_id)
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
                "credentials": [_summary(row) for row in rows],
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
        found = _summary(row)
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


def _summary(row: Row) -> dict[str, Any]:
    return {
        "id": row["credential"],
        "person": row["person"],
        "competency": row["competency"],
        "status": row["state"],
        "level": row["level"],
        "decision": row["decision"],
        "award": row["manual"],
        "kind": row["kind"],
        "reason": row["reason"],
        "reason_text": told(row["reason"]),
        "sequence": row["sequence"],
        "valid_from": row["valid_from"],
        "valid_until": row["valid_until"],
        "issued_at": row["issued_at"],
        "changed_at": row["changed_at"],
    }


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
