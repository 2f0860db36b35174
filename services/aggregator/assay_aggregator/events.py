"""From two standings to an event: what the world is told when a decision changes.

Pure. The table below is the whole of it; a pair that it does not hold cannot happen. After every
step, the last event tells the present standing: whoever follows the events knows it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final
from uuid import UUID

from assay_aggregator.errors import NoSuchStep
from assay_schemas.events import (
    CompetencyAchieved,
    CompetencyEvent,
    CompetencyExpired,
    CompetencyRenewed,
    CompetencySuspended,
    CompetencyUnderReview,
    CompetencyWithdrawn,
    Status,
)


class Phase(Enum):
    """What a status means for somebody who relies on it."""

    NONE = "no award"
    HELD = "held"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    REVIEW = "under review"


PHASES: Final[Mapping[Status, Phase]] = {
    "not_started": Phase.NONE,
    "in_progress": Phase.NONE,
    "achieved": Phase.HELD,
    "expired": Phase.EXPIRED,
    "suspended": Phase.SUSPENDED,
    "under_review": Phase.REVIEW,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a decision says to others. `evidence` carries the award."""

    status: Status
    level: int | None = None
    achieved_on: date | None = None
    expires_on: date | None = None
    evidence: frozenset[UUID] = frozenset()


NOTHING: Final = Standing("not_started")

_Kind = type[
    CompetencyAchieved
    | CompetencyRenewed
    | CompetencyWithdrawn
    | CompetencyExpired
    | CompetencySuspended
    | CompetencyUnderReview
]

_N, _H, _E, _S, _R = Phase.NONE, Phase.HELD, Phase.EXPIRED, Phase.SUSPENDED, Phase.REVIEW

# (before, after) -> what is told. None: nothing. Where both are the same phase, it is told only
# when level, dates or evidence differ.
STEPS: Final[Mapping[tuple[Phase, Phase], _Kind | None]] = {
    (_N, _N): None,
    (_N, _H): CompetencyAchieved,
    (_N, _E): CompetencyExpired,
    (_N, _S): CompetencySuspended,
    (_N, _R): CompetencyUnderReview,
    (_H, _N): CompetencyWithdrawn,
    (_H, _H): CompetencyRenewed,
    (_H, _E): CompetencyExpired,
    (_H, _S): CompetencySuspended,
    (_H, _R): CompetencyUnderReview,
    (_E, _N): CompetencyWithdrawn,
    (_E, _H): CompetencyAchieved,
    (_E, _E): CompetencyExpired,
    (_E, _S): CompetencySuspended,
    (_E, _R): CompetencyUnderReview,
    (_S, _N): CompetencyWithdrawn,
    (_S, _H): CompetencyAchieved,
    (_S, _E): CompetencyExpired,
    (_S, _S): CompetencySuspended,
    (_S, _R): CompetencyUnderReview,
    (_R, _N): CompetencyWithdrawn,
    (_R, _H): CompetencyAchieved,
    (_R, _E): CompetencyExpired,
    (_R, _S): CompetencySuspended,
    (_R, _R): CompetencyUnderReview,
}

# Why an award was lost, where its evidence still is there but no longer counts: the first of these
# that holds for a statement that carried it. Taken back by its source comes before all others.
_FIRST_REASONS: Final = ("voided", "id_conflict_quarantined")


def step(before: Standing, after: Standing) -> _Kind | None:
    """The kind of event for a change, None for no event.

    Raises NoSuchStep for a status that the table does not know.
    """
    try:
        phases = (PHASES[before.status], PHASES[after.status])
    except KeyError as error:
        raise NoSuchStep(f"no event is known for the status {error}") from None
    if phases[0] is phases[1] and _told(before) == _told(after):
        return None
    return STEPS[phases]


def _told(standing: Standing) -> tuple[object, ...]:
    return (standing.level, standing.achieved_on, standing.expires_on, standing.evidence)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the decision that follows says of statements: which do not count, and which it knows.

    `known` are all that it names, counting or not.
    """

    excluded: Mapping[UUID, frozenset[str]]
    known: frozenset[UUID]
    has_rule: bool = True


def lost_because(before: Standing, seen: Seen) -> str:
    """One code for the loss of an award: why statements that carried it do not count any more.

    `no_longer_evidence`: one of them is another person's now, or means nothing to the rule.
    `judged_otherwise`: they all still count, and are not enough.
    """
    if not seen.has_rule:
        return "no_rule"
    reasons: set[str] = set()
    for statement in before.evidence:
        reasons |= seen.excluded.get(statement, frozenset())
    for reason in (*_FIRST_REASONS, *sorted(reasons)):
        if reason in reasons:
            return reason
    return "judged_otherwise" if before.evidence <= seen.known else "no_longer_evidence"


def reason_of(kind: _Kind, before: Standing, seen: Seen) -> str | None:
    """The `reason` of an event; None for one that gives a competency."""
    if kind is CompetencyWithdrawn:
        return lost_because(before, seen)
    return _REASONS.get(kind)


_REASONS: Final[Mapping[_Kind, str]] = {
    CompetencyExpired: "expired",
    CompetencySuspended: "disqualified",
    CompetencyUnderReview: "later_failure",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Of whom and what is spoken."""

    tenant: str
    person: UUID
    competency: str


@dataclass(frozen=True, slots=True)
class Ground:
    """The decision that an event follows from."""

    decision: UUID
    rule: str
    rule_version: int
    rule_hash: str
    timezone: str
    as_of: datetime


def derived_id(subject: Subject, kind: str, number: int) -> UUID:
    """An id that is the same whenever it is asked for, shaped as a version 4 UUID."""
    text = "\n".join((kind, subject.tenant, str(subject.person), subject.competency, str(number)))
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)


def event(
    kind: _Kind,
    subject: Subject,
    sequence: int,
    standing: Standing,
    ground: Ground,
    reason: str | None,
) -> CompetencyEvent:
    """The event with this sequence. Its id follows from subject and sequence."""
    return kind(
        event_id=derived_id(subject, "event", sequence),
        tenant=subject.tenant,
        person=subject.person,
        competency=subject.competency,
        sequence=sequence,
        decision=ground.decision,
        rule=ground.rule,
        rule_version=ground.rule_version,
        rule_hash=ground.rule_hash,
        status=standing.status,
        level=standing.level,
        as_of=ground.as_of,
        achieved_on=standing.achieved_on,
        expires_on=standing.expires_on,
        timezone=ground.timezone,
        evidence=tuple(sorted(standing.evidence)),
        reason=reason,
    )
