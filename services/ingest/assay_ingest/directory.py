"""What statements say of agents, as the store keeps it. Names are those of sql/queries.sql."""

from assay_ingest.pooled import connection_of
from assay_ingest.records import term
from assay_runtime.postgres import Pool
from assay_runtime.sql import load_queries


class Directory:
    """The names of agents of all tenants. Every method raises StoreNotAvailable."""

    def __init__(self, pool: Pool, *, names_max: int) -> None:
        self._pool = pool
        self._sql = load_queries("assay_ingest")
        self._names_max = names_max

    async def agent_names(self, tenant: str, agent_key: str) -> list[str]:
        """The names under which statements know an agent, the first seen first; bounded."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(
                self._sql["list_agent_names"], tenant, term(agent_key), self._names_max
            )
        return [row["name"] for row in rows]
