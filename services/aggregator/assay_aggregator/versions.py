"""A rule over time: which version decides, and what becomes of awards of an older one.

The only transition that this engine knows is the default, `grandfather` (rules.md section 1): the
version in force judges afresh, and an award of the version before it, made before the new one's
start, stays until it expires. What disqualifies, and what puts under review, still does so.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from assay_aggregator.dates import day_start
from assay_aggregator.evaluate import Decision, evaluate
from assay_aggregator.rule import Rule, select_rule
from assay_aggregator.world import World

# Statuses of an award that has not run out; any other leaves room for an older version's award.
_IN_FORCE: Final = frozenset({"achieved", "suspended", "under_review", "revoked"})


def decide(
    versions: Sequence[Rule],
    world: World,
    person: str,
    as_of: datetime,
    known_at: datetime | None = None,
) -> Decision | None:
    """The decision by the versions of one rule; None when none is in force at `as_of`.

    It is that of the version in force, unless that gives no award and an older version's award
    has not run out: then it is the older version's, with `superseded_by` set.
    """
    rule = select_rule(versions, as_of)
    if rule is None:
        return None
    decision = evaluate(rule, world, person, as_of, known_at)
    start = day_start(rule.effective_from, rule.zone)
    if decision.status in _IN_FORCE or start is None:
        return _woken(decision, versions, as_of)
    older = [
        one
        for one in versions
        if (one.effective_from, one.version) < (rule.effective_from, rule.version)
        and one.status in ("effective", "retired")
    ]
    before = max(older, key=lambda one: (one.effective_from, one.version), default=None)
    if rule.from_version is not None:
        before = next((one for one in older if one.version == rule.from_version), None)
    if before is not None:
        held = evaluate(before, world, person, as_of, known_at, awards_before=start)
        if held.status in _IN_FORCE:
            instants = (held.next_change, decision.next_change)
            soonest = min((one for one in instants if one is not None), default=None)
            held = replace(held, superseded_by=rule.version, next_change=soonest)
            return _woken(held, versions, as_of)
    return _woken(decision, versions, as_of)


def _woken(decision: Decision, versions: Sequence[Rule], as_of: datetime) -> Decision:
    """The decision with `next_change` no later than the next start or end of a version."""
    instants = [
        day_start(day, rule.zone)
        for rule in versions
        for day in (rule.effective_from, rule.effective_to)
        if day is not None
    ]
    following = [
        one for one in (*instants, decision.next_change) if one is not None and one > as_of
    ]
    soonest = min(following, default=None)
    return decision if soonest == decision.next_change else replace(decision, next_change=soonest)
