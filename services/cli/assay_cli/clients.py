"""`assay clients …`: who may come in, kept by an operator, in every service that must know it."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import msgspec

from assay_cli.errors import StackError
from assay_cli.migration import CONNECT_SECONDS, AdministratorSettings
from assay_cli.processes import OWNER_ROLE
from assay_cli.secret_files import read_password
from assay_ingest.admin import put_source, put_tenant
from assay_ingest.clients import Clients, Entry, Issued, Wanted, check
from assay_ingest.clients_usage import today
from assay_ingest.errors import ClientInvalid, IngestError
from assay_runtime.auth_clients import Bound, KnownClient
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

PAGE = 500
Say = Callable[[str], None]
T = TypeVar("T")


def add(wanted: Wanted, *, create: bool, as_json: bool, say: Say) -> None:
    """Add a client and tell its secret. `create` also makes the tenant and the source."""

    async def work(connection: Connection) -> Issued:
        async with connection.transaction():
            # Nothing is made for a client that is then refused.
            check(wanted)
            if create:
                await _make_place(connection, wanted)
            else:
                await _require_tenant(connection, wanted.tenant)
            return await Clients(connection, operator()).add(wanted)

    _tell_issued(_as_owner(work), as_json, say)


def rotate(tenant: str, name: str, overlap_seconds: float, *, as_json: bool, say: Say) -> None:
    """Give a client another secret and tell it."""

    async def work(connection: Connection) -> Issued:
        return await Clients(connection, operator()).rotate(tenant, name, overlap_seconds)

    _tell_issued(_as_owner(work), as_json, say)


def revoke(tenant: str, name: str, *, as_json: bool, say: Say) -> None:
    """Take a client's right to come in, wherever it is known."""

    async def work(connection: Connection) -> tuple[str, ...]:
        return await Clients(connection, operator()).revoke(tenant, name)

    services = _as_owner(work)
    if as_json:
        say(_json({"tenant": tenant, "name": name, "revoked_in": services}))
    else:
        say(f"{name} of tenant {tenant} is revoked in {', '.join(services)}")


