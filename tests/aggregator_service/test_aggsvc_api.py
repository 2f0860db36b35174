"""The HTTP API, on a real database and without Kafka."""

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4

import httpx
import orjson
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from aggregator_service_driver import (
    COMPETENCY,
    TENANT,
    Driver,
    agent,
    award,
    day,
    driver_of,
    identifier,
    post_award,
    rule,
    statement,
    theory_rule,
    with_records,
)
from assay_aggregator import api
from assay_aggregator.settings import AggregatorSettings
from assay_runtime.auth import hash_secret
from assay_runtime.serve import new_app
from assay_testing import Database

KEYS = {
    "reader": (TENANT, ["competencies/read"]),
    "admin": (TENANT, ["competencies/read", "competencies/admin", "rules/force"]),
    "stranger": ("other", ["competencies/read", "competencies/admin", "accounts/manage"]),
    "writer": (TENANT, ["statements/write"]),
}


WHY = {"reason": "a test of ours"}


@dataclass
class Front:
    """The API as clients see it, and the driver behind it."""

    app: FastAPI
    driver: Driver
    http: httpx.AsyncClient

    async def get(self, path: str, key: str = "reader", **query: str) -> httpx.Response:
        return await self.http.get(path, params=query or None, auth=(key, "secret"))

    async def post(self, path: str, body: object, key: str = "admin") -> httpx.Response:
        return await self.http.post(path, json=body, auth=(key, "secret"))


@pytest.fixture(scope="session")
def secret_hash() -> str:
    return hash_secret("secret")


@pytest.fixture
async def front(postgres: Database, secret_hash: str) -> AsyncIterator[Front]:
    owner = await postgres.connect("assay_owner")
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
            "ASSAY_BODY_LIMIT_BYTES": "4096",
        }
    )
    async with driver_of(postgres) as driver:
        await with_records(driver)
        app = new_app("Assay aggregator", CollectorRegistry(), {})
        api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://assay") as http:
            yield Front(app, driver, http)


async def decided(front: Front) -> str:
    """ada has her award; the id of the person."""
    await post_award(front.driver)
    for partition in range(3):
        await front.driver.tick(day(62), partition=partition)
    await front.driver.decide()
    answer = await front.get("/people", agent=orjson.dumps(agent("ada")).decode())
    (found,) = answer.json()["people"]
    return str(found["person"])


async def test_a_person_is_found_by_agent_and_explained(front: Front) -> None:
    person = await decided(front)
    answer = await front.get(f"/people/{person}/competencies")
    assert answer.status_code == 200
    body = answer.json()
    (document,) = body["competencies"]
    assert document["status"] == "achieved"
    assert document["competency"] == COMPETENCY
    assert set(document["used"]) == {str(identifier(f"s{n}")) for n in (1, 2, 3, 4)}
    assert document["explanation"]["op"] == "all"
    assert document["engine"]
    assert body["known_at_capped"] is False
    current = (await front.get(f"/people/{person}")).json()["competencies"]
    assert [(one["status"], one["sequence"]) for one in current] == [("achieved", 1)]


async def test_one_competency_by_path_and_by_query(front: Front) -> None:
    person = await decided(front)
    by_path = await front.get(f"/people/{person}/competencies/{quote(COMPETENCY, safe='')}")
    by_query = await front.get(f"/people/{person}/competencies", competency=COMPETENCY)
    assert by_path.content == by_query.content
    assert len(by_path.json()["competencies"]) == 1


async def test_the_same_question_gives_the_same_bytes_whatever_comes_later(front: Front) -> None:
    person = await decided(front)
    question = {"as_of": "2026-03-03T00:00:00Z", "known_at": "2026-03-02T23:00:00Z"}
    before = await front.get(f"/people/{person}/competencies", **question)
    assert before.json()["competencies"][0]["status"] == "achieved"
    # A copy that loses, a link, an authority, a conflict of interest, a rule: all recorded later.
    late = statement("s1", at=day(9), scaled="0.1")
    await front.driver.post("online", late, stored=day(63))
    async with front.driver.records() as records:
        ben, ada = await front.driver.person("ben"), await front.driver.person("ada")
        await records.add_conflict(ben, ada)
        await records.put_rule(theory_rule())
        await records.add_link(agent("other"), ada)
    for partition in range(3):
        await front.driver.tick(day(70), partition=partition)
    await front.driver.decide()
    assert await front.driver.status("ada") == "in_progress"
    after = await front.get(f"/people/{person}/competencies", **question)
    assert after.content == before.content


