"""Every query is understood by the real schema, by the role that runs it, and uses its indexes."""

import itertools
from uuid import uuid4

import asyncpg
import pytest

from assay_ingest.search import Cursor, Search, compose
from assay_runtime.sql import load_queries
from assay_testing import Database

QUERIES = load_queries("assay_ingest")
WHOLE = [name for name in QUERIES.names() if not name.startswith("search_")]
ROLES = {
    "assay_ingest": {"find_source", "find_keys", "find_statement", "read_applied"},
    "assay_store": {
        "count_quarantine",
        "begin_batch",
        "claim_keys",
        "find_holders",
        "insert_statements",
        "insert_agents",
        "delete_statements",
        "delete_agents",
        "keep_conflicts",
        "forget_conflicts",
        "insert_voids",
        "delete_voids",
        "judge_voids",
    },
    "assay_mover": {"find_source", "insert_rejected"},
    "assay_owner": {"put_tenant", "put_source", "put_client", "list_rejected", "show_rejected"},
}
FILTERS: dict[str, dict[str, object]] = {
    "agent": {"agent": uuid4()},
    "verb": {"verb": uuid4()},
    "activity": {"activity": uuid4()},
    "registration": {"registration": uuid4()},
    "since": {"since_ms": 5},
    "until": {"until_ms": 9},
    "cursor": {"cursor": Cursor(7, uuid4())},
    "ascending": {"ascending": True},
}


def test_every_query_is_given_to_a_role() -> None:
    assert set().union(*ROLES.values()) == set(WHOLE)


async def test_every_query_can_be_prepared_by_a_role_that_runs_it(postgres: Database) -> None:
    for role, names in ROLES.items():
        connection = await postgres.connect(role)
        try:
            for name in sorted(names):
                # Access rights are checked when a query is planned, not when it is prepared.
                query = QUERIES[name]
                await connection.prepare(query)
                await connection.execute(f"explain (generic_plan) {query}")
        finally:
            await connection.close()


async def test_no_role_may_change_what_is_not_its_own(postgres: Database) -> None:
    for role in ("assay_ingest", "assay_mover"):
        connection = await postgres.connect(role)
        try:
            for table in ("statement", "statement_key", "void", "conflict", "api_client", "source"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"delete from ingest.{table}")  # noqa: S608 - above
        finally:
            await connection.close()


async def test_every_pair_of_filters_is_planned_over_an_index(postgres: Database) -> None:
    connection = await postgres.connect("assay_ingest")
    try:
        # The tables are empty, so that only this makes the planner show what it could use.
        await connection.execute("set enable_seqscan = off")
        pairs = [*itertools.combinations(FILTERS, 1), *itertools.combinations(FILTERS, 2)]
        for names in pairs:
            arguments: dict[str, object] = {}
            for name in names:
                arguments |= FILTERS[name]
            search = Search(**arguments)  # type: ignore[arg-type] # the values fit their names
            sql, values = compose(
                search, QUERIES, tenant="t1", watermark_ms=100, rows_max=10, bytes_max=1000
            )
            plan = await connection.fetch(f"explain {sql}", *values)
            text = "\n".join(row[0] for row in plan)
            assert "Index" in text, names
            assert "Seq Scan on statement" not in text, names
    finally:
        await connection.close()
