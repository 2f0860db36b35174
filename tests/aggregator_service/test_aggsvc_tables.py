"""The tables: queries, migrations, rights."""

import re
from importlib.resources import files

import asyncpg
import pytest

from aggregator_service_driver import driver_of, post_award, with_records
from assay_aggregator.store import QUERIES
from assay_testing import Database

CATALOG = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  pg_get_expr(d.adbin, d.adrelid), c.reloptions::text
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'aggregator'::regnamespace
union all
select conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null, null
from pg_constraint where connamespace = 'aggregator'::regnamespace
union all
select tablename, indexname, indexdef, null, null, null
from pg_indexes where schemaname = 'aggregator'
union all
select table_name, grantee || ' ' || coalesce(column_name, ''), privilege_type, null, null, null
from (
  select table_name, grantee, null as column_name, privilege_type
  from information_schema.table_privileges where table_schema = 'aggregator'
  union all
  select table_name, grantee, column_name, privilege_type
  from information_schema.column_privileges where table_schema = 'aggregator'
) as rights
order by 1, 2, 3, 4, 5
"""

OWN = "assay_aggregator"
APPEND_ONLY = ("decision", "rule_version", "fact_agent", "void", "quarantine")


@pytest.fixture
async def owner(postgres: Database) -> asyncpg.Connection:
    return await postgres.connect("assay_owner")


async def test_every_query_prepares_as_the_service_role(postgres: Database) -> None:
    connection = await postgres.connect(OWN)
    for name in QUERIES.names():
        try:
            await connection.prepare(QUERIES[name])
        except asyncpg.PostgresError as error:
            pytest.fail(f"{name}: {error}")
    await connection.close()


def test_every_query_is_asked_for_and_lists_its_columns() -> None:
    store = files("assay_aggregator").joinpath("store.py").read_text(encoding="utf-8")
    main = files("assay_aggregator").joinpath("__main__.py").read_text(encoding="utf-8")
    for name in QUERIES.names():
        assert f'"{name}"' in store + main, name
        for found in re.finditer(r"select (\w+\.)?\*", QUERIES[name]):
            # Rows given as parameters have no columns but those listed with them.
            assert "from unnest(" in QUERIES[name][found.end() : found.end() + 20], name


async def test_the_migrations_add_up_to_the_schema(owner: asyncpg.Connection) -> None:
    migrated = await owner.fetch(CATALOG)
    schema = files("assay_aggregator").joinpath("sql", "schema.sql").read_text(encoding="utf-8")
    await owner.execute("drop schema aggregator cascade")
    await owner.execute(schema)
    written = await owner.fetch(CATALOG)
    assert [tuple(row) for row in written] == [tuple(row) for row in migrated]
    assert len(written) > 100
    await owner.close()


async def test_every_key_begins_with_the_tenant(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "select c.conrelid::regclass::text as name, a.attname as first from pg_constraint as c "
        "join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] "
        "where c.contype in ('p', 'u') and c.connamespace = 'aggregator'::regnamespace"
    )
    others = {row["name"]: row["first"] for row in rows if row["first"] != "tenant"}
    assert others == {
        "aggregator.applied": "projection",
        "aggregator.quarantine": "projection",
        "aggregator.outbox": "id",
        "aggregator.api_client": "name",
    }
    await owner.close()


FORBIDDEN = (
    *("delete from aggregator." + table for table in APPEND_ONLY),  # noqa: S608 - names above
    *("truncate aggregator." + table for table in APPEND_ONLY),
    "update aggregator.decision set status = 'achieved'",
    "update aggregator.rule_version set document = '{}'",
    "update aggregator.fact_agent set agent = gen_random_uuid()",
    "update aggregator.void set target = gen_random_uuid()",
    "update aggregator.quarantine set reason = ''",
    "update aggregator.identity_link set person = gen_random_uuid()",
    "update aggregator.assessor_authorisation set valid_from = null",
    "update aggregator.assessor_conflict set recorded_ms = 0",
    "update aggregator.employment set person = gen_random_uuid()",
    "update aggregator.cohort_member set valid_to = null",
    "update aggregator.person_merge set kept = gen_random_uuid()",
    "update aggregator.merge_move set was = null",
    "update aggregator.identity_contradiction set place = ''",
    "delete from aggregator.employment",
    "delete from aggregator.cohort_member",
    "delete from aggregator.person_merge",
    "delete from aggregator.merge_move",
    "delete from aggregator.identity_contradiction",
    "delete from aggregator.organisation",
    "delete from aggregator.cohort",
    "delete from aggregator.identity_link",
    "delete from aggregator.assessor_authorisation",
    "delete from aggregator.assessor_conflict",
    "delete from aggregator.statement_fact",
    "delete from aggregator.decision_current",
    "delete from aggregator.outbox",
    "delete from aggregator.person",
    "update aggregator.api_client set scopes = '{}'",
)


async def test_records_and_decisions_cannot_be_changed(postgres: Database) -> None:
    connection = await postgres.connect(OWN)
    for statement in FORBIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_the_relay_reads_and_deletes_the_outbox_and_nothing_else(
    postgres: Database,
) -> None:
    async with driver_of(postgres) as driver:
        await with_records(driver)
        await post_award(driver)
        await driver.decide()
    connection = await postgres.connect("assay_relay")
    ids = await connection.fetch("delete from aggregator.outbox returning id")
    assert len(ids) == 1
    tables = await connection.fetch(
        "select relname from pg_class "
        "where relnamespace = 'aggregator'::regnamespace and relkind = 'r'"
    )
    assert len(tables) > 15
    for row in tables:
        if row["relname"] != "outbox":
            query = "select 1 from aggregator." + row["relname"]  # noqa: S608 - from the catalog
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(query)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(
            "insert into aggregator.outbox (topic, key, value) values ('', '', '')"
        )
    await connection.close()
