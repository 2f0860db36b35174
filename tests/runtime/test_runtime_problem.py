"""Refusals over HTTP, readiness, bodies over the limit."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry, Counter

from assay_runtime.problem import Problem, not_available
from assay_runtime.serve import new_app, read_body

LIMIT_BYTES = 1000


async def _there() -> str | None:
    return None


async def _away() -> str | None:
    return "Postgres does not answer"


async def _breaks() -> str | None:
    raise RuntimeError("text that may hold anything")


def _client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    registry = CollectorRegistry()
    Counter("assay_probe", "Counts nothing", registry=registry).inc(2)
    app = new_app("probe", registry, {"postgres": _there})

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await read_body(request, LIMIT_BYTES))

    @app.get("/number")
    async def number(wanted: int) -> int:
        return wanted

    @app.get("/unavailable")
    async def unavailable() -> None:
        raise not_available("the broker did not acknowledge", retry_seconds=3, ids=["a", "b"])

    @app.get("/refused")
    async def refused() -> None:
        raise Problem(409, "Conflict", errors=[{"index": 1, "pointer": "/1/id"}])

    async with _client(app) as opened:
        yield opened


async def test_a_refusal_has_a_stable_type_and_its_members(client: httpx.AsyncClient) -> None:
    answer = await client.get("/unavailable")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "3"
    assert answer.json() == {
        "type": "urn:assay:problem:not-available",
        "title": "Not available now",
        "status": 503,
        "detail": "the broker did not acknowledge",
        "ids": ["a", "b"],
    }


async def test_a_refusal_names_the_places(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/refused")).json()
    assert answer["type"] == "urn:assay:problem:conflict"
    assert answer["errors"] == [{"index": 1, "pointer": "/1/id"}]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/number", 405, "method-not-allowed"),
        ("GET", "/number?wanted=x", 400, "bad-request"),
        ("GET", "/number", 400, "bad-request"),
    ],
)
async def test_what_the_framework_refuses_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, kind: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:assay:problem:{kind}"


async def test_a_wrong_parameter_is_named_without_its_value(client: httpx.AsyncClient) -> None:
    answer = await client.get("/number?wanted=secret-value")
    assert answer.json()["errors"][0]["parameter"] == "query.wanted"
    assert "secret-value" not in answer.text


async def test_a_body_up_to_the_limit_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/size", content=b"x" * LIMIT_BYTES)).json() == LIMIT_BYTES


async def test_a_body_over_the_limit_is_413_by_its_declared_length(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/size", content=b"x" * (LIMIT_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json()["limit_bytes"] == LIMIT_BYTES


async def test_a_body_without_a_length_is_cut_off_before_it_is_all_read(
    client: httpx.AsyncClient,
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LIMIT_BYTES:
            sent += 400
            yield b"x" * 400

    answer = await client.post("/size", content=endless())
    assert answer.status_code == 413
    assert sent < 5 * LIMIT_BYTES


async def test_health_and_metrics_answer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    assert "assay_probe_total 2.0" in (await client.get("/metrics")).text


async def test_readiness_says_what_is_missing_and_not_what_an_error_holds() -> None:
    app = new_app("p", CollectorRegistry(), {"one": _there, "two": _away, "three": _breaks})
    async with _client(app) as client:
        answer = await client.get("/readyz")
        assert (await client.get("/healthz")).status_code == 200
    assert answer.status_code == 503
    assert answer.json()["missing"] == {
        "two": "Postgres does not answer",
        "three": "the check failed: RuntimeError",
    }
    assert "text that may hold anything" not in answer.text
