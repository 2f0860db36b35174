"""The history of a person in a competency, for the rules of other competencies that look at it.

`standings_of` gives for every instant up to `as_of` what `versions.decide` would say of it, from
one walk for each version that decides or lets an award stand. The one difference: a `launched`
statement that is dated later than the statement of its session counts for all instants.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from assay_aggregator.dates import day_start, local_ordinal
from assay_aggregator.dependencies import closure, depends_on
from assay_aggregator.judge import Question, View, held_after, view_of
from assay_aggregator.levels import shown_level
from assay_aggregator.overrides import People
from assay_aggregator.rollup import steps_of_rollup
from assay_aggregator.rule import Rule, select_rule
from assay_aggregator.timeline import Mark, walk
from assay_aggregator.versions import IN_FORCE, decided, older_versions, version_instants
from assay_aggregator.world import Standings, Step, World


def standings_of(
    versions: Sequence[Rule],
    world: World,
    person: str,
    as_of: datetime,
    known_at: datetime | None = None,
) -> Standings:
    """The history of a competency by the versions of its rule.

    `world` holds the standings of what these versions look at themselves.
    """
    asked = Question(world, person, as_of, known_at, kept={})
    decision = decided(versions, asked)
    steps = _history(versions, asked)
    if decision is None:
        coming = [one for one in version_instants(versions) if one > as_of]
        return Standings(steps, next_change=min(coming, default=None))
    return Standings(steps, decision.status, decision.used, decision.next_change)


def with_standings(
    rules: Mapping[str, Sequence[Rule]],
    wanted: Iterable[str],
    world: World,
    person: str,
    as_of: datetime,
    known_at: datetime | None = None,
) -> World:
    """The world with the history of everything that the rules of `wanted` look at.

    `rules` gives the deciding versions of each competency. Raises dependencies.RuleCycle.
    """
    order = closure(rules, wanted)
    looked_at = {
        other for competency in order for rule in rules[competency] for other in depends_on(rule)
    }
    if not looked_at:
        return world
    found: dict[str, Standings] = {}
    seeing = replace(world, standings=found)
    for competency in order:
        if competency in looked_at:
            versions = rules[competency]
            found[competency] = standings_of(versions, seeing, person, as_of, known_at)
    return seeing


def _history(versions: Sequence[Rule], asked: Question) -> tuple[Step, ...]:
    """The steps by the version in force at each instant, and what people decided."""
    lines: dict[tuple[int, datetime | None], _Line] = {}

    def line(rule: Rule, awards_before: datetime | None) -> _Line:
        key = (rule.version, awards_before)
        if key not in lines:
            lines[key] = _Line(steps_of(rule, replace(asked, awards_before=awards_before)))
        return lines[key]

    people = {rule.version: _people(rule, asked) for rule in versions}

    def at(instant: datetime) -> Step:
        rule = select_rule(versions, instant)
        if rule is None:
            return Step(instant, "none")
        step = line(rule, None).at(instant)
        if step.held not in IN_FORCE:
            for older, start in older_versions(versions, rule, instant):
                before = line(older, start).at(instant)
                if before.held in IN_FORCE:
                    step = replace(before, disqualified_at=step.disqualified_at)
                    break
        said = people[rule.version]
        return step if said is None else said.stood(step)

    instants = {one for one in version_instants(versions) if one <= asked.as_of}
    for said in people.values():
        instants |= set() if said is None else {i for i in said.instants() if i <= asked.as_of}
    # Every version that is in force at some time until then, and those whose awards it lets stand.
    for rule in versions:
        start = day_start(rule.effective_from, rule.zone)
        if start is None or start > asked.as_of or rule.status not in ("effective", "retired"):
            continue
        instants |= line(rule, None).instants
        for older, since in older_versions(versions, rule, start):
            instants |= line(older, since).instants
    return _joined(instants, at)


def _people(rule: Rule, asked: Question) -> People | None:
    if not asked.world.overrides and not asked.world.reviews:
        return None
    return People(rule, asked.world, asked.person, asked.known_at) or None


class _Line:
    """Steps to be asked for at any instant."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._standings = Standings(tuple(steps))
        self.instants: Final = {step.since for step in steps}

    def at(self, instant: datetime) -> Step:
        """What holds at an instant, as a step that begins there."""
        step = self._standings.at(instant)
        return Step(instant, "none") if step is None else replace(step, since=instant)


def steps_of(rule: Rule, asked: Question) -> tuple[Step, ...]:
    """The history by one version of a rule, whatever its dates, before anything people decided."""
    if rule.rollup is not None:
        return steps_of_rollup(rule, asked)
    view = view_of(rule, asked)
    numbers: list[int | None] = [level.number for level in rule.levels] or [None]
    lines = [_Line(_walked(one, view)) for one in ([of.rule for of in rule.levels] or [rule])]
    gate = view.gate

    def at(instant: datetime) -> Step:
        steps = [line.at(instant) for line in lines]
        index = shown_level([step.held for step in steps])
        step = steps[index]
        if step.held == "achieved" and gate is not None and not gate.lets_stand(instant):
            step = Step(instant, "none", disqualified_at=step.disqualified_at)
        return step if step.held == "none" else replace(step, level=numbers[index])

    instants = set().union(*(line.instants for line in lines))
    return _joined(instants if gate is None else instants | set(gate.instants), at)


def _walked(rule: Rule, view: View) -> tuple[Step, ...]:
    """The steps of one award timeline."""
    asked = view.asked
    marks: list[Mark] = []
    walk(
        rule,
        view.prepared,
        view.initial,
        view.renewal,
        view.today,
        asked.awards_before,
        view.gate,
        marks,
    )
    instants = {mark.time for mark in marks}
    for mark in marks:
        if mark.award is not None and mark.award.expires is not None:
            end = day_start(mark.award.expires + 1, rule.zone)
            if end is not None and end <= asked.as_of:
                instants.add(end)
    following = iter([*marks, None])
    after = next(following)
    current: Mark | None = None

    def at(instant: datetime) -> Step:
        nonlocal current, after
        while after is not None and after.time <= instant:
            current, after = after, next(following)
        if current is None:
            return Step(instant, "none")
        held = held_after(rule, current, local_ordinal(instant, rule.zone))
        if held == "none" or current.award is None:
            return Step(instant, "none", disqualified_at=current.disqualified_at)
        award = current.award
        return Step(instant, held, None, award.day, award.expires, current.disqualified_at)

    return _joined(instants, at)


def _joined(instants: Iterable[datetime], at: Callable[[datetime], Step]) -> tuple[Step, ...]:
    """The steps at these instants, asked for in order; equal neighbours are one."""
    steps: list[Step] = []
    for instant in sorted(instants):
        step = at(instant)
        if not steps or replace(steps[-1], since=instant) != step:
            steps.append(step)
    return tuple(steps)
