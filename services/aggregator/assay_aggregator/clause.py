"""One clause: which of the person's statements match, and what each is worth (rules.md section 4).

Everything here is independent of the instant t. What depends on t, the lower bound and the window,
is a range of the ordered list of items, and `attempts.Book` is filled with that range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from assay_aggregator.dates import add
from assay_aggregator.fact import Fact
from assay_aggregator.prepare import Evidence, Prepared, matches
from assay_aggregator.rule import Assessor, Clause
from assay_aggregator.vocabulary import COMPLETED, FAILED, WAIVED
from assay_aggregator.world import World


class Reason(StrEnum):
    """Why a matched statement does not count; the closed list of rules.md section 5."""

    ID_CONFLICT_QUARANTINED = "id_conflict_quarantined"
    VOIDED = "voided"
    VOID_NOT_AUTHORISED = "void_not_authorised"
    GROUP_ACTOR = "group_actor"
    MODALITY_MISMATCH = "modality_mismatch"
    LAUNCH_MODE_NOT_NORMAL = "launch_mode_not_normal"
    BEFORE_DISQUALIFICATION = "before_disqualification"
    PREVIOUS_CYCLE = "previous_cycle"
    ASSESSOR_MISSING = "assessor_missing"
    ASSESSOR_UNVERIFIED = "assessor_unverified"
    SELF_ASSESSED = "self_assessed"
    ASSESSOR_NOT_INDEPENDENT = "assessor_not_independent"
    ASSESSOR_NOT_AUTHORISED = "assessor_not_authorised"
    OUTSIDE_WINDOW = "outside_window"
    WAIVER_NOT_ALLOWED = "waiver_not_allowed"
    CRITICAL_STEP_MISSED = "critical_step_missed"
    PROFILE_CONTRADICTION = "profile_contradiction"
    SUCCESS_FALSE = "success_false"
    SCORE_MISSING = "score_missing"
    SCORE_BELOW = "score_below"
    ATTEMPT_FAILED = "attempt_failed"


Number = Decimal | Fraction
AttemptKey = tuple[str, str | None, str | None]

_NEVER: Final = 1 << 40
# Ingest refuses score numbers of more digits; an exponent beyond this would only eat memory.
_MAX_EXPONENT: Final = 1_000


@dataclass(slots=True, eq=False)
class Item:
    """One statement under one clause, with all that does not depend on t.

    `before` is the reason that comes ahead of the lower bound, `assessor` and `waiver` those on
    either side of the window, `failure` that of judging. `last_day` is the last local day on which
    the window still lets it count.
    """

    id: str
    time: datetime
    day: int
    last_day: int
    key: AttemptKey
    verb: str
    before: Reason | None = None
    assessor: Reason | None = None
    waiver: Reason | None = None
    failure: Reason | None = None
    score: Number | None = None
    assessors: frozenset[str] = frozenset()
    # True when nothing but the lower bound and the window can keep it from being judged.
    eligible: bool = False


def items_of(
    clause: Clause, prepared: Prepared, world: World, person: str, known_at: datetime | None
) -> list[Item]:
    """The person's statements that match the clause, in the order (timestamp, id)."""
    items = []
    for one in prepared.evidence:
        fact = one.fact
        if not matches(clause.match, fact):
            continue
        item = Item(
            fact.id,
            fact.timestamp,
            one.day,
            _NEVER if clause.window is None else add(one.day, clause.window),
            _attempt_key(clause, fact),
            fact.verb,
        )
        items.append(item)
        item.before = _before(clause, one, prepared)
        if item.before is not None:
            continue
        if clause.assessor is not None:
            item.assessor, item.assessors = _assessors(
                clause.assessor, one, world, person, known_at
            )
        if fact.verb == WAIVED:
            if fact.waived_reason not in clause.waivers:
                item.waiver = Reason.WAIVER_NOT_ALLOWED
            # An accepted waiver is a pass without a score: nothing of it is judged.
        else:
            item.score = score_of(fact)
            item.failure = _failure(clause, fact, item.score)
            if clause.attempts.raw:
                item.score = rating_of(fact, whole=clause.attempts.policy == "median")
        item.eligible = item.assessor is None and item.waiver is None
    return items


def _attempt_key(clause: Clause, fact: Fact) -> AttemptKey:
    if clause.attempts.by_session and fact.session is not None:
        return ("session", fact.registration, fact.session)
    if fact.registration is not None:
        return ("registration", fact.registration, None)
    return ("statement", fact.id, None)


def _before(clause: Clause, one: Evidence, prepared: Prepared) -> Reason | None:
    fact = one.fact
    if one.as_member and not clause.each_member:
        return Reason.GROUP_ACTOR
    if fact.modality not in clause.modality:
        return Reason.MODALITY_MISMATCH
    # A mode that the statement claims and one that was launched must both be accepted.
    if fact.launch_mode is not None and fact.launch_mode not in clause.launch_modes:
        return Reason.LAUNCH_MODE_NOT_NORMAL
    if prepared.launch_modes and (fact.registration is not None or fact.session is not None):
        launched = prepared.launch_modes.get((fact.registration, fact.session))
        if launched is not None and not launched <= clause.launch_modes:
            return Reason.LAUNCH_MODE_NOT_NORMAL
    return None