async def test_known_at_is_capped_where_records_may_still_come(front: Front) -> None:
    person = await decided(front)
    asked = await front.get(f"/people/{person}/competencies", known_at="2030-01-01T00:00:00Z")
    body = asked.json()
    assert body["known_at_capped"] is True
    assert body["known_at"] == "2026-03-03T23:59:59.999000Z"
    assert asked.headers["x-assay-consistent-through"] == body["known_at"]


async def test_before_a_fact_was_known_it_does_not_count(front: Front) -> None:
    person = await decided(front)
    asked = await front.get(
        f"/people/{person}/competencies",
        as_of="2026-03-03T00:00:00Z",
        known_at="2026-02-20T00:00:00+00:00",
    )
    (document,) = asked.json()["competencies"]
    assert document["status"] == "in_progress"
    assert document["clauses"]["obs"]["attempts"] == 0


async def test_summary_reasons_and_lists(front: Front) -> None:
    person = await decided(front)
    failed = statement("f1", actor="eve", verb="failed", scaled="0.2", at=day(1))
    await front.driver.post("online", failed, stored=day(63))
    await front.driver.decide()
    summary = (await front.get("/summary")).json()
    assert summary["competencies"] == [
        {"competency": COMPETENCY, "people": {"achieved": 1, "in_progress": 1}}
    ]
    assert summary["statements"] == 5
    assert (await front.get("/reasons")).json() == {"reasons": {"success_false": 1}}
    pages = []
    after: dict[str, str] = {}
    while True:
        page = (await front.get("/decisions", limit="1", **after)).json()
        pages += page["decisions"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert {one["status"] for one in pages} == {"achieved", "in_progress"}
    assert len(pages) == 2
    only = (await front.get("/decisions", status="achieved")).json()["decisions"]
    assert [one["person"] for one in only] == [person]
    history = (await front.get(f"/people/{person}/decisions", competency=COMPETENCY)).json()
    assert history["decisions"][-1]["status"] == "achieved"
    people = (await front.get("/people", limit="2")).json()
    rest = (await front.get("/people", after=people["next"])).json()
    assert len(people["people"]) == 2
    assert rest["people"]
    assert rest["next"] is None


async def test_records_are_changed_over_http(front: Front) -> None:
    put = await front.http.put("/admin/rules", json=theory_rule(), auth=("admin", "secret"))
    assert put.json()["version"] == 1
    ada = (await front.post("/admin/people", {"agents": [agent("ada")]})).json()["person"]
    cai = (await front.post("/admin/people", {"agents": [agent("cai")]})).json()["person"]
    link = await front.post("/admin/links", {"agent": agent("a.l"), "person": ada, **WHY})
    authorisation = await front.post(
        "/admin/authorisations",
        {"assessor": cai, "scope": "gowning-b", "from": "2026-01-01", "to": "2026-12-31", **WHY},
    )
    conflict = await front.post("/admin/conflicts", {"assessor": cai, "with": ada, **WHY})
    assert [one.status_code for one in (link, authorisation, conflict)] == [201, 201, 201]
    for path in (
        f"/admin/links/{link.json()['link']}",
        f"/admin/authorisations/{authorisation.json()['authorisation']}",
        f"/admin/conflicts/{conflict.json()['conflict']}",
    ):
        unreasoned = await front.http.delete(path, auth=("admin", "secret"))
        assert unreasoned.status_code == 400
        first = await front.http.delete(path, params=WHY, auth=("admin", "secret"))
        again = await front.http.delete(path, params=WHY, auth=("admin", "secret"))
        assert (first.status_code, again.status_code) == (204, 404)


NOWHERE = "00000000-0000-4000-8000-000000000000"
CASE = "/ims/case/v1p1"
CASE_OBJECTS = (
    "CFDocuments",
    "CFPackages",
    "CFItems",
    "CFAssociations",
    "CFItemAssociations",
    "CFItemTypes",
    "CFConcepts",
    "CFSubjects",
    "CFLicenses",
    "CFRubrics",
    "CFAssociationGroupings",
)
QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/people", {}),
    ("/people", {"agent": orjson.dumps(agent("ada")).decode()}),
    ("/people/{person}", {}),
    ("/people/{person}/competencies", {}),
    ("/people/{person}/competencies/x", {}),
    ("/people/{person}/decisions", {"competency": COMPETENCY}),
    ("/decisions", {}),
    ("/summary", {}),
    ("/reasons", {}),
    ("/admin/accounts", {}),
    (f"/rules/gowning-b/1/previews/{NOWHERE}", {}),
    ("/rules/gowning-b/1", {}),
    ("/rules", {}),
    ("/organisations", {}),
    ("/organisations/acme", {}),
    ("/organisations/acme/people", {}),
    ("/cohorts", {}),
    ("/cohorts/c1", {}),
    ("/cohorts/c1/people", {}),
    ("/people/{person}/employments", {}),
    ("/people/{person}/cohorts", {}),
    ("/authorisations", {}),
    ("/conflicts", {}),
    ("/admin/people/{person}", {}),
    ("/admin/merges", {}),
    ("/admin/collisions", {}),
    ("/people/{person}/summary", {}),
    ("/matrix", {}),
    ("/matrix/roles", {}),
    ("/gaps", {}),
    ("/gaps/by-organisation", {}),
    ("/expiring", {}),
    ("/expiring/counts", {}),
    ("/readiness", {}),
    ("/coverage", {"organisation": "acme"}),
    ("/cohorts/c1/progress", {}),
    ("/measures", {}),
    ("/measures/first-time-pass", {"competency": COMPETENCY}),
    ("/audit", {}),
    ("/inspection-pack", {"competency": COMPETENCY}),
    ("/overrides", {}),
    ("/reviews", {}),
    ("/frameworks", {}),
    (f"/frameworks/{NOWHERE}", {}),
    (f"/frameworks/{NOWHERE}/package", {}),
    ("/competencies", {}),
    ("/roles", {}),
    ("/roles/r01", {}),
    (f"{CASE}/CFDocuments", {}),
    *((f"{CASE}/{name}/{NOWHERE}", {}) for name in CASE_OBJECTS),
)


