"""Roll-ups: a competency that follows from others (README of the reference, section 2.2).

A roll-up has no evidence of its own. It is weighed at each instant at which one of its children
changes; between two such instants nothing can.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from assay_aggregator.dates import day_start, local_ordinal
from assay_aggregator.decision import ChildState, Decision, Missing, RollupState, Status, earliest
from assay_aggregator.judge import Question
from assay_aggregator.rule import ENGINE_VERSION, Child, Rollup, Rule
from assay_aggregator.world import NO_STANDINGS, Held, Standings, Step

_NEVER: Final = date.max.toordinal() + 1
# What keeps a roll-up from holding, the gentlest first: it has the first of these statuses with
# which, children in it and in those before it counted as held, it would hold.
_LOST: Final[tuple[Held, ...]] = ("expired", "under_review", "suspended")
_HELD: Final[tuple[Held, ...]] = ("achieved",)

_Steps = Mapping[str, Step | None]


def steps_of_rollup(rule: Rule, asked: Question) -> tuple[Step, ...]:
    """The history of a roll-up up to `as_of`."""
    if rule.rollup is None:
        return ()
    of = _standings(rule.rollup, asked)
    changes = {step.since for one in of.values() for step in one.steps}
    course = _Course(rule, rule.rollup, asked.awards_before)
    steps: list[Step] = []
    for instant in sorted(change for change in changes if change <= asked.as_of):
        step = course.at(instant, {name: one.at(instant) for name, one in of.items()})
        if not steps or replace(steps[-1], since=instant) != step:
            steps.append(step)
    return tuple(steps)


def roll_up(rule: Rule, rollup: Rollup, asked: Question) -> Decision:
    """The decision of a roll-up, before anything that people decided about it."""
    of = _standings(rollup, asked)
    held: _Steps = {name: one.at(asked.as_of) for name, one in of.items()}
    steps = steps_of_rollup(rule, asked)
    step = steps[-1] if steps else Step(asked.as_of, "none")
    carrying = _carrying(rollup, held) if step.held == "achieved" else frozenset()
    carried = {name: of[name].used for name in sorted(carrying)}
    state = _state(rollup, of, held, carrying)
    began = any(one.status != "not_started" for one in of.values())
    starts = (_start(rule, rule.effective_from), _start(rule, rule.effective_to))
    return Decision(
        rule_id=rule.id,
        rule_version=rule.version,
        rule_hash=rule.hash,
        engine=ENGINE_VERSION,
        competency=rule.competency,
        person=asked.person,
        as_of=asked.as_of,
        known_at=asked.known_at,
        status=_status(step.held, began),
        achieved_on=_date(step.achieved_on),
        expires_on=_date(step.expires_on),
        trigger=None,
        used=tuple(sorted({one for used in carried.values() for one in used})),
        carried_by=carried,
        excluded=(),
        counted=(),
        clauses={},
        requires=rule.initial.requires,
        phase="initial",
        missing=() if step.held == "achieved" else tuple(_missing(rollup, state)),
        next_change=earliest(
            *(one.next_change for one in of.values()),
            *(one for one in starts if one is not None and one > asked.as_of),
        ),
        level=step.level,
        rollup=state,
    )


class _Course:
    """A roll-up as its children change.

    `_starts` are (level, day) since which at least that level has held without a break, ascending;
    without levels the level is 0. `_last` is the latest step that held.
    """

    def __init__(self, rule: Rule, rollup: Rollup, awards_before: datetime | None) -> None:
        self._rule = rule
        self._rollup = rollup
        self._awards_before = awards_before
        self._starts: list[tuple[int, int]] = []
        self._last: Step | None = None

    def at(self, instant: datetime, held: _Steps) -> Step:
        """The step that begins at an instant, later than those asked about before."""
        carrying = _carrying(self._rollup, held)
        if carrying:
            late = self._awards_before is not None and instant >= self._awards_before
            day = local_ordinal(instant, self._rule.zone)
            if not self._hold(_weakest(self._rollup, held), day, late):
                return Step(instant, "none")
            level, since = self._starts[-1]
            ends = min(_ends(held[name]) for name in carrying)
            self._last = Step(
                instant, "achieved", level or None, since, None if ends == _NEVER else ends
            )
            return self._last
        self._starts.clear()
        lost = _lost(self._rollup, held)
        if lost is not None and self._last is not None:
            return replace(self._last, since=instant, held=lost)
        if lost == "expired" and self._awards_before is None:
            # All have been held, never at one time: what is wanted is what has run out.
            ends = min(_ends(step) for step in held.values() if step and step.held == "expired")
            return Step(instant, "expired", None, None, None if ends == _NEVER else ends)
        return Step(instant, "none")

    def _hold(self, level: int, day: int, late: bool) -> bool:
        """Note that a level holds on a day; False when it comes too late to be an award."""
        if late and not self._starts:
            return False
        since = day
        while self._starts and self._starts[-1][0] > level:
            since = self._starts.pop()[1]
        below = not self._starts or self._starts[-1][0] < level
        if below and not (late and self._starts):
            self._starts.append((level, since))
        return True


def _standings(rollup: Rollup, asked: Question) -> dict[str, Standings]:
    given = asked.world.standings
    return {one.competency: given.get(one.competency, NO_STANDINGS) for one in rollup.children}


def _counts(child: Child, held: _Steps, kinds: Collection[Held]) -> bool:
    step = held[child.competency]
    if step is None or step.held not in kinds:
        return False
    return child.level is None or (step.level is not None and step.level >= child.level)


def _counting(rollup: Rollup, held: _Steps, kinds: Collection[Held]) -> list[Child] | None:
    """The children that count as held; None when that is not enough for the roll-up."""
    counting = [child for child in rollup.children if _counts(child, held, kinds)]
    if any(child.required and child not in counting for child in rollup.children):
        return None
    return counting if _worth(rollup, counting) >= _need(rollup) else None


def _worth(rollup: Rollup, children: Collection[Child]) -> int:
    if rollup.method == "points":
        return sum(child.points for child in children)
    return len(children)


def _need(rollup: Rollup) -> int:
    return rollup.need if rollup.method in ("n_of", "points") else len(rollup.children)


def _carrying(rollup: Rollup, held: _Steps) -> frozenset[str]:
    """The children on which an award stands; none when there is no award.

    Those that are required and then, as many as are needed, those that hold the longest: of more
    passes than are needed the newest carry an award, too (README of the reference, 2.6).
    """
    counting = _counting(rollup, held, _HELD)
    if counting is None:
        return frozenset()
    chosen = [child for child in counting if child.required]
    others = [child for child in counting if not child.required]
    for child in sorted(others, key=lambda one: -_ends(held[one.competency])):
        if _worth(rollup, chosen) >= _need(rollup):
            break
        chosen.append(child)
    return frozenset(child.competency for child in chosen)


def _ends(step: Step | None) -> int:
    return _NEVER if step is None or step.expires_on is None else step.expires_on


def _weakest(rollup: Rollup, held: _Steps) -> int:
    """The lowest level of the children; 0 where the method knows no levels, or they have none."""
    if rollup.method != "weakest":
        return 0
    levels = [step.level for step in held.values() if step is not None and step.level is not None]
    return min(levels, default=0)


def _lost(rollup: Rollup, held: _Steps) -> Held | None:
    for number, kind in enumerate(_LOST, start=1):
        if _counting(rollup, held, (*_HELD, *_LOST[:number])) is not None:
            return kind
    return None


def _status(held: Held, began: bool) -> Status:
    if held == "none":
        return "in_progress" if began else "not_started"
    return held


def _state(
    rollup: Rollup, of: Mapping[str, Standings], held: _Steps, carrying: Collection[str]
) -> RollupState:
    holding = [child for child in rollup.children if _counts(child, held, _HELD)]
    states = []
    for child in rollup.children:
        step = held[child.competency]
        states.append(
            ChildState(
                competency=child.competency,
                level=child.level,
                points=child.points if rollup.method == "points" else None,
                required=child.required or rollup.method in ("all", "weakest"),
                holds=child in holding,
                carries=child.competency in carrying,
                status=of[child.competency].status,
                held_level=None if step is None else step.level,
                achieved_on=_date(None if step is None else step.achieved_on),
                expires_on=_date(None if step is None else step.expires_on),
            )
        )
    satisfied = _counting(rollup, held, _HELD) is not None
    have = _worth(rollup, holding)
    return RollupState(rollup.method, satisfied, have, _need(rollup), tuple(states))


def _missing(rollup: Rollup, state: RollupState) -> list[Missing]:
    unit = "points" if rollup.method == "points" else "competencies"
    found = [Missing((), f"{state.have} of {state.need} {unit}")]
    for child in state.children:
        if not child.holds:
            level = "" if child.level is None else f" at level {child.level}"
            status = child.status.replace("_", " ")
            if child.status == "achieved":
                status = f"held at level {child.held_level}" if child.held_level else "held"
            required = " (required)" if child.required else ""
            found.append(Missing((), f"{child.competency}{level}{required}: {status}"))
    return found


def _start(rule: Rule, day: int | None) -> datetime | None:
    return None if day is None else day_start(day, rule.zone)


def _date(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)
