"""The aggregator's HTTP API over a fresh database, for tests of frameworks and roles."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg
import httpx
from prometheus_client import CollectorRegistry

from aggregator_service_driver import TENANT, Driver, driver_of
from assay_aggregator import api
from assay_aggregator.settings import AggregatorSettings
from assay_runtime.auth import hash_secret
from assay_runtime.serve import new_app
from assay_testing import Database

KEYS = {
    "reader": (TENANT, ["competencies/read"]),
    "admin": (TENANT, ["competencies/read", "competencies/admin"]),
    "stranger": ("other", ["competencies/read", "competencies/admin"]),
    "writer": (TENANT, ["statements/write"]),
}
CASE = "/ims/case/v1p1"


@dataclass
class FrameworkFront:
    """The API as clients see it."""

    http: httpx.AsyncClient
    driver: Driver
    database: Database

    async def get(self, path: str, key: str = "reader", **query: str) -> httpx.Response:
        return await self.http.get(path, params=query or None, auth=(key, "secret"))

    async def case(self, path: str, key: str = "reader", **query: str) -> httpx.Response:
        return await self.get(CASE + path, key, **query)

    async def load(
        self, package: Any, key: str = "admin", reason: str | None = "a test", **query: str
    ) -> httpx.Response:
        """Import a package; bytes go as they are."""
        body = package if isinstance(package, bytes) else json.dumps(package).encode()
        if reason is not None:
            query["reason"] = reason
        return await self.http.post(
            "/admin/frameworks",
            content=body,
            params=query,
            headers={"content-type": "application/json"},
            auth=(key, "secret"),
        )

    async def rows(self, query: str) -> list[asyncpg.Record]:
        return await self.driver.pool.fetch(query)


@cache
def _secret_hash() -> str:
    """Made once: it is slow on purpose."""
    return hash_secret("secret")


@asynccontextmanager
async def front_of(database: Database, **settings: str) -> AsyncIterator[FrameworkFront]:
    """The API on a database, with the clients of KEYS; their secret is `secret`."""
    secret_hash = _secret_hash()
    owner = await database.connect("assay_owner")
    await owner.executemany(
        "insert into aggregator.api_client (name, tenant, secret_hash, scopes) "
        "values ($1, $2, $3, $4)",
        [(name, tenant, secret_hash, scopes) for name, (tenant, scopes) in KEYS.items()],
    )
    await owner.close()
    held = AggregatorSettings.from_environment(
        {
            **database.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": "8401",
            **settings,
        }
    )
    app = new_app("test", CollectorRegistry(), {})
    async with driver_of(database) as driver:
        api.install(app, pool=driver.pool, shelf=driver.shelf, settings=held)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield FrameworkFront(http, driver, database)
