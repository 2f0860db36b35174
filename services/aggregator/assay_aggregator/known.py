"""Everything recorded about one person, of all times, and what of it a decision may look at.

Pure: `evidence` reads it from the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from assay_aggregator.copies import instant
from assay_aggregator.fact import Fact
from assay_aggregator.people import Link, Recorded, effective_links, next_change_ms
from assay_aggregator.rulebook import Version
from assay_aggregator.world import Authorisation, Conflict, Override, Review, World


@dataclass(frozen=True, slots=True)
class Authority:
    """A person may assess within a scope."""

    assessor: UUID
    scope: str
    period: Recorded


@dataclass(frozen=True, slots=True)
class Interest:
    """`assessor` may not assess `person`."""

    assessor: UUID
    person: UUID
    period: Recorded


@dataclass(frozen=True, slots=True)
class Grant:
    """An award by hand: on these days, as `signers` have signed."""

    id: UUID
    competency: str
    level: int | None
    signers: tuple[str, ...]
    meaning: str
    reason: str
    period: Recorded


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A review of a decision, open while the record stands."""

    id: UUID
    competency: str
    kind: str
    period: Recorded


@dataclass(frozen=True, slots=True)
class Known:
    """Everything recorded about one person, of all times.

    Facts (every copy), links, authority, and what people decided beside the evidence.
    """

    person: UUID
    facts: tuple[Fact, ...] = ()
    links: tuple[Link, ...] = ()
    authorities: tuple[Authority, ...] = ()
    interests: tuple[Interest, ...] = ()
    grants: tuple[Grant, ...] = ()
    inquiries: tuple[Inquiry, ...] = ()

    def world(self, versions: Sequence[Version], known_at_ms: int) -> World:
        """What the versions can look at, as the records stood at `known_at_ms`.

        Every copy known then of each statement of which one is looked at: a copy that came later
        must not bring in others, or the same question would get another answer.
        """
        known_at = instant(known_at_ms)
        facts = [fact for fact in self.facts if fact.stored <= known_at]
        ids = {fact.id for fact in facts if any(one.looks_at(fact) for one in versions)}
        return World(
            facts=[fact for fact in facts if fact.id in ids],
            links=effective_links(self.links, known_at_ms),
            authorisations=[
                Authorisation(str(one.assessor), one.scope, one.period.valid())
                for one in self.authorities
                if one.period.known(known_at_ms)
            ],
            conflicts=[
                Conflict(str(one.assessor), str(one.person), one.period.valid())
                for one in self.interests
                if one.period.known(known_at_ms)
            ],
            overrides=[self._override(one) for one in self.grants if one.period.known(known_at_ms)],
            reviews=[
                review
                for one in self.inquiries
                if (review := self._review(one, known_at_ms)) is not None
            ],
        )

    def _override(self, grant: Grant) -> Override:
        valid = grant.period.valid()
        return Override(
            id=str(grant.id),
            person=str(self.person),
            competency=grant.competency,
            starts=valid.valid_from or 1,
            ends=valid.valid_to,
            level=grant.level,
            by=grant.signers,
            meaning=grant.meaning,
            reason=grant.reason,
            recorded=_recorded(grant.period),
        )

    def _review(self, inquiry: Inquiry, known_at_ms: int) -> Review | None:
        """The review as it was known then, also when it is closed by now."""
        period = inquiry.period
        if period.recorded_ms is None or period.recorded_ms > known_at_ms:
            return None
        closed_ms = period.retracted_ms
        return Review(
            id=str(inquiry.id),
            person=str(self.person),
            competency=inquiry.competency,
            opened=instant(period.recorded_ms),
            closed=None if closed_ms is None or closed_ms > known_at_ms else instant(closed_ms),
            reason=inquiry.kind,
        )

    def agent_key(self, known_at_ms: int) -> str | None:
        """The agent by whom to speak of the person: the first, by name, that is theirs now."""
        return min(
            (
                link.key
                for link in effective_links(self.links, known_at_ms)
                if link.person == str(self.person)
                and link.valid.on(instant(known_at_ms).toordinal(), None)
            ),
            default=None,
        )

    def next_change_ms(self, known_at_ms: int) -> int | None:
        """When a record of this person next begins or ends to be known."""
        periods = [
            one.period
            for records in (
                self.links,
                self.authorities,
                self.interests,
                self.grants,
                self.inquiries,
            )
            for one in records
        ]
        return next_change_ms(periods, known_at_ms)


def _recorded(period: Recorded) -> datetime | None:
    return None if period.recorded_ms is None else instant(period.recorded_ms)
