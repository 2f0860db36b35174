"""From two standings to an event: what the world is told when a decision changes.

Pure. The table below is the whole of it; a pair that it does not hold cannot happen. After every
step, the last event tells the present standing: whoever follows the events knows it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from assay_aggregator.errors import NoSuchStep
from assay_schemas.events import (
    CompetencyAchieved,
    CompetencyCorrected,
    CompetencyEvent,
    CompetencyExpired,
    CompetencyExpiring,
    CompetencyLevelChanged,
    CompetencyReinstated,
    CompetencyRenewed,
    CompetencyRevoked,
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
    REVOKED = "revoked"


PHASES: Final[Mapping[Status, Phase]] = {
    "not_started": Phase.NONE,
    "in_progress": Phase.NONE,
    "achieved": Phase.HELD,
    "expired": Phase.EXPIRED,
    "suspended": Phase.SUSPENDED,
    "under_review": Phase.REVIEW,
    "revoked": Phase.REVOKED,
}

EXPIRING_DAYS: Final = (30, 60, 90)
"""How many days before its last valid day an award is told to expire soon, ascending."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a decision says to others. `evidence` carries the award.

    `expiring_days` is the smallest of EXPIRING_DAYS that has been passed while the award is held.
    """

    status: Status
    level: int | None = None
    achieved_on: date | None = None
    expires_on: date | None = None
    evidence: frozenset[UUID] = frozenset()
    expiring_days: int | None = None


NOTHING: Final = Standing("not_started")

Kind = type[
    CompetencyAchieved
    | CompetencyRenewed
    | CompetencyWithdrawn
    | CompetencyExpired
    | CompetencySuspended
    | CompetencyUnderReview
    | CompetencyRevoked
    | CompetencyReinstated
    | CompetencyLevelChanged
    | CompetencyCorrected
    | CompetencyExpiring
]


class Award(Enum):
    """How the award told of after a step stands to the one before."""

    SAME = "the same level, dates and evidence"
    NEW = "achieved later, or on the same day and expiring later"
    OTHER = "neither: the record of the past is another"


class Turn(NamedTuple):
    """What is told of a step, by how the award stands to the one before. None: nothing."""

    same: Kind | None
    new: Kind | None
    other: Kind | None

    @classmethod
    def always(cls, kind: Kind | None) -> "Turn":
        return cls(kind, kind, kind)


_N, _H, _E = Phase.NONE, Phase.HELD, Phase.EXPIRED
_S, _R, _X = Phase.SUSPENDED, Phase.REVIEW, Phase.REVOKED

_BACK: Final = Turn(CompetencyReinstated, CompetencyAchieved, CompetencyReinstated)
_LOST: Final = Turn.always(CompetencyWithdrawn)
_EXPIRED: Final = Turn.always(CompetencyExpired)
_SUSPENDED: Final = Turn.always(CompetencySuspended)
_REVIEW: Final = Turn.always(CompetencyUnderReview)
_REVOKED: Final = Turn.always(CompetencyRevoked)
_STAYS: Final = Turn(None, CompetencyCorrected, CompetencyCorrected)

# (before, after) -> what is told. Beside the table stands only `step`: a held competency whose
# level is another has LEVEL_CHANGED, and one that stays the same may be expiring.
STEPS: Final[Mapping[tuple[Phase, Phase], Turn]] = {
    (_N, _N): Turn.always(None),
    (_N, _H): Turn.always(CompetencyAchieved),
    (_N, _E): _EXPIRED,
    (_N, _S): _SUSPENDED,
    (_N, _R): _REVIEW,
    (_N, _X): _REVOKED,
    (_H, _N): _LOST,
    (_H, _H): Turn(None, CompetencyRenewed, CompetencyCorrected),
    (_H, _E): _EXPIRED,
    (_H, _S): _SUSPENDED,
    (_H, _R): _REVIEW,
    (_H, _X): _REVOKED,
    (_E, _N): _LOST,
    (_E, _H): Turn.always(CompetencyAchieved),
    (_E, _E): _STAYS,
    (_E, _S): _SUSPENDED,
    (_E, _R): _REVIEW,
    (_E, _X): _REVOKED,
    (_S, _N): _LOST,
    (_S, _H): _BACK,
    (_S, _E): _EXPIRED,
    (_S, _S): _STAYS,
    (_S, _R): _REVIEW,
    (_S, _X): _REVOKED,
    (_R, _N): _LOST,
    (_R, _H): _BACK,
    (_R, _E): _EXPIRED,
    (_R, _S): _SUSPENDED,
    (_R, _R): _STAYS,
    (_R, _X): _REVOKED,
    (_X, _N): _LOST,
    (_X, _H): _BACK,
    (_X, _E): _EXPIRED,
    (_X, _S): _SUSPENDED,
    (_X, _R): _REVIEW,
    (_X, _X): _STAYS,
}

# Why an award was lost, where its evidence still is there but no longer counts: the first of these
# that holds for a statement that carried it. Taken back by its source comes before all others.
_FIRST_REASONS: Final = ("voided", "id_conflict_quarantined")


def step(before: Standing, after: Standing) -> Kind | None:
    """The kind of event for a change, None for no event.

    Raises NoSuchStep for a status that the table does not know.
    """
    try:
        phases = (PHASES[before.status], PHASES[after.status])
    except KeyError as error:
        raise NoSuchStep(f"no event is known for the status {error}") from None
    award = _award(before, after)
    if phases == (_H, _H):
        if before.level != after.level:
            return CompetencyLevelChanged
        if award is Award.SAME and _passed(before, after):
            return CompetencyExpiring
    turn = STEPS[phases]
    return {Award.SAME: turn.same, Award.NEW: turn.new, Award.OTHER: turn.other}[award]


def _award(before: Standing, after: Standing) -> Award:
    if _told(before) == _told(after):
        return Award.SAME
    starts = (before.achieved_on or date.min, after.achieved_on or date.min)
    ends = (before.expires_on or date.max, after.expires_on or date.max)
    if starts[0] < starts[1] or (starts[0] == starts[1] and ends[0] < ends[1]):
        return Award.NEW
    return Award.OTHER


def _told(standing: Standing) -> tuple[object, ...]:
    return (standing.level, standing.achieved_on, standing.expires_on, standing.evidence)


def _passed(before: Standing, after: Standing) -> bool:
    """Whether a threshold was passed that was not told of this award."""
    days = after.expiring_days
    return days is not None and (before.expiring_days is None or days < before.expiring_days)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the decision that follows says of statements: which do not count, and which it knows.

    `known` are all that it names, counting or not. `in_review`: people look into it. `disqualified`
    is false where a later failure suspends.
    """

    excluded: Mapping[UUID, frozenset[str]]
    known: frozenset[UUID]
    has_rule: bool = True
    in_review: bool = False
    disqualified: bool = True


