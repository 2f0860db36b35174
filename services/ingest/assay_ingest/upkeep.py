"""What `assay migrate` and `assay maintain` do to the `ingest` schema from time to time."""

from assay_ingest.admin import maintain
from assay_runtime.postgres import Connection


async def upkeep(connection: Connection) -> list[str]:
    """Make the partitions of the coming months, as the owner; returns lines to tell."""
    return [f"made the partition ingest.{name}" for name in await maintain(connection)]
