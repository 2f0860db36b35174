"""The Postgres pool of a process, and which of its errors mean "not now"."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import asyncpg

from assay_runtime.logs import fields
from assay_runtime.settings import ServiceSettings

log = logging.getLogger(__name__)

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection
T = TypeVar("T")

# The same work may succeed a moment later: the server is away, starting, full or read-only, two
# transactions met (40001, 40P01), or a table or a right is missing as a deploy is not finished.
# Everything else is the statement's or the data's own fault.
TRANSIENT: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # The driver's own confusion when a connection breaks in the middle of an operation.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresIOError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InsufficientPrivilegeError,
    OSError,
    TimeoutError,
)


async def open_pool(
    settings: ServiceSettings,
    application: str,
    *,
    server_settings: Mapping[str, str] | None = None,
) -> "Pool":
    """A pool that waits for the server: at start, "not there yet" is retried without end."""

    async def connect() -> Pool:
        return await asyncpg.create_pool(
            dsn=settings.postgres_dsn,
            password=settings.postgres_password(),
            min_size=1,
            max_size=settings.postgres_pool_connections,
            command_timeout=settings.postgres_command_seconds,
            max_inactive_connection_lifetime=60.0,
            # Rolled back it is in any case. No code of ours leaves anything else in a session, and
            # the default reset costs a round trip and a `reset all` at every release.
            reset=_leave_as_it_is,
            server_settings={
                "application_name": application,
                "jit": "off",
                "timezone": "UTC",
                # A process that was stopped inside a transaction must not hold its locks for ever.
                "idle_in_transaction_session_timeout": str(
                    int(settings.postgres_idle_in_transaction_seconds * 1000)
                ),
                **(server_settings or {}),
            },
        )

    return await until_it_works(connect, "Postgres", settings.retry_seconds_max)


async def _leave_as_it_is(_: object) -> None:
    """Give a connection back without asking the server."""


async def until_it_works(
    attempt: Callable[[], Awaitable[T]],
    what: str,
    seconds_max: float,
    transient: tuple[type[BaseException], ...] = TRANSIENT,
) -> T:
    """Try again on a transient error, with growing pauses of at most `seconds_max`.

    The caller's task is cancelled when the process stops, so the loop ends with it.
    """
    pause = 0.05
    while True:
        try:
            return await attempt()
        except transient as error:
            log.warning(
                "Not available now, will try again",
                extra=fields(what=what, error=type(error).__name__, pause_seconds=round(pause, 2)),
            )
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            pause = min(pause * 2, seconds_max)
