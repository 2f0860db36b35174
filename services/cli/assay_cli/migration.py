"""`assay migrate`: roles, database, migrations, topics, principals, access rules. Repeatable.

1. the roles, with the passwords from the secrets folder, and the database (`ensure_roles`,
   `ensure_database`), as superuser;
2. the migrations of every service, and the partitions ahead, as the owner role
   (`bring_up_to_date`);
3. topics, principals and access rules from the tables (`ensure_broker`), as Kafka's admin.
"""

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import asyncpg
from pydantic import Field

from assay_cli import scram
from assay_cli.errors import StackError
from assay_cli.parts import is_here
from assay_cli.processes import (
    BY_NAME,
    DATABASE,
    OWNER_ROLE,
    SUPERUSER,
    service_principals,
    service_roles,
)
from assay_cli.secret_files import read_password
from assay_cli.stack import StackInfo
from assay_runtime import migrate
from assay_runtime.broker import Broker, grants_of
from assay_runtime.migrate import Migration
from assay_runtime.settings import Settings
from assay_schemas.topics import TOPICS

# (package, schema), in the order in which their migrations run.
SCHEMAS: tuple[tuple[str, str], ...] = (
    ("assay_ingest", "ingest"),
    ("assay_aggregator", "aggregator"),
    ("assay_credentials", "credentials"),
)

CONNECT_SECONDS = 10.0
Say = Callable[[str], None]


class AdministratorSettings(Settings):
    """What `assay migrate` and `assay maintain` need: the superuser, the admin, all passwords."""

    postgres_dsn: str
    postgres_password_file: Path
    kafka_bootstrap: str
    kafka_user: str
    kafka_password_file: Path
    secrets: Path
    attachments_url: str | None = Field(
        default=None, description="as ingest has it; `assay maintain` collects orphans there"
    )
    attachments_credentials_file: Path | None = Field(default=None, description="as ingest has it")
    # Longer than any request with attachments may last (upload_seconds_max).
    attachment_orphan_seconds: Annotated[int, Field(ge=3 * 3600)] = Field(
        default=24 * 3600,
        description="how long a content stays that came with a request and that no statement holds",
    )

    @classmethod
    def of_this_place(cls, environment: Mapping[str, str] | None = None) -> "AdministratorSettings":
        """From the environment, or for the local stack when that names no database."""
        given = dict(os.environ if environment is None else environment)
        if "ASSAY_POSTGRES_DSN" not in given:
            given.update(StackInfo.from_environment(given).environment(BY_NAME["migrate"]))
        return cls.from_environment(given)

    def broker(self) -> Broker:
        return Broker.from_password_file(
            self.kafka_bootstrap, self.kafka_user, self.kafka_password_file
        )


def all_migrations() -> tuple[Migration, ...]:
    """Every migration of every service that is installed."""
    return tuple(one for package, schema in SCHEMAS for one in migrate.load(package, schema))


Hook = Callable[[asyncpg.Connection], Awaitable[Iterable[str]]]


def upkeep_hooks() -> tuple[Hook, ...]:
    """The upkeep of every service that has some: `assay_<service>.upkeep.upkeep`.

    A coroutine function; it gets a connection of the owner role, makes partitions ahead and cleans
    up, and returns lines to tell.
    """
    return tuple(
        importlib.import_module(f"{package}.upkeep").upkeep
        for package, _ in SCHEMAS
        if is_here(f"{package}.upkeep")
    )


def migrate_all(stage: str, say: Say) -> None:
    """The whole of `assay migrate`; `stage` is "pre", "post" or "all"."""
    if stage not in (*migrate.STAGES, "all"):
        raise StackError(f"--stage {stage}: it is pre, post or all")
    settings = AdministratorSettings.of_this_place()
    stages = migrate.STAGES if stage == "all" else (stage,)
    asyncio.run(_migrate_postgres(settings, stages, say))
    ensure_broker(settings.broker(), settings.secrets, say)


async def _migrate_postgres(
    settings: AdministratorSettings, stages: Sequence[str], say: Say
) -> None:
    superuser = await _connect(settings, SUPERUSER, "postgres")
    try:
        await ensure_roles(superuser, settings.secrets, say)
        await ensure_database(superuser, DATABASE, say)
    finally:
        await superuser.close()
    owner = await _connect(settings, OWNER_ROLE, DATABASE)
    try:
        await bring_up_to_date(owner, stages, say)
    finally:
        await owner.close()


async def bring_up_to_date(owner: asyncpg.Connection, stages: Sequence[str], say: Say) -> None:
    """Migrations, then each service's upkeep, as its partitions must be there before it starts."""
    await migrate.apply(owner, all_migrations(), stages=stages, say=say)
    for hook in upkeep_hooks():
        for line in await hook(owner):
            say(line)


async def _connect(settings: AdministratorSettings, role: str, database: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(
            settings.postgres_dsn,
            user=role,
            database=database,
            password=read_password(settings.secrets, "postgres", role),
            timeout=CONNECT_SECONDS,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(
            f"cannot reach Postgres as {role}: {type(error).__name__}: {error}"
        ) from error


async def ensure_roles(superuser: asyncpg.Connection, secrets: Path, say: Say) -> None:
    """The owner and one role per service, each with the password in its file."""
    for role in (OWNER_ROLE, *service_roles()):
        password = read_password(secrets, "postgres", role)
        row = await superuser.fetchrow("SELECT rolpassword FROM pg_authid WHERE rolname = $1", role)
        # Names come from our own table, never from outside, and cannot be bound as arguments.
        if row is None:
            await superuser.execute(
                f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT"
                f" PASSWORD '{scram.verifier(password)}'"
            )
            say(f"role {role}")
        elif row["rolpassword"] is None or not scram.matches(password, row["rolpassword"]):
            await superuser.execute(f"ALTER ROLE {role} PASSWORD '{scram.verifier(password)}'")
            say(f"new password of role {role}")


async def ensure_database(superuser: asyncpg.Connection, database: str, say: Say) -> None:
    """The database, owned by the owner role, closed to everybody without a grant."""
    found = await superuser.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database)
    if found is None:
        await superuser.execute(f'CREATE DATABASE "{database}" OWNER {OWNER_ROLE}')
        say(f"database {database}")
    roles = ", ".join(service_roles())
    await superuser.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
    await superuser.execute(f'GRANT CONNECT ON DATABASE "{database}" TO {roles}')


def ensure_broker(broker: Broker, secrets: Path, say: Say) -> None:
    """Topics, the principals of the services, and exactly the access rules that the tables say."""
    for topic in TOPICS:
        if broker.ensure_topic(topic):
            say(f"topic {topic.name}")
    for principal in service_principals():
        broker.ensure_principal(principal, read_password(secrets, "kafka", principal))
    grants = (*grants_of(), *broker.own_grants())
    broker.ensure_grants(grants)
    revoked = broker.revoke_other_grants(service_principals(), grants)
    if revoked:
        say(f"{revoked} access rules taken back")
