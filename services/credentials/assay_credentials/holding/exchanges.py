"""A wallet takes up an offer by VC-API exchange (W3C VCALM 1.0, section "Participate in an
Exchange"): the wallet proves its DID by a presentation without credentials, and is given the bound
copy in a presentation.

The protocol has no transaction code. So such an offer lives for two minutes, and its interaction
URL is given only to the client that made it.
"""

from typing import TYPE_CHECKING, Final

import orjson

from assay_credentials.contexts import CREDENTIALS_V2
from assay_credentials.holding.claiming import Claimed, Claims
from assay_credentials.holding.offering import find_offer
from assay_credentials.holding.offers import Offer, exchange_url, offer_uri_by_reference, standing
from assay_credentials.holding.store import ToBind
from assay_credentials.intake import JsonObject
from assay_credentials.verify import Outcome, verify_presentation
from assay_runtime.problem import Problem, not_found

if TYPE_CHECKING:
    from assay_credentials.api import Api

_BINDABLE: Final = ("did:key:", "did:jwk:")
"""DIDs that say their key themselves: what a copy is bound to must not change its key later."""


class Exchanges:
    """The use cases of wallets that speak VC-API."""

    def __init__(self, api: "Api", claims: Claims) -> None:
        self._api = api
        self._claims = claims

    async def protocols(self, code: str) -> JsonObject:
        """What an interaction URL answers. Problem: 404."""
        offer, _ = await self._found(code)
        url = self._api.settings.public_url
        if offer.protocol == "vcapi":
            return {"protocols": {"vcapi": exchange_url(url, code)}}
        address = offer_uri_by_reference(url, code)
        # The name without a version is what wallets knew before there was one.
        return {"protocols": {"oid4vci-1.0": address, "OID4VCI": address}}

    async def take_part(self, code: str, message: JsonObject) -> JsonObject:
        """The answer to one message. Problems: 400 for a presentation that proves nothing, 404."""
        offer, credential = await self._found(code)
        if offer.protocol != "vcapi":
            raise not_found("there is no such exchange")
        presentation = message.get("verifiablePresentation")
        if presentation is None:
            return {"verifiablePresentationRequest": await self._request()}
        if not isinstance(presentation, dict):
            raise _refused("verifiablePresentation: not an object")
        holder, nonce_text = await self._holder(presentation)
        nonce = await self._claims.read_nonce(nonce_text)
        if nonce is None:
            raise _refused("proof.challenge: not one of ours, or over")
        claimed = await self._claims.give(offer, credential, "ldp_vc", [holder], nonce)
        return {"verifiablePresentation": _presented(claimed)}

    async def _found(self, code: str) -> tuple[Offer, ToBind]:
        found = await find_offer(self._api, code)
        if found is not None:
            # Claimed, too: the same wallet may not have had our answer.
            stands = standing(found[0], self._api.now(), self._api.settings.offer_wrong_codes_max)
            is_over = self._api.now() >= found[0].expires_at
            if stands in ("open", "redeemed", "claimed") and not is_over:
                return found
        raise not_found("there is no such offer, or it is over")

    async def _request(self) -> JsonObject:
        return {
            "query": [
                {
                    "type": "DIDAuthentication",
                    "acceptedMethods": [{"method": "key"}, {"method": "jwk"}],
                    "acceptedCryptosuites": [
                        {"cryptosuite": "eddsa-rdfc-2022"},
                        {"cryptosuite": "eddsa-jcs-2022"},
                    ],
                }
            ],
            "challenge": await self._claims.nonce(),
            "domain": self._api.settings.public_url,
        }

    async def _holder(self, presentation: JsonObject) -> tuple[str, str]:
        """The DID that signed the presentation, and the challenge that it signed."""
        proof = presentation.get("proof")
        if isinstance(proof, list) and len(proof) == 1:
            proof = proof[0]
        challenge = proof.get("challenge") if isinstance(proof, dict) else None
        if not isinstance(challenge, str):
            raise _refused("proof.challenge: missing")
        found = await self._api.verifier.settle(
            lambda means: verify_presentation(
                presentation,
                challenge=challenge,
                domain=self._api.settings.public_url,
                **means._asdict(),
            )
        )
        if found.outcome is not Outcome.VALID or found.holder is None or found.credentials:
            raise _refused(found.checks[-1].detail if found.checks else found.sentence)
        if not found.holder.startswith(_BINDABLE):
            raise _refused("holder: only did:key and did:jwk are known here")
        return found.holder, challenge


def _presented(claimed: Claimed) -> JsonObject:
    return {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "verifiableCredential": [orjson.loads(one) for one in claimed.documents],
    }


def _refused(detail: str) -> Problem:
    return Problem(400, "Presentation refused", slug="presentation-refused", detail=detail)
