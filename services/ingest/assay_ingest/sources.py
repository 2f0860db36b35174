"""Sources as a process sees them, remembered for a short time, and whose authority they lend."""

import time
from collections.abc import Mapping
from typing import Any

from assay_ingest.errors import NoSource
from assay_ingest.store import Reader, Source
from assay_runtime.auth import Client

_ENTRIES = 10_000


class Sources:
    """Looks up sources; an answer is at most `seconds` old."""

    def __init__(self, reader: Reader, seconds: float) -> None:
        self._reader = reader
        self._seconds = seconds
        self._known: dict[tuple[str, str], tuple[float, Source | None]] = {}

    async def find(self, tenant: str, source: str) -> Source | None:
        """The source, None where there is no such row. Raises StoreNotAvailable."""
        now = time.monotonic()
        known = self._known.get((tenant, source))
        if known is not None and known[0] > now:
            return known[1]
        found = await self._reader.source(tenant, source)
        if len(self._known) >= _ENTRIES:
            self._known.clear()
        self._known[tenant, source] = (now + self._seconds, found)
        return found

    async def of(self, client: Client) -> Source:
        """The source of a client. Raises NoSource."""
        if client.source is None:
            raise NoSource("the key belongs to no source, so it can have no statements")
        source = await self.find(client.tenant, client.source)
        if source is None:
            raise NoSource("the source of the key is not known")
        return source

    async def authority(self, client: Client, public_url: str) -> Mapping[str, Any]:
        """The agent in whose name statements of the client stand. Raises NoSource."""
        return authority_of(await self.of(client), client.name, public_url)


def authority_of(source: Source, client: str, public_url: str) -> Mapping[str, Any]:
    """The agent in whose name statements of `client` stand: the source's, or an account of ours.

    Source: xAPI 1.0.3 Data 2.4.9 (the authority is derived from the credentials).
    """
    if source.authority is not None:
        return source.authority
    return {"objectType": "Agent", "account": {"homePage": public_url, "name": client}}
