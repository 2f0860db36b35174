"""The rules of a tenant: which version decides, and which rules a statement may touch.

Pure. A `RuleBook` is a value: the versions that were recorded when it was read (`shelf`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from assay_aggregator.copies import milliseconds_up
from assay_aggregator.dates import day_start
from assay_aggregator.dependencies import closure, dependents
from assay_aggregator.fact import Fact
from assay_aggregator.rule import Rule
from assay_aggregator.touch import Term, touches
from assay_schemas.topics import OWN_SOURCE

_DECIDING = ("effective", "retired")


@dataclass(frozen=True, slots=True)
class Version:
    """One rule version and the time of the log at which it was recorded.

    `touched` is the engine's index over this version alone, `terms` by what to look for evidence.
    `retired` is the rule with its end, as it is known from `retired_ms` on, if it was retired.
    """

    rule: Rule
    recorded_ms: int
    touched: Callable[[Fact], frozenset[str]]
    terms: frozenset[Term] | None
    retired: Rule | None = None
    retired_ms: int | None = None

    def known(self, known_at_ms: int) -> "Version":
        """The version as it was known then."""
        if self.retired is None or self.retired_ms is None or self.retired_ms > known_at_ms:
            return self
        return replace(self, rule=self.retired)

    def looks_at(self, fact: Fact) -> bool:
        """Whether a decision by this version can depend on the statement (or its copies)."""
        if fact.source == OWN_SOURCE:
            return False
        return fact.voids is not None or bool(self.touched(fact))


class RuleBook:
    """All versions of one tenant's rules, by competency.

    A rule may look at other competencies (prerequisites, the children of a roll-up), so what
    touches one of those touches its own, too. Rules in a circle are refused when they are recorded;
    what asks for their order raises RuleCycle.
    """

    def __init__(self, by_competency: Mapping[str, Sequence[Version]]) -> None:
        versions = [one.rule for many in by_competency.values() for one in many]
        self._by_competency = by_competency
        deciding = [rule for rule in versions if rule.status in _DECIDING]
        self._touched = touches(deciding)
        self._dependents = dependents(deciding)
        self._rules: dict[str, list[Rule]] = {}
        for rule in deciding:
            self._rules.setdefault(rule.competency, []).append(rule)
        self._reached = {
            rule.id: frozenset({rule.competency}) | self.dependents(rule.competency)
            for rule in deciding
        }
        self._children: dict[str, tuple[str, ...]] = {}

    def competencies(self, known_at_ms: int) -> tuple[str, ...]:
        """Every competency that a rule was recorded for by `known_at_ms`, in order."""
        return tuple(
            competency
            for competency in sorted(self._by_competency)
            if self.last(competency, known_at_ms) is not None
        )

    def versions(self, competency: str) -> tuple[Version, ...]:
        """Every version of the competency's rule, of all times."""
        return tuple(self._by_competency.get(competency, ()))

    def with_versions(self, competency: str, versions: Sequence[Version]) -> "RuleBook":
        """Another book, in which these are the versions of one competency's rule."""
        return RuleBook({**self._by_competency, competency: versions})

    def touched(self, fact: Fact) -> set[str]:
        """The competencies that a statement may touch, by any version, of any time.

        What the product itself tells of its decisions touches none: it is never evidence.
        """
        found: set[str] = set()
        if fact.source != OWN_SOURCE:
            for rule_id in self._touched(fact):
                found |= self._reached[rule_id]
        return found

    def dependents(self, competency: str) -> frozenset[str]:
        """The competencies whose rules look at this one, directly or through others."""
        return self._dependents.get(competency, frozenset())

    def children(self, competency: str) -> tuple[str, ...]:
        """What the rules of a competency look at, through any number of others.

        Each stands after what it looks at itself. Raises RuleCycle.
        """
        found = self._children.get(competency)
        if found is None:
            found = closure(self._rules, [competency])[:-1]
            self._children[competency] = found
        return found

    def rules(self) -> list[Rule]:
        """Every version that decides at some time."""
        return [rule for many in self._rules.values() for rule in many]

    def last(self, competency: str, known_at_ms: int) -> Version | None:
        """The highest version recorded by `known_at_ms`, whatever its status."""
        versions = [
            one for one in self._by_competency.get(competency, ()) if one.recorded_ms <= known_at_ms
        ]
        return max(versions, key=lambda one: one.rule.version, default=None)

    def terms(self, competency: str) -> frozenset[Term] | None:
        """By what to look for all evidence for the competency; None when it may be any."""
        terms: set[Term] = set()
        for name in (competency, *self.children(competency)):
            for one in self._by_competency.get(name, ()):
                if one.terms is None:
                    return None
                terms |= one.terms
        return frozenset(terms)

    def next_start_ms(self, competency: str, as_of: datetime, known_at_ms: int) -> int | None:
        """When, after `as_of`, a version known at `known_at_ms` next begins or ends to decide."""
        times = [
            milliseconds_up(start)
            for name in (competency, *self.children(competency))
            for one in self.deciding(name, known_at_ms)
            for day in (one.rule.effective_from, one.rule.effective_to)
            if day is not None
            and (start := day_start(day, one.rule.zone)) is not None
            and start > as_of
        ]
        return min(times, default=None)

    def next_recorded_ms(self, competency: str, known_at_ms: int) -> int | None:
        """When a version, or the end of one, that is not known at `known_at_ms` comes to be."""
        times = [
            recorded_ms
            for name in (competency, *self.children(competency))
            for one in self._by_competency.get(name, ())
            for recorded_ms in (one.recorded_ms, one.retired_ms)
            if recorded_ms is not None and recorded_ms > known_at_ms
        ]
        return min(times, default=None)

    def deciding(self, competency: str, known_at_ms: int) -> list[Version]:
        """The versions that decide at some time, of those recorded by `known_at_ms`."""
        return [
            one.known(known_at_ms)
            for one in self._by_competency.get(competency, ())
            if one.recorded_ms <= known_at_ms and one.rule.status in _DECIDING
        ]
