"""The search on a table of a million statements: rows read per page are bounded (slow to set up).

What is measured is what PostgreSQL counts: rows that each node of a plan gave, and how often an
index was asked. The clock is not: other tests run beside this one.
"""

import itertools
import json
from collections.abc import AsyncIterator
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from assay_ingest.__main__ import INDEXES_ONLY
from assay_ingest.records import RELATED_ACTIVITY, RELATED_AGENT, term
from assay_ingest.search import Search
from assay_ingest.search_sql import compose
from assay_runtime.sql import load_queries
from assay_testing import Database

STATEMENTS = 1_000_000
SCAN_ROWS = 2_000
PAGE = 100
QUERIES = load_queries("assay_ingest")
BUSY, QUIET = term("mbox:mailto:busy@example.org"), term("mbox:mailto:quiet@example.org")
COURSE, AUTHORITY, TEACHER = term("urn:course"), term("urn:authority"), term("mbox:mailto:t@e.org")
VERBS = [term(f"urn:verb:{number}") for number in range(5)]
NOWHERE = uuid4()

FILL = [
    # Every third statement is of one busy agent, every tenth of a verb that this agent never uses.
    """
    insert into ingest.statement (tenant, stored_ms, id, source, client, version, verb, actor,
      activity, registration, raw, authority)
    select 't1', 1000 + i / 10, md5(i::text)::uuid, 's', 'c', '2.0.0',
      ($1::uuid[])[case when i % 10 = 7 and i % 3 > 0 then 5 else 1 + i % 4 end], null,
      md5('activity ' || i % 300)::uuid, md5('registration ' || i / 20)::uuid, '{"id":""}', $2
    from generate_series(1, $3::int) as i
    """,
    """
    insert into ingest.statement_agent (tenant, agent, stored_ms, id)
    select 't1', case when i % 3 = 0 then $1::uuid else md5('agent ' || i % 2000)::uuid end,
      1000 + i / 10, md5(i::text)::uuid
    from generate_series(1, $2::int) as i
    """,
    """
    insert into ingest.statement_related (tenant, kind, term, stored_ms, first, ids)
    select 't1', case when i % 50 = 0 then $4::text else $5::text end::"char",
      case when i % 50 = 0 then $1::uuid else $2::uuid end, 1000 + i / 10,
      md5(min(i)::text)::uuid, array_agg(md5(i::text)::uuid)
    from generate_series(1, $3::int) as i
    group by 1, 2, 3, 4
    """,
]


@pytest.fixture(scope="module")
def filters() -> dict[str, dict[str, object]]:
    """Filters that match much alone, and nothing or little together."""
    return {
        "nothing": {},
        "busy agent": {"agent": BUSY},
        "busy agent, broadly": {"agent": BUSY, "related_agents": True},
        "teacher, broadly": {"agent": TEACHER, "related_agents": True},
        "authority, broadly": {"agent": AUTHORITY, "related_agents": True},
        "nobody": {"agent": NOWHERE, "related_agents": True},
        "common verb": {"verb": VERBS[0]},
        "rare verb": {"verb": VERBS[4]},
        "activity": {"activity": UUID(bytes=_md5("activity 3"))},
        "course, broadly": {"activity": COURSE, "related_activities": True},
        "registration": {"registration": UUID(bytes=_md5("registration 9"))},
        "mine": {"mine": AUTHORITY},
        "of another": {"mine": NOWHERE},
        "since": {"since_ms": 50_000},
        "until": {"until_ms": 20_000},
        "ascending": {"ascending": True},
    }


def _md5(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()


@pytest.fixture
async def million(postgres: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the front's role to a database with a million statements."""
    owner = await postgres.connect()
    connection = await postgres.connect("assay_ingest")
    try:
        # Indexes that are made at the end are made in a third of the time.
        indexes = await owner.fetch(
            "select indexname as name, indexdef as made_by from pg_indexes "
            "where schemaname = 'ingest' and tablename = 'statement' and indexname <> "
            "'statement_pkey'"
        )
        for index in indexes:
            await owner.execute(f"drop index ingest.{index['name']}")
        await owner.execute(FILL[0], VERBS, AUTHORITY, STATEMENTS)
        await owner.execute(FILL[1], BUSY, STATEMENTS)
        kinds = (RELATED_AGENT, RELATED_ACTIVITY)
        await owner.execute(FILL[2], TEACHER, COURSE, STATEMENTS, *kinds)
        for index in indexes:
            await owner.execute(index["made_by"].replace(" ON ONLY ", " ON "))
        await owner.execute("analyze ingest.statement, ingest.statement_agent")
        await owner.execute("analyze ingest.statement_related")
        for name, value in INDEXES_ONLY.items():
            await connection.execute(f"set {name} = {value}")
        yield connection
    finally:
        await connection.close()
        await owner.close()


def rows_read(plan: dict[str, Any]) -> float:
    """Rows that the scans of tables and indexes of a plan gave or filtered out."""
    own = 0.0
    if "Relation Name" in plan:
        kept = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        own = plan["Actual Loops"] * kept
    return own + sum(rows_read(part) for part in plan.get("Plans", ()))


async def test_no_combination_of_filters_reads_more_than_a_bounded_number_of_rows(
    million: asyncpg.Connection, filters: dict[str, dict[str, object]]
) -> None:
    worst: dict[tuple[str, ...], float] = {}
    for names in itertools.chain(
        itertools.combinations(filters, 1), itertools.combinations(filters, 2)
    ):
        arguments: dict[str, object] = {}
        for name in names:
            arguments |= filters[name]
        search = Search(**arguments)  # type: ignore[arg-type] # the values fit their names
        sql, values = compose(
            search,
            QUERIES,
            tenant="t1",
            watermark_ms=10**9,
            rows_max=PAGE,
            bytes_max=1 << 30,
            scan_rows_max=SCAN_ROWS,
        )
        for mode in ("force_custom_plan", "force_generic_plan"):
            await million.execute(f"set plan_cache_mode = {mode}")
            text = await million.fetchval(f"explain (analyze, format json) {sql}", *values)
            plan = json.loads(text)[0]["Plan"]
            worst[*names, mode] = rows_read(plan)
    # The bound is five ways, each a stretch of one index with five look-ups for each row of it. Two
    # long ways with a look-up each are what these filters come to.
    assert max(worst.values()) <= 4 * SCAN_ROWS, max(worst, key=worst.__getitem__)
    # A single filter reads about the page's own length.
    singles = {names: count for names, count in worst.items() if len(names) == 2}
    assert max(singles.values()) <= 12 * PAGE, max(singles, key=singles.__getitem__)
