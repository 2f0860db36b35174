"""The SQL of reading: pages follow indexes in order, and look at no more than they show.

The tables are small here, so that other ways than by index are forbidden to the planner: what it
cannot do by index it shows.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from assay_aggregator.reading.store import QUERIES
from assay_cli.bench_matrix import ROLE, TENANT, competency, fill
from assay_testing import Database

PEOPLE, COMPETENCIES, PAGE = 300, 12, 10
DAY = date(2026, 3, 1)
COLUMNS = [competency(number) for number in range(COMPETENCIES)]
SITES = ["site-1", "site-2"]
SETTINGS = (
    "enable_seqscan = off",
    "enable_bitmapscan = off",
    "plan_cache_mode = force_custom_plan",
)


@pytest.fixture
async def reader(postgres: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the service, to tables that hold a small matrix."""
    owner = await postgres.connect("assay_owner")
    rows = await fill(owner, people=PEOPLE, competencies=COMPETENCIES)
    assert rows == PEOPLE * COMPETENCIES
    assert await fill(owner, people=PEOPLE, competencies=COMPETENCIES) == 0
    await owner.close()
    connection = await postgres.connect("assay_aggregator")
    for setting in SETTINGS:
        await connection.execute(f"set {setting}")
    yield connection
    await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def plan_of(reader: asyncpg.Connection, name: str, *arguments: object) -> dict[str, Any]:
    text = await reader.fetchval(
        f"explain (analyze, timing off, format json) {QUERIES[name]}", TENANT, *arguments
    )
    found: dict[str, Any] = json.loads(text)[0]["Plan"]
    return found


def rows_read(plan: dict[str, Any]) -> float:
    """Rows that scans of tables have looked at."""
    return sum(
        float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(plan)
        if "Relation Name" in node
    )


def of_people(*more: object, after: object = None) -> tuple[object, ...]:
    return (None, DAY, after, PAGE, *more)


PAGES: tuple[tuple[str, tuple[object, ...], int], ...] = (
    ("people_of_tenant", of_people(), 2),
    ("people_of_role", of_people(ROLE), 2),
    ("people_of_organisations", of_people(SITES, None), 3),
    ("people_of_organisations", of_people(SITES, ROLE), 3),
    ("people_of_cohort", of_people("bench-cohort", None, None), 2),
    ("people_of_cohort", of_people("bench-cohort", SITES, ROLE), 40),
    ("people_with_status", (None, PAGE, COLUMNS, ["expired"]), COMPETENCIES + 1),
    ("people_decided", (COLUMNS[0], None, PAGE), 2),
    (
        "expiring",
        (None, DAY, date.min, date.max, None, None, None, None, None, None, None, PAGE),
        12,
    ),
)


@pytest.mark.parametrize(("name", "arguments", "times"), PAGES, ids=lambda one: str(one)[:40])
async def test_a_page_reads_no_more_than_some_rows_for_each_it_shows(
    reader: asyncpg.Connection, name: str, arguments: tuple[object, ...], times: int
) -> None:
    plan = await plan_of(reader, name, *arguments)
    scans = [node for node in nodes(plan) if "Relation Name" in node]
    assert scans
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}, name
    assert rows_read(plan) <= times * PAGE, name


async def test_a_page_of_cells_is_read_by_its_key(reader: asyncpg.Connection) -> None:
    people = [row[0] for row in await reader.fetch(
        "select person from aggregator.person where tenant = $1 order by person limit $2",
        TENANT, PAGE,
    )]  # fmt: skip
    plan = await plan_of(reader, "cells", people, COLUMNS)
    (scan,) = [node for node in nodes(plan) if "Relation Name" in node]
    assert scan["Index Name"] == "decision_current_pkey"
    assert rows_read(plan) == PAGE * COMPETENCIES
    for name in ("marks_of", "wakeups_of"):
        more = (10**15,) if name == "wakeups_of" else ()
        plan = await plan_of(reader, name, people, COLUMNS, *more)
        assert rows_read(plan) == 0
    plan = await plan_of(reader, "awards", people, COLUMNS[0], 10**15)
    assert {node.get("Index Name") for node in nodes(plan) if "Relation Name" in node} == {
        "decision_pkey"
    }


async def test_a_person_of_another_tenant_is_not_found(reader: asyncpg.Connection) -> None:
    for name, arguments, _ in PAGES:
        assert await reader.fetch(QUERIES[name], "other", *arguments) == []
    assert await reader.fetch(QUERIES["cells"], "other", [uuid4()], COLUMNS) == []