# What is nobody's: the time of the log, and what the product itself says.
_OF_ALL = {"as_of", "known_at", "measures", "not_possible"}


async def test_tenants_do_not_see_each_other(front: Front) -> None:
    person = await decided(front)
    for path, query in QUESTIONS:
        answer = await front.get(path.format(person=person), "stranger", **query)
        if answer.status_code != 404:
            assert answer.status_code == 200, path
            nothing: list[object] = [[], {}, None, 0]
            own = [value for name, value in answer.json().items() if name not in _OF_ALL]
            assert all(value in nothing for value in own), path
        refused = await front.get(path.format(person=person), "writer", **query)
        assert refused.status_code == 403, path


async def test_every_question_is_asked_by_a_stranger(front: Front) -> None:
    asked = [path.replace("{person}", "p") for path, _ in QUESTIONS]
    paths = front.app.openapi()["paths"]
    for path in (path for path, operations in paths.items() if "get" in operations):
        form = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        assert any(form.fullmatch(one) for one in asked), path


async def test_a_tenant_cannot_change_the_records_of_another(front: Front) -> None:
    person = await decided(front)
    for path, body in (
        ("/admin/links", {"agent": agent("x"), "person": person, **WHY}),
        ("/admin/authorisations", {"assessor": person, "scope": "gowning-b", **WHY}),
        ("/admin/conflicts", {"assessor": person, "with": person, **WHY}),
    ):
        assert (await front.post(path, body, key="stranger")).status_code == 404
    record = await front.driver.pool.fetchval(
        "select authorisation from aggregator.assessor_authorisation"
    )
    path = f"/admin/authorisations/{record}"
    refused = await front.http.delete(path, params=WHY, auth=("stranger", "secret"))
    assert refused.status_code == 404
    # The same statements in another tenant are another person's.
    for source, made, stored in award():
        await front.driver.post(source, made, stored=stored, tenant="other")
    await front.driver.decide()
    assert len(await front.driver.events()) == 1
    own = await front.get("/people", "stranger", agent=orjson.dumps(agent("ada")).decode())
    assert own.json()["people"] != [{"person": person}]


