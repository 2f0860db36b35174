"""Migrations: once, in order, unchanged, and never waiting long for a lock."""

import asyncio
from importlib.resources import files

import asyncpg
import pytest

from assay_cli.local_postgres import binaries
from assay_cli.migration import SCHEMAS
from assay_cli.stack import StackInfo
from assay_runtime import migrate
from assay_runtime.migrate import Limits, Migration, MigrationError, apply, parse
from assay_testing import Database

FIRST = ("0001_pre_tables.sql", "CREATE SCHEMA probe; CREATE TABLE probe.one (id int);")
SECOND = ("0002_post_column.sql", "ALTER TABLE probe.one ADD COLUMN word text;")
QUICK = Limits(
    lock_timeout_milliseconds=100,
    lock_attempts=2,
    lock_pause_seconds=0.05,
    other_run_seconds=0.3,
)


async def _columns(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'probe' ORDER BY ordinal_position"
    )
    return [row["column_name"] for row in rows]


async def test_each_migration_is_applied_once(postgres: Database) -> None:
    migrations = parse("probe", [SECOND, FIRST])
    connection = await postgres.connect()
    try:
        assert await apply(connection, migrations) == migrations
        assert await apply(connection, migrations) == ()
        assert await _columns(connection) == ["id", "word"]
    finally:
        await connection.close()


async def test_pre_is_applied_without_post(postgres: Database) -> None:
    connection = await postgres.connect()
    try:
        await apply(connection, parse("probe", [FIRST, SECOND]), stages=("pre",))
        assert await _columns(connection) == ["id"]
    finally:
        await connection.close()


async def test_a_pre_after_a_post_that_is_left_out_is_refused(postgres: Database) -> None:
    third = ("0003_pre_more.sql", "SELECT 1")
    connection = await postgres.connect()
    try:
        with pytest.raises(MigrationError, match=r"0003_pre_more comes after .*0002_post_column"):
            await apply(connection, parse("probe", [FIRST, SECOND, third]), stages=("pre",))
    finally:
        await connection.close()


async def test_a_file_that_was_edited_after_it_was_applied_is_refused(postgres: Database) -> None:
    connection = await postgres.connect()
    try:
        await apply(connection, parse("probe", [FIRST]))
        edited = parse("probe", [(FIRST[0], FIRST[1] + " -- a word"), SECOND])
        with pytest.raises(MigrationError, match="probe 0001_pre_tables was edited"):
            await apply(connection, edited)
        assert await _columns(connection) == ["id"], "nothing after it is applied either"
    finally:
        await connection.close()


async def test_a_migration_that_fails_leaves_nothing_of_itself(postgres: Database) -> None:
    bad = ("0002_pre_bad.sql", "ALTER TABLE probe.one ADD COLUMN word text; SELECT 1/0;")
    connection = await postgres.connect()
    try:
        with pytest.raises(MigrationError, match=r"probe 0002_pre_bad: DivisionByZero"):
            await apply(connection, parse("probe", [FIRST, bad]))
        assert await _columns(connection) == ["id"]
        await apply(connection, parse("probe", [FIRST, SECOND]))
        assert await _columns(connection) == ["id", "word"]
    finally:
        await connection.close()


async def test_a_held_lock_is_waited_for_briefly_and_named(postgres: Database) -> None:
    connection, reader = await postgres.connect(), await postgres.connect()
    try:
        await apply(connection, parse("probe", [FIRST]))
        async with reader.transaction():
            await reader.execute("SELECT FROM probe.one")
            started = asyncio.get_running_loop().time()
            with pytest.raises(MigrationError, match=r"0002_post_column: no lock within 100 ms"):
                await apply(connection, parse("probe", [FIRST, SECOND]), limits=QUICK)
            assert asyncio.get_running_loop().time() - started < 5
        # The lock is free again, and so is ours.
        assert len(await apply(connection, parse("probe", [FIRST, SECOND]), limits=QUICK)) == 1
    finally:
        await connection.close()
        await reader.close()


async def test_two_runs_at_once_apply_each_migration_once(postgres: Database) -> None:
    migrations = parse("probe", [FIRST, SECOND])
    connections = [await postgres.connect() for _ in range(4)]
    try:
        applied = await asyncio.gather(*(apply(one, migrations) for one in connections))
        assert sorted(len(one) for one in applied) == [0, 0, 0, 2]
    finally:
        for one in connections:
            await one.close()


async def test_a_run_that_never_ends_is_not_waited_for_without_end(postgres: Database) -> None:
    connection, other = await postgres.connect(), await postgres.connect()
    try:
        await other.execute("SELECT pg_advisory_lock($1)", migrate.ADVISORY_LOCK)
        with pytest.raises(MigrationError, match="another migration has been running"):
            await apply(connection, parse("probe", [FIRST]), limits=QUICK)
    finally:
        await connection.close()
        await other.close()


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_tables.sql"], "is not named"),
        (["1_pre_tables.sql"], "is not named"),
        (["0001_pre_a.sql", "0001_pre_b.sql"], "must be numbered"),
        (["0001_pre_a.sql", "0003_pre_b.sql"], "must be numbered"),
    ],
)
def test_a_wrong_name_is_refused(names: list[str], complaint: str) -> None:
    with pytest.raises(MigrationError, match=complaint):
        parse("probe", [(name, "SELECT 1") for name in names])


@pytest.mark.parametrize(("package", "schema"), SCHEMAS)
async def test_the_schema_file_equals_the_sum_of_the_migrations(
    package: str, schema: str, servers: StackInfo, postgres: Database
) -> None:
    """`schema.sql` is the truth; the migrations must add up to it."""
    truth = files(package).joinpath("sql", "schema.sql").read_text(encoding="utf-8")
    migrations = migrate.load(package, schema)
    connection = await postgres.connect()
    dumps = []
    try:
        for texts in ([one.text for one in migrations], [truth]):
            await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            for text in texts:
                await connection.execute(text)
            dumps.append(await _dump(servers, postgres.name, schema))
    finally:
        await connection.close()
    assert migrations
    assert dumps[0] == dumps[1]


async def _dump(stack: StackInfo, database: str, schema: str) -> list[str]:
    """The definitions of a schema, in an order that does not depend on how they were made."""
    process = await asyncio.create_subprocess_exec(
        str(binaries() / "pg_dump"),
        "--schema-only",
        f"--schema={schema}",
        stack.dsn_with_password("postgres", database),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    # The dump of PostgreSQL 18 begins and ends with a random word.
    lines = out.decode().splitlines()
    return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict", "--"))]


def test_a_package_without_migrations_has_none() -> None:
    assert migrate.load("assay_cli", "cli") == ()


def test_the_hash_is_of_the_text() -> None:
    one = Migration("probe", 1, "pre", "a", "SELECT 1")
    assert one.sha256 == Migration("other", 2, "post", "b", "SELECT 1").sha256
    assert one.sha256 != Migration("probe", 1, "pre", "a", "SELECT 2").sha256
