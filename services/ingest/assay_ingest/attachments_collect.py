"""Taking away contents of attachments that no statement holds, and uploads that never ended.

An orphan comes of a request that was refused after its contents had come in, or that never ended.
Whether a content is one is decided under the lock of its row, which whoever is about to send a
statement with it must pass (`AttachmentStore.announce`):

- nobody announced it within the time of grace, which is longer than any request may last;
- the store of statements has applied everything up to the end of that time, so a statement that
  holds the content would be there, however late the store is;
- no statement holds it.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from assay_ingest.attachments_contents import Contents
from assay_ingest.attachments_store import applied_ms, list_orphans, locked_orphan
from assay_runtime.postgres import Connection
from assay_schemas.topics import STATEMENTS, TOPICS

PROJECTION: Final = "store"
PAGE: Final = 1000


async def collect(
    connection: Connection,
    contents: Contents,
    *,
    now: datetime,
    grace: timedelta,
    topic: str = STATEMENTS,
    partitions: int | None = None,
) -> list[str]:
    """Take away what nobody needs, as the owner; returns lines to tell. Raises StoreNotAvailable.

    May be ended and begun again at any point.
    """
    if partitions is None:
        partitions = next(one.partitions for one in TOPICS if one.name == topic)
    lines: list[str] = []
    applied = await applied_ms(
        connection, projection=PROJECTION, topic=topic, partitions=partitions
    )
    if applied is None:
        lines.append("attachments: how far the store is, is not known; none were looked at")
    else:
        before = min(now, datetime.fromtimestamp(applied / 1000, UTC)) - grace
        count = await _collect(connection, contents, before)
        if count:
            lines.append(f"{count} attachments that no statement holds taken away")
    uploads = await contents.delete_uploads(now - grace)
    if uploads:
        lines.append(f"{uploads} uploads that never ended taken away")
    return lines


async def _collect(connection: Connection, contents: Contents, before: datetime) -> int:
    after, count = ("", ""), 0
    while page := await list_orphans(connection, after, before, PAGE):
        for tenant, sha2 in page:
            async with locked_orphan(connection, tenant, sha2, before) as is_orphan:
                if is_orphan:
                    await contents.delete(tenant, sha2)
                    count += 1
        after = page[-1]
    return count
