"""What a rule version would change for one person. Pure.

Both sides are decided by the same function from the same evidence, at the same instant: the one by
the rules as they are, the other as if the version had just been recorded. So nothing is said of the
draft that time alone would do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from assay_aggregator.copies import instant, milliseconds_up
from assay_aggregator.dates import day_start
from assay_aggregator.decide import decide
from assay_aggregator.events import NOTHING, Standing
from assay_aggregator.known import Known
from assay_aggregator.rule import Rule
from assay_aggregator.rulebook import RuleBook

Kind = Literal["gains", "loses", "date", "level", "status", "evidence"]
KINDS: Final[tuple[Kind, ...]] = ("gains", "loses", "date", "level", "status", "evidence")


@dataclass(frozen=True, slots=True)
class Moment:
    """When both sides are looked at: the log's time, and the instant that is decided for."""

    known_at_ms: int
    as_of: datetime

    @property
    def as_of_ms(self) -> int:
        return milliseconds_up(self.as_of)

    @classmethod
    def of(cls, rule: Rule, greatest_ms: int, first_day: int | None = None) -> "Moment":
        """As if recorded now; when it takes effect later, the beginning of that day.

        It takes effect on the local day `first_day` (an ordinal), by default the version's first.
        """
        recorded_ms = greatest_ms + 1
        now = instant(recorded_ms)
        start = day_start(rule.effective_from if first_day is None else first_day, rule.zone)
        return cls(recorded_ms, now if start is None else max(now, start))


@dataclass(frozen=True, slots=True)
class Impact:
    """What changes for a person in a competency. `kinds` are in the order of KINDS."""

    person: UUID
    competency: str
    kinds: tuple[Kind, ...]
    before: Standing
    after: Standing

    def document(self) -> dict[str, Any]:
        return {
            "person": str(self.person),
            "competency": self.competency,
            "kinds": list(self.kinds),
            "before": standing_document(self.before),
            "after": standing_document(self.after),
        }


def standing_document(standing: Standing) -> dict[str, Any]:
    """What somebody has, as a preview shows it."""
    return {
        "status": standing.status,
        "level": standing.level,
        "achieved_on": None if standing.achieved_on is None else str(standing.achieved_on),
        "expires_on": None if standing.expires_on is None else str(standing.expires_on),
        "used": sorted(str(one) for one in standing.evidence),
    }


def impacts(
    known: Known,
    books: tuple[RuleBook, RuleBook],
    competencies: Sequence[str],
    moment: Moment,
) -> list[Impact]:
    """What changes for a person, from the first book to the second."""
    found: list[Impact] = []
    for competency in competencies:
        before, after = (
            NOTHING
            if (one := decide(known, book, competency, moment.as_of, moment.known_at_ms)) is None
            else one.standing
            for book in books
        )
        kinds = kinds_of(before, after)
        if kinds:
            found.append(Impact(known.person, competency, kinds, before, after))
    return found


def kinds_of(before: Standing, after: Standing) -> tuple[Kind, ...]:
    """In which ways two standings differ; nothing when they are the same.

    Gains and loses are about an award in force; dates and levels are compared while one is.
    """
    had, has = before.status == "achieved", after.status == "achieved"
    differs: Mapping[Kind, bool] = {
        "gains": has and not had,
        "loses": had and not has,
        "date": (before.achieved_on, before.expires_on) != (after.achieved_on, after.expires_on),
        "level": before.level != after.level,
        "status": before.status != after.status,
        "evidence": before.evidence != after.evidence,
    }
    if has != had:
        return ("gains",) if has else ("loses",)
    return tuple(kind for kind in KINDS if differs[kind])
