"""HTTP: the accounts of people who sign (scope `accounts/manage`), and their own passwords.

The same in every service that keeps signatures; a service says how it lets clients in and changes
records.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final, Protocol

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_runtime.accounts import (
    NAME_CHARACTERS_MAX,
    Accounts,
    Changing,
    NewAccount,
    check_password,
)
from assay_runtime.auth import Client
from assay_runtime.auth_keys import new_secret
from assay_runtime.bodies import Model
from assay_runtime.postgres import Connection
from assay_runtime.signing import PASSWORD_CHARACTERS_MAX

MANAGE: Final = "accounts/manage"
PAGE_MAX: Final = 500

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Secret = Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX, repr=False)]
Why = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountBody(_Body):
    """An account to add; it gets a temporary password."""

    account: Slug
    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX)]
    roles: Annotated[list[str], Field(max_length=20)]
    reason: Why


class WhyBody(_Body):
    """Why an account is changed."""

    reason: Why


class PasswordBody(_Body):
    """A person's own password, and the one in its place."""

    old: Secret
    new: Secret


class Front(Protocol):
    """What the routes stand on: who asks, transactions, bodies."""

    def holder_of(self, scope: str) -> Callable[[Request], Awaitable[Client]]: ...

    def connected(self) -> AbstractAsyncContextManager[Connection]: ...

    def changing(
        self, client: Client, reason: str | None = None
    ) -> AbstractAsyncContextManager[Changing]: ...

    async def parsed(self, request: Request, model: type[Model]) -> Model: ...


def account_routes(
    api: Front, accounts: Accounts, *, own_scope: str, characters_min: int
) -> APIRouter:
    """The routes below /admin/accounts, and the change of one's own password (`own_scope`)."""
    router = APIRouter()
    manager = Annotated[Client, Depends(api.holder_of(MANAGE))]
    anybody = Annotated[Client, Depends(api.holder_of(own_scope))]

    @router.get("/admin/accounts")
    async def list_accounts(
        client: manager,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> Response:
        async with api.connected() as connection:
            found = await accounts.listed(connection, client.tenant, after=after, limit=limit)
        following = found[-1]["account"] if len(found) == limit else None
        return _json({"accounts": found, "next": following})

    @router.post("/admin/accounts")
    async def add(client: manager, request: Request) -> Response:
        body = await api.parsed(request, AccountBody)
        password = new_secret()
        async with api.changing(client, body.reason) as records:
            new = NewAccount(body.account, body.name, body.roles)
            await accounts.add(records, new, password)
        return _json({"account": body.account, "temporary_password": password}, status=201)

    @router.post("/admin/accounts/{account}/disable")
    async def disable(client: manager, account: str, request: Request) -> Response:
        body = await api.parsed(request, WhyBody)
        async with api.changing(client, body.reason) as records:
            await accounts.disable(records, account)
        return Response(status_code=204)

    @router.post("/admin/accounts/{account}/reset")
    async def reset(client: manager, account: str, request: Request) -> Response:
        body = await api.parsed(request, WhyBody)
        async with api.changing(client, body.reason) as records:
            password = await accounts.reset_password(records, account)
        return _json({"account": account, "temporary_password": password})

    @router.post("/accounts/{account}/password")
    async def change(client: anybody, account: str, request: Request) -> Response:
        body = await api.parsed(request, PasswordBody)
        check_password(body.new, characters_min)
        async with api.changing(client) as records:
            await accounts.change_password(records, account, body.old, body.new)
        return Response(status_code=204)

    return router


def _json(content: dict[str, Any], *, status: int = 200) -> Response:
    """Deterministic JSON: equal answers are equal bytes."""
    return Response(
        orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS),
        status_code=status,
        media_type="application/json",
    )