def print_list(tenant: str | None, *, as_json: bool, say: Say) -> None:
    """Every client of a tenant, or of all, with its last use in any service."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        clients = Clients(connection, operator())
        found: list[dict[str, Any]] = []
        after = ("", "")
        while page := await clients.listed(tenant, after=after, limit=PAGE):
            used = await _last_uses(connection, page)
            sent = await _sent_today(clients, page)
            found += [_described(one, used, sent) for one in page]
            after = (page[-1].tenant, page[-1].name)
        return found

    found = _as_owner(work)
    if as_json:
        say(_json(found))
        return
    for one in found:
        say(
            f"{one['tenant']}  {one['name']}  {one['source'] or '-'}  {','.join(one['scopes'])}  "
            f"{_state(one)}  last used {_when(one['last_used_at'])}"
        )
    if not found:
        say("no client is registered")


def print_audit(tenant: str, client: str | None, limit: int, *, as_json: bool, say: Say) -> None:
    """What was done to the clients of a tenant, the newest first."""

    async def work(connection: Connection) -> list[Entry]:
        return await Clients(connection, operator()).audit(tenant, client=client, limit=limit)

    found = _as_owner(work)
    if as_json:
        say(_json([asdict(one) for one in found]))
        return
    for one in found:
        detail = _json(one.detail, indent=0)
        say(f"{_when(one.at)}  {one.actor}  {one.action}  {one.client}  {detail}")
    if not found:
        say(f"nothing was done to clients of tenant {tenant}")


def bound_of(subject: str | None, authorized_party: str | None, issuer: str | None) -> Bound | None:
    """By which tokens a client comes in, if by any. Raises StackError."""
    if subject is not None and authorized_party is not None:
        raise StackError("a client is bound by --subject or by --authorized-party, not both")
    value = subject if subject is not None else authorized_party
    if value is None:
        return None
    if not issuer:
        raise StackError("whose tokens? say --issuer, or set ASSAY_OIDC_ISSUER_URL")
    return Bound(issuer, "sub" if subject is not None else "azp", value)


def operator() -> str:
    """Who types, as the audit says it."""
    try:
        return f"operator:{getpass.getuser()}"
    except (OSError, KeyError):
        # In a container the process may run under a number without a name.
        return f"operator:{os.getuid()}"


def _as_owner(work: Callable[[Connection], Awaitable[T]]) -> T:
    settings = AdministratorSettings.of_this_place()

    async def run() -> T:
        connection = await asyncpg.connect(
            settings.postgres_dsn,
            user=OWNER_ROLE,
            password=read_password(settings.secrets, "postgres", OWNER_ROLE),
            timeout=CONNECT_SECONDS,
        )
        try:
            return await work(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except ClientInvalid as error:
        raise StackError(f"{error.parameter}: {error}") from error
    except IngestError as error:
        raise StackError(str(error)) from error
    except ValueError as error:
        # A tenant or source that cannot be part of a topic's name.
        raise StackError(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error


async def _require_tenant(connection: Connection, tenant: str) -> None:
    if not await connection.fetchval(load_queries("assay_ingest")["has_tenant"], tenant):
        raise ClientInvalid("there is no such tenant; --create makes it", parameter="tenant")


async def _make_place(connection: Connection, wanted: Wanted) -> None:
    await put_tenant(connection, wanted.tenant)
    if wanted.source is None:
        return
    found = await connection.fetchrow(
        load_queries("assay_ingest")["find_source"], wanted.tenant, wanted.source
    )
    if found is None:
        await put_source(connection, wanted.tenant, wanted.source)


async def _last_uses(connection: Connection, page: Iterable[KnownClient]) -> dict[str, datetime]:
    """When each was last used, whichever service it came to."""
    by_service: dict[str, list[str]] = {}
    for client in page:
        for service in client.services:
            by_service.setdefault(service, []).append(client.name)
    last: dict[str, datetime] = {}
    for service, names in by_service.items():
        query = load_queries("assay_cli", schema=service)["last_uses"]
        for row in await connection.fetch(query, names):
            last[row["name"]] = max(row["last_used_at"], last.get(row["name"], _LONG_AGO))
    return last


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


async def _sent_today(clients: Clients, page: Iterable[KnownClient]) -> dict[str, int]:
    tenants = sorted({one.tenant for one in page})
    return {
        used.client: used.statements
        for tenant in tenants
        for used in await clients.usage(tenant, today())
    }


def _described(one: KnownClient, used: dict[str, datetime], sent: dict[str, int]) -> dict[str, Any]:
    return {
        "tenant": one.tenant,
        "name": one.name,
        "source": one.source,
        "scopes": one.scopes,
        "services": one.services,
        "has_secret": one.has_secret,
        "previous_secret_until": one.previous_secret_until,
        "bound": one.bound and asdict(one.bound),
        **asdict(one.allowance),
        "statements_today": sent.get(one.name, 0),
        "created_at": one.created_at,
        "last_used_at": used.get(one.name),
        "revoked_at": one.revoked_at,
    }


def _state(one: dict[str, Any]) -> str:
    if one["revoked_at"] is not None:
        return f"revoked {_when(one['revoked_at'])}"
    until = one["previous_secret_until"]
    if until is not None and until > datetime.now(UTC):
        return f"two secrets until {_when(until)}"
    return "by key" if one["has_secret"] else "by token"


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _tell_issued(issued: Issued, as_json: bool, say: Say) -> None:
    if as_json:
        say(_json(asdict(issued)))
        return
    say(f"client   {issued.name} of tenant {issued.tenant}")
    say(f"services {', '.join(issued.services)}")
    if issued.secret is None:
        say("It comes in with tokens of its provider; there is no secret.")
    else:
        say(f"secret   {issued.secret}")
        say("The secret is told only now. It is the password of Basic; the client is the user.")


def _json(content: object, *, indent: int = 2) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=indent).decode()
