"""A learner's whole record as a `ClrCredential` of the Comprehensive Learner Record 2.0. Pure.

It wraps credentials that were signed before, unchanged: whoever verifies it verifies each of them
too, with its own signature, dates and status. The signature around them says one thing more: that
this issuer put these together for one person on that day. What is revoked later is found revoked in
each of them; the transcript itself has no status.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from assay_credentials.badge import MIN_SALT_BYTES, Issuer, identity_document, issuer_document
from assay_credentials.contexts import TRANSCRIPT_CONTEXT
from assay_credentials.errors import BadgeRefused
from assay_credentials.intake import JsonObject
from assay_credentials.moments import write_moment

TRANSCRIPT_NAMES: Final = {
    "en": "Comprehensive learner record",
    "cy": "Cofnod cynhwysfawr dysgwr",
}


@dataclass(frozen=True)
class TranscriptFacts:
    """One person's record on one day."""

    transcript_id: str
    """`urn:uuid:...`; names no person."""
    name: str
    made_at: datetime
    identity: str = field(repr=False)
    """As in a badge: it is hashed with the salt, not shown."""
    salt: bytes = field(repr=False)
    """Random, of at least 16 bytes, another one for each transcript."""
    credentials: tuple[JsonObject, ...] = ()
    """Signed, in the order in which they are shown."""


def build_transcript(facts: TranscriptFacts, issuer: Issuer) -> JsonObject:
    """The unsigned transcript; sign it with `proof.add_proof`.

    Raises BadgeRefused when it wraps nothing, the same credential twice, or what is not signed: an
    unsigned one would pass for the saying of its issuer under the signature of another.
    """
    if not facts.credentials:
        raise BadgeRefused("credentials: a record of nothing is none")
    _check(facts.credentials)
    if facts.made_at.tzinfo is None:
        raise BadgeRefused("made_at: a moment needs an offset from UTC")
    if len(facts.salt) < MIN_SALT_BYTES:
        raise BadgeRefused(f"salt: must have at least {MIN_SALT_BYTES} random bytes")
    return {
        "@context": list(TRANSCRIPT_CONTEXT),
        "id": facts.transcript_id,
        "type": ["VerifiableCredential", "ClrCredential"],
        "name": facts.name,
        "issuer": issuer_document(issuer),
        "validFrom": write_moment(facts.made_at),
        "credentialSubject": {
            "type": ["ClrSubject"],
            "identifier": [identity_document(facts.identity, "systemId", facts.salt)],
            "verifiableCredential": list(facts.credentials),
        },
    }


def _check(credentials: Sequence[JsonObject]) -> None:
    seen: set[object] = set()
    for number, one in enumerate(credentials):
        if "proof" not in one:
            raise BadgeRefused(f"credentials[{number}]: is not signed")
        if one.get("id") in seen:
            raise BadgeRefused(f"credentials[{number}]: stands in it already")
        seen.add(one.get("id"))
