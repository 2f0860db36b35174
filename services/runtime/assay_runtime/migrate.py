"""Numbered SQL migrations, each applied once, with short locks.

A service keeps its migrations in `<package>/sql/migrations/NNNN_pre_<name>.sql` or
`NNNN_post_<name>.sql`: "pre" may run before the new code is deployed, "post" only after. What has
been applied stands in `public.assay_migration` with the hash of the text, so a file that was edited
later is refused. A migration runs in one transaction; it waits only a moment for a lock and is
tried again, so that it never queues the whole product behind itself.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

LOCK_TIMEOUT_MILLISECONDS = 2_000
STATEMENT_TIMEOUT_MILLISECONDS = 120_000
LOCK_ATTEMPTS = 5
LOCK_PAUSE_SECONDS = 1.0
OTHER_RUN_SECONDS = 60.0
# Any constant will do, if nothing else in the product takes it.
ADVISORY_LOCK = 4_713_000_001

STAGES = ("pre", "post")

_FILE = re.compile(r"(?P<number>\d{4})_(?P<stage>pre|post)_(?P<name>[a-z0-9_]+)\.sql")

_LEDGER = """
CREATE TABLE IF NOT EXISTS public.assay_migration (
    schema text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema, number)
)
"""


class MigrationError(Exception):
    """The schema could not be brought up to date. The text names the migration and the rule."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `schema` is the service's schema, `stage` is "pre" or "post"."""

    schema: str
    number: int
    stage: str
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    @property
    def title(self) -> str:
        return f"{self.schema} {self.number:04d}_{self.stage}_{self.name}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a migration may wait and run."""

    lock_timeout_milliseconds: int = LOCK_TIMEOUT_MILLISECONDS
    statement_timeout_milliseconds: int = STATEMENT_TIMEOUT_MILLISECONDS
    lock_attempts: int = LOCK_ATTEMPTS
    lock_pause_seconds: float = LOCK_PAUSE_SECONDS
    other_run_seconds: float = OTHER_RUN_SECONDS


def parse(schema: str, named_texts: Iterable[tuple[str, str]]) -> tuple[Migration, ...]:
    """Migrations from (file name, text), in order of number.

    Raises MigrationError for a wrong name, a number used twice or a gap in the numbers.
    """
    found = []
    for file_name, text in named_texts:
        match = _FILE.fullmatch(file_name)
        if match is None:
            raise MigrationError(
                f"{schema}: {file_name} is not named NNNN_pre_<name>.sql or NNNN_post_<name>.sql"
            )
        found.append(Migration(schema, int(match["number"]), match["stage"], match["name"], text))
    found.sort(key=lambda one: one.number)
    numbers = [one.number for one in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"{schema}: migrations must be numbered 1, 2, 3 …, not {numbers}")
    return tuple(found)


def load(package: str, schema: str) -> tuple[Migration, ...]:
    """The migrations that a package carries; none when it has no `sql/migrations`."""
    folder = files(package).joinpath("sql", "migrations")
    if not folder.is_dir():
        return ()
    return parse(
        schema,
        (
            (one.name, one.read_text(encoding="utf-8"))
            for one in folder.iterdir()
            if one.name.endswith(".sql")
        ),
    )


async def apply(
    connection: asyncpg.Connection,
    migrations: Sequence[Migration],
    *,
    stages: Sequence[str] = STAGES,
    limits: Limits | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Migration, ...]:
    """Apply what has not been applied yet; returns that.

    `connection` belongs to the owner role and is outside any transaction. Raises MigrationError
    when a file was edited after it was applied, when an earlier migration of the schema was left
    out, when a lock cannot be had, or when the SQL fails; what was applied before stays.
    """
    limits = limits or Limits()
    await _take_advisory_lock(connection, limits)
    try:
        await connection.execute(_LEDGER)
        waiting = _waiting(await _ledger(connection), migrations, stages)
        for one in waiting:
            say(f"migration {one.title}")
            await _apply_one(connection, one, limits)
        return waiting
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)


async def _take_advisory_lock(connection: asyncpg.Connection, limits: Limits) -> None:
    deadline = asyncio.get_running_loop().time() + limits.other_run_seconds
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK):
        if asyncio.get_running_loop().time() >= deadline:
            raise MigrationError(
                f"another migration has been running for {limits.other_run_seconds:g} s"
            )
        await asyncio.sleep(0.2)


async def _ledger(connection: asyncpg.Connection) -> dict[tuple[str, int], str]:
    rows = await connection.fetch("SELECT schema, number, sha256 FROM public.assay_migration")
    return {(row["schema"], row["number"]): row["sha256"] for row in rows}


def _waiting(
    applied: dict[tuple[str, int], str], migrations: Sequence[Migration], stages: Sequence[str]
) -> tuple[Migration, ...]:
    waiting: list[Migration] = []
    left_out: dict[str, Migration] = {}
    for one in migrations:
        known = applied.get((one.schema, one.number))
        if known is not None:
            if known != one.sha256:
                raise MigrationError(
                    f"{one.title} was edited after it had been applied: "
                    f"put it back and write a new migration"
                )
        elif one.stage not in stages:
            left_out.setdefault(one.schema, one)
        elif one.schema in left_out:
            raise MigrationError(
                f"{one.title} comes after {left_out[one.schema].title}, which has not been applied"
            )
        else:
            waiting.append(one)
    return tuple(waiting)


async def _apply_one(connection: asyncpg.Connection, one: Migration, limits: Limits) -> None:
    for attempt in range(1, limits.lock_attempts + 1):
        try:
            async with connection.transaction():
                await connection.execute(
                    "SELECT set_config('lock_timeout', $1, true),"
                    " set_config('statement_timeout', $2, true)",
                    f"{limits.lock_timeout_milliseconds}ms",
                    f"{limits.statement_timeout_milliseconds}ms",
                )
                # No arguments: a file holds many statements.
                await connection.execute(one.text)
                await connection.execute(
                    "INSERT INTO public.assay_migration (schema, number, name, sha256)"
                    " VALUES ($1, $2, $3, $4)",
                    one.schema,
                    one.number,
                    one.name,
                    one.sha256,
                )
            return
        except asyncpg.LockNotAvailableError as error:
            if attempt == limits.lock_attempts:
                raise MigrationError(
                    f"{one.title}: no lock within {limits.lock_timeout_milliseconds} ms, "
                    f"{attempt} times: somebody holds it"
                ) from error
            await asyncio.sleep(limits.lock_pause_seconds)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{one.title}: {type(error).__name__}: {error}") from error