async def test_bad_requests_are_named(front: Front) -> None:
    person = await decided(front)
    missing = await front.http.get("/summary")
    assert missing.status_code == 401
    wrong = base64.b64encode(b"reader:wrong").decode()
    refused = await front.http.get("/summary", headers={"Authorization": f"Basic {wrong}"})
    assert refused.status_code == 401
    assert (await front.post("/admin/people", {}, key="reader")).status_code == 403
    unknown = await front.get(f"/people/{uuid4()}/competencies")
    assert unknown.status_code == 404
    assert unknown.json()["type"] == "urn:assay:problem:not-found"
    no_rule = await front.get(f"/people/{person}/competencies", competency="https://x.y/z")
    assert no_rule.status_code == 404
    nobody = await front.get("/people", agent=orjson.dumps(agent("nobody")).decode())
    assert nobody.status_code == 404
    for path, query in (
        (f"/people/{person}/competencies", {"as_of": "2026-01-01"}),
        (f"/people/{person}/competencies", {"known_at": "now"}),
        ("/people", {"agent": "{"}),
        ("/people", {"agent": '{"mbox": "mailto:a@b.c", "openid": "https://a.b"}'}),
        ("/people", {"limit": "501"}),
        ("/people/not-a-uuid", {}),
        (f"/people/{person}/competencies", {"as_of": "0001-01-01T00:00:00+14:00"}),
        ("/decisions", {"after": "x"}),
        ("/decisions", {"competency": "a\0b"}),
        (f"/people/{person}/decisions", {"competency": "a\0b"}),
    ):
        answer = await front.get(path, **query)
        assert answer.status_code == 400, path
        assert answer.headers["content-type"] == "application/problem+json"
    body = await front.post("/admin/links", {"agent": agent("x"), "who": 1, **WHY})
    assert {one["pointer"] for one in body.json()["errors"]} == {"/person", "/who"}
    backwards = {"assessor": person, "scope": "s", "from": "2026-02-01", "to": "2026-01-01"}
    backwards |= WHY
    assert (await front.post("/admin/authorisations", backwards)).status_code == 400
    not_a_rule = await front.http.put(
        "/admin/rules", json=rule(requires={"all": ["nothing"]}), auth=("admin", "secret")
    )
    assert not_a_rule.json()["errors"][0]["pointer"] == "/requires/all/0"
    assert not_a_rule.status_code == 400
    changed = await front.http.put(
        "/admin/rules", json=rule(timezone="Europe/Paris"), auth=("admin", "secret")
    )
    assert changed.status_code == 409
    text = await front.http.put("/admin/rules", content=b"{}", auth=("admin", "secret"))
    assert text.status_code == 415
    nul = {"assessor": person, "scope": "a\0b", **WHY}
    assert (await front.post("/admin/authorisations", nul)).status_code == 400
    large = {"agents": [agent("x" * 5000)]}
    assert (await front.post("/admin/people", large)).status_code == 413
    headers = {"content-type": "application/json"}
    broken = await front.http.put(
        "/admin/rules", content=b"{", headers=headers, auth=("admin", "secret")
    )
    assert broken.status_code == 400