def _assessors(
    wanted: Assessor, one: Evidence, world: World, person: str, known_at: datetime | None
) -> tuple[Reason | None, frozenset[str]]:
    """Why no named assessor will do, or else the persons among them who will.

    One who passes every condition is enough; the reason is the first condition nobody passes.
    """
    fact, day = one.fact, one.day
    if not fact.instructors:
        return (Reason.ASSESSOR_MISSING if wanted.required else None), frozenset()
    named = [world.people(key, day, known_at) for key in fact.instructors]
    if not fact.vouches:
        signer = fact.signed_assessor
        signers = frozenset() if signer is None else world.people(signer, day, known_at)
        named = [
            people
            for key, people in zip(fact.instructors, named, strict=True)
            if key == signer or people & signers
        ]
        if not named:
            return Reason.ASSESSOR_UNVERIFIED, frozenset()
    if wanted.not_self:
        named = [people for people in named if person not in people]
        if not named:
            return Reason.SELF_ASSESSED, frozenset()
    if wanted.independent:
        conflicted = {
            conflict.assessor
            for conflict in world.conflicts
            if conflict.person == person and conflict.valid.on(day, known_at)
        }
        named = [people for people in named if not people & conflicted]
        if not named:
            return Reason.ASSESSOR_NOT_INDEPENDENT, frozenset()
    people = frozenset().union(*named)
    if wanted.scope is not None:
        people &= {
            authorisation.assessor
            for authorisation in world.authorisations
            if authorisation.scope == wanted.scope and authorisation.valid.on(day, known_at)
        }
    return (None if people else Reason.ASSESSOR_NOT_AUTHORISED), people


def _failure(clause: Clause, fact: Fact, score: Number | None) -> Reason | None:
    """The first reason that fails a statement that is judged; None when it passes."""
    if clause.critical is not None and _critical_missed(fact, *clause.critical):
        return Reason.CRITICAL_STEP_MISSED
    failed = fact.verb == FAILED or fact.success is False
    gte = None if fact.verb == COMPLETED else clause.score_gte
    if gte is not None and not failed and score is not None and fact.mastery_score is not None:
        mastery = number(fact.mastery_score)
        if mastery is not None and below(score, mastery) and below(score, gte):
            return Reason.PROFILE_CONTRADICTION
    if failed:
        return Reason.SUCCESS_FALSE
    if gte is None:
        return None
    if score is None:
        return Reason.SCORE_MISSING
    return Reason.SCORE_BELOW if below(score, gte) else None


def _critical_missed(fact: Fact, extension: str, most: int) -> bool:
    if fact.result_extensions is None:
        return False
    value = msgspec.json.decode(fact.result_extensions).get(extension)
    if value is None:
        return False
    # Something else than a list does not say that no critical step was missed.
    return not isinstance(value, list) or len(value) > most


def score_of(fact: Fact) -> Number | None:
    """`scaled`, else (raw - min) / (max - min) where max > min, exactly; else None."""
    score = fact.score
    if score is None:
        return None
    if score.scaled is not None:
        return number(score.scaled)
    if score.raw is None or score.min is None or score.max is None:
        return None
    raw, low, high = number(score.raw), number(score.min), number(score.max)
    if raw is None or low is None or high is None or high <= low:
        return None
    return (Fraction(raw) - Fraction(low)) / (Fraction(high) - Fraction(low))


def rating_of(fact: Fact, whole: bool) -> Number | None:
    """`raw` as it was given; None without one, or for a fraction where whole numbers rate."""
    if fact.score is None or fact.score.raw is None:
        return None
    rating = number(fact.score.raw)
    if rating is None or (whole and rating != rating.to_integral_value()):
        return None
    return rating


@lru_cache(maxsize=4_096)
def number(text: str) -> Decimal | None:
    """The decimal that a text writes; None when it writes none, or one of absurd size."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite() or len(text) > _MAX_EXPONENT:
        return None
    return value if abs(value.adjusted()) <= _MAX_EXPONENT else None


def below(score: Number, limit: Decimal) -> bool:
    """score < limit, exactly."""
    if isinstance(score, Decimal):
        return score < limit
    return score < Fraction(limit)


def counts(item: Item, day: int, bound: datetime | None) -> bool:
    """True when the item is judged at an instant of local date `day` with that lower bound."""
    return item.eligible and item.last_day >= day and (bound is None or item.time > bound)


def exclusion(item: Item, day: int, bound: datetime | None, bound_reason: Reason) -> Reason | None:
    """The first reason, in the order of section 4, that keeps the item from being judged."""
    if item.before is not None:
        return item.before
    if bound is not None and item.time <= bound:
        return bound_reason
    if item.assessor is not None:
        return item.assessor
    if item.last_day < day:
        return Reason.OUTSIDE_WINDOW
    return item.waiver


def matching(clause: Clause, evidence: Sequence[Evidence]) -> list[str]:
    """Ids of those that match the clause."""
    return [one.fact.id for one in evidence if matches(clause.match, one.fact)]
