"""/admin/clients: a tenant's manager keeps the tenant's clients of this service.

It needs the scope clients/manage, sees nothing of other tenants, and gives away no scope that the
manager does not hold. What other services serve, an operator grants with `assay clients add`:
those keep their own tables, which this process cannot reach.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from assay_ingest.clients import OVERLAP_SECONDS, Clients, Wanted, check
from assay_ingest.errors import (
    ClientElsewhere,
    ClientInvalid,
    GrantTooWide,
    IngestError,
    RequestInvalid,
    problem_of,
)
from assay_ingest.exchange import parse_query
from assay_ingest.settings import IngestSettings
from assay_runtime.auth import Authenticator, Client
from assay_runtime.auth_clients import Allowance, Bound, KnownClient
from assay_runtime.auth_scopes import INGEST, granted_by, services_of
from assay_runtime.postgres import TRANSIENT, Pool
from assay_runtime.problem import Problem, not_available
from assay_runtime.serve import read_body

PATH = "/admin/clients"
SCOPE = "clients/manage"
PAGE_MAX = 500
BODY_BYTES_MAX = 64 * 1024
ACQUIRE_SECONDS = 5.0

Model = TypeVar("Model", bound=msgspec.Struct)
Answer = Callable[[Request], Awaitable[Response]]


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    scopes: list[str]
    source: str | None = None
    issuer: str | None = None
    sub: str | None = None
    azp: str | None = None
    requests_per_second_max: float | None = None
    statements_per_second_max: float | None = None
    statements_per_day_max: int | None = None


class _Rotation(msgspec.Struct, forbid_unknown_fields=True):
    overlap_seconds: float = OVERLAP_SECONDS


class ClientsApi:
    """The routes. Every answer with a secret in it is one that no cache may keep."""

    def __init__(self, pool: Pool, authenticator: Authenticator, settings: IngestSettings) -> None:
        self._pool = pool
        self._authenticator = authenticator
        self._settings = settings

    def install(self, app: FastAPI) -> None:
        """Add the routes to `app`."""
        for path, method, answer in (
            (PATH, "GET", self._list),
            (PATH, "POST", self._add),
            (PATH + "/{name}/rotate", "POST", self._rotate),
            (PATH + "/{name}", "DELETE", self._revoke),
        ):
            app.router.add_route(path, _answering(answer), methods=[method])

    async def _manager(self, request: Request) -> Client:
        client = await self._authenticator.client(request.headers.get("authorization"))
        client.require(SCOPE)
        return client

    @asynccontextmanager
    async def _clients(self, manager: Client) -> AsyncIterator[Clients]:
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            yield Clients(connection, f"client:{manager.name}")

    async def _list(self, request: Request) -> Response:
        manager = await self._manager(request)
        after, limit = _page(request)
        async with self._clients(manager) as clients:
            found = await clients.listed(
                manager.tenant, after=(manager.tenant, after), limit=limit + 1
            )
        page = found[:limit]
        more = page[-1].name if len(found) > limit else None
        return _json({"clients": [_described(one) for one in page], "after": more})

    async def _add(self, request: Request) -> Response:
        manager = await self._manager(request)
        wanted = self._wanted(manager, await _body(request, _Body))
        _require_own_name(manager, wanted.name)
        wanted = check(wanted)
        elsewhere = [one for one in services_of(wanted.scopes) if one != INGEST]
        if elsewhere:
            raise ClientInvalid(
                f"scopes of {', '.join(elsewhere)} are granted by an operator: assay clients add",
                parameter="scopes",
            )
        _require_held(manager, wanted.scopes)
        async with self._clients(manager) as clients:
            issued = await clients.add(wanted)
            known = await clients.living(issued.tenant, issued.name)
        return _json({**_described(known), "secret": issued.secret}, status=201)

    async def _rotate(self, request: Request) -> Response:
        manager = await self._manager(request)
        name: str = request.path_params["name"]
        overlap = (await _body(request, _Rotation)).overlap_seconds
        async with self._clients(manager) as clients:
            target = await clients.living(manager.tenant, name)
            if target.services != (INGEST,):
                raise ClientElsewhere(
                    "other services know this key too: an operator rotates it with assay clients"
                )
            # With the new secret in hand, the manager could do what the client may.
            _require_held(manager, target.scopes)
            issued = await clients.rotate(manager.tenant, name, overlap)
            known = await clients.living(manager.tenant, name)
        return _json({**_described(known), "secret": issued.secret})

    async def _revoke(self, request: Request) -> Response:
        """Here at once; where other services know the client, it says so: they are not reached."""
        manager = await self._manager(request)
        name: str = request.path_params["name"]
        async with self._clients(manager) as clients:
            target = await clients.living(manager.tenant, name)
            revoked = await clients.revoke(manager.tenant, name, [INGEST])
        still = [service for service in target.services if service not in revoked]
        return _json({"name": name, "revoked_in": list(revoked), "still_known_to": still})

    def _wanted(self, manager: Client, body: _Body) -> Wanted:
        claims = [(name, getattr(body, name)) for name in ("sub", "azp")]
        said = [(name, value) for name, value in claims if value is not None]
        if len(said) > 1:
            raise ClientInvalid("a client is bound by sub or by azp, not both", parameter="azp")
        issuer = body.issuer or self._settings.oidc_issuer_url
        bound = None
        if said:
            if issuer is None:
                raise ClientInvalid("whose tokens? name the issuer", parameter="issuer")
            bound = Bound(issuer, *said[0])
        elif body.issuer is not None:
            raise ClientInvalid("an issuer needs sub or azp with it", parameter="issuer")
        return Wanted(
            tenant=manager.tenant,
            name=body.name,
            source=body.source,
            scopes=tuple(body.scopes),
            bound=bound,
            allowance=Allowance(
                body.requests_per_second_max,
                body.statements_per_second_max,
                body.statements_per_day_max,
            ),
        )


def _require_own_name(manager: Client, name: str) -> None:
    # Names are unique over all tenants. Without this, one could be asked for to see if it is taken.
    if not name.startswith(manager.tenant + "."):
        raise ClientInvalid(f"the name must begin with {manager.tenant}.", parameter="name")


def _require_held(manager: Client, scopes: tuple[str, ...]) -> None:
    missing = sorted(granted_by(frozenset(scopes)) - manager.granted)
    if missing:
        raise GrantTooWide(f"this client does not hold {missing[0][:60]} itself")


def _described(one: KnownClient) -> dict[str, Any]:
    return {
        "name": one.name,
        "source": one.source,
        "scopes": one.scopes,
        "services": one.services,
        "has_secret": one.has_secret,
        "previous_secret_until": one.previous_secret_until,
        "bound": one.bound and asdict(one.bound),
        **asdict(one.allowance),
        "created_at": one.created_at,
        "last_used_at": one.last_used_at,
        "revoked_at": one.revoked_at,
    }


def _page(request: Request) -> tuple[str, int]:
    after, limit = "", PAGE_MAX
    for name, value in parse_query(request.scope["query_string"]):
        if name == "after":
            after = value
        elif name == "limit" and value.isascii() and value.isdigit() and 0 < int(value) <= PAGE_MAX:
            limit = int(value)
        elif name == "limit":
            raise RequestInvalid(f"limit is 1 to {PAGE_MAX}", parameter="limit")
        else:
            raise RequestInvalid(f"{name[:60]} is not a parameter here", parameter=name[:60])
    if "\0" in after:
        raise RequestInvalid("after is no name", parameter="after")
    return after, limit


async def _body(request: Request, model: type[Model]) -> Model:
    body = await read_body(request, BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(body or b"{}", type=model)
    except msgspec.DecodeError as error:
        # The library names member and rule, and no value.
        raise RequestInvalid(f"the body is not good: {error}") from None


def _json(content: dict[str, Any], *, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _answering(answer: Answer) -> Answer:
    """With every refusal as a Problem, which the application answers."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except Problem:
            raise
        except IngestError as error:
            raise problem_of(error) from None
        except TRANSIENT:
            raise not_available("the database does not answer") from None

    return answered
