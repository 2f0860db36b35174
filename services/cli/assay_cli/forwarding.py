"""`assay forwarding add|list|remove|dead|retry`: where statements are forwarded to.

Only whoever operates the stack says where to: by this command, as the owner role. A secret is kept
as a file of mode 600 in the folder of the stack's secrets, never in the database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
from rich.console import Console

from assay_cli.errors import StackError
from assay_cli.processes import DATABASE, OWNER_ROLE
from assay_cli.secret_files import password_path, write_private
from assay_cli.stack import StackInfo
from assay_ingest.forward_rules import Kind
from assay_runtime.outgoing import AddressRefused, Guard, check_url
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.topics import is_slug

CONNECT_SECONDS = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """A target as it is told."""

    tenant: str
    name: str
    kind: Kind
    url: str
    user: str | None
    secret_file: Path
    own_source: str | None
    sources: Sequence[str]
    verbs: Sequence[str]
    activity_prefixes: Sequence[str]
    allow_http: bool = False


def add(stack: StackInfo, plan: Plan) -> None:
    """Make or change a target. Raises StackError naming what is wrong with it."""
    if not is_slug(plan.name):
        raise StackError(f"the name {plan.name!r} is not 1 to 40 of a-z, 0-9, '-' and '_'")
    if plan.kind is Kind.LRS and plan.user is None:
        raise StackError("a record store is entered with a key: --user and --secret-file")
    try:
        # What a name resolves to is looked at when it is asked, each time.
        check_url(plan.url, Guard(0, 0, allow_http=plan.allow_http))
        secret = plan.secret_file.read_text(encoding="utf-8").strip()
    except AddressRefused as error:
        raise StackError(f"--url: {error}") from None
    except OSError as error:
        raise StackError(f"--secret-file {plan.secret_file}: {error.strerror}") from None
    if len(secret) < 16:
        raise StackError("the secret is shorter than 16 characters")
    # The file first: a target without its secret would only fail.
    write_private(secret_path(stack, plan.tenant, plan.name), secret + "\n")

    async def put(connection: Connection) -> None:
        await connection.execute(
            load_queries("assay_ingest")["put_forward_target"],
            plan.tenant,
            plan.name,
            plan.kind.value,
            plan.url,
            plan.user,
            plan.own_source,
            sorted(set(plan.sources)),
            sorted(set(plan.verbs)),
            sorted(set(plan.activity_prefixes)),
        )

    try:
        _as_owner(stack, put)
    except asyncpg.ForeignKeyViolationError:
        raise StackError(f"there is no tenant {plan.tenant}") from None


def secret_path(stack: StackInfo, tenant: str, name: str) -> Path:
    """Where process `forward` finds the secret of a target."""
    return password_path(stack.secrets, "forward", f"{tenant}-{name}")


def remove(stack: StackInfo, tenant: str, name: str) -> None:
    """Take a target away, with all that waits for it and its dead letters."""

    async def delete(connection: Connection) -> object:
        return await connection.fetchval(
            load_queries("assay_ingest")["delete_forward_target"], tenant, name
        )

    if _as_owner(stack, delete) is None:
        raise StackError(f"tenant {tenant} has no target {name}")
    secret_path(stack, tenant, name).unlink(missing_ok=True)


def print_list(stack: StackInfo, tenant: str, console: Console) -> None:
    """One line per target: how much waits, how much is dead, and how it goes."""
    rows = _rows(stack, "show_forward_targets", tenant)
    for row in rows:
        state = (
            f"failed {row['failures']} times, next try {row['next_at']:%H:%M:%SZ}: "
            f"{row['last_error']}"
            if row["failures"]
            else "well"
        )
        _say(
            console,
            f"{row['target']}  {row['kind']}  {row['url']}  {row['waiting']} waiting  "
            f"{row['dead']} dead  {state}",
        )
    if not rows:
        _say(console, f"tenant {tenant} forwards nothing")


def print_dead(stack: StackInfo, tenant: str, name: str, limit: int, console: Console) -> None:
    """The newest dead letters of a target: when, statement id, tries, reason."""
    rows = _rows(stack, "list_forward_dead", tenant, name, limit)
    for row in rows:
        _say(
            console, f"{row['at']:%Y-%m-%dT%H:%M:%SZ}  {row['id']}  {row['tries']}  {row['reason']}"
        )
    if not rows:
        _say(console, f"{name} has no dead letters")


def retry(stack: StackInfo, tenant: str, name: str) -> str:
    """Queue the dead letters of a target again; returns what was done, as the database says it."""

    async def again(connection: Connection) -> str:
        done: str = await connection.execute(
            load_queries("assay_ingest")["retry_forward_dead"], tenant, name
        )
        return done.rpartition(" ")[2]

    return _as_owner(stack, again)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False)


def _rows(stack: StackInfo, query: str, *arguments: object) -> list[asyncpg.Record]:
    async def fetch(connection: Connection) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await connection.fetch(
            load_queries("assay_ingest")[query], *arguments
        )
        return found

    return _as_owner(stack, fetch)


def _as_owner(stack: StackInfo, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(
            stack.dsn_with_password(OWNER_ROLE, DATABASE), timeout=CONNECT_SECONDS
        )
        try:
            return await work(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except (OSError, TimeoutError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error
