"""`assay issuer …`: who issues, and with which keys, kept by an operator.

It runs where the keys are: with the settings of the credentials service.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import asyncpg

from assay_cli.clients import operator
from assay_cli.errors import StackError
from assay_cli.owner_connection import owner_connection, require_tenant
from assay_cli.processes import BY_NAME
from assay_cli.stack import StackInfo
from assay_credentials.errors import CredentialsError
from assay_credentials.keyring.names import Kind, Method
from assay_credentials.keyring.procedures import (
    Bench,
    Report,
    compromised,
    put_issuer,
    remove,
    rotate,
)
from assay_credentials.keyring.records import list_issuers, methods_called
from assay_credentials.keyring.settings import KeyringSettings
from assay_credentials.keyring.store import KeyringStore
from assay_credentials.records import Act
from assay_runtime.postgres import Connection

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Told how many credentials are done, and of how many."""


def keyring_settings(environment: Mapping[str, str] | None = None) -> KeyringSettings:
    """From the environment, or of the local stack when that names no folder of keys. Raises
    SettingsError.
    """
    given = dict(os.environ if environment is None else environment)
    if "ASSAY_SIGNING_KEY_DIR" not in given:
        given = StackInfo.from_environment(given).environment(BY_NAME["credentials"]) | given
    return KeyringSettings.from_environment(given)


def listed(tenant: str | None) -> list[dict[str, Any]]:
    """Every issuer with its keys, the one that signs first."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        found = []
        for row in await list_issuers(connection, tenant):
            keys = await KeyringStore(connection).public_keys(row["tenant"], row["issuer"])
            shown = ("did", "method", "kind", "reference", "state", "made_at", "retired_at")
            found.append(
                {**dict(row), "keys": [{name: key[name] for name in shown} for key in keys]}
            )
        return found

    return _as_owner(work)


def put(
    issuer: str,
    tenant: str,
    reason: str,
    *,
    name: str,
    url: str | None,
    method: Method | None,
    kind: Kind | None,
    dry_run: bool,
) -> str:
    """Describe an issuer; what was done, as a sentence."""
    settings = keyring_settings()

    async def work(connection: Connection) -> str:
        await require_tenant(connection, tenant)
        bench = Bench(connection, settings, tenant, Act(operator(), reason))
        done = await put_issuer(
            bench, issuer, name=name, url=url, method=method, kind=kind, dry_run=dry_run
        )
        if not done.is_changed:
            return f"issuer {issuer} of {tenant} is described like this already"
        what = "new" if done.is_new else "described anew"
        if dry_run:
            return f"issuer {issuer} of {tenant} would be {what}; nothing is changed"
        return f"issuer {issuer} of {tenant} is {what}: {done.did}"

    return _as_owner(work)


def rotated(issuer: str, tenant: str, reason: str, *, dry_run: bool) -> Report:
    """A new key signs."""
    settings = keyring_settings()

    async def work(connection: Connection) -> Report:
        bench = Bench(connection, settings, tenant, Act(operator(), reason))
        return await rotate(bench, issuer, dry_run=dry_run)

    return _as_owner(work)


def taken_back(
    key: str,
    tenant: str,
    reason: str,
    *,
    is_compromised: bool,
    dry_run: bool,
    progress: Progress,
) -> Report:
    """Revoke all that a key signed, and where it is compromised have it issued anew."""
    settings = keyring_settings()
    procedure = compromised if is_compromised else remove

    async def work(connection: Connection) -> Report:
        method = await _the_key(connection, tenant, key)
        act = Act(operator(), reason)
        planned = await procedure(Bench(connection, settings, tenant, act), method, dry_run=True)
        if dry_run:
            return planned
        total = sum(planned.revoked.values())
        bench = Bench(
            connection, settings, tenant, act, progress=lambda done: progress(done, total)
        )
        return await procedure(bench, method)

    return _as_owner(work)


def lines(report: Report, *, dry_run: bool) -> list[str]:
    """What was done, for people."""
    told = [f"key      {report.key}"]
    if report.new_key is not None:
        told.append(f"new key  {report.new_key}")
        told.append(f"kept as  {report.reference}")
    revoked = ", ".join(f"{count} {state}" for state, count in sorted(report.revoked.items()))
    if report.revoked:
        told.append(f"revoked  {sum(report.revoked.values())} credentials (they were {revoked})")
    for count, text in (
        (report.reissued, "awards are held, and issued anew by the service"),
        (report.endorsements, "endorsements are withdrawn"),
        (report.transcripts, "transcripts name this key: have them made anew"),
        (report.lists, "status lists are signed by a key that counts, or for the last time"),
        (report.lists_left, "status lists cannot be signed: what is on them cannot be checked"),
    ):
        if count:
            told.append(f"{count:<8} {text}")
    if dry_run:
        told.append("nothing is changed: this was a dry run")
    return told


async def _the_key(connection: Connection, tenant: str, name: str) -> str:
    found = await methods_called(connection, tenant, name)
    if len(found) != 1:
        raise StackError(
            f"tenant {tenant} has no key {name}"
            if not found
            else f"several keys of {tenant} are called {name}: give one of {', '.join(found)}"
        )
    return found[0]


def _as_owner(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with owner_connection() as connection:
            return await work(connection)

    try:
        return asyncio.run(run())
    except CredentialsError as error:
        raise StackError(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"{type(error).__name__}: {error}") from error
