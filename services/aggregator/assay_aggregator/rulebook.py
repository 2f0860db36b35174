"""The rules of a tenant: which version decides, and which rules a statement may touch.

Pure. A `RuleBook` is a value: the versions that were recorded when it was read (`shelf`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from assay_aggregator.copies import milliseconds_up
from assay_aggregator.dates import day_start
from assay_aggregator.fact import Fact
from assay_aggregator.rule import Rule
from assay_aggregator.touch import Term, touches

_DECIDING = ("effective", "retired")


@dataclass(frozen=True, slots=True)
class Version:
    """One rule version and the time of the log at which it was recorded.

    `touched` is the engine's index over this version alone, `terms` by what to look for evidence.
    """

    rule: Rule
    recorded_ms: int
    touched: Callable[[Fact], frozenset[str]]
    terms: frozenset[Term] | None

    def looks_at(self, fact: Fact) -> bool:
        """Whether a decision by this version can depend on the statement (or its copies)."""
        return fact.voids is not None or bool(self.touched(fact))


class RuleBook:
    """All versions of one tenant's rules, by competency."""

    def __init__(self, by_competency: Mapping[str, Sequence[Version]]) -> None:
        versions = [one.rule for many in by_competency.values() for one in many]
        self._by_competency = by_competency
        self._competency_of = {rule.id: rule.competency for rule in versions}
        self._touched = touches([rule for rule in versions if rule.status in _DECIDING])

    def competencies(self, known_at_ms: int) -> tuple[str, ...]:
        """Every competency that a rule was recorded for by `known_at_ms`, in order."""
        return tuple(
            competency
            for competency in sorted(self._by_competency)
            if self.last(competency, known_at_ms) is not None
        )

    def touched(self, fact: Fact) -> set[str]:
        """The competencies that a statement may touch, by any version, of any time."""
        return {self._competency_of[rule_id] for rule_id in self._touched(fact)}

    def last(self, competency: str, known_at_ms: int) -> Version | None:
        """The highest version recorded by `known_at_ms`, whatever its status."""
        versions = [
            one for one in self._by_competency.get(competency, ()) if one.recorded_ms <= known_at_ms
        ]
        return max(versions, key=lambda one: one.rule.version, default=None)

    def terms(self, competency: str) -> frozenset[Term] | None:
        """By what to look for all evidence for the competency; None when it may be any."""
        terms: set[Term] = set()
        for one in self._by_competency.get(competency, ()):
            if one.terms is None:
                return None
            terms |= one.terms
        return frozenset(terms)

    def next_start_ms(self, competency: str, as_of: datetime, known_at_ms: int) -> int | None:
        """When, after `as_of`, a version known at `known_at_ms` next begins or ends to decide."""
        times = [
            milliseconds_up(start)
            for one in self.deciding(competency, known_at_ms)
            for day in (one.rule.effective_from, one.rule.effective_to)
            if day is not None
            and (start := day_start(day, one.rule.zone)) is not None
            and start > as_of
        ]
        return min(times, default=None)

    def next_recorded_ms(self, competency: str, known_at_ms: int) -> int | None:
        """When a version that is not known at `known_at_ms` comes to be known."""
        times = [
            one.recorded_ms
            for one in self._by_competency.get(competency, ())
            if one.recorded_ms > known_at_ms
        ]
        return min(times, default=None)

    def deciding(self, competency: str, known_at_ms: int) -> list[Version]:
        """The versions that decide at some time, of those recorded by `known_at_ms`."""
        return [
            one
            for one in self._by_competency.get(competency, ())
            if one.recorded_ms <= known_at_ms and one.rule.status in _DECIDING
        ]
