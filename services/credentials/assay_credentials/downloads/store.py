"""The tables of transcripts and endorsements, one typed method per query."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

import asyncpg

from assay_credentials.awards import Place
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_credentials", file="downloads")

ENDORSEMENTS_SHOWN_MAX: Final = 50
"""Of one credential."""

Row = asyncpg.Record
Kind = Literal["credential", "achievement", "issuer"]


class Endorsement(NamedTuple):
    """One endorsement, as it was signed."""

    tenant: str
    endorsement: UUID
    issuer: str
    """Slug of the tenant's issuer who endorses."""
    method: str
    state: Literal["issued", "withdrawn"]
    kind: Kind
    endorsed: str
    credential: UUID | None
    name: str
    comment: str
    valid_until: datetime | None
    content_sha256: bytes
    document: bytes
    place: Place
    made_at: datetime
    withdrawn_at: datetime | None = None


class DownloadStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def credential(self, tenant: str, credential: UUID) -> Row | None:
        row: Row | None = await self._connection.fetchrow(
            QUERIES["find_download"], tenant, credential
        )
        return row

    async def record_of(
        self, tenant: str, person: UUID, after: UUID, limit: int
    ) -> list[tuple[UUID, bytes]]:
        """The person's credentials that are issued, suspended or expired, in order of their ids."""
        rows = await self._connection.fetch(QUERIES["record_of"], tenant, person, after, limit)
        return [(row["credential"], row["document"]) for row in rows]

    async def insert_transcript(
        self,
        tenant: str,
        transcript: UUID,
        *,
        person: UUID,
        method: str,
        credentials: Sequence[UUID],
        sha256: bytes,
        asked_by: str,
    ) -> None:
        await self._connection.execute(
            QUERIES["insert_transcript"],
            tenant,
            transcript,
            person,
            method,
            list(credentials),
            sha256,
            asked_by,
        )

    async def lock_endorsement(self, tenant: str, endorsement: UUID) -> None:
        await self._connection.execute(QUERIES["lock_endorsement"], tenant, endorsement)

    async def endorsement(self, tenant: str, endorsement: UUID) -> Endorsement | None:
        row = await self._connection.fetchrow(QUERIES["find_endorsement"], tenant, endorsement)
        return None if row is None else _endorsement(row)

    async def insert_endorsement(self, made: Endorsement) -> None:
        await self._connection.execute(
            QUERIES["insert_endorsement"],
            made.tenant,
            made.endorsement,
            made.issuer,
            made.method,
            made.kind,
            made.endorsed,
            made.credential,
            made.name,
            made.comment,
            made.valid_until,
            made.content_sha256,
            made.document,
            made.place.list,
            made.place.index,
            made.made_at,
        )

    async def withdraw_endorsement(self, tenant: str, endorsement: UUID) -> Place | None:
        """Its place in the revocation list; None when it was not issued, or is withdrawn."""
        row = await self._connection.fetchrow(QUERIES["withdraw_endorsement"], tenant, endorsement)
        return None if row is None else Place(row["revocation_list"], row["revocation_index"])

    async def list_endorsements(self, tenant: str, after: UUID, limit: int) -> list[Endorsement]:
        rows = await self._connection.fetch(QUERIES["list_endorsements"], tenant, after, limit)
        return [_endorsement(row) for row in rows]

    async def endorsements_of(self, tenant: str, endorsed: Sequence[str]) -> list[Endorsement]:
        """Those of any of these ids that hold now, the oldest first."""
        rows = await self._connection.fetch(
            QUERIES["endorsements_of"], tenant, list(endorsed), ENDORSEMENTS_SHOWN_MAX
        )
        return [_endorsement(row) for row in rows]


def _endorsement(row: Row) -> Endorsement:
    return Endorsement(
        row["tenant"],
        row["endorsement"],
        row["issuer"],
        row["method"],
        row["state"],
        row["kind"],
        row["endorsed"],
        row["credential"],
        row["name"],
        row["comment"],
        row["valid_until"],
        row["content_sha256"],
        row["document"],
        Place(row["revocation_list"], row["revocation_index"]),
        row["made_at"],
        row["withdrawn_at"],
    )
