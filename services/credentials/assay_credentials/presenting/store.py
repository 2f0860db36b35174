"""The table of what was asked of wallets; one typed method per query."""

import hashlib
from datetime import datetime
from typing import Final, NamedTuple

from assay_credentials.presenting.request import PresentationRequest
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_credentials", file="presenting")


class Asked(NamedTuple):
    """A request as the browser that made it sees it."""

    request: PresentationRequest
    answered_at: datetime | None
    answer: bytes | None
    """The verification, as JSON."""
    declined: str | None
    """The error code of the wallet."""


class PresentingStore:
    """Lives as long as one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, session: str, asked: PresentationRequest, waiting_max: int) -> bool:
        """Keep a request. False when `waiting_max` are waiting already."""
        done = await self._connection.execute(
            QUERIES["insert_request"],
            _hashed(session),
            asked.request,
            asked.nonce,
            asked.made_at,
            asked.expires_at,
            waiting_max,
        )
        return str(done).endswith(" 1")

    async def of_session(self, session: str) -> Asked | None:
        """What the browser that holds `session` asked."""
        row = await self._connection.fetchrow(QUERIES["find_session"], _hashed(session))
        if row is None:
            return None
        request = PresentationRequest(
            row["request"], row["nonce"], row["made_at"], row["expires_at"]
        )
        return Asked(request, row["answered_at"], row["answer"], row["declined"])

    async def waiting(self, request: str, now: datetime) -> PresentationRequest | None:
        """A request that may still be answered."""
        row = await self._connection.fetchrow(QUERIES["find_request"], request, now)
        if row is None:
            return None
        return PresentationRequest(row["request"], row["nonce"], row["made_at"], row["expires_at"])

    async def answer(
        self, request: str, now: datetime, *, answer: bytes | None, declined: str | None
    ) -> bool:
        """Keep the one answer. False when there is one, or it is too late."""
        row = await self._connection.fetchrow(
            QUERIES["answer_request"], request, now, answer, declined
        )
        return row is not None

    async def forget(self, before: datetime, rows_max: int) -> int:
        """Delete what ended before a moment; how many."""
        done = await self._connection.execute(QUERIES["forget"], before, rows_max)
        return int(str(done).rpartition(" ")[2])


def _hashed(session: str) -> bytes:
    # Whoever reads the table must not be able to open a page that shows somebody's credentials.
    return hashlib.sha256(session.encode()).digest()
