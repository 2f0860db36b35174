"""What an operator does with issuers and keys, on the service of a test."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from assay_credentials.keyring.names import MAIN, Kind, Method
from assay_credentials.keyring.procedures import Bench, put_issuer
from assay_credentials.records import Act
from assay_testing import Database
from credentials_service import TENANT, Service

ACT = Act("operator:test", "a test says so")


def _nothing(_: str) -> None:
    return None


@asynccontextmanager
async def bench_of(
    service: Service, database: Database, reached: Callable[[str], None] = _nothing
) -> AsyncIterator[Bench]:
    """The operator's bench: the owner's connection, and the service's settings."""
    connection = await database.connect()
    try:
        yield Bench(connection, service.settings, TENANT, ACT, reached=reached)
    finally:
        await connection.close()


async def describe(
    service: Service,
    database: Database,
    issuer: str = MAIN,
    *,
    name: str = "Training Centre North",
    method: Method = "web",
    kind: Kind = "file",
) -> str:
    """An issuer with a key; its DID."""
    async with bench_of(service, database) as bench:
        done = await put_issuer(
            bench, issuer, name=name, url="https://north.example", method=method, kind=kind
        )
    assert done.did is not None
    return done.did


async def keys_of(service: Service) -> list[asyncpg.Record]:
    """Every key of the tenant, the oldest first."""
    rows: list[Any] = await service.pool.fetch(
        "select issuer, did, method, kind, reference, state from credentials.issuer_key"
        " where tenant = $1 order by made_at",
        TENANT,
    )
    return rows
