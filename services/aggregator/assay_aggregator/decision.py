"""What the engine answers: a decision about one person under one rule version, and its parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from assay_aggregator.rule import Tree
from assay_aggregator.timeline import Phase

Status = Literal[
    "not_started",
    "in_progress",
    "achieved",
    "expired",
    "suspended",
    "under_review",
    "revoked",
]
Role = Literal["not_needed", "reset", "progress"]
# Statuses without an award.
NO_AWARD: Final = frozenset({"not_started", "in_progress"})


@dataclass(frozen=True, slots=True, order=True)
class Excluded:
    """A matched statement that does not count in a clause, and why."""

    statement: str
    clause: str
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class Counted:
    """A statement that counts at `as_of` without carrying the award."""

    statement: str
    clause: str
    role: Role


@dataclass(frozen=True, slots=True)
class ClauseState:
    """A clause at `as_of`. `have` of `need`: passing attempts, or the value of a score policy."""

    satisfied: bool
    passes: int
    attempts: int
    value: str | None
    have: str
    need: str


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that would have to be there for the next award; any one of `clauses` serves it.

    Without clauses it is nothing that a statement of the person under this rule could bring.
    """

    clauses: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class LevelState:
    """One level of a rule at `as_of`, by its own award."""

    level: int
    status: Status
    achieved_on: date | None
    expires_on: date | None
    trigger: str | None
    used: tuple[str, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class PrerequisiteState:
    """A competency that must be held, and what the person has of it at `as_of`."""

    competency: str
    level: int | None
    at: Literal["award", "always"]
    holds: bool
    held: str
    held_level: int | None


@dataclass(frozen=True, slots=True)
class ChildState:
    """A child of a roll-up at `as_of`. `carries`: the award stands on it."""

    competency: str
    level: int | None
    points: int | None
    required: bool
    holds: bool
    carries: bool
    status: str
    held_level: int | None
    achieved_on: date | None
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class RollupState:
    """A roll-up at `as_of`: `have` of `need` children, or points."""

    method: str
    satisfied: bool
    have: int
    need: int
    children: tuple[ChildState, ...]


@dataclass(frozen=True, slots=True)
class OverrideState:
    """An override that is in its dates at `as_of`; `ignored` says why it does not decide."""

    id: str
    ignored: str | None
    level: int | None
    starts: date
    ends: date | None
    by: tuple[str, ...]
    meaning: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReviewState:
    """A review by people that is open at `as_of`."""

    id: str
    opened: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ByEvidence:
    """What the evidence alone says, where a prerequisite or people decide otherwise."""

    status: Status
    level: int | None
    achieved_on: date | None
    expires_on: date | None
    trigger: str | None
    used: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about one person under one rule version, with its whole explanation.

    `carried_by` gives, for each clause that carries the latest award (or child of a roll-up), its
    statements; `used` is all of them. `clauses`, `excluded` and `counted` are those of the initial
    clauses at `as_of`. `phase` says which clauses the next award needs, and `missing` what they
    lack (nothing while the award is in force). `next_change` is the first instant after `as_of` at
    which any of this could differ with no new fact. `superseded_by` is None, or the version in
    force whose transition lets an award of this older version stay (`versions.decide`).

    `level` is that of the award shown. `levels`, `prerequisites`, `rollup`, `overrides`, `reviews`
    and `by_evidence` are empty for rules and people that have none. `disqualified_at` is the last
    disqualification, with an award or without.
    """

    rule_id: str
    rule_version: int
    rule_hash: str
    engine: str
    competency: str
    person: str
    as_of: datetime
    known_at: datetime | None
    status: Status
    achieved_on: date | None
    expires_on: date | None
    trigger: str | None
    used: tuple[str, ...]
    carried_by: Mapping[str, tuple[str, ...]]
    excluded: tuple[Excluded, ...]
    counted: tuple[Counted, ...]
    clauses: Mapping[str, ClauseState]
    requires: Tree
    phase: Phase
    missing: tuple[Missing, ...]
    next_change: datetime | None
    superseded_by: int | None = None
    level: int | None = None
    levels: tuple[LevelState, ...] = ()
    prerequisites: tuple[PrerequisiteState, ...] = ()
    rollup: RollupState | None = None
    overrides: tuple[OverrideState, ...] = ()
    reviews: tuple[ReviewState, ...] = ()
    by_evidence: ByEvidence | None = None
    disqualified_at: datetime | None = None


def earliest(*instants: datetime | None) -> datetime | None:
    """The first of the instants that are given."""
    return min((one for one in instants if one is not None), default=None)


def by_evidence(decision: Decision) -> ByEvidence:
    """What a decision says, kept beside what takes its place."""
    return ByEvidence(
        status=decision.status,
        level=decision.level,
        achieved_on=decision.achieved_on,
        expires_on=decision.expires_on,
        trigger=decision.trigger,
        used=decision.used,
    )
