"""Offers of a credential to its holder's wallet, as values. Pure.

An offer by OpenID4VCI asks for a transaction code that reaches the holder another way than the
offer does: whoever photographs the QR code has half of what is needed. An offer by VC-API exchange
knows no such code in its protocol, so it is short, and never shown on a public page.

    open --withdrawn--> withdrawn
    open --too many wrong transaction codes--> locked
    open --its time is over--> expired
    open --token given out--> redeemed --copy given out--> claimed
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

import orjson

from assay_credentials.holding.codes import TRANSACTION_CODE_DIGITS
from assay_credentials.intake import JsonObject

Protocol = Literal["oid4vci", "vcapi"]
Standing = Literal["open", "withdrawn", "locked", "expired", "redeemed", "claimed"]
Format = Literal["ldp_vc", "jwt_vc_json"]

PRE_AUTHORIZED_GRANT: Final = "urn:ietf:params:oauth:grant-type:pre-authorized_code"

CONFIGURATIONS: Final[dict[str, Format]] = {
    "open_badge_ldp_vc": "ldp_vc",
    "open_badge_jwt_vc_json": "jwt_vc_json",
}
"""`credential_configuration_id` of our metadata to the format that it stands for."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer, as it stands in the table."""

    tenant: str
    id: UUID
    credential: UUID
    protocol: Protocol
    sealed: bytes | None
    """Of the transaction code (`codes.seal`); None: the protocol has none."""
    wrong_codes: int
    made_by: str
    made_at: datetime
    expires_at: datetime
    withdrawn_at: datetime | None
    redeemed_at: datetime | None
    token_expires_at: datetime | None
    claimed_at: datetime | None
    wallet_event: str | None
    wallet_event_at: datetime | None


def standing(offer: Offer, now: datetime, wrong_codes_max: int) -> Standing:
    """What became of an offer. What has been claimed stays claimed, whatever came later."""
    if offer.claimed_at is not None:
        return "claimed"
    if offer.withdrawn_at is not None:
        return "withdrawn"
    if offer.wrong_codes >= wrong_codes_max:
        return "locked"
    if offer.redeemed_at is not None:
        over = offer.token_expires_at is not None and now >= offer.token_expires_at
        return "expired" if over else "redeemed"
    return "expired" if now >= offer.expires_at else "open"


def issuer_url(public_url: str, tenant: str, issuer: str) -> str:
    """The Credential Issuer Identifier of one issuer (OpenID4VCI 1.0, section 12.2.1)."""
    return f"{public_url}/issuers/{tenant}/{issuer}"


def claim_url(public_url: str, code: str) -> str:
    return f"{public_url}/claim/{code}"


def interaction_url(public_url: str, code: str) -> str:
    """The interaction URL of VCALM 1.0, section "Interaction URL Format"."""
    return f"{public_url}/interactions/{code}?iuv=1"


def exchange_url(public_url: str, code: str) -> str:
    return f"{public_url}/exchanges/{code}"


def offer_object(credential_issuer: str, code: str) -> JsonObject:
    """The Credential Offer (OpenID4VCI 1.0, section 4.1.1), always with a transaction code."""
    return {
        "credential_issuer": credential_issuer,
        "credential_configuration_ids": list(CONFIGURATIONS),
        "grants": {
            PRE_AUTHORIZED_GRANT: {
                "pre-authorized_code": code,
                "tx_code": {
                    "input_mode": "numeric",
                    "length": TRANSACTION_CODE_DIGITS,
                    "description": "The code that you were shown or sent with the offer",
                },
            }
        },
    }


def offer_uri_by_reference(public_url: str, code: str) -> str:
    """What a QR code holds: short, since the offer itself is fetched."""
    address = f"{public_url}/oid4vci/offers/{code}"
    return f"openid-credential-offer://?credential_offer_uri={quote(address, safe='')}"


def offer_uri_by_value(credential_issuer: str, code: str) -> str:
    """The whole offer in the link, for wallets on the same device."""
    text = orjson.dumps(offer_object(credential_issuer, code)).decode()
    return "openid-credential-offer://?" + urlencode({"credential_offer": text}, quote_via=quote)
