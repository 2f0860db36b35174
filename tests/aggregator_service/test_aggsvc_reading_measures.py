"""The measures over HTTP: taken from the evidence, by the rule in force."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry

from aggregator_service_driver import (
    COMPETENCY,
    TENANT,
    Driver,
    day,
    driver_of,
    post_award,
    statement,
    with_records,
)
from assay_aggregator import api
from assay_aggregator.reading.measures import MEASURES
from assay_aggregator.settings import AggregatorSettings
from assay_runtime.auth import hash_secret
from assay_runtime.serve import new_app
from assay_testing import Database

PEOPLE = 6


@pytest.fixture
async def http(postgres: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Six operators who pass everything, of whom each failed the theory first; and their API."""
    settings = AggregatorSettings.from_environment(
        {
            **postgres.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": "8401",
            "ASSAY_MEASURED_PEOPLE_MAX": "20",
        }
    )
    owner = await postgres.connect("assay_owner")
    await owner.execute(
        "insert into aggregator.api_client (name, tenant, secret_hash, scopes) "
        "values ('reader', $1, $2, '{competencies/read}')",
        TENANT,
        hash_secret("secret"),
    )
    async with driver_of(postgres) as driver:
        await with_records(driver)
        await _practised(driver)
        await owner.execute(
            "insert into aggregator.role (tenant, role, name) values ($1, 'operator', '')", TENANT
        )
        await owner.execute(
            "insert into aggregator.organisation (tenant, organisation, name, kind) "
            "values ($1, 'acme', '', 'organisation')",
            TENANT,
        )
        for number in range(PEOPLE):
            await owner.execute(
                "insert into aggregator.employment (tenant, employment, person, organisation, "
                "role, valid_from, recorded_ms) "
                "values ($1, $2, $3, 'acme', 'operator', '2026-01-01', 1)",
                TENANT,
                uuid4(),
                await driver.person(f"p{number}"),
            )
        await owner.close()
        app = new_app("Assay aggregator", CollectorRegistry(), {})
        api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://assay", auth=("reader", "secret")
        ) as client:
            yield client


async def _practised(driver: Driver) -> None:
    for number in range(PEOPLE):
        failed = statement(f"{number}f", actor=f"p{number}", verb="failed", scaled="0.2", at=day(2))
        await driver.post("online", failed, stored=day(3))
    for number in range(PEOPLE):
        await post_award(driver, f"p{number}", f"{number}-")
    for partition in range(3):
        await driver.tick(day(62), partition=partition)
    await driver.decide()


async def result(http: httpx.AsyncClient, measure: str, **query: str) -> Any:
    answer = await http.get(f"/measures/{measure}", params={"competency": COMPETENCY, **query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["definition"] == MEASURES[measure].text
    return answer.json()["result"]


async def test_every_measure_by_its_definition(http: httpx.AsyncClient) -> None:
    first = {one["clause"]: one for one in await result(http, "first-time-pass")}
    assert first["theory"] == {
        "clause": "theory",
        "of": PEOPLE,
        "count": 0,
        "percent": 0.0,
        "suppressed": False,
    }
    assert first["obs"]["percent"] == 100.0
    # The window of a year does not take what was tried before it out of the count.
    later = {
        one["clause"]: one for one in await result(http, "first-time-pass", as_of="2028-01-01")
    }
    assert later == first
    time = await result(http, "time-to-competence", role="operator")
    assert time["median_days"] == 60.0
    on_time = await result(
        http,
        "on-time-requalification",
        as_of="2027-06-01",
        **{"from": "2027-01-01", "to": "2027-12-31"},
    )
    assert (on_time["of"], on_time["count"]) == (PEOPLE, 0)
    lag = {one["source"]: one for one in await result(http, "evidence-lag")}
    assert lag["in_person"]["p50_seconds"] == pytest.approx(8640)
    # What was posted after the others is stored no earlier than they were.
    assert lag["online"]["p50_seconds"] >= 86400.0
    assert (await result(http, "vr-to-practice"))["suppressed"] is True
    (ben,) = await result(http, "assessor-leniency")
    assert ben["suppressed"] is True


async def test_what_a_measure_needs_is_said(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/measures")).json()
    assert {one["measure"] for one in listed["measures"]} == set(MEASURES)
    assert listed["not_possible"]
    refused = await http.get("/measures/time-to-competence", params={"competency": COMPETENCY})
    assert refused.status_code == 400
    assert "`role`" in refused.json()["detail"]
    assert (await http.get("/measures/none")).status_code == 404
    unknown = await http.get("/measures/first-time-pass", params={"competency": "urn:none"})
    assert unknown.status_code == 404
