"""An endorsement as an `EndorsementCredential` of Open Badges 3.0 (sections 4.3 and B.1.13). Pure.

An employer or another centre says under its own key that it vouches for a credential, for what can
be earned, or for an issuer. It is a credential of its own: it can be withdrawn without touching
what it is about, and the other way round.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from assay_credentials.badge import Issuer, issuer_document, status_document
from assay_credentials.contexts import BADGE_CONTEXT
from assay_credentials.errors import BadgeRefused
from assay_credentials.intake import JsonObject
from assay_credentials.moments import write_moment
from assay_credentials.status_list import StatusEntry

COMMENT_CHARACTERS_MAX: Final = 2_000


@dataclass(frozen=True)
class EndorsementFacts:
    """Who is vouched for, and in which words."""

    endorsement_id: str
    """`urn:uuid:...` or an https URL."""
    endorsed_id: str
    """The id of the credential or the achievement, or the DID of the issuer."""
    name: str
    comment: str
    """In plain words (Markdown). Anybody who sees the endorsement reads it."""
    made_at: datetime
    valid_until: datetime | None = None


def build_endorsement(
    facts: EndorsementFacts, issuer: Issuer, status: StatusEntry | None
) -> JsonObject:
    """The unsigned endorsement; sign it with `proof.add_proof`, by the key of who endorses.

    Raises BadgeRefused when the facts contradict each other, or somebody endorses themselves.
    """
    _check(facts, issuer)
    document: JsonObject = {
        "@context": list(BADGE_CONTEXT),
        "id": facts.endorsement_id,
        "type": ["VerifiableCredential", "EndorsementCredential"],
        "name": facts.name,
        "issuer": issuer_document(issuer),
        "validFrom": write_moment(facts.made_at),
    }
    if facts.valid_until is not None:
        document["validUntil"] = write_moment(facts.valid_until)
    document["credentialSubject"] = {
        "id": facts.endorsed_id,
        "type": ["EndorsementSubject"],
        "endorsementComment": facts.comment,
    }
    if status is not None:
        document["credentialStatus"] = status_document(status)
    return document


def _check(facts: EndorsementFacts, issuer: Issuer) -> None:
    for name, text in (("name", facts.name), ("comment", facts.comment)):
        if not text.strip():
            raise BadgeRefused(f"{name}: must not be empty")
    if len(facts.comment) > COMMENT_CHARACTERS_MAX:
        raise BadgeRefused(f"comment: longer than {COMMENT_CHARACTERS_MAX} characters")
    for name, iri in (
        ("endorsement_id", facts.endorsement_id),
        ("endorsed_id", facts.endorsed_id),
        ("issuer.id", issuer.id),
    ):
        if not urlsplit(iri).scheme:
            raise BadgeRefused(f"{name}: must be an absolute IRI")
    if facts.endorsed_id == issuer.id:
        raise BadgeRefused("endorsed_id: nobody endorses themselves")
    if facts.made_at.tzinfo is None:
        raise BadgeRefused("made_at: a moment needs an offset from UTC")
    if facts.valid_until is not None and facts.valid_until <= facts.made_at:
        raise BadgeRefused("valid_until: does not lie after made_at")
