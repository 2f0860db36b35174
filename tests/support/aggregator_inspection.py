"""The aggregator's API as an inspector sees it, on a real database and without Kafka."""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import orjson
from prometheus_client import CollectorRegistry

from aggregator_service_driver import TENANT, Driver, day, driver_of, post_award, void, with_records
from assay_aggregator import api
from assay_aggregator.settings import AggregatorSettings
from assay_runtime.auth import hash_secret
from assay_runtime.serve import new_app
from assay_testing import Database

KEYS = {
    "inspector": (TENANT, ["competencies/inspect"]),
    "reader": (TENANT, ["competencies/read"]),
    "admin": (TENANT, ["competencies/read", "competencies/admin"]),
    "stranger": ("other", ["competencies/inspect"]),
}
PEOPLE_MAX = 2


@dataclass
class Office:
    """The API as an inspector sees it, and the driver behind it."""

    driver: Driver
    http: httpx.AsyncClient

    async def get(self, path: str, key: str = "inspector", **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, auth=(key, "secret"))

    async def post(self, path: str, body: object, key: str = "admin") -> httpx.Response:
        return await self.http.post(path, json=body, auth=(key, "secret"))

    async def pack(self, **query: Any) -> bytes:
        answer = await self.get("/inspection-pack", **query)
        assert answer.status_code == 200, answer.text
        return answer.content


@asynccontextmanager
async def office_of(postgres: Database) -> AsyncIterator[Office]:
    owner = await postgres.connect("assay_owner")
    secret_hash = hash_secret("secret")
    await owner.executemany(
        "insert into aggregator.api_client (name, tenant, secret_hash, scopes) "
        "values ($1, $2, $3, $4)",
        [(name, tenant, secret_hash, scopes) for name, (tenant, scopes) in KEYS.items()],
    )
    await owner.close()
    settings = AggregatorSettings.from_environment(
        {
            **postgres.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": "8401",
            "ASSAY_INSPECTION_PEOPLE_MAX": str(PEOPLE_MAX),
        }
    )
    async with driver_of(postgres) as driver:
        await with_records(driver)
        app = new_app("Assay aggregator", CollectorRegistry(), {})
        api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://assay") as http:
            yield Office(driver, http)


async def ticked(driver: Driver, number: float) -> None:
    """Let the time of the log move, and decide."""
    for partition in range(3):
        await driver.tick(day(number), partition=partition)
    await driver.decide()


async def awarded(office: Office) -> UUID:
    """ada has her award, and one statement of hers was taken back without leave."""
    driver = office.driver
    await post_award(driver)
    await driver.decide()
    await driver.post("vr", void("v1", "s4", at=day(61)), stored=day(61.1))
    await ticked(driver, 62)
    return await driver.person("ada")


def files_of(pack: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows_of(files: dict[str, bytes], table: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in files[f"tables/{table}.jsonl"].splitlines()]
