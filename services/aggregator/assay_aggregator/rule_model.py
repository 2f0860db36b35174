"""A rule as it is evaluated: plain frozen values (competency/rules.md section 1).

`rule_parse` makes them from a document; nothing here can be wrong any more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from assay_aggregator.dates import Period
from assay_aggregator.rule_document import Policy


@dataclass(frozen=True, slots=True)
class Match:
    """Which statements are meant: any within a set, all across the sets that are not None."""

    verb: frozenset[str] | None = None
    activity: frozenset[str] | None = None
    activity_prefix: tuple[str, ...] | None = None
    activity_type: frozenset[str] | None = None
    grouping: frozenset[str] | None = None
    category: frozenset[str] | None = None
    profile: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How statements form attempts (`key`, `needs`) and what of them satisfies (`policy`)."""

    policy: Policy = "any"
    n: int = 1
    m: int = 1
    spacing: Period | None = None
    gte: Decimal = Decimal(0)
    weight: Decimal = Decimal(1)
    by_session: bool = True
    needs: frozenset[str] = frozenset()
    # Scores as they were given (`raw`), not as parts of a whole.
    raw: bool = False
    # `median` without a `gte` of its own: the number of the level takes its place.
    gte_of_level: bool = False


@dataclass(frozen=True, slots=True)
class Assessor:
    """What must hold of the person named as assessor."""

    required: bool
    not_self: bool
    independent: bool
    scope: str | None
    distinct_gte: int


@dataclass(frozen=True, slots=True)
class Clause:
    """One named kind of evidence."""

    name: str
    modality: frozenset[str]
    match: Match
    score_gte: Decimal | None
    waivers: frozenset[str]
    critical: tuple[str, int] | None
    assessor: Assessor | None
    attempts: Attempts
    window: Period | None
    launch_modes: frozenset[str]
    each_member: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """`all` and `any` are written as at least `need` of the parts; `op` keeps the word."""

    op: Literal["all", "any", "at_least"]
    need: int
    parts: tuple["Tree", ...]


Tree = str | Branch


@dataclass(frozen=True, slots=True)
class Clauses:
    """A full set of clauses in their written order, and the tree over their names."""

    evidence: Mapping[str, Clause]
    requires: Tree


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Another competency that must be held, at `level` or above (None: any award)."""

    competency: str
    level: int | None
    at: Literal["award", "always"]


@dataclass(frozen=True, slots=True)
class Child:
    """A competency of which a roll-up is made."""

    competency: str
    level: int | None
    points: int
    required: bool


@dataclass(frozen=True, slots=True)
class Rollup:
    """A competency that follows from others. `need` is a number of children, or of points."""

    method: Literal["all", "n_of", "points", "weakest"]
    children: tuple[Child, ...]
    need: int


@dataclass(frozen=True, slots=True)
class OverridePolicy:
    """What people may say instead of the evidence: signed for which meanings, for how long."""

    meanings: frozenset[str]
    longest: Period | None
    two_person: bool


@dataclass(frozen=True, slots=True)
class Level:
    """One level: its number, and the rule with what it and all levels below it require."""

    number: int
    rule: "Rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule, ready to be evaluated. `hash` is that of its document.

    A roll-up has no clauses. `older_awards_end` is the local date from which awards of an older
    version do not stand any more; None: they stay until they expire.
    """

    id: str
    version: int
    hash: str
    status: str
    effective_from: int
    effective_to: int | None
    competency: str
    zone: ZoneInfo
    initial: Clauses
    renewal: Clauses | None
    period: Period | None
    basis: Literal["earliest", "latest", "award"]
    lapse_after: Period
    disqualify: tuple[Match, ...]
    later_fail_clauses: frozenset[str]
    later_fail_status: Literal["under_review", "suspended", "revoked"] | None
    from_version: int | None
    older_awards_end: int | None = None
    levels: tuple[Level, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    rollup: Rollup | None = None
    overrides: OverridePolicy | None = None

    def matches(self) -> Iterator[Match]:
        """Every match of the rule: of initial and renewal clauses and of `disqualify`."""
        for clauses in (self.initial, self.renewal):
            if clauses is not None:
                for clause in clauses.evidence.values():
                    yield clause.match
        yield from self.disqualify
