"""Everything that a decision depends on beside the rule: facts, identities, authority."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from assay_aggregator.fact import Fact


@dataclass(frozen=True, slots=True)
class Valid:
    """When something holds (local dates as ordinals, inclusive, None is open) and was recorded."""

    valid_from: int | None = None
    valid_to: int | None = None
    recorded: datetime | None = None

    def on(self, ordinal: int, known_at: datetime | None) -> bool:
        """True on that local date, as known at `known_at` (None: all is known)."""
        return (
            (self.valid_from is None or self.valid_from <= ordinal)
            and (self.valid_to is None or ordinal <= self.valid_to)
            and (known_at is None or self.recorded is None or self.recorded <= known_at)
        )


_ALWAYS = Valid()


@dataclass(frozen=True, slots=True)
class IdentityLink:
    """An agent's key (`assay_schemas.agents.agent_key`) belongs to a person."""

    key: str
    person: str
    valid: Valid = _ALWAYS


@dataclass(frozen=True, slots=True)
class Authorisation:
    """A person may assess within a scope."""

    assessor: str
    scope: str
    valid: Valid = _ALWAYS


@dataclass(frozen=True, slots=True)
class Conflict:
    """`assessor` may not assess `person`."""

    assessor: str
    person: str
    valid: Valid = _ALWAYS


@dataclass(frozen=True)
class World:
    """What may be known. Facts may come in any order, more than once, and of other people too.

    It must hold, of the person asked about: every statement that a rule may match, every void of
    one of those, and the `launched` statements of their sessions.
    """

    facts: Sequence[Fact]
    links: Sequence[IdentityLink]
    authorisations: Sequence[Authorisation] = field(default=())
    conflicts: Sequence[Conflict] = field(default=())

    @cached_property
    def links_by_key(self) -> Mapping[str, Sequence[IdentityLink]]:
        """The links of each agent key."""
        found: dict[str, list[IdentityLink]] = {}
        for link in self.links:
            found.setdefault(link.key, []).append(link)
        return found

    def people(self, key: str, ordinal: int, known_at: datetime | None) -> frozenset[str]:
        """Whom an agent key names on a local date. More than one only while links collide."""
        return frozenset(
            link.person
            for link in self.links_by_key.get(key, ())
            if link.valid.on(ordinal, known_at)
        )
