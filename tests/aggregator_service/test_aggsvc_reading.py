"""The matrix, gaps, what expires and the counts, over HTTP on a real database."""

import csv
import io
import json
import random
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from aggregator_service_driver import (
    COMPETENCY,
    TENANT,
    Driver,
    day,
    driver_of,
    post_award,
    statement,
    theory_rule,
    void,
    with_records,
)
from assay_aggregator import api
from assay_aggregator.reading.exporting import Exports
from assay_aggregator.reading.holding import STATUSES
from assay_aggregator.reading.reader import CHUNK_PEOPLE
from assay_aggregator.reading.store import QUERIES
from assay_aggregator.settings import AggregatorSettings
from assay_runtime.auth import hash_secret
from assay_runtime.problem import Problem
from assay_runtime.serve import new_app
from assay_testing import Database

THEORY_0 = "https://example.org/competencies/theory-0"
SITES = ("north", "south", "acme")
KEYS = {
    "reader": ["competencies/read"],
    "planner": ["competencies/aggregates"],
    "writer": ["statements/write"],
}


@dataclass
class Front:
    """The API as clients see it; the driver and the owner's connection behind it."""

    app: FastAPI
    driver: Driver
    http: httpx.AsyncClient
    owner: asyncpg.Connection

    async def get(self, path: str, key: str = "reader", **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query or None, auth=(key, "secret"))

    async def document(self, path: str, key: str = "reader", **query: Any) -> dict[str, Any]:
        answer = await self.get(path, key, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def secret_hash() -> str:
    return hash_secret("secret")


@pytest.fixture
async def front(postgres: Database, secret_hash: str) -> AsyncIterator[Front]:
    owner = await postgres.connect("assay_owner")
    await owner.executemany(
        "insert into aggregator.api_client (name, tenant, secret_hash, scopes) "
        "values ($1, $2, $3, $4)",
        [(name, TENANT, secret_hash, scopes) for name, scopes in KEYS.items()],
    )
    settings = AggregatorSettings.from_environment(
        {
            **postgres.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": "8401",
            "ASSAY_RECOMPUTED_CELLS_MAX": "600",
        }
    )
    async with driver_of(postgres) as driver:
        await with_records(driver)
        app = new_app("Assay aggregator", CollectorRegistry(), {})
        api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://assay") as http:
            yield Front(app, driver, http, owner)
    await owner.close()


async def place(front: Front) -> None:
    """A role that asks for both competencies, two sites of a company, and a cohort."""
    await front.owner.execute(
        "insert into aggregator.role (tenant, role, name) values ($1, 'operator', 'Operator')",
        TENANT,
    )
    await front.owner.executemany(
        "insert into aggregator.role_requirement (tenant, requirement, role, competency, level, "
        "recorded_ms) values ($1, $2, 'operator', $3, null, 1)",
        [(TENANT, uuid4(), one) for one in (COMPETENCY, THEORY_0)],
    )
    await front.owner.executemany(
        "insert into aggregator.organisation (tenant, organisation, name, kind, parent) "
        "values ($1, $2, $2, $3, $4)",
        [
            (TENANT, "acme", "organisation", None),
            (TENANT, "north", "site", "acme"),
            (TENANT, "south", "site", "acme"),
        ],
    )
    await front.owner.execute(
        "insert into aggregator.cohort (tenant, cohort, name, standard, starts_on, ends_on) "
        "values ($1, 'c1', 'First', 'ST1', '2026-01-01', '2026-12-31')",
        TENANT,
    )


async def employ(front: Front, person: UUID, organisation: str, **columns: Any) -> None:
    await front.owner.execute(
        "insert into aggregator.employment (tenant, employment, person, organisation, role, "
        "valid_from, valid_to, recorded_ms, retracted_ms) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        TENANT,
        uuid4(),
        person,
        organisation,
        columns.get("role", "operator"),
        columns.get("valid_from"),
        columns.get("valid_to"),
        columns.get("recorded_ms", 1),
        columns.get("retracted_ms"),
    )


async def join(front: Front, person: UUID) -> None:
    await front.owner.execute(
        "insert into aggregator.cohort_member (tenant, membership, cohort, person, recorded_ms) "
        "values ($1, $2, 'c1', $3, 1)",
        TENANT,
        uuid4(),
        person,
    )


async def people_made(
    front: Front, count: int, *, status: str | None = None, site: str = "north"
) -> list[UUID]:
    """People of the role whom the tables say to have a status in everything asked for."""
    people = sorted(uuid4() for _ in range(count))
    for person in people:
        await front.owner.execute(
            "insert into aggregator.person (tenant, person) values ($1, $2)", TENANT, person
        )
        await employ(front, person, site)
        if status is not None:
            for competency in (COMPETENCY, THEORY_0):
                await current(front, person, competency, status)
    return people


async def current(
    front: Front, person: UUID, competency: str, status: str, expires_on: date | None = None
) -> None:
    await front.owner.execute(
        "insert into aggregator.decision_current (tenant, person, competency, ordinal, decision, "
        "sequence, status, achieved_on, expires_on, used, reasons, outcome_hash) "
        "values ($1, $2, $3, 1, $4, 1, $5, '2026-01-02', $6, '{}', '{}', '')",
        TENANT,
        person,
        competency,
        uuid4(),
        status,
        expires_on,
    )


async def ada_and_eve(front: Front) -> tuple[str, str]:
    """ada holds gowning and theory, eve has failed the theory; both are operators."""
    await place(front)
    async with front.driver.records() as records:
        await records.put_rule(theory_rule())
    await post_award(front.driver)
    late = statement("t1", at=day(58))
    failed = statement("f1", actor="eve", verb="failed", scaled="0.2", at=day(50))
    await front.driver.post("online", late, failed, stored=day(61))
    for partition in range(3):
        await front.driver.tick(day(62), partition=partition)
    await front.driver.decide()
    ada, eve = [await front.driver.person(name) for name in ("ada", "eve")]
    await employ(front, ada, "north")
    await employ(front, eve, "south")
    return str(ada), str(eve)


def cells_of(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (row["person"], column["competency"]): cell
        for row in document["rows"]
        for column, cell in zip(document["competencies"], row["cells"], strict=True)
    }


# The matrix --------------------------------------------------------------------------------------


async def test_the_matrix_shows_the_decisions_that_stand(front: Front) -> None:
    ada, eve = await ada_and_eve(front)
    document = await front.document("/matrix", role="operator")
    cells = cells_of(document)
    assert len(cells) == 4
    assert cells[(ada, COMPETENCY)]["status"] == "achieved"
    assert cells[(ada, COMPETENCY)]["meets"] is True
    assert cells[(ada, COMPETENCY)]["expires_on"] == "2027-02-03"
    assert cells[(eve, THEORY_0)]["status"] == "in_progress"
    assert cells[(eve, THEORY_0)]["meets"] is False
    assert {row["person"]: row["ready"] for row in document["rows"]} == {ada: True, eve: False}
    assert document["undecided"] == 0
    assert document["next"] is None


@pytest.mark.parametrize(
    "times",
    [
        {"as_of": "2026-03-03T00:00:00Z"},
        {"as_of": "2026-03-31"},
        {"as_of": "2027-06-01T00:00:00Z"},
        {"known_at": "2026-03-01T12:00:00Z"},
        {"as_of": "2026-02-20T00:00:00Z", "known_at": "2026-02-21T00:00:00Z"},
        {"as_of": "2023-01-01T00:00:00Z"},
    ],
    ids=lambda times: "-".join(times.values()),
)
async def test_each_cell_of_another_moment_is_what_the_persons_own_answer_says(
    front: Front, times: dict[str, str]
) -> None:
    await ada_and_eve(front)
    # Late evidence and a void that only later questions may know of.
    await front.driver.post("office", void("v1", "s3", at=day(61)), stored=day(61.5))
    document = await front.document("/matrix", **times)
    cells = cells_of(document)
    assert len(cells) == 2 * len(document["rows"]) >= 6
    asked = dict(times)
    asked.setdefault("as_of", document["as_of"])
    if len(asked["as_of"]) == 10:
        asked["as_of"] = document["as_of"]
        # The end of the local day: it is summer time in London.
        assert document["as_of"] == "2026-03-31T22:59:59.999999Z"
    found = {}
    for row in document["rows"]:
        own = await front.document(f"/people/{row['person']}/competencies", **asked)
        assert own["known_at"] == document["known_at"]
        for one in own["competencies"]:
            found[(row["person"], one["competency"])] = one
    for key, cell in cells.items():
        one = found[key]
        assert {name: one.get(name) for name in cell} == cell, key


async def test_what_expires_before_a_later_day_has_expired_then(front: Front) -> None:
    ada, _ = await ada_and_eve(front)
    now = cells_of(await front.document("/matrix", competency=[COMPETENCY]))
    then = cells_of(await front.document("/matrix", competency=[COMPETENCY], as_of="2027-02-04"))
    assert now[(ada, COMPETENCY)]["status"] == "achieved"
    assert then[(ada, COMPETENCY)]["status"] == "expired"


async def test_people_are_those_of_the_day_and_as_known(front: Front) -> None:
    await place(front)
    ada, ben, cai, dan = [uuid4() for _ in range(4)]
    await employ(front, ada, "north", valid_from=date(2026, 1, 1), valid_to=date(2026, 1, 31))
    await employ(front, ben, "south", valid_from=date(2026, 2, 1))
    await employ(front, cai, "north", recorded_ms=1, retracted_ms=5)
    await employ(front, dan, "acme", role=None)
    await front.driver.tick(day(40))

    async def people(**query: str) -> set[str]:
        document = await front.document("/matrix", competency=[COMPETENCY], **query)
        return {row["person"] for row in document["rows"]}

    assert await people(organisation="acme") == {str(ben), str(dan)}
    assert await people(organisation="acme", as_of="2026-01-31") == {str(ada), str(dan)}
    assert await people(organisation="north", as_of="2026-02-01") == set()
    assert await people(role="operator") == {str(ben)}
    assert await people(role="operator", organisation="north", as_of="2026-01-01") == {str(ada)}


async def test_the_filters_are_all_of_them_together(front: Front) -> None:
    await place(front)
    north = await people_made(front, 3, status="achieved", site="north")
    south = await people_made(front, 3, status="expired", site="south")
    await people_made(front, 2)
    for person in (north[0], south[0]):
        await join(front, person)

    async def people(**query: Any) -> set[str]:
        document = await front.document("/matrix", **query)
        return {row["person"] for row in document["rows"]}

    both = {str(north[0]), str(south[0])}
    assert await people(cohort="c1") == both
    assert await people(cohort="c1", organisation="south") == {str(south[0])}
    assert await people(cohort="c1", status="achieved") == {str(north[0])}
    assert await people(status="expired") == {str(one) for one in south}
    assert await people(status=["expired", "achieved"], role="operator") == {
        str(one) for one in (*north, *south)
    }
    assert await people(status="not_started", role="operator") == await people(
        status="not_started", organisation="north"
    )
    for path, name in (("role", "nobody"), ("organisation", "nowhere"), ("cohort", "none")):
        assert (await front.get("/matrix", **{path: name})).status_code == 404
    for query in ({"status": "done"}, {"as_of": "yesterday"}, {"known_at": "2026-01-01"}):
        assert (await front.get("/matrix", **query)).status_code == 400, query


@pytest.mark.parametrize(
    "query",
    [{}, {"role": "operator"}, {"organisation": "acme"}, {"cohort": "c1"}, {"status": "expired"}],
    ids=str,
)
async def test_pages_together_are_everybody_once(front: Front, query: dict[str, str]) -> None:
    await place(front)
    for person in await people_made(front, 23, status="expired"):
        await join(front, person)
        await employ(front, person, "south")
    pages: list[list[str]] = []
    after: dict[str, str] = {}
    while True:
        document = await front.document("/matrix", limit="7", **query, **after)
        pages.append([row["person"] for row in document["rows"]])
        if document["next"] is None:
            break
        after = {"after": document["next"]}
    people = [one for page in pages for one in page]
    assert people == sorted(set(people))
    known = await front.driver.pool.fetchval("select count(*) from aggregator.person")
    assert len(people) == (known if not query else 23)
    assert all(len(page) == 7 for page in pages[:-1])


async def test_a_merged_person_is_no_row(front: Front) -> None:
    ada, eve = await ada_and_eve(front)
    await front.owner.execute(
        "insert into aggregator.person_merge (tenant, merge, kept, merged, recorded_ms) "
        "values ($1, $2, $3, $4, 1)",
        TENANT,
        uuid4(),
        UUID(ada),
        UUID(eve),
    )
    document = await front.document("/matrix")
    people = {row["person"] for row in document["rows"]}
    assert ada in people
    assert eve not in people


async def test_more_than_may_be_decided_anew_is_refused(front: Front) -> None:
    await place(front)
    await people_made(front, 20)
    await front.driver.tick(day(40))
    many = [f"https://example.org/c/{number}" for number in range(40)]
    refused = await front.get("/matrix", competency=many, as_of="2025-01-01")
    assert refused.status_code == 400
    assert "600 cells" in refused.json()["detail"]
    assert (await front.get("/matrix", competency=many)).status_code == 200


async def test_what_waits_to_be_decided_is_told(front: Front) -> None:
    await ada_and_eve(front)
    await front.driver.post("office", void("v1", "s3", at=day(61)), stored=day(63))
    document = await front.document("/matrix", competency=[COMPETENCY])
    assert document["undecided"] == 1
    # Asked about a moment of the future, what waits is decided for the answer.
    asked = await front.document("/matrix", competency=[COMPETENCY], as_of="2026-04-01")
    statuses = {row["cells"][0]["status"] for row in asked["rows"]}
    assert "achieved" not in statuses


async def test_people_by_roles(front: Front) -> None:
    ada, eve = await ada_and_eve(front)
    document = await front.document("/matrix/roles", organisation="acme")
    assert [one["role"] for one in document["roles"]] == ["operator"]
    cells = {row["person"]: row["cells"][0] for row in document["rows"]}
    assert cells[ada] == {
        "assigned": True,
        "ready": True,
        "met": 2,
        "required": 2,
        "expires_on": "2026-03-30",
    }
    assert (cells[eve]["ready"], cells[eve]["met"]) == (False, 0)


async def test_a_person_at_a_glance(front: Front) -> None:
    ada, eve = await ada_and_eve(front)
    glance = await front.document(f"/people/{ada}/summary")
    assert {
        one["competency"]: (one["status"], one["bucket"]) for one in glance["competencies"]
    } == {
        COMPETENCY: ("achieved", None),
        THEORY_0: ("achieved", "0-30"),
    }
    (role,) = glance["roles"]
    assert (role["role"], role["organisations"]) == ("operator", ["north"])
    assert (role["ready"], role["expires_on"], role["gaps"]) == (True, "2026-03-30", [])
    other = await front.document(f"/people/{eve}/summary", as_of="2026-03-04")
    assert [one["competency"] for one in other["roles"][0]["gaps"]] == [COMPETENCY, THEORY_0]
    assert (await front.get(f"/people/{uuid4()}/summary")).status_code == 404


# Gaps and what expires ---------------------------------------------------------------------------


async def test_gaps_name_what_the_role_asks_for_and_is_not_met(front: Front) -> None:
    _, eve = await ada_and_eve(front)
    document = await front.document("/gaps", role="operator")
    assert {(one["person"], one["competency"], one["gap"]) for one in document["gaps"]} == {
        (eve, COMPETENCY, 1),
        (eve, THEORY_0, 1),
    }
    await front.owner.execute("update aggregator.role_requirement set level = 3")
    document = await front.document("/gaps", organisation="south")
    assert {one["gap"] for one in document["gaps"]} == {3}


async def test_what_expires_is_listed_by_day_and_overdue_only_while_assigned(
    front: Front,
) -> None:
    await place(front)
    await front.driver.tick(day(59.5))
    today = date(2026, 3, 1)
    people = await people_made(front, 6)
    days = (-1, 0, 30, 31, 60, 91)
    for person, days_left in zip(people, days, strict=True):
        status = "expired" if days_left < 0 else "achieved"
        await current(front, person, COMPETENCY, status, today + timedelta(days=days_left))
    other = uuid4()
    await current(front, other, COMPETENCY, "expired", today - timedelta(days=9))
    document = await front.document("/expiring")
    found = [(one["person"], one["days_left"], one["bucket"]) for one in document["expiring"]]
    assert found == [
        (str(people[0]), -1, "overdue"),
        (str(people[1]), 0, "0-30"),
        (str(people[2]), 30, "0-30"),
        (str(people[3]), 31, "31-60"),
        (str(people[4]), 60, "31-60"),
    ]
    assert document["expiring"][0]["assigned"] is True
    soon = await front.document("/expiring", within_days="30", overdue="false")
    assert [one["days_left"] for one in soon["expiring"]] == [0, 30]
    pages = []
    after: dict[str, str] = {}
    while True:
        page = await front.document("/expiring", limit="2", **after)
        pages += [one["person"] for one in page["expiring"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert pages == [one[0] for one in found]
    assert (await front.get("/expiring", after="x")).status_code == 400


# Counts ------------------------------------------------------------------------------------------


async def test_readiness_is_ready_people_over_assigned_ones(front: Front) -> None:
    await place(front)
    await people_made(front, 12, status="achieved", site="north")
    await people_made(front, 8, site="north")
    await people_made(front, 6, status="achieved", site="south")
    await people_made(front, 9, status="expired", site="south")
    (role,) = (await front.document("/readiness", "planner"))["roles"]
    assert (role["people"], role["ready"], role["readiness_percent"]) == (35, 18, 51.4)
    assert [
        (one["organisation"], one["ready"], one["readiness_percent"])
        for one in role["organisations"]
    ] == [("north", 12, 60.0), ("south", 6, 40.0)]
    assert not role["suppressed"]


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_counted_by_the_database_is_what_the_definitions_say(
    front: Front, seed: int
) -> None:
    """A moment later than now counts by `holding`, from the same decisions."""
    await place(front)
    await front.driver.tick(day(40))
    chance = random.Random(seed)  # noqa: S311 - data of a test
    competencies = [COMPETENCY, THEORY_0, "urn:c"]
    for role in ("cleaner", "lead"):
        await front.owner.execute(
            "insert into aggregator.role (tenant, role, name) values ($1, $2, '')", TENANT, role
        )
        for competency in competencies:
            await front.owner.execute(
                "insert into aggregator.role_requirement (tenant, requirement, role, competency, "
                "level, recorded_ms) values ($1, $2, $3, $4, $5, 1)",
                TENANT,
                uuid4(),
                role,
                competency,
                chance.choice((None, 0, 1, 2, 3)),
            )
    for person in await people_made(front, 60):
        for _ in range(chance.randint(0, 2)):
            role, site = chance.choice(("cleaner", "lead", "operator")), chance.choice(SITES)
            await employ(front, person, site, role=role)
        for competency in competencies:
            if chance.random() < 0.8:
                await current(front, person, competency, chance.choice(("achieved", "expired")))
    await front.owner.execute(
        "update aggregator.decision_current set level = nullif(abs(hashtext(person::text || "
        "competency)) % 5, 0)"
    )
    for path in ("/readiness", "/gaps/by-organisation"):
        now = await front.document(path)
        then = await front.document(path, as_of=day(40.001).isoformat())
        del now["as_of"], then["as_of"]
        assert now == then
        assert '"suppressed": false' in json.dumps(now)


async def test_small_numbers_and_what_they_could_be_worked_out_from_are_hidden(
    front: Front,
) -> None:
    await place(front)
    await people_made(front, 12, status="achieved", site="north")
    await people_made(front, 8, site="north")
    await people_made(front, 3, status="achieved", site="south")
    (role,) = (await front.document("/readiness", "planner"))["roles"]
    assert (role["people"], role["ready"]) == (23, 15)
    assert [(one["people"], one["ready"], one["suppressed"]) for one in role["organisations"]] == [
        (None, None, True),
        (None, None, True),
    ]
    (gap, _) = (await front.document("/gaps/by-organisation", "planner"))["competencies"]
    assert (gap["people"], gap["people_with_gap"], gap["gap"]) == (23, 8, 8)
    assert all(one["gap"] is None for one in gap["organisations"])


async def test_progress_of_a_cohort(front: Front) -> None:
    await place(front)
    await front.driver.tick(day(181.5))
    for status, count in (("achieved", 7), ("expired", 2), ("in_progress", 6)):
        for person in await people_made(front, count, status=status):
            await join(front, person)
    document = await front.document("/cohorts/c1/progress", "planner", role="operator")
    assert document["people"] == 15
    assert document["time_percent"] == 49.6
    assert document["met_percent"] == 46.7
    for one in document["competencies"]:
        shown = {status: count for status, count in one["people"].items() if count is not None}
        # Two who expired, and the next smallest, by which they could be worked out.
        assert set(STATUSES) - set(shown) == {"expired", "in_progress"}
        assert shown["achieved"] == 7
    assert (await front.get("/cohorts/none/progress")).status_code == 404


async def test_counts_of_what_expires(front: Front) -> None:
    await place(front)
    await front.driver.tick(day(59.5))
    for count, days_left in ((6, 10), (2, 45), (8, 80)):
        for person in await people_made(front, count):
            expires_on = date(2026, 3, 1) + timedelta(days=days_left)
            await current(front, person, COMPETENCY, "achieved", expires_on)
    (one,) = (await front.document("/expiring/counts", "planner"))["competencies"]
    assert one["people"] == {"overdue": 0, "0-30": None, "31-60": None, "61-90": 8}
    assert one["total"] == 16


async def test_coverage_alerts_where_one_person_is_all_there_is(front: Front) -> None:
    await place(front)
    await people_made(front, 1, status="achieved", site="north")
    await people_made(front, 2, status="achieved", site="south")

    async def coverage(organisation: str) -> tuple[int, bool]:
        answer = await front.document("/coverage", organisation=organisation, role="operator")
        return answer["competencies"][0]["current"], answer["competencies"][0]["alert"]

    assert await coverage("north") == (1, True)
    assert await coverage("south") == (2, False)
    assert await coverage("acme") == (3, False)


async def test_who_may_read_counts_only_reads_no_people(front: Front) -> None:
    await place(front)
    for path in ("/readiness", "/gaps/by-organisation", "/expiring/counts"):
        assert (await front.get(path, "planner")).status_code == 200, path
        assert (await front.get(path, "writer")).status_code == 403, path
    for path in ("/matrix", "/matrix/roles", "/gaps", "/expiring", "/people", "/decisions"):
        assert (await front.get(path, "planner")).status_code == 403, path
    assert (await front.get("/coverage", "planner", organisation="acme")).status_code == 403


# Files -------------------------------------------------------------------------------------------


async def test_a_matrix_as_csv_holds_all_pages(front: Front) -> None:
    await place(front)
    people = await people_made(front, CHUNK_PEOPLE + 3, status="achieved")
    answer = await front.get("/matrix", role="operator", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="matrix-')
    header, *rows = list(csv.reader(io.StringIO(answer.text)))
    assert header[:3] == ["person", "ready", f"{COMPETENCY} status"]
    assert [row[0] for row in rows] == [str(one) for one in people]
    assert {row[1] for row in rows} == {"yes"}
    for path in ("/matrix/roles", "/gaps", "/expiring", "/readiness", "/gaps/by-organisation"):
        assert (await front.get(path, format="csv")).text.count("\r\n") >= 1, path


async def test_no_text_of_a_file_is_a_formula(front: Front) -> None:
    await place(front)
    await people_made(front, 1)
    evil = "=HYPERLINK(1)"
    await front.owner.execute(
        "insert into aggregator.competency (tenant, competency, code, name, statement, framework, "
        "identifier, position, withdrawn) values ($1, $2, $3, '', '', 'f', 'i', 1, false)",
        TENANT,
        COMPETENCY,
        evil,
    )
    text = (await front.get("/matrix", role="operator", format="csv")).text
    header = next(csv.reader(io.StringIO(text)))
    assert f"'{evil} status" in header
    assert not [cell for cell in header if cell.startswith(("=", "+", "-", "@"))]
    answer = await front.get("/matrix", role="operator", format="xlsx")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert evil in sheet
    assert "<f>" not in sheet
    again = await front.get("/matrix", role="operator", format="xlsx")
    assert again.content == answer.content


async def test_so_many_files_at_one_time() -> None:
    exports = Exports(parallel_max=0, cells_max=1)
    with pytest.raises(Problem) as refused:
        await exports.fill("csv", None, None)  # type: ignore[arg-type] # refused before it looks
    assert refused.value.status == 503
    assert "Retry-After" in refused.value.headers


# The tables --------------------------------------------------------------------------------------


async def test_every_query_prepares_as_the_service_role(postgres: Database) -> None:
    connection = await postgres.connect("assay_aggregator")
    for name in QUERIES.names():
        try:
            await connection.prepare(QUERIES[name])
        except asyncpg.PostgresError as error:
            pytest.fail(f"{name}: {error}")
    await connection.close()
