"""HTTP: the accounts of people who sign (scope `accounts/manage`), and their own passwords."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator import accounts
from assay_aggregator.accounts import NewAccount
from assay_aggregator.signing import PASSWORD_CHARACTERS_MAX
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client
from assay_runtime.auth_keys import new_secret

MANAGE: Final = "accounts/manage"
READ: Final = "competencies/read"
PAGE_MAX: Final = 500

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Secret = Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX, repr=False)]
Why = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountBody(_Body):
    """An account to add; it gets a temporary password."""

    account: Slug
    name: Annotated[str, Field(min_length=1, max_length=accounts.NAME_CHARACTERS_MAX)]
    roles: Annotated[list[str], Field(max_length=20)]
    reason: Why


class WhyBody(_Body):
    """Why an account is changed."""

    reason: Why


class PasswordBody(_Body):
    """A person's own password, and the one in its place."""

    old: Secret
    new: Secret


def account_routes(api: Api) -> APIRouter:
    """The routes below /admin/accounts, and the change of one's own password."""
    router = APIRouter()
    manager = Annotated[Client, Depends(api.client(MANAGE))]
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("/admin/accounts")
    async def list_accounts(
        client: manager,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> Response:
        async with api.reading() as store:
            found = await accounts.listed(store.connection, client.tenant, after=after, limit=limit)
        following = found[-1]["account"] if len(found) == limit else None
        return json_answer({"accounts": found, "next": following})

    @router.post("/admin/accounts")
    async def add(client: manager, request: Request) -> Response:
        body = await api.parsed(request, AccountBody)
        password = new_secret()
        async with api.changing(client, body.reason) as records:
            new = NewAccount(body.account, body.name, body.roles)
            await accounts.add(records, new, password)
        return json_answer({"account": body.account, "temporary_password": password}, status=201)

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
        return json_answer({"account": account, "temporary_password": password})

    @router.post("/accounts/{account}/password")
    async def change(client: reader, account: str, request: Request) -> Response:
        body = await api.parsed(request, PasswordBody)
        accounts.check_password(body.new, api.settings.password_characters_min)
        async with api.changing(client) as records:
            await accounts.change_password(records, account, body.old, body.new)
        return Response(status_code=204)

    return router
