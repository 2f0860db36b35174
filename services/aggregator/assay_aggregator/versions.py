"""A rule over time: which version decides, and what becomes of awards of an older one.

The version in force judges afresh. By its transition (rules.md section 1), an award of the version
before it, made before the new one's start, stays until it expires (`grandfather`), or no longer
than some time (`re_evaluate_after`), or not at all (`re_evaluate`). What disqualifies, and what
puts under review, still does so. An award that the older version had let stand itself stays, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from assay_aggregator.dates import day_start, local_ordinal
from assay_aggregator.decision import earliest
from assay_aggregator.evaluate import Decision, assess
from assay_aggregator.judge import Question
from assay_aggregator.overrides import by_people
from assay_aggregator.rule import Rule, select_rule
from assay_aggregator.world import World

# Statuses of an award that has not run out; any other leaves room for an older version's award.
IN_FORCE: Final = frozenset({"achieved", "suspended", "under_review", "revoked"})


def decide(
    versions: Sequence[Rule],
    world: World,
    person: str,
    as_of: datetime,
    known_at: datetime | None = None,
) -> Decision | None:
    """The decision by the versions of one rule; None when none is in force at `as_of`.

    It is that of the version in force, unless that gives no award and an older version's award
    has not run out: then it is the older version's, with `superseded_by` set. What people decided
    is laid over it by the version in force.
    """
    return decided(versions, Question(world, person, as_of, known_at))


def decided(versions: Sequence[Rule], asked: Question) -> Decision | None:
    """The same as `decide`."""
    world, as_of = asked.world, asked.as_of
    rule = select_rule(versions, as_of)
    if rule is None:
        return None
    decision = assess(rule, asked)
    if decision.status not in IN_FORCE:
        decision = _let_stand(versions, rule, asked, decision)
    return _woken(by_people(decision, rule, world), versions, as_of)


def _let_stand(
    versions: Sequence[Rule], rule: Rule, asked: Question, decision: Decision
) -> Decision:
    """An older version's award, if the transition lets one stand; else the decision."""
    soonest = decision.next_change
    for older, start in older_versions(versions, rule, asked.as_of):
        held = assess(older, replace(asked, awards_before=start))
        # One that has no force now may have it again, where it looks at other competencies.
        if held.status in IN_FORCE or held.prerequisites or held.rollup is not None:
            soonest = earliest(soonest, held.next_change)
        if held.status in IN_FORCE:
            return replace(
                held,
                superseded_by=rule.version,
                next_change=soonest,
                disqualified_at=decision.disqualified_at,
            )
    return decision if soonest == decision.next_change else replace(decision, next_change=soonest)


def older_versions(
    versions: Sequence[Rule], rule: Rule, instant: datetime
) -> Iterator[tuple[Rule, datetime]]:
    """The versions whose awards stand beside `rule`, newest first, each with the end of its awards.

    Each is the one that the transition of the one before it names, by default its predecessor.
    """
    while True:
        start = day_start(rule.effective_from, rule.zone)
        end = rule.older_awards_end
        if start is None or (end is not None and local_ordinal(instant, rule.zone) >= end):
            return
        older = [
            one
            for one in versions
            if (one.effective_from, one.version) < (rule.effective_from, rule.version)
            and one.status in ("effective", "retired")
        ]
        before = max(older, key=lambda one: (one.effective_from, one.version), default=None)
        if rule.from_version is not None:
            before = next((one for one in older if one.version == rule.from_version), None)
        if before is None:
            return
        yield before, start
        rule = before


def version_instants(versions: Sequence[Rule]) -> Iterator[datetime]:
    """When a version begins or ends to decide, or to let older awards stand."""
    for rule in versions:
        for day in (rule.effective_from, rule.effective_to, rule.older_awards_end):
            start = None if day is None else day_start(day, rule.zone)
            if start is not None:
                yield start


def _woken(decision: Decision, versions: Sequence[Rule], as_of: datetime) -> Decision:
    """The decision with `next_change` no later than the next start or end of a version."""
    following = [
        one
        for one in (*version_instants(versions), decision.next_change)
        if one is not None and one > as_of
    ]
    soonest = min(following, default=None)
    return decision if soonest == decision.next_change else replace(decision, next_change=soonest)
