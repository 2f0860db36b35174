"""One decision as it is kept and told: the engine's answer, or that no rule decides.

Pure. Times of the log are the only times: `as_of_ms` and `known_at_ms` are arguments.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from assay_aggregator.copies import instant, milliseconds_up
from assay_aggregator.dates import day_start, format_instant, local_ordinal
from assay_aggregator.decision import Decision
from assay_aggregator.events import (
    EXPIRING_DAYS,
    NOTHING,
    Ground,
    Seen,
    Standing,
    Subject,
    derived_id,
    event,
    reason_of,
    step,
)
from assay_aggregator.explain import decision_document
from assay_aggregator.known import Known
from assay_aggregator.rule import ENGINE_VERSION, Rule
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.standings import with_standings
from assay_aggregator.versions import decide as decide_by_versions
from assay_aggregator.world import World
from assay_schemas.events import CompetencyEvent

# Members of a document that move with the question, while the answer stays the same.
_OF_THE_QUESTION: Final = ("as_of", "known_at", "next_change")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is decided about a person and a competency.

    `rule` is the version that decided; None when none does, and then `named` is the last version
    there was. `document` holds values of JSON (any of its types, hence Any). `hash` is equal for
    two outcomes that say the same, whenever they were asked for. `next_expiring_ms` is when the
    next threshold of an award that expires will be passed.
    """

    rule: Rule | None
    named: Rule
    standing: Standing
    seen: Seen
    document: Mapping[str, Any]
    next_change_ms: int | None
    hash: bytes
    next_expiring_ms: int | None = None

    @property
    def reasons(self) -> dict[str, int]:
        """How many statements do not count, by reason."""
        counts: dict[str, int] = defaultdict(int)
        for reasons in self.seen.excluded.values():
            for reason in reasons:
                counts[reason] += 1
        return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class Current:
    """The decision that stands so far. `sequence` is that of its last event, 0 before any."""

    ordinal: int
    sequence: int
    standing: Standing
    hash: bytes


BEFORE_ALL: Final = Current(0, 0, NOTHING, b"")


@dataclass(frozen=True, slots=True)
class Change:
    """A decision that differs from the one before, and what is told of it."""

    ordinal: int
    decision: UUID
    sequence: int
    outcome: Outcome
    event: CompetencyEvent | None


def canonical(document: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys: equal documents are equal bytes."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def decide(
    known: Known, book: RuleBook, competency: str, as_of: datetime, known_at_ms: int
) -> Outcome | None:
    """Decide, from everything recorded about the person.

    None for a competency that no rule was recorded for by `known_at_ms`. The document holds nothing
    that was recorded later: the same question gives the same document for ever.
    """
    last = book.last(competency, known_at_ms)
    if last is None:
        return None
    changes = [book.next_start_ms(competency, as_of, known_at_ms)]
    versions = book.deciding(competency, known_at_ms)
    decision = decide_by_versions(
        [one.rule for one in versions],
        world_of(known, book, competency, as_of, known_at_ms),
        str(known.person),
        as_of,
        instant(known_at_ms),
    )
    if decision is None:
        rule, standing, seen = None, NOTHING, Seen({}, frozenset(), has_rule=False)
        document = _undecided(known, competency, as_of, known_at_ms)
    else:
        # An award of an older version may still stand: then that version decides.
        rule = next(one.rule for one in versions if one.rule.version == decision.rule_version)
        standing, seen = _standing(decision, rule, as_of), _seen(decision, rule)
        document = dict(decision_document(decision))
        if decision.next_change is not None:
            changes.append(milliseconds_up(decision.next_change))
    next_change_ms = _earliest(changes)
    document["next_change"] = (
        None if next_change_ms is None else format_instant(instant(next_change_ms))
    )
    return Outcome(
        rule=rule,
        named=last.rule if rule is None else rule,
        standing=standing,
        seen=seen,
        document=document,
        next_change_ms=next_change_ms,
        hash=_hash(document),
        next_expiring_ms=None if rule is None else _next_expiring_ms(standing, rule, as_of),
    )


