"""`assay maintain`: what must be done from time to time, by the owner and by Kafka's admin.

1. each service makes its partitions ahead and cleans up (`migration.upkeep_hooks`);
2. contents of attachments that no statement holds are collected, a time of grace after they came
   (ASSAY_ATTACHMENT_ORPHAN_SECONDS, a day);
3. the janitor deletes records that every reader has applied and that are older than
   ASSAY_JANITOR_DAYS (30): nothing leaves a topic by the broker's clock.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import asyncpg

from assay_cli.errors import StackError
from assay_cli.migration import AdministratorSettings, upkeep_hooks
from assay_cli.processes import OWNER_ROLE
from assay_cli.secret_files import read_password
from assay_ingest.attachments_collect import collect
from assay_ingest.attachments_contents import Contents, StoreUnusable
from assay_ingest.errors import StoreNotAvailable
from assay_runtime.broker import Broker, group_prefix
from assay_schemas.topics import TOPICS, source_of_input

JANITOR_DAYS = 30
DAY_MILLISECONDS = 24 * 60 * 60 * 1000

# The table `applied` of which schema says how far a reading principal has come.
READER_SCHEMAS: dict[str, str] = {
    "store": "ingest",
    # It has positions only while there is a target; then they hold back what it has not read.
    "forward": "ingest",
    "aggregator": "aggregator",
    "credentials": "credentials",
}

Say = Callable[[str], None]


def maintain_all(say: Say) -> None:
    """The whole of `assay maintain`."""
    days = _janitor_days()
    settings = AdministratorSettings.of_this_place()
    applied = asyncio.run(_maintain_postgres(settings, say))
    _collect_attachments(settings, say)
    broker = settings.broker()
    before = int(time.time() * 1000) - days * DAY_MILLISECONDS
    deletions = janitor_plan(broker, applied, before)
    broker.delete_records_before(deletions)
    for (topic, partition), offset in sorted(deletions.items()):
        say(f"records of {topic}/{partition} below {offset} deleted")


def maintain_attachments(say: Say) -> None:
    """`assay maintain attachments`: nothing but the collection of attachments."""
    settings = AdministratorSettings.of_this_place()
    if settings.attachments_url is None:
        raise StackError("ASSAY_ATTACHMENTS_URL is not set: no attachments are kept here")
    _collect_attachments(settings, say)


def _collect_attachments(settings: AdministratorSettings, say: Say) -> None:
    try:
        contents = Contents.configured(settings)
        if contents is not None:
            asyncio.run(_collect(settings, contents, say))
    except (StoreUnusable, StoreNotAvailable) as error:
        raise StackError(str(error)) from error


async def _collect(settings: AdministratorSettings, contents: Contents, say: Say) -> None:
    connection = await _connect(settings)
    try:
        grace = timedelta(seconds=settings.attachment_orphan_seconds)
        for line in await collect(connection, contents, now=datetime.now(UTC), grace=grace):
            say(line)
    finally:
        await connection.close()


async def _connect(settings: AdministratorSettings) -> asyncpg.Connection:
    return await asyncpg.connect(
        settings.postgres_dsn,
        user=OWNER_ROLE,
        password=read_password(settings.secrets, "postgres", OWNER_ROLE),
    )


def _janitor_days() -> int:
    text = os.environ.get("ASSAY_JANITOR_DAYS", str(JANITOR_DAYS))
    if not text.isdigit() or int(text) < 1:
        raise StackError(f"ASSAY_JANITOR_DAYS is {text!r}: it must be a number of days, 1 or more")
    return int(text)


Applied = Mapping[tuple[str, str, int], int]


async def _maintain_postgres(settings: AdministratorSettings, say: Say) -> Applied:
    connection = await _connect(settings)
    try:
        for hook in upkeep_hooks():
            for line in await hook(connection):
                say(line)
        return await applied_offsets(connection)
    finally:
        await connection.close()


async def applied_offsets(connection: asyncpg.Connection) -> Applied:
    """(schema, topic, partition) to the smallest offset that one of its projections reads next."""
    found: dict[tuple[str, str, int], int] = {}
    for schema in sorted(set(READER_SCHEMAS.values())):
        if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.applied") is None:
            continue
        # The schema's name is one of the table above.
        query = (
            "SELECT topic, partition, min(next_offset) AS offset"  # noqa: S608
            f" FROM {schema}.applied GROUP BY topic, partition"
        )
        rows = await connection.fetch(query)
        for row in rows:
            found[schema, row["topic"], row["partition"]] = row["offset"]
    return found


def janitor_plan(broker: Broker, applied: Applied, before: int) -> dict[tuple[str, int], int]:
    """Below which offset each partition may be emptied: applied by all readers, and older.

    `before` is a time in milliseconds since the epoch. A partition that one reader has never
    applied, or a topic that nobody reads, is left alone.
    """
    plan: dict[tuple[str, int], int] = {}
    names = broker.topic_names()
    for topic in TOPICS:
        if topic.name in names and topic.readers:
            reached = {
                number: min(
                    applied.get((READER_SCHEMAS[reader], topic.name, number), 0)
                    for reader in topic.readers
                )
                for number in range(topic.partitions)
            }
            plan.update(_deletable(broker, topic.name, reached, before))
    committed = _mover_offsets(broker)
    for name in sorted(names):
        if _is_input(name):
            reached = {number: offset for (one, number), offset in committed.items() if one == name}
            plan.update(_deletable(broker, name, reached, before))
    return plan


def _mover_offsets(broker: Broker) -> dict[tuple[str, int], int]:
    return broker.committed_offsets(group_prefix("mover"))


def _is_input(name: str) -> bool:
    try:
        source_of_input(name)
    except ValueError:
        return False
    return True


def _deletable(
    broker: Broker, topic: str, reached: Mapping[int, int], before: int
) -> dict[tuple[str, int], int]:
    old = broker.offsets_at(topic, before)
    first = broker.first_offsets(topic)
    plan = {}
    for partition, offset in reached.items():
        upto = min(offset, old[partition])
        if upto > first[partition]:
            plan[topic, partition] = upto
    return plan
