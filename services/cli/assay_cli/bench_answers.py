"""Reads of competencies, for `assay bench --decisions`: how long one answer takes, over HTTP.

Two tenants: `bench`, whose people have the evidence of the backlog, and `bench-matrix` with 30,000
people by 60 competencies, whose standing decisions are written without evidence (`bench_matrix`).
"""

import base64
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import asyncpg
import orjson

from assay_cli import bench_matrix
from assay_cli.bench_backlog import TENANT
from assay_cli.bench_http import Connection, LoadError, connect
from assay_cli.stack import HOST, StackInfo
from assay_runtime.auth import hash_secret, new_secret
from assay_runtime.sql import load_queries

MATRIX_TENANT: Final = "bench-matrix"
READS: Final = 100

_PEOPLE_OF = """
    select distinct person from aggregator.decision_current where tenant = $1 limit 500
"""
Times = dict[str, dict[str, float]]


async def reads(stack: StackInfo, connection: asyncpg.Connection) -> Times:
    """p50 and p95 in seconds of each kind of read; fills the matrix where there is none."""
    await bench_matrix.fill(connection, tenant=MATRIX_TENANT)
    draw = random.Random(5)  # noqa: S311 - a benchmark is to be repeatable
    people = [str(row["person"]) for row in await connection.fetch(_PEOPLE_OF, TENANT)]
    bench, matrix = await _keys(connection)

    def summary() -> str:
        return f"/people/{draw.choice(people)}"

    def explanation() -> str:
        return f"/people/{draw.choice(people)}/competencies"

    def then() -> str:
        day = f"2026-{draw.randint(1, 9):02d}-{draw.randint(1, 28):02d}T12:00:00Z"
        return f"{explanation()}?{urlencode({'as_of': day})}"

    port = stack.port("aggregator")
    found = {
        "a person's summary": await _timed(port, bench, summary),
        "a person's 20 competencies, explained": await _timed(port, bench, explanation),
        "the same, as of another day": await _timed(port, bench, then),
    }
    asking = await connect(HOST, port)
    try:

        async def get(path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
            await _get(asking, matrix, f"{path}?{urlencode(parameters, doseq=True)}")
            document: dict[str, Any] = orjson.loads(asking.body)
            return document

        for name, times in (await bench_matrix.measure(get)).items():
            found[f"{name}, of 30,000 people by 60"] = {
                "p50": times["p50_ms"] / 1_000,
                "p95": times["p95_ms"] / 1_000,
            }
    finally:
        asking.close()
    return found


async def _keys(connection: asyncpg.Connection) -> tuple[str, str]:
    """Basic credentials of a reader of each tenant."""
    found = []
    for tenant in (TENANT, MATRIX_TENANT):
        secret = new_secret()
        await connection.execute(
            load_queries("assay_cli", schema="aggregator")["put_client"],
            f"{tenant}.reader",
            tenant,
            hash_secret(secret),
            None,
            ["competencies/read"],
        )
        found.append(base64.b64encode(f"{tenant}.reader:{secret}".encode()).decode())
    return found[0], found[1]


async def _timed(port: int, key: str, path: Callable[[], str]) -> dict[str, float]:
    connection = await connect(HOST, port)
    try:
        # The first answer compares the secret and fills the caches of rules.
        await _get(connection, key, path())
        times = [await _get(connection, key, path()) for _ in range(READS)]
    finally:
        connection.close()
    return _percentiles(times)


async def _get(connection: Connection, key: str, path: str) -> float:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {key}\r\n\r\n"
    began = time.perf_counter()
    status = await connection.send(request.encode())
    if status != 200:
        raise LoadError(f"{path[:80]} was answered {status}: {connection.body[:200]!r}")
    return time.perf_counter() - began


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94]}
