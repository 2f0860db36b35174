"""What the routes stand on: who asks, a transaction to answer in, a body, an answer."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from pydantic import BaseModel

from assay_aggregator.admin import Act, Records
from assay_aggregator.errors import SignatureRefused
from assay_aggregator.settings import AggregatorSettings
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.signing import Lockout, count_refusal
from assay_aggregator.store import SCHEMA, Store
from assay_runtime.auth import Authenticator, Client
from assay_runtime.bodies import json_body, parsed_body
from assay_runtime.postgres import TRANSIENT, Pool
from assay_runtime.problem import not_available

Model = TypeVar("Model", bound=BaseModel)


class Api:
    """The routes' common ground."""

    def __init__(self, pool: Pool, shelf: RuleShelf, settings: AggregatorSettings) -> None:
        self._pool = pool
        self.shelf = shelf
        self.settings = settings
        self._authenticator = Authenticator(pool, SCHEMA, settings)

    def client(self, scope: str) -> Callable[[Request], Any]:
        """A dependency: the client, who holds the scope."""

        async def authenticated(request: Request) -> Client:
            try:
                client = await self._authenticator.client(request.headers.get("authorization"))
            except TRANSIENT:
                raise not_available("the database does not answer") from None
            client.require(scope)
            return client

        return authenticated

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Store]:
        """A store on one snapshot."""
        async with self._transaction(isolation="repeatable_read", readonly=True) as store:
            yield store

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Store]:
        """A store that writes what is no record: it holds nobody back, and dates nothing."""
        async with self._transaction() as store:
            yield store

    @asynccontextmanager
    async def locking(self) -> AsyncIterator[Store]:
        """A store in a transaction that may lock rows, but changes no records."""
        async with self._transaction() as store:
            yield store

    @asynccontextmanager
    async def changing(self, client: Client, reason: str | None = None) -> AsyncIterator[Records]:
        """The client's records, in one transaction; the audit trail gets client and reason."""
        try:
            async with self._transaction() as store:
                act = Act(client.name, reason)
                yield await Records.begin(store, self.shelf, client.tenant, act)
        except SignatureRefused as refused:
            # Of its own: the failure stays counted when the change is given up.
            async with self._transaction() as store:
                greatest_ms, _ = await store.applied_through()
                await count_refusal(
                    store.connection,
                    refused,
                    actor=client.name,
                    recorded_ms=greatest_ms + 1,
                    lockout=Lockout(
                        self.settings.signature_failures_max,
                        self.settings.signature_lock_seconds,
                    ),
                )
            raise

    @asynccontextmanager
    async def _transaction(self, **options: Any) -> AsyncIterator[Store]:
        try:
            async with (
                self._pool.acquire(timeout=5) as connection,
                connection.transaction(**options),
            ):
                yield Store(connection)
        except TRANSIENT:
            raise not_available("the database does not answer") from None

    async def body(self, request: Request) -> Any:
        """The JSON body. Problems: 415, 413, 400."""
        return await json_body(request, self.settings.body_limit_bytes)

    async def parsed(self, request: Request, model: type[Model]) -> Model:
        """The body as a model. A 400 problem names each member and the rule it breaks."""
        return await parsed_body(request, model, self.settings.body_limit_bytes)


def json_answer(
    content: object, headers: Mapping[str, str] | None = None, *, status: int = 200
) -> Response:
    """Deterministic JSON: equal answers are equal bytes."""
    return Response(
        orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS),
        status_code=status,
        media_type="application/json",
        headers=dict(headers or {}),
    )
