"""`assay keys …`: whose signatures of statements are known, kept by an operator."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg
import msgspec

from assay_cli.clients import operator
from assay_cli.errors import StackError
from assay_cli.migration import CONNECT_SECONDS, AdministratorSettings
from assay_cli.processes import OWNER_ROLE
from assay_cli.secret_files import read_password
from assay_ingest.attachments_store import (
    list_signing_keys,
    put_signing_key,
    revoke_signing_key,
)
from assay_ingest.signatures import KeyUnusable, SigningKey, read_public_key
from assay_runtime.postgres import Connection
from assay_schemas.agents import agent_key
from assay_schemas.limits import Limits
from assay_schemas.statement import StatementsRefused, check_statements

KEY_ID_CHARACTERS_MAX = 200
Say = Callable[[str], None]
T = TypeVar("T")


def add(
    pem: str,
    tenant: str,
    agent: str,
    *,
    key_id: str | None,
    valid_from: datetime | None,
    valid_to: datetime | None,
    say: Say,
) -> None:
    """Register a public key for an agent, given as JSON."""
    try:
        thumbprint, plain = read_public_key(pem)
    except KeyUnusable as error:
        raise StackError(str(error)) from error
    if key_id is not None and not 1 <= len(key_id) <= KEY_ID_CHARACTERS_MAX:
        raise StackError(f"--key-id must have 1 to {KEY_ID_CHARACTERS_MAX} characters")
    key = SigningKey(
        key_id=key_id or thumbprint,
        thumbprint=thumbprint,
        public_key=plain,
        agent=_agent(agent),
        valid_from=_utc(valid_from) or datetime.now(UTC),
        valid_to=_utc(valid_to),
    )
    if key.valid_to is not None and key.valid_to <= key.valid_from:
        raise StackError("--valid-to must be later than the time from which the key counts")

    async def work(connection: Connection) -> bool:
        return await put_signing_key(connection, tenant, key, by=operator())

    if not _as_owner(work):
        raise StackError("the tenant has this key, or another one under this id, already")
    say(f"key {key.key_id} counts for {key.agent}")


def print_list(tenant: str, *, as_json: bool, say: Say) -> None:
    """Every key of a tenant."""

    async def work(connection: Connection) -> list[SigningKey]:
        return await list_signing_keys(connection, tenant)

    for key in _as_owner(work):
        if as_json:
            say(msgspec.json.encode(key).decode())
            continue
        until = "" if key.valid_to is None else f" to {key.valid_to:%Y-%m-%dT%H:%M:%SZ}"
        revoked = (
            "" if key.revoked_at is None else f", revoked at {key.revoked_at:%Y-%m-%dT%H:%M:%SZ}"
        )
        say(f"{key.key_id}  {key.agent}  from {key.valid_from:%Y-%m-%dT%H:%M:%SZ}{until}{revoked}")


def revoke(key_id: str, tenant: str, *, say: Say) -> None:
    """Let a key count no more."""

    async def work(connection: Connection) -> datetime | None:
        return await revoke_signing_key(connection, tenant, key_id, by=operator())

    revoked_at = _as_owner(work)
    if revoked_at is None:
        raise StackError(f"tenant {tenant} has no key {key_id}")
    say(f"key {key_id} is revoked since {revoked_at:%Y-%m-%dT%H:%M:%SZ}")


def _agent(text: str) -> str:
    """The agent key of an agent as JSON, by the rules for an actor."""
    try:
        agent = msgspec.json.decode(text)
        statement = {
            "actor": agent,
            "verb": {"id": "http://example.org/verb"},
            "object": {"id": "http://example.org/activity"},
        }
        check_statements(msgspec.json.encode(statement), version="2.0.0", limits=Limits())
    except msgspec.DecodeError:
        raise StackError("--agent must be an agent as JSON") from None
    except StatementsRefused as refused:
        raise StackError(f"--agent: {refused.errors[0].message}") from None
    key = agent_key(agent)
    if key is None or agent.get("objectType", "Agent") != "Agent":
        raise StackError("--agent must be one agent with an identifier")
    return key


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


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
    except asyncpg.ForeignKeyViolationError:
        raise StackError("there is no such tenant") from None
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error
