"""HTTP: the accounts of people who sign in the aggregator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from fastapi import APIRouter, Request

from assay_aggregator.accounts import ACCOUNTS
from assay_aggregator.admin import Records
from assay_aggregator.web import Api
from assay_runtime.account_routes import account_routes as routes_of
from assay_runtime.auth import Client
from assay_runtime.bodies import Model
from assay_runtime.postgres import Connection

READ: Final = "competencies/read"


class _Front:
    """The aggregator's routes as those of accounts ask for them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def holder_of(self, scope: str) -> Callable[[Request], Awaitable[Client]]:
        return self._api.client(scope)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        async with self._api.reading() as store:
            yield store.connection

    def changing(
        self, client: Client, reason: str | None = None
    ) -> AbstractAsyncContextManager[Records]:
        return self._api.changing(client, reason)

    async def parsed(self, request: Request, model: type[Model]) -> Model:
        return await self._api.parsed(request, model)


def account_routes(api: Api) -> APIRouter:
    """The routes below /admin/accounts, and the change of one's own password."""
    return routes_of(
        _Front(api),
        ACCOUNTS,
        own_scope=READ,
        characters_min=api.settings.password_characters_min,
    )
