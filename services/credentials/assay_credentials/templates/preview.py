"""What a credential of a template will look like, before anybody approves it. Pure."""

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from assay_credentials.awards import Credential, Described, Place, Terms, facts_of
from assay_credentials.badge import AwardFacts, Issuer, build_badge
from assay_credentials.intake import JsonObject
from assay_credentials.making import credential_url, places_of
from assay_credentials.status_list import StatusEntry
from assay_credentials.statuses import list_url

NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample is built from."""

    facts: AwardFacts
    issuer: Issuer
    status: tuple[StatusEntry, ...]

    def badge(self) -> JsonObject:
        """The unsigned credential. Raises BadgeRefused."""
        return build_badge(self.facts, self.issuer, self.status)


def sample(
    described: Described,
    *,
    tenant: str,
    competency: str,
    issuer: Issuer,
    public_url: str,
    awarded_on: date,
    expires_on: date | None,
    at: datetime,
) -> Sample:
    """The credential of nobody, at the highest level. Raises BadgeRefused.

    Without a signature nobody can take it for a credential.
    """
    terms = Terms(len(described.levels) or None, awarded_on, expires_on, "UTC")
    credential = Credential(
        key=(tenant, NOBODY, competency),
        id=NOBODY,
        state="intended",
        sequence=0,
        decision=NOBODY,
        terms=terms,
        as_of=at,
        evidence_digest=hashlib.sha256(b"sample").digest(),
        did=issuer.id,
        salt=bytes(16),
        revocation=Place(NOBODY, 0),
        suspension=Place(NOBODY, 0) if described.has_suspension else None,
        intended_at=at,
        template=described.template,
    )
    facts = facts_of(credential, described, credential_url(public_url, credential.id))
    return Sample(
        replace(facts, identity="nobody"),
        issuer,
        tuple(
            StatusEntry(purpose, list_url(public_url, place.list), place.index)
            for purpose, place in places_of(credential).items()
        ),
    )
