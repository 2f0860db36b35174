"""Every query fits the real schema, and each schema.sql equals the sum of its migrations."""

import re
from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest

from assay_runtime.sql import Queries
from assay_testing import Database

SCHEMAS = ("ingest", "aggregator", "credentials")
# The tables of a rebuild are made by its own queries.
_NOT_OF_THE_SCHEMA = ("schema.sql", "rebuild.sql")
# Schema, and the file of queries that runs on it; {schema} in a file stands for the schema.
QUERY_FILES = (
    *(
        (schema, f"assay_{schema}", file.name)
        for schema in SCHEMAS
        for file in sorted(files(f"assay_{schema}").joinpath("sql").iterdir(), key=str)
        if file.name.endswith(".sql") and file.name not in _NOT_OF_THE_SCHEMA
    ),
    *((schema, "assay_runtime", "queries.sql") for schema in SCHEMAS),
    *(
        (schema, "assay_runtime", f"{name}.sql")
        for schema in ("aggregator", "credentials")
        for name in ("audit", "signing")
    ),
    *((schema, "assay_cli", "queries.sql") for schema in SCHEMAS),
    ("", "assay_cli", "check.sql"),
)
# Fragments are put together by the code; a test of the service prepares what comes of them.
_FRAGMENTS = ("search_",)
# Partitions of a month are made ahead by `assay maintain`, not by a migration.
_MONTH = re.compile(r"_y[0-9]{4}m[0-9]{2}")

STRUCTURE = """
-- A column that was dropped leaves a gap in the numbers, hence their order and not the numbers.
select 'column ' || table_name || '.' || column_name || ' '
  || row_number() over (partition by table_name order by ordinal_position) || ' '
  || data_type || ' ' || udt_name || ' ' || is_nullable || ' ' || coalesce(column_default, '')
  || ' ' || is_identity as what
from information_schema.columns where table_schema = $1
union all
select 'index ' || tablename || ' ' || indexdef from pg_indexes where schemaname = $1
union all
select 'constraint ' || c.conrelid::regclass || ' ' || c.conname || ' '
  || pg_get_constraintdef(c.oid)
from pg_constraint as c join pg_namespace as n on n.oid = c.connamespace
where n.nspname = $1
union all
select 'table ' || c.relname || ' ' || c.relkind::text || ' ' || coalesce(c.reloptions::text, '')
  || ' ' || coalesce(pg_get_expr(c.relpartbound, c.oid), '') || ' '
  || coalesce(pg_get_partkeydef(c.oid), '')
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where n.nspname = $1
union all
select 'right ' || table_name || ' ' || grantee || ' ' || privilege_type
from information_schema.table_privileges where table_schema = $1
union all
select 'right ' || table_name || '.' || column_name || ' ' || grantee || ' ' || privilege_type
from information_schema.column_privileges where table_schema = $1
union all
select 'function ' || p.proname || ' ' || pg_get_functiondef(p.oid)
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where n.nspname = $1
order by 1
"""


@pytest.fixture
async def connection(postgres: Database) -> AsyncIterator[asyncpg.Connection]:
    opened = await postgres.connect()
    try:
        yield opened
    finally:
        await opened.close()


async def _structure(connection: asyncpg.Connection, schema: str) -> list[str]:
    rows = await connection.fetch(STRUCTURE, schema)
    return [row["what"] for row in rows if _MONTH.search(row["what"]) is None]


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_schema_sql_equals_the_sum_of_the_migrations(
    connection: asyncpg.Connection, schema: str
) -> None:
    migrated = await _structure(connection, schema)
    assert len(migrated) > 20
    await connection.execute(f"drop schema {schema} cascade")
    text = files(f"assay_{schema}").joinpath("sql", "schema.sql").read_text(encoding="utf-8")
    await connection.execute(text)
    assert await _structure(connection, schema) == migrated


@pytest.mark.parametrize(
    ("schema", "package", "name"), QUERY_FILES, ids=["-".join(one[:2]) for one in QUERY_FILES]
)
async def test_every_query_can_be_prepared(
    connection: asyncpg.Connection, schema: str, package: str, name: str
) -> None:
    text = files(package).joinpath("sql", name).read_text(encoding="utf-8")
    queries = Queries(text.replace("{schema}", schema))
    wrong = {}
    if name == "check.sql":
        await connection.execute(queries["make_events"])
    for query in queries.names():
        if query.startswith(_FRAGMENTS):
            continue
        if "outbox" in query and schema == "ingest":
            # The ingest service has no outbox: its log is Kafka itself.
            continue
        try:
            await connection.prepare(queries[query])
        except asyncpg.PostgresError as error:
            wrong[query] = str(error)
    assert queries.names() != ()
    assert wrong == {}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_queries_list_their_columns(schema: str) -> None:
    """`select * from unnest(...)` names its columns in the call; from a table it hides them."""
    text = files(f"assay_{schema}").joinpath("sql", "queries.sql").read_text(encoding="utf-8")
    stars = [
        line
        for line in text.splitlines()
        if "select *" in line and "unnest" not in line and not line.startswith("--")
    ]
    assert stars == []
