"""What `assay migrate` and `assay maintain` do to the `ingest` schema from time to time."""

from assay_ingest.admin import maintain
from assay_ingest.reindex import reindex
from assay_runtime.postgres import Connection


async def upkeep(connection: Connection) -> list[str]:
    """Partitions of the coming months, and indexes of old rows; as the owner, with what to tell."""
    told = [f"made the partition ingest.{name}" for name in await maintain(connection)]
    indexed = await reindex(connection)
    return [*told, f"indexed {indexed} statements for the search"] if indexed else told