def lost_because(before: Standing, seen: Seen) -> str:
    """One code for the loss of an award: why statements that carried it do not count any more.

    `override_ended`, `review_closed`: it stood on what people decided, not on evidence.
    `no_longer_evidence`: one of them is another person's now, or means nothing to the rule.
    `judged_otherwise`: they all still count, and are not enough.
    """
    if not seen.has_rule:
        return "no_rule"
    if before.achieved_on is None:
        return "review_closed"
    if not before.evidence:
        return "override_ended"
    reasons: set[str] = set()
    for statement in before.evidence:
        reasons |= seen.excluded.get(statement, frozenset())
    for reason in (*_FIRST_REASONS, *sorted(reasons)):
        if reason in reasons:
            return reason
    return "judged_otherwise" if before.evidence <= seen.known else "no_longer_evidence"


def reason_of(kind: Kind, before: Standing, seen: Seen) -> str | None:
    """The `reason` of an event; None for one that gives a competency."""
    if kind is CompetencyWithdrawn:
        return lost_because(before, seen)
    if kind is CompetencyCorrected:
        return _corrected_because(before, seen)
    if kind is CompetencyUnderReview and seen.in_review:
        return "review"
    if kind is CompetencySuspended and not seen.disqualified:
        return "later_failure"
    return _REASONS.get(kind)


def _corrected_because(before: Standing, seen: Seen) -> str:
    """Whether evidence of the earlier award fell, or other evidence came to be known."""
    reason = lost_because(before, seen)
    return reason if reason in (*_FIRST_REASONS, "no_longer_evidence") else "judged_otherwise"


_REASONS: Final[Mapping[Kind, str]] = {
    CompetencyExpired: "expired",
    CompetencySuspended: "disqualified",
    CompetencyUnderReview: "later_failure",
    CompetencyRevoked: "later_failure",
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
    kind: Kind,
    subject: Subject,
    sequence: int,
    standing: Standing,
    ground: Ground,
    reason: str | None,
) -> CompetencyEvent:
    """The event with this sequence. Its id follows from subject and sequence."""
    more = {"within_days": standing.expiring_days} if kind is CompetencyExpiring else {}
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
        **more,
    )
