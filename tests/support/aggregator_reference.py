"""The evaluation of rules.md sections 3 and 4 written as the text says it, at any cost.

Every instant is judged from nothing, with plain lists. It shares with the product what is judged
of one statement alone (`clause.items_of`), which the case files cover, and nothing of the walk,
the attempts and the policies.
"""

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from assay_aggregator.clause import Item, items_of
from assay_aggregator.dates import add, day_end, local_ordinal
from assay_aggregator.prepare import matches, prepare
from assay_aggregator.rule import Clause, Clauses, Prerequisite, Rule, Tree
from assay_aggregator.vocabulary import COMPLETED, WAIVED
from assay_aggregator.world import World

PERSON = "ada"


@dataclass
class PlainAttempt:
    items: list[Item]
    passes: bool = False
    score: Fraction | None = None
    ids: list[str] = field(default_factory=list)

    @property
    def time(self) -> datetime:
        return self.items[-1].time

    @property
    def day(self) -> int:
        return self.items[-1].day


@dataclass
class PlainClause:
    attempts: list[PlainAttempt]
    used: list[PlainAttempt] | None
    value: Fraction | None
    excluded: set[tuple[str, str]]


def attempt_passes(clause: Clause, items: list[Item]) -> bool:
    others = [item for item in items if item.verb != COMPLETED]
    if clause.attempts.needs:
        if any(item.verb == WAIVED and item.failure is None for item in items):
            return True
        passed = {item.verb for item in items if item.failure is None}
        return clause.attempts.needs <= passed and all(item.failure is None for item in others)
    return all(item.failure is None for item in (others or items))


def judge(
    clause: Clause, items: list[Item], t: datetime, day: int, bound: datetime | None, why: str
) -> PlainClause:
    excluded: set[tuple[str, str]] = set()
    groups: dict[object, list[Item]] = {}
    for item in sorted((i for i in items if i.time <= t), key=lambda i: (i.time, i.id)):
        if item.before:
            excluded.add((item.id, str(item.before)))
        elif bound is not None and item.time <= bound:
            excluded.add((item.id, why))
        elif item.assessor:
            excluded.add((item.id, str(item.assessor)))
        elif clause.window is not None and add(item.day, clause.window) < day:
            excluded.add((item.id, "outside_window"))
        elif item.waiver:
            excluded.add((item.id, str(item.waiver)))
        else:
            groups.setdefault(item.key, []).append(item)
    attempts = []
    for members in groups.values():
        attempt = PlainAttempt(members, attempt_passes(clause, members))
        attempt.ids = sorted(item.id for item in members)
        scores = [i.score for i in members if i.verb != COMPLETED and i.score is not None]
        attempt.score = Fraction(scores[-1]) if scores else None
        attempts.append(attempt)
        for item in members:
            if item.failure is not None:
                excluded.add((item.id, str(item.failure)))
            elif not attempt.passes:
                excluded.add((item.id, "attempt_failed"))
    attempts.sort(key=lambda attempt: (attempt.time, attempt.ids))
    used, value = policy(clause, attempts)
    if used is not None and clause.assessor is not None and clause.assessor.distinct_gte:
        named = {name for a in used for item in a.items for name in item.assessors}
        if len(named) < clause.assessor.distinct_gte:
            used = None
    return PlainClause(attempts, used, value, excluded)


