"""`assay emission …`: whether a tenant's competency events also become xAPI statements.

Turning it on makes, in this order: the source without modality, the input topic that only `relay`
may write, and last the row that has events told so. Nothing is ever told into a topic that is not
there.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from assay_cli.errors import StackError
from assay_cli.migration import CONNECT_SECONDS, AdministratorSettings
from assay_cli.processes import OWNER_ROLE
from assay_cli.secret_files import read_password
from assay_ingest.admin import put_source
from assay_runtime.broker import Broker
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.topics import OWN_SOURCE

Say = Callable[[str], None]
T = TypeVar("T")


def turn_on(tenant: str, home_page: str, say: Say) -> None:
    """Have the tenant's events told as statements from now on. Again changes the home page."""
    settings = AdministratorSettings.of_this_place()

    async def work(connection: Connection) -> None:
        await enable(connection, settings.broker(), tenant, home_page)

    _as_owner(settings, work)
    say(f"events of tenant {tenant} become statements of the source {OWN_SOURCE}")


def turn_off(tenant: str, say: Say) -> None:
    """Have them told no more. What was told stays."""

    async def work(connection: Connection) -> None:
        await connection.execute(
            load_queries("assay_aggregator", file="decisions")["delete_emission"], tenant
        )

    _as_owner(AdministratorSettings.of_this_place(), work)
    say(f"events of tenant {tenant} become statements no more")


def print_list(*, as_json: bool, say: Say) -> None:
    """Each tenant whose events become statements."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        rows = await connection.fetch(
            load_queries("assay_aggregator", file="decisions")["list_emissions"]
        )
        return [dict(row) for row in rows]

    found = _as_owner(AdministratorSettings.of_this_place(), work)
    if as_json:
        say(json.dumps(found))
        return
    for one in found:
        say(f"{one['tenant']}  {one['home_page']}")


async def enable(connection: Connection, broker: Broker, tenant: str, home_page: str) -> None:
    """Source, topic, row. Raises StackError for a tenant that is not there."""
    if not await connection.fetchval(load_queries("assay_ingest")["has_tenant"], tenant):
        raise StackError(f"there is no tenant {tenant}")
    await put_source(connection, tenant, OWN_SOURCE)
    broker.ensure_own_topic(tenant)
    await connection.execute(
        load_queries("assay_aggregator", file="decisions")["put_emission"], tenant, home_page
    )


def _as_owner(settings: AdministratorSettings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            connection = await asyncpg.connect(
                settings.postgres_dsn,
                user=OWNER_ROLE,
                password=read_password(settings.secrets, "postgres", OWNER_ROLE),
                timeout=CONNECT_SECONDS,
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise StackError(f"Postgres does not let us in ({error})") from error
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
