"""The tables of holding, one typed method per query. A `HoldingStore` lives as long as one
transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from assay_credentials.holding.offers import Format, Offer, Protocol
from assay_credentials.store import Row
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES = load_queries("assay_credentials", file="holding")


class Share(NamedTuple):
    """A link that shows a credential."""

    link: UUID
    share_id: str
    purpose: str
    label: str | None
    made_by: str
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ToBind(NamedTuple):
    """A credential, and who issued it."""

    tenant: str
    credential: UUID
    state: str
    document: bytes
    did: str
    method: str
    valid_until: datetime | None
    issuer: str
    issuer_name: str


class Copy(NamedTuple):
    """A copy for a wallet, as it is kept."""

    tenant: str
    credential: UUID
    format: Format
    holder: str
    offer: UUID
    method: str
    document: bytes
    contexts: str
    issued_at: datetime


class HoldingStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(QUERIES[name], *arguments)
        return row

    async def _execute(self, name: str, *arguments: object) -> None:
        await self._connection.execute(QUERIES[name], *arguments)

    # Share links

    async def insert_share(self, tenant: str, credential: UUID, share: Share) -> None:
        """Nothing when it is a second certificate link."""
        await self._execute(
            "insert_share",
            tenant,
            share.link,
            credential,
            share.share_id,
            share.purpose,
            share.label,
            share.made_by,
            share.made_at,
            share.expires_at,
        )

    async def list_shares(self, tenant: str, credential: UUID) -> list[Share]:
        return [Share(*row) for row in await self._fetch("list_shares", tenant, credential)]

    async def count_open_shares(self, tenant: str, credential: UUID, now: datetime) -> int:
        (row,) = await self._fetch("count_open_shares", tenant, credential, now)
        return int(row["links"])

    async def revoke_share(self, tenant: str, credential: UUID, link: UUID, now: datetime) -> bool:
        """Whether there is such a link."""
        return await self._row("revoke_share", tenant, credential, link, now) is not None

    async def certificate_share(self, tenant: str, credential: UUID) -> str | None:
        row = await self._row("certificate_share", tenant, credential)
        return None if row is None else str(row["share_id"])

    # Offers

    async def insert_offer(
        self,
        offer: Offer,
        code_sha256: bytes,
    ) -> None:
        await self._execute(
            "insert_offer",
            offer.tenant,
            offer.id,
            offer.credential,
            offer.protocol,
            code_sha256,
            offer.sealed,
            offer.made_by,
            offer.made_at,
            offer.expires_at,
        )

    async def list_offers(self, tenant: str, credential: UUID, limit: int) -> list[Offer]:
        """The newest first."""
        return [_offer(row) for row in await self._fetch("list_offers", tenant, credential, limit)]

    async def find_offer(self, code_sha256: bytes) -> Offer | None:
        return _maybe(await self._row("find_offer", code_sha256))

    async def lock_offer(self, tenant: str, offer: UUID) -> Offer:
        """The offer, which is there and is never deleted. Locked until the transaction ends."""
        (row,) = await self._fetch("lock_offer", tenant, offer)
        return _offer(row)

    async def find_offer_by_token(self, token_sha256: bytes) -> Offer | None:
        return _maybe(await self._row("find_offer_by_token", token_sha256))

    async def withdraw_offer(
        self, tenant: str, credential: UUID, offer: UUID, now: datetime
    ) -> bool:
        """Whether there is such an offer."""
        return await self._row("withdraw_offer", tenant, credential, offer, now) is not None

    async def count_wrong_code(self, offer: Offer) -> None:
        await self._execute("count_wrong_code", offer.tenant, offer.id)

    async def redeem_offer(
        self, offer: Offer, now: datetime, token_sha256: bytes, token_expires_at: datetime
    ) -> None:
        await self._execute(
            "redeem_offer", offer.tenant, offer.id, now, token_sha256, token_expires_at
        )

    async def claim_offer(self, offer: Offer, now: datetime) -> None:
        await self._execute("claim_offer", offer.tenant, offer.id, now)

    async def note_wallet_event(self, offer: Offer, event: str, now: datetime) -> None:
        await self._execute("note_wallet_event", offer.tenant, offer.id, event, now)

    # Copies

    async def to_bind(self, tenant: str, credential: UUID) -> ToBind | None:
        row = await self._row("to_bind", tenant, credential)
        return None if row is None else ToBind(*row)

    async def lock_to_bind(self, tenant: str, credential: UUID) -> str:
        """The state of the credential, which does not change until the transaction ends."""
        (row,) = await self._fetch("lock_to_bind", tenant, credential)
        return str(row["state"])

    async def copies_of_offer(self, offer: Offer) -> list[tuple[str, str, bytes]]:
        """Format, holder and document of what was given out for the offer."""
        rows = await self._fetch("copies_of_offer", offer.tenant, offer.id)
        return [(row["format"], row["holder"], row["document"]) for row in rows]

    async def find_copies(
        self, tenant: str, credential: UUID, format_: Format, holders: Sequence[str]
    ) -> dict[str, bytes]:
        """Holder to document."""
        rows = await self._fetch("find_copies", tenant, credential, format_, list(holders))
        return {row["holder"]: row["document"] for row in rows}

    async def insert_copies(self, copies: Iterable[Copy]) -> None:
        """Where a holder has a copy already, it stays."""
        rows = sorted(copies)
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            await self._execute("insert_copies", *columns)

    async def use_nonce(self, tenant: str, nonce_sha256: bytes, expires_at: datetime) -> bool:
        """Whether it was not used before."""
        return await self._row("use_nonce", tenant, nonce_sha256, expires_at) is not None

    async def forget_nonces(self, now: datetime) -> None:
        """Delete some of those that are over."""
        await self._execute("forget_nonces", now)

    # Issuers

    async def issuer_name(self, tenant: str, issuer: str) -> str | None:
        """How the issuer is called; None when it never had a key."""
        row = await self._row("issuer_name", tenant, issuer)
        return None if row is None else str(row["name"])


def _maybe(row: Row | None) -> Offer | None:
    return None if row is None else _offer(row)


def _offer(row: Row) -> Offer:
    protocol: Protocol = row["protocol"]
    return Offer(
        tenant=row["tenant"],
        id=row["offer"],
        credential=row["credential"],
        protocol=protocol,
        sealed=row["sealed"],
        wrong_codes=row["wrong_codes"],
        made_by=row["made_by"],
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        withdrawn_at=row["withdrawn_at"],
        redeemed_at=row["redeemed_at"],
        token_expires_at=row["token_expires_at"],
        claimed_at=row["claimed_at"],
        wallet_event=row["wallet_event"],
        wallet_event_at=row["wallet_event_at"],
    )
