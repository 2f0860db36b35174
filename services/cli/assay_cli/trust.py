"""`assay trust …`: which issuers beside our own the verifier knows, kept by an operator."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg

from assay_cli.clients import operator
from assay_cli.errors import StackError
from assay_cli.owner_connection import owner_connection
from assay_credentials.resolving.store import TrustEntry, TrustStore
from assay_credentials.resolving.trust import TrustRefused, checked_entry

T = TypeVar("T")


def add(
    did: str,
    *,
    name: str,
    registry: str | None,
    registry_url: str | None,
    achievements: Sequence[str],
    first: datetime | None,
    until: datetime | None,
    reason: str,
    dry_run: bool,
) -> str:
    """Put an issuer on the list; what was done, as a sentence."""
    try:
        entry = checked_entry(
            did,
            name=name,
            registry=registry,
            registry_url=registry_url,
            achievements=achievements,
            trusted_from=first,
            trusted_until=until,
            now=datetime.now(UTC),
            by=operator(),
            reason=reason,
        )
    except TrustRefused as error:
        raise StackError(str(error)) from error
    if dry_run:
        return f"would trust {_described(entry)}"

    async def work(store: TrustStore) -> bool:
        return await store.add_trusted(entry)

    if not _as_owner(work):
        raise StackError(f"{did} is on the list already; remove it first to change its entry")
    return f"trusted: {_described(entry)}"


def listed(*, with_removed: bool) -> list[dict[str, Any]]:
    """Every entry of the list."""

    async def work(store: TrustStore) -> list[dict[str, Any]]:
        return [dict(row) for row in await store.list_trusted(with_removed=with_removed)]

    return _as_owner(work)


def remove(did: str, *, reason: str) -> str:
    """Take an issuer off the list; the entry is kept with who removed it."""
    if not reason.strip():
        raise StackError("reason: must not be empty")

    async def work(store: TrustStore) -> bool:
        return await store.remove_trusted(did, operator(), reason)

    if not _as_owner(work):
        raise StackError(f"{did} is not on the list")
    return f"{did} is no more trusted"


def _described(entry: TrustEntry) -> str:
    what = (
        "every achievement"
        if entry.achievements is None
        else f"{len(entry.achievements)} achievements"
    )
    until = "" if entry.trusted_until is None else f" to {entry.trusted_until:%Y-%m-%d}"
    return (
        f"{entry.name} ({entry.did}) for {what}, from {entry.trusted_from:%Y-%m-%d}{until}, "
        f"listed in {entry.registry or 'no register'}"
    )


def _as_owner(work: Callable[[TrustStore], Awaitable[T]]) -> T:
    async def run() -> T:
        async with owner_connection() as connection:
            return await work(TrustStore(connection))

    try:
        return asyncio.run(run())
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error
