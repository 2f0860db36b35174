"""Prerequisites: other competencies that must be held to be awarded one, or to keep its force.

`at: award` is asked at every instant at which an award would be made; `at: always` at every
instant at which somebody asks. What is asked is the history of the other competency, a step
function of instants (`world.Standings`).
"""

from collections.abc import Mapping
from datetime import datetime

from assay_aggregator.decision import Missing, PrerequisiteState
from assay_aggregator.rule import Prerequisite, Rule
from assay_aggregator.world import NO_STANDINGS, Standings


class Gate:
    """The prerequisites of a rule for one person, up to `as_of`."""

    def __init__(self, rule: Rule, standings: Mapping[str, Standings], as_of: datetime) -> None:
        self._asked = [
            (one, standings.get(one.competency, NO_STANDINGS)) for one in rule.prerequisites
        ]
        self.instants = tuple(
            sorted({at for one, of in self._asked for at in _changes(one, of) if at <= as_of})
        )
        self.next_change = min(
            (of.next_change for _, of in self._asked if of.next_change is not None), default=None
        )

    def lets_award(self, instant: datetime) -> bool:
        """Whether all that must hold when awarded does."""
        return all(_holds(one, of, instant) for one, of in self._asked if one.at == "award")

    def lets_stand(self, instant: datetime) -> bool:
        """Whether all that must always hold does."""
        return all(_holds(one, of, instant) for one, of in self._asked if one.at == "always")

    def states(self, instant: datetime) -> tuple[PrerequisiteState, ...]:
        """Each prerequisite, in the order of the rule."""
        found = []
        for one, of in self._asked:
            step = of.at(instant)
            found.append(
                PrerequisiteState(
                    competency=one.competency,
                    level=one.level,
                    at=one.at,
                    holds=_holds(one, of, instant),
                    held="none" if step is None else step.held,
                    held_level=None if step is None else step.level,
                )
            )
        return tuple(found)

    def missing(self, instant: datetime) -> tuple[Missing, ...]:
        """What is wanted of other competencies."""
        return tuple(
            Missing((), f"prerequisite {_named(one)}: {_shown(of, instant)}")
            for one, of in self._asked
            if not _holds(one, of, instant)
        )


def _holds(one: Prerequisite, of: Standings, instant: datetime) -> bool:
    step = of.at(instant)
    return step is not None and step.holds(one.level)


def _changes(one: Prerequisite, of: Standings) -> list[datetime]:
    """The instants at which the prerequisite begins or ceases to hold."""
    changes = []
    held = False
    for step in of.steps:
        if step.holds(one.level) != held:
            held = not held
            changes.append(step.since)
    return changes


def _named(one: Prerequisite) -> str:
    return one.competency if one.level is None else f"{one.competency} at level {one.level}"


def _shown(of: Standings, instant: datetime) -> str:
    step = of.at(instant)
    if step is None or step.held == "none":
        return "not held"
    level = "" if step.level is None else f" at level {step.level}"
    return f"{step.held.replace('_', ' ')}{level}"
