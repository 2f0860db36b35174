"""Everything recorded about one person, of all times, and what of it a decision may look at.

Pure: `evidence` reads it from the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from assay_aggregator.fact import Fact
from assay_aggregator.people import Link, Recorded, effective_links, next_change_ms
from assay_aggregator.rulebook import Version
from assay_aggregator.world import Authorisation, Conflict, World


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
class Known:
    """Everything recorded about one person, of all times: facts (every copy), links, authority."""

    person: UUID
    facts: tuple[Fact, ...] = ()
    links: tuple[Link, ...] = ()
    authorities: tuple[Authority, ...] = ()
    interests: tuple[Interest, ...] = ()

    def world(self, versions: Sequence[Version], known_at_ms: int) -> World:
        """What the versions can look at, as the records stood at `known_at_ms`.

        Facts are given whole; the engine itself leaves out what was stored later.
        """
        ids = {fact.id for fact in self.facts if any(one.looks_at(fact) for one in versions)}
        return World(
            facts=[fact for fact in self.facts if fact.id in ids],
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
        )

    def next_change_ms(self, known_at_ms: int) -> int | None:
        """When a record of this person next begins or ends to be known."""
        periods = [
            one.period
            for records in (self.links, self.authorities, self.interests)
            for one in records
        ]
        return next_change_ms(periods, known_at_ms)