def policy(
    clause: Clause, attempts: list[PlainAttempt]
) -> tuple[list[PlainAttempt] | None, Fraction | None]:
    rules = clause.attempts
    passing = [a for a in attempts if a.passes]
    name = rules.policy
    if name == "any":
        return (passing[-1:] or None), None
    if name in ("first", "latest"):
        one = attempts[:1] if name == "first" else attempts[-1:]
        return (one if one and one[0].passes else None), None
    if name == "count":
        taken: list[PlainAttempt] = []
        for attempt in reversed(passing):
            if len(taken) < rules.n and (
                not taken
                or rules.spacing is None
                or add(attempt.day, rules.spacing) <= taken[-1].day
            ):
                taken.append(attempt)
        return (taken[::-1] if len(taken) == rules.n else None), None
    if name == "n_of_last":
        good = [a for a in attempts[-rules.m :] if a.passes]
        return (good[-rules.n :] if len(good) >= rules.n else None), None
    if name == "consecutive":
        last = attempts[-rules.n :]
        return (last if len(last) == rules.n and all(a.passes for a in last) else None), None
    scores = [a.score for a in attempts if a.score is not None]
    if not scores:
        return None, None
    if name == "n_mastery":
        kept = [a for a in attempts if a.score is not None and a.score >= Fraction(rules.gte)]
        enough = len(kept) >= rules.n
        mean = sum((a.score or Fraction(0) for a in kept), Fraction(0)) / max(1, len(kept))
        return (kept if enough else None), (mean if enough else None)
    if name == "median":
        rated = [a for a in attempts if a.score is not None][-rules.m :]
        ratings = sorted(a.score for a in rated if a.score is not None)
        if len(ratings) < rules.n:
            return None, None
        middle = ratings[(len(ratings) - 1) // 2]
        return (rated if middle >= Fraction(rules.gte) else None), middle
    weight = Fraction(rules.weight)
    if name == "average":
        value = sum(scores, Fraction(0)) / len(scores)
    elif name == "highest":
        value = max(scores)
    elif name == "decaying":
        value = scores[0]
        for score in scores[1:]:
            value = weight * score + (1 - weight) * value
    elif len(scores) == 1:
        value = scores[0]
    else:
        before = scores[:-1]
        value = weight * scores[-1] + (1 - weight) * sum(before, Fraction(0)) / len(before)
    return (attempts if value >= Fraction(rules.gte) else None), value


def tree_used(tree: Tree, results: dict[str, PlainClause]) -> list[str] | None:
    if isinstance(tree, str):
        return [tree] if results[tree].used is not None else None
    parts = [tree_used(part, results) for part in tree.parts]
    good = [part for part in parts if part is not None]
    if len(good) < tree.need:
        return None
    if tree.op == "any":
        good = good[:1]
    return [name for part in good for name in part]


@dataclass
class PlainAward:
    t: datetime
    day: int
    expires: int | None
    used: set[str]


def prerequisite_holds(one: Prerequisite, world: World, t: datetime) -> bool:
    held = [step for step in world.standings[one.competency].steps if step.since <= t]
    if not held or held[-1].held != "achieved":
        return False
    return one.level is None or (held[-1].level or 0) >= one.level


def reference(rule: Rule, world: World, as_of: datetime) -> dict[str, Any]:
    """The decision of one award timeline; `always` is left to the caller."""
    prepared = prepare(rule, world, PERSON, as_of, None)

    def load(clauses: Clauses | None) -> dict[str, list[Item]]:
        if clauses is None:
            return {}
        return {
            name: items_of(clause, prepared, world, PERSON, None)
            for name, clause in clauses.evidence.items()
        }

    initial, renewal = load(rule.initial), load(rule.renewal)
    hits = {
        one.fact.id: one.fact.timestamp
        for one in prepared.evidence
        if not one.as_member and any(matches(m, one.fact) for m in rule.disqualify)
    }
    instants = {i.time for lists in (initial, renewal) for items in lists.values() for i in items}
    for one in rule.prerequisites:
        held = False
        for step in world.standings[one.competency].steps:
            if step.since <= as_of and prerequisite_holds(one, world, step.since) != held:
                held = not held
                instants.add(step.since)
    award: PlainAward | None = None
    suspended, trigger, review = False, None, None
    d_bound: datetime | None = None
    l_bound: datetime | None = None

    def in_renewal(day: int) -> bool:
        nonlocal l_bound
        if award is None or rule.renewal is None or suspended:
            return False
        if award.expires is None or day <= add(award.expires, rule.lapse_after):
            return True
        l_bound = day_end(add(award.expires, rule.lapse_after), rule.zone)
        return False

    for t in sorted(instants | set(hits.values())):
        day = local_ordinal(t, rule.zone)
        if t in hits.values():
            d_bound, suspended = t, True
            trigger = min(name for name, when in hits.items() if when == t)
        renewing = in_renewal(day)
        clauses = rule.renewal if renewing and rule.renewal is not None else rule.initial
        items = renewal if renewing else initial
        bounds = [b for b in (d_bound, l_bound) if b is not None]
        if renewing and award is not None:
            bounds.append(award.t)
        bound = max(bounds, default=None)
        results = {
            name: judge(clause, items[name], t, day, bound, "")
            for name, clause in clauses.evidence.items()
        }
        names = tree_used(clauses.requires, results)
        before = award
        gates = [one for one in rule.prerequisites if one.at == "award"]
        if names is not None and all(prerequisite_holds(one, world, t) for one in gates):
            used = [a for name in dict.fromkeys(names) for a in (results[name].used or [])]
            days = [a.day for a in used]
            basis = {"earliest": min(days), "latest": max(days), "award": day}[rule.basis]
            expires = None if rule.period is None else add(basis, rule.period)
            infinite = 10**9
            if award is None or (
                any(a.time == t for a in used)
                and (
                    (infinite if expires is None else expires)
                    > (infinite if award.expires is None else award.expires)
                    or suspended
                )
            ):
                award = PlainAward(t, day, expires, {i.id for a in used for i in a.items})
                suspended, review, l_bound = False, None, None
        if before is not None and award is before and review is None:
            failed = [
                a.items[0].id
                for name in rule.later_fail_clauses
                if name in results
                for a in results[name].attempts
                if a.time == t and not a.passes
            ]
            review = min(failed, default=None)
    today = local_ordinal(as_of, rule.zone)
    in_renewal(today)
    bound = max((b for b in (d_bound, l_bound) if b is not None), default=None)
    why = "before_disqualification" if bound is not None and bound == d_bound else "previous_cycle"
    final = {
        name: judge(clause, initial[name], as_of, today, bound, why)
        for name, clause in rule.initial.evidence.items()
    }
    if award is None:
        status = "in_progress" if any(c.attempts for c in final.values()) else "not_started"
    elif suspended:
        status = "suspended"
    elif award.expires is not None and today > award.expires:
        status = "expired"
    else:
        status = (rule.later_fail_status if review is not None else None) or "achieved"
    if award is None or status in ("achieved", "expired"):
        shown = None
    else:
        shown = trigger if suspended else review
    return {
        "status": status,
        "achieved_on": None if award is None else award.day,
        "expires_on": None if award is None else award.expires,
        "trigger": shown,
        "used": set() if award is None else award.used,
        "excluded": {(s, name, reason) for name, c in final.items() for s, reason in c.excluded},
        "clauses": {
            name: (
                c.used is not None,
                sum(a.passes for a in c.attempts),
                len(c.attempts),
                c.value,
            )
            for name, c in final.items()
        },
    }
