"""A connection as the owner role, for commands of an operator that change records themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from assay_cli.errors import StackError
from assay_cli.migration import CONNECT_SECONDS, AdministratorSettings
from assay_cli.processes import OWNER_ROLE
from assay_cli.secret_files import read_password
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries


@asynccontextmanager
async def owner_connection() -> AsyncIterator[Connection]:
    """As the settings of this place say. Raises SettingsError and the driver's errors."""
    settings = AdministratorSettings.of_this_place()
    connection = await asyncpg.connect(
        settings.postgres_dsn,
        user=OWNER_ROLE,
        password=read_password(settings.secrets, "postgres", OWNER_ROLE),
        timeout=CONNECT_SECONDS,
    )
    try:
        yield connection
    finally:
        await connection.close()


async def require_tenant(connection: Connection, tenant: str) -> None:
    """Raises StackError: a mistyped tenant must not get records of its own."""
    if not await connection.fetchval(load_queries("assay_ingest")["has_tenant"], tenant):
        raise StackError(f"there is no tenant {tenant}")
