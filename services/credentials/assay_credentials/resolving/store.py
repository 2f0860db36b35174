"""The tables of trust, one typed method per query."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_credentials", file="resolving")

Row = asyncpg.Record


class TrustEntry(NamedTuple):
    """An issuer as a registry has it. `achievements` None: it may issue any."""

    did: str
    name: str
    registry: str | None
    registry_url: str | None
    achievements: Sequence[str] | None
    trusted_from: datetime
    trusted_until: datetime | None
    added_by: str
    reason: str


class TrustStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def own_keys(self, dids: Iterable[str]) -> dict[str, dict[str, bool]]:
        """By DID of an issuer of ours: its methods, each with whether it was removed."""
        found: dict[str, dict[str, bool]] = {}
        for row in await self._connection.fetch(QUERIES["own_keys"], sorted(set(dids))):
            found.setdefault(row["did"], {})[row["method"]] = row["is_removed"]
        return found

    async def own_issuers(self) -> dict[str, str]:
        """DID to name, of every issuer of ours that has a key which holds."""
        return {
            row["did"]: row["name"] for row in await self._connection.fetch(QUERIES["own_issuers"])
        }

    async def trusted_issuers(self, now: datetime) -> list[Row]:
        """Rows of did, name, registry, registry_url, achievements: those of the list at `now`."""
        rows: list[Row] = await self._connection.fetch(QUERIES["trusted_issuers"], now)
        return rows

    async def list_trusted(self, *, with_removed: bool) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES["list_trusted"], with_removed)
        return rows

    async def add_trusted(self, entry: TrustEntry) -> bool:
        """Whether it was added; False when the DID is on the list already."""
        achievements = None if entry.achievements is None else sorted(set(entry.achievements))
        row = await self._connection.fetchrow(
            QUERIES["add_trusted"], *entry._replace(achievements=achievements)
        )
        return row is not None

    async def remove_trusted(self, did: str, by: str, reason: str) -> bool:
        """Whether the DID was on the list."""
        row = await self._connection.fetchrow(QUERIES["remove_trusted"], did, by, reason)
        return row is not None

    async def receipt_keys(self) -> dict[str, str]:
        """Method to DID of the keys whose receipts are ours, the oldest first."""
        return {
            row["method"]: row["did"]
            for row in await self._connection.fetch(QUERIES["receipt_keys"])
        }

    async def insert_receipt_key(self, did: str, method: str) -> None:
        await self._connection.execute(QUERIES["insert_receipt_key"], did, method)
