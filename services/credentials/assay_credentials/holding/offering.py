"""Making offers, and showing them: what happens before a wallet comes.

Whoever takes up an offer gets the credential bound to a key of their own. So an offer is made by a
client that acts for the holder (scope `credentials/offer`), not by a link that an employer has too.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from assay_credentials.holding.codes import (
    CODE_CHARACTERS_MAX,
    digest,
    new_code,
    new_transaction_code,
    seal,
)
from assay_credentials.holding.offers import (
    Offer,
    Protocol,
    offer_uri_by_reference,
    standing,
)
from assay_credentials.holding.store import HoldingStore, ToBind
from assay_credentials.intake import parse_document
from assay_credentials.store import Row
from assay_runtime.problem import Problem

if TYPE_CHECKING:
    from assay_credentials.api import Api

WALLET_OFFERS_MAX = 20
"""The newest that are looked at and listed, of one credential."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new offer with its secrets, which are shown once."""

    offer: Offer
    code: str
    transaction_code: str | None


@dataclass(frozen=True, slots=True)
class ClaimView:
    """What the claim page shows. Never the transaction code."""

    offer_uri: str
    expires_at: datetime
    needs_code: bool
    credential_name: str
    issuer_name: str
    claimed: bool
    """A wallet has it, or is taking it."""


async def make_offer(
    api: "Api", row: Row, protocol: Protocol, seconds: float | None, made_by: str
) -> Made:
    """Offer the credential of `row` (that of `Store.find_credential`) to its holder's wallet.

    Problems: 409 when it is not one that counts now, or too many offers are open.
    """
    now, settings = api.now(), api.settings
    ends = row["valid_until"]
    if row["state"] != "issued" or (ends is not None and ends <= now):
        raise Problem(
            409,
            "Not to be offered",
            slug="credential-not-valid",
            detail="only a credential that is valid now can be offered to a wallet",
        )
    limit = settings.offer_seconds_max if protocol == "oid4vci" else settings.exchange_seconds_max
    code = new_code(secrets.token_bytes)
    transaction_code = new_transaction_code(secrets.token_bytes) if protocol == "oid4vci" else None
    offer = Offer(
        tenant=row["tenant"],
        id=uuid4(),
        credential=row["credential"],
        protocol=protocol,
        sealed=None if transaction_code is None else seal(code, transaction_code),
        wrong_codes=0,
        made_by=made_by,
        made_at=now,
        expires_at=now + timedelta(seconds=min(limit, seconds or limit)),
        withdrawn_at=None,
        redeemed_at=None,
        token_expires_at=None,
        claimed_at=None,
        wallet_event=None,
        wallet_event_at=None,
    )
    async with api.connected() as connection, connection.transaction():
        store = HoldingStore(connection)
        before = await store.list_offers(offer.tenant, offer.credential, WALLET_OFFERS_MAX)
        # Each open offer has its own transaction code to be guessed, five times.
        if sum(_is_open(api, one, now) for one in before) >= WALLET_OFFERS_MAX:
            raise Problem(
                409,
                "Too many offers",
                slug="too-many-offers",
                detail=f"{WALLET_OFFERS_MAX} offers of it are open; withdraw one, or wait",
            )
        await store.insert_offer(offer, digest(code))
    return Made(offer, code, transaction_code)


def _is_open(api: "Api", offer: Offer, now: datetime) -> bool:
    return standing(offer, now, api.settings.offer_wrong_codes_max) in ("open", "redeemed")


async def find_offer(api: "Api", code: str) -> tuple[Offer, ToBind] | None:
    """The offer of a code with its credential; None when there is none of it."""
    if not 0 < len(code) <= CODE_CHARACTERS_MAX:
        return None
    async with api.connected() as connection:
        store = HoldingStore(connection)
        offer = await store.find_offer(digest(code))
        if offer is None:
            return None
        credential = await store.to_bind(offer.tenant, offer.credential)
    return None if credential is None else (offer, credential)


async def read_claim(api: "Api", code: str) -> ClaimView | None:
    """What the claim page of a code shows; None when it is not there, over, locked or withdrawn.

    Only offers by OpenID4VCI have a page: who has the page has not the transaction code yet.
    """
    found = await find_offer(api, code)
    if found is None or found[0].protocol != "oid4vci":
        return None
    offer, credential = found
    stands = standing(offer, api.now(), api.settings.offer_wrong_codes_max)
    if stands not in ("open", "redeemed", "claimed"):
        return None
    return ClaimView(
        offer_uri=offer_uri_by_reference(api.settings.public_url, code),
        expires_at=offer.expires_at,
        needs_code=offer.sealed is not None,
        credential_name=_name(credential.document),
        issuer_name=credential.issuer_name,
        claimed=stands != "open",
    )


def _name(document: bytes) -> str:
    name = parse_document(document).get("name")
    return name if isinstance(name, str) else ""