def world_of(
    known: Known, book: RuleBook, competency: str, as_of: datetime, known_at_ms: int
) -> World:
    """What the rule of a competency can look at, with the history of what it looks at itself.

    Those histories are worked out from the same evidence, never read from decisions made before:
    so no order of deciding matters. Raises dependencies.RuleCycle.
    """
    children = book.children(competency)
    if not children:
        return known.world(book.deciding(competency, known_at_ms), known_at_ms)
    versions = {name: book.deciding(name, known_at_ms) for name in (*children, competency)}
    world = known.world([one for many in versions.values() for one in many], known_at_ms)
    return with_standings(
        {name: [one.rule for one in many] for name, many in versions.items()},
        [competency],
        world,
        str(known.person),
        as_of,
        instant(known_at_ms),
    )


def _hash(document: Mapping[str, Any]) -> bytes:
    kept = {key: value for key, value in document.items() if key not in _OF_THE_QUESTION}
    return hashlib.sha256(canonical(kept)).digest()


def wake_up_ms(
    known: Known, book: RuleBook, competency: str, outcome: Outcome | None, known_at_ms: int
) -> int | None:
    """When to decide anew without a new statement: time moves, or a record comes into force."""
    return _earliest(
        [
            None if outcome is None else outcome.next_change_ms,
            None if outcome is None else outcome.next_expiring_ms,
            book.next_recorded_ms(competency, known_at_ms),
            known.next_change_ms(known_at_ms),
        ]
    )


def _undecided(known: Known, competency: str, as_of: datetime, known_at_ms: int) -> dict[str, Any]:
    """The document of a day on which no rule decides."""
    return {
        "rule": None,
        "engine": ENGINE_VERSION,
        "competency": competency,
        "person": str(known.person),
        "as_of": format_instant(as_of),
        "known_at": format_instant(instant(known_at_ms)),
        "status": NOTHING.status,
        "achieved_on": None,
        "expires_on": None,
        "trigger": None,
        "used": [],
    }


def change(subject: Subject, current: Current, outcome: Outcome, as_of_ms: int) -> Change | None:
    """What follows from an outcome after the decision so far; None when it says the same.

    An award that comes nearer to its end says the same, but is told of: that is a decision, too.
    Raises NoSuchStep when the table of events does not hold the step.
    """
    kind = step(current.standing, outcome.standing)
    if outcome.hash == current.hash and kind is None:
        return None
    ordinal = current.ordinal + 1
    decision = derived_id(subject, "decision", ordinal)
    if kind is None:
        return Change(ordinal, decision, current.sequence, outcome, None)
    sequence = current.sequence + 1
    reason = reason_of(kind, current.standing, outcome.seen)
    ground = Ground(
        decision=decision,
        rule=outcome.named.id,
        rule_version=outcome.named.version,
        rule_hash=outcome.named.hash,
        timezone=outcome.named.zone.key,
        as_of=instant(as_of_ms),
    )
    told = event(kind, subject, sequence, outcome.standing, ground, reason)
    return Change(ordinal, decision, sequence, outcome, told)


def _standing(decision: Decision, rule: Rule, as_of: datetime) -> Standing:
    days_left = None
    if decision.status == "achieved" and decision.expires_on is not None:
        days_left = decision.expires_on.toordinal() - local_ordinal(as_of, rule.zone)
    return Standing(
        status=decision.status,
        level=decision.level,
        achieved_on=decision.achieved_on,
        expires_on=decision.expires_on,
        evidence=frozenset(UUID(one) for one in decision.used),
        expiring_days=next(
            (days for days in EXPIRING_DAYS if days_left is not None and days_left <= days), None
        ),
    )


def _next_expiring_ms(standing: Standing, rule: Rule, as_of: datetime) -> int | None:
    """When the next threshold before the end of a held award is passed."""
    if standing.status != "achieved" or standing.expires_on is None:
        return None
    last = standing.expires_on.toordinal()
    starts = (day_start(last - days, rule.zone) for days in EXPIRING_DAYS)
    return _earliest(
        [milliseconds_up(start) for start in starts if start is not None and start > as_of]
    )


def _seen(decision: Decision, rule: Rule) -> Seen:
    excluded: dict[UUID, set[str]] = defaultdict(set)
    for one in decision.excluded:
        excluded[UUID(one.statement)].add(str(one.reason))
    counting = {*decision.used, *(one.statement for one in decision.counted)}
    return Seen(
        excluded={statement: frozenset(reasons) for statement, reasons in excluded.items()},
        known=frozenset(excluded) | {UUID(one) for one in counting},
        disqualified=bool(rule.disqualify),
        in_review=bool(decision.reviews),
    )


def _earliest(times: list[int | None]) -> int | None:
    return min((at for at in times if at is not None), default=None)
