"""The decision: a pure function of rule, world, person, `as_of` and `known_at`.

Normative text: competency/rules.md. What a rule says of its evidence is `judge`'s; levels, roll-ups
and prerequisites are laid over it here, and what people decided comes last (`overrides`).
"""

from dataclasses import replace
from datetime import datetime

from assay_aggregator.decision import (
    NO_AWARD,
    ClauseState,
    Counted,
    Decision,
    Excluded,
    LevelState,
    Missing,
    Role,
    Status,
    by_evidence,
    earliest,
)
from assay_aggregator.judge import Question, View, judge, view_of
from assay_aggregator.levels import shown_level
from assay_aggregator.overrides import by_people
from assay_aggregator.rollup import roll_up
from assay_aggregator.rule import Rule
from assay_aggregator.world import World

__all__ = [
    "ClauseState",
    "Counted",
    "Decision",
    "Excluded",
    "Missing",
    "Role",
    "Status",
    "assess",
    "evaluate",
]


def evaluate(
    rule: Rule,
    world: World,
    person: str,
    as_of: datetime,
    known_at: datetime | None = None,
    *,
    awards_before: datetime | None = None,
) -> Decision:
    """Decide about `person` at `as_of`, from what was recorded by `known_at` (None: no limit).

    Both instants are aware. The rule's status and effective dates are not looked at: `select_rule`
    picks the version, and a draft may be tried out. From `awards_before` on no award is made.
    """
    asked = Question(world, person, as_of, known_at, awards_before)
    return by_people(assess(rule, asked), rule, world)


def assess(rule: Rule, asked: Question) -> Decision:
    """The decision by evidence and other competencies, before anything that people decided."""
    if rule.rollup is not None:
        return roll_up(rule, rule.rollup, asked)
    view = view_of(rule, asked)
    decision = _by_levels(rule, view) if rule.levels else judge(rule, view)
    return decision if view.gate is None else _gated(decision, view)


def _by_levels(rule: Rule, view: View) -> Decision:
    """Each level by its own timeline; the decision is that of the level that is shown."""
    judged = [judge(level.rule, view) for level in rule.levels]
    index = shown_level([one.status for one in judged])
    shown = judged[index]
    return replace(
        shown,
        requires=rule.initial.requires,
        next_change=earliest(*(one.next_change for one in judged)),
        level=None if shown.status in NO_AWARD else rule.levels[index].number,
        levels=tuple(
            LevelState(
                level=level.number,
                status=one.status,
                achieved_on=one.achieved_on,
                expires_on=one.expires_on,
                trigger=one.trigger,
                used=one.used,
                missing=one.missing,
            )
            for level, one in zip(rule.levels, judged, strict=True)
        ),
    )


def _gated(decision: Decision, view: View) -> Decision:
    """The decision with its prerequisites; an award has no force while one does not stand."""
    gate, as_of = view.gate, view.asked.as_of
    if gate is None:
        return decision
    decision = replace(
        decision,
        prerequisites=gate.states(as_of),
        next_change=earliest(decision.next_change, gate.next_change),
    )
    withheld = decision.status == "achieved" and not gate.lets_stand(as_of)
    if withheld:
        decision = replace(
            decision,
            status="in_progress",
            level=None,
            achieved_on=None,
            expires_on=None,
            used=(),
            carried_by={},
            by_evidence=by_evidence(decision),
        )
    if decision.status != "achieved":
        decision = replace(decision, missing=(*decision.missing, *gate.missing(as_of)))
    return decision
