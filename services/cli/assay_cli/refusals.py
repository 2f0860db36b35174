"""`assay rejected list|show`: what was refused, with coordinates, reason and original bytes."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
from rich.console import Console

from assay_cli.errors import StackError
from assay_cli.processes import DATABASE, OWNER_ROLE
from assay_cli.stack import StackInfo
from assay_ingest.admin import Rejected, list_rejected, show_rejected
from assay_runtime.postgres import Connection

CONNECT_SECONDS = 10.0
Ask = Callable[[Connection], Awaitable[list[Rejected]]]


def print_list(stack: StackInfo, tenant: str, limit: int, console: Console) -> None:
    """One line per refusal, the newest first. Raises StackError."""
    found = _ask(stack, lambda connection: list_rejected(connection, tenant, limit=limit))
    for one in found:
        line = (
            f"{one.at:%Y-%m-%dT%H:%M:%S.%fZ}  {one.coordinates}  {one.source}  "
            f"{one.statement_id or '-'}  {one.reason}{_resent(one)}"
        )
        console.print(line, highlight=False, markup=False)
    if not found:
        console.print(f"nothing of tenant {tenant} was refused", highlight=False, markup=False)


def print_one(stack: StackInfo, tenant: str, coordinates: str, console: Console) -> None:
    """Everything known of a refusal. Raises StackError, also when there is none there."""
    found = _ask(stack, lambda connection: show_rejected(connection, tenant, coordinates))
    if not found:
        raise StackError(f"nothing of tenant {tenant} was refused at {coordinates}")
    for one in found:
        for name, value in _facts(one):
            console.print(f"{name:<14} {value}", highlight=False, markup=False)


def _facts(one: Rejected) -> Sequence[tuple[str, object]]:
    body = "" if one.body is None else one.body.decode("utf-8", "backslashreplace")
    return (
        ("coordinates", one.coordinates),
        ("at", f"{one.at:%Y-%m-%dT%H:%M:%S.%fZ}"),
        ("tenant", one.tenant),
        ("source", one.source),
        ("statement id", one.statement_id or "-"),
        ("reason", one.reason),
        *((("sent again", f"{one.resent_at:%Y-%m-%dT%H:%M:%S.%fZ}"),) if one.resent_at else ()),
        *(("fault", json.dumps(fault, ensure_ascii=False)) for fault in one.detail),
        ("bytes", body),
    )


def _resent(one: Rejected) -> str:
    return "" if one.resent_at is None else f"  sent again {one.resent_at:%Y-%m-%dT%H:%M:%SZ}"


def _ask(stack: StackInfo, question: Ask) -> list[Rejected]:
    async def ask() -> list[Rejected]:
        connection = await asyncpg.connect(
            stack.dsn_with_password(OWNER_ROLE, DATABASE), timeout=CONNECT_SECONDS
        )
        try:
            return await question(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(ask())
    except ValueError as error:
        raise StackError(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error
