"""Everything that a decision depends on beside the rule: facts, identities, authority."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, Literal

from assay_aggregator.fact import Fact

# What a person has of a competency at some instant; "none" is any status without an award.
Held = Literal["none", "achieved", "expired", "suspended", "under_review", "revoked"]


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


@dataclass(frozen=True, slots=True)
class Override:
    """People say that a person has a competency, on local dates `starts` to `ends` (ordinals).

    Both are inclusive; `ends` None is as long as the rule lets it. `by` are the people who signed
    it, `meaning` is what they signed for, `reason` a code. Those taken back are left out by the
    caller, as known at `known_at`.
    """

    id: str
    person: str
    competency: str
    starts: int
    ends: int | None = None
    level: int | None = None
    by: tuple[str, ...] = ()
    meaning: str = "approval"
    reason: str = ""
    recorded: datetime | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """People look into a person's competency from `opened` until just before `closed`.

    A closing later than `known_at` is not known yet; an opening neither (`recorded`, where that is
    another instant than `opened`).
    """

    id: str
    person: str
    competency: str
    opened: datetime
    closed: datetime | None = None
    reason: str = ""
    recorded: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody has of a competency from the instant `since` on; dates are ordinals.

    `disqualified_at` is the last disqualification so far, with an award or without.
    """

    since: datetime
    held: Held
    level: int | None = None
    achieved_on: int | None = None
    expires_on: int | None = None
    disqualified_at: datetime | None = None

    def holds(self, level: int | None) -> bool:
        """True when an award of at least that level (None: any) is in force."""
        return self.held == "achieved" and (
            level is None or (self.level is not None and self.level >= level)
        )


@dataclass(frozen=True, slots=True)
class Standings:
    """The history of one person in one competency up to an `as_of`, for rules that look at it.

    `steps` ascend; before the first there is nothing. `status` and `used` are those of the decision
    at `as_of`, and `next_change` is when time alone may change it next.
    """

    steps: tuple[Step, ...] = ()
    status: str = "not_started"
    used: tuple[str, ...] = ()
    next_change: datetime | None = None

    def at(self, instant: datetime) -> Step | None:
        """What holds at an instant."""
        index = bisect_right(self.steps, instant, key=lambda step: step.since)
        return self.steps[index - 1] if index else None


NO_STANDINGS: Final = Standings()


@dataclass(frozen=True)
class World:
    """What may be known. Facts may come in any order, more than once, and of other people too.

    It must hold, of the person asked about: every statement that a rule may match, every void of
    one of those, and the `launched` statements of their sessions. `standings` gives the history of
    the competencies that the rule looks at (`dependencies.depends_on`), for that person.
    """

    facts: Sequence[Fact]
    links: Sequence[IdentityLink]
    authorisations: Sequence[Authorisation] = field(default=())
    conflicts: Sequence[Conflict] = field(default=())
    overrides: Sequence[Override] = field(default=())
    reviews: Sequence[Review] = field(default=())
    standings: Mapping[str, Standings] = field(default_factory=dict)

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
