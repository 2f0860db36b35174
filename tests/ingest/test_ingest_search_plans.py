"""The SQL of the search: every combination of filters follows indexes in order, and is bounded."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from assay_ingest.__main__ import INDEXES_ONLY
from assay_ingest.search import Cursor, Search
from assay_ingest.search_sql import compose
from assay_runtime.sql import load_queries
from assay_testing import Database

QUERIES = load_queries("assay_ingest")
FILTERS: dict[str, dict[str, object]] = {
    "agent": {"agent": uuid4()},
    "related_agents": {"agent": uuid4(), "related_agents": True},
    "verb": {"verb": uuid4()},
    "activity": {"activity": uuid4()},
    "related_activities": {"activity": uuid4(), "related_activities": True},
    "registration": {"registration": uuid4()},
    "mine": {"mine": uuid4()},
    "since": {"since_ms": 5},
    "until": {"until_ms": 9},
    "cursor": {"cursor": Cursor(7, uuid4())},
    "ascending": {"ascending": True},
    "all": {
        "agent": uuid4(),
        "related_agents": True,
        "verb": uuid4(),
        "activity": uuid4(),
        "related_activities": True,
        "registration": uuid4(),
        "mine": uuid4(),
        "cursor": Cursor(7, uuid4()),
    },
}
LEADERS = ("registration", "agent", "activity", "verb")
# A full sort is fine for one page, and for what shares one millisecond.
SORTS_OF_A_PAGE = {"Limit", "Unique", "Incremental Sort", "WindowAgg", "Nested Loop"}


@pytest.fixture
async def reader(postgres: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the front's role, with the settings of its pool."""
    connection = await postgres.connect("assay_ingest")
    try:
        for name, value in INDEXES_ONLY.items():
            await connection.execute(f"set {name} = {value}")
        yield connection
    finally:
        await connection.close()


def searches() -> Iterator[tuple[tuple[str, ...], Search]]:
    for count in (1, 2):
        for names in itertools.combinations(FILTERS, count):
            arguments: dict[str, object] = {}
            for name in names:
                arguments |= FILTERS[name]
            yield names, Search(**arguments)  # type: ignore[arg-type] # the values fit their names


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def test_every_combination_of_filters_is_planned_over_indexes_in_order(
    reader: asyncpg.Connection,
) -> None:
    for (names, search), leader in itertools.product(searches(), (None, *LEADERS)):
        if leader is not None and getattr(search, leader) is None:
            continue
        sql, values = compose(
            search,
            QUERIES,
            tenant="t1",
            watermark_ms=100,
            rows_max=10,
            bytes_max=1000,
            scan_rows_max=50,
            leader=leader,
        )
        assert "{" not in sql, names
        text = await reader.fetchval(f"explain (format json) {sql}", *values)
        plan = json.loads(text)[0]["Plan"]
        for node in nodes(plan):
            kind = node["Node Type"]
            assert kind not in {"Seq Scan", "Bitmap Heap Scan", "Hash Join"}, (names, kind)
            if kind == "Sort":
                # What is sorted is a page, never an index: no scan stands directly below.
                below = {one["Node Type"] for one in node["Plans"]}
                assert below <= SORTS_OF_A_PAGE, (names, below)


FILL = [
    # Each third tells of another combination, and of each two filters below no statement tells.
    """
    insert into ingest.statement (tenant, stored_ms, id, source, client, version, verb, activity,
      raw, authority)
    select 't1', i / 10, md5(i::text)::uuid, 's', 'c', '2.0.0',
      ($1::uuid[])[case when i % 3 = 1 then 1 else 2 end],
      ($2::uuid[])[case when i % 3 = 0 then 1 else 2 end], '{"id":""}', $3
    from generate_series(1, 9000) as i
    """,
    """
    insert into ingest.statement_agent (tenant, agent, stored_ms, id)
    select 't1', ($1::uuid[])[case when i % 3 = 2 then 1 else 2 end], i / 10, md5(i::text)::uuid
    from generate_series(1, 9000) as i
    """,
]
SCAN_ROWS = 500
ALL_VISIBLE = """
    select relpages > 0 and relallvisible = relpages from pg_class where oid = $1::text::regclass
"""


def pages_of_statements(plan: dict[str, Any]) -> float:
    """How many rows were looked at in a table of statements, beyond its indexes."""
    own = 0.0
    if plan.get("Relation Name", "").startswith("statement"):
        found = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        own = plan.get("Heap Fetches", plan["Actual Loops"] * found)
    return own + sum(pages_of_statements(part) for part in plan.get("Plans", ()))


async def test_what_a_pair_of_filters_does_not_match_is_told_by_indexes_alone(
    postgres: Database, reader: asyncpg.Connection
) -> None:
    verbs, activities, agents = ([uuid4(), uuid4()] for _ in range(3))
    owner = await postgres.connect()
    try:
        # A vacuum marks as visible only what has surely been committed.
        await owner.execute("set synchronous_commit = on")
        await owner.execute(FILL[0], verbs, activities, uuid4())
        await owner.execute(FILL[1], agents)
        for table in ("statement_default", "statement_agent_default"):
            # Whoever else looks at the table for a moment keeps pages from being marked.
            async with asyncio.timeout(30):
                while not await owner.fetchval(ALL_VISIBLE, f"ingest.{table}"):
                    await owner.execute(f"vacuum analyze ingest.{table}")
    finally:
        await owner.close()
    given = {"verb": verbs[0], "activity": activities[0], "agent": agents[0]}
    for leader, other in itertools.permutations(given, 2):
        sql, values = compose(
            Search(**{leader: given[leader], other: given[other]}),  # type: ignore[arg-type] # they fit
            QUERIES,
            tenant="t1",
            watermark_ms=10**9,
            rows_max=10,
            bytes_max=1000,
            scan_rows_max=SCAN_ROWS,
            leader=leader,
        )
        text = await reader.fetchval(f"explain (analyze, format json) {sql}", *values)
        # The mark is read, and what the vacuum left because somebody still looked at it.
        assert pages_of_statements(json.loads(text)[0]["Plan"]) < SCAN_ROWS / 10, (leader, other)
