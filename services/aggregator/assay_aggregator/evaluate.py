"""The decision: a pure function of rule, world, person, `as_of` and `known_at`.

Normative text: competency/rules.md. `evaluate` names its sections in order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from assay_aggregator.attempts import SCORED, Attempt, Book, written
from assay_aggregator.clause import Item, Reason, counts, exclusion, items_of, matching
from assay_aggregator.dates import day_start, local_ordinal
from assay_aggregator.prepare import Prepared, prepare
from assay_aggregator.rule import ENGINE_VERSION, Clause, Clauses, Rule, Tree
from assay_aggregator.timeline import Award, Course, Items, Phase, lapse_day, solve, walk
from assay_aggregator.world import World

Status = Literal[
    "not_started",
    "in_progress",
    "achieved",
    "expired",
    "suspended",
    "under_review",
    "revoked",
]
Role = Literal["not_needed", "reset", "progress"]


@dataclass(frozen=True, slots=True, order=True)
class Excluded:
    """A matched statement that does not count in a clause, and why."""

    statement: str
    clause: str
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class Counted:
    """A statement that counts at `as_of` without carrying the award."""

    statement: str
    clause: str
    role: Role


@dataclass(frozen=True, slots=True)
class ClauseState:
    """A clause at `as_of`. `have` of `need`: passing attempts, or the value of a score policy."""

    satisfied: bool
    passes: int
    attempts: int
    value: str | None
    have: str
    need: str


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that would have to be there for the next award; any one of `clauses` serves it."""

    clauses: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about one person under one rule version, with its whole explanation.

    `carried_by` gives, for each clause that carries the latest award, its statements; `used` is
    all of them. `clauses`, `excluded` and `counted` are those of the initial clauses at `as_of`.
    `phase` says which clauses the next award needs, and `missing` what they lack (nothing while
    the award is in force). `next_change` is the first instant after `as_of` at which any of this
    could differ with no new fact. `superseded_by` is None, or the version in force whose
    transition lets an award of this older version stay (`versions.decide`).
    """

    rule_id: str
    rule_version: int
    rule_hash: str
    engine: str
    competency: str
    person: str
    as_of: datetime
    known_at: datetime | None
    status: Status
    achieved_on: date | None
    expires_on: date | None
    trigger: str | None
    used: tuple[str, ...]
    carried_by: Mapping[str, tuple[str, ...]]
    excluded: tuple[Excluded, ...]
    counted: tuple[Counted, ...]
    clauses: Mapping[str, ClauseState]
    requires: Tree
    phase: Phase
    missing: tuple[Missing, ...]
    next_change: datetime | None
    superseded_by: int | None = None


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
    # Section 2: which statements are considered.
    prepared = prepare(rule, world, person, as_of, known_at)
    initial = _items(rule.initial, prepared, world, person, known_at, {})
    renewal: Items = {}
    if rule.renewal is not None:
        same = {id(clause): initial[name] for name, clause in rule.initial.evidence.items()}
        renewal = _items(rule.renewal, prepared, world, person, known_at, same)
    # Section 3: the award timeline, then the initial clauses at as_of (section 4).
    today = local_ordinal(as_of, rule.zone)
    course = walk(rule, prepared, initial, renewal, today, awards_before)
    bound = course.bound("initial")
    books = {
        name: _book(clause, initial[name], as_of, today, bound)
        for name, clause in rule.initial.evidence.items()
    }
    chosen = {name: book.chosen() for name, book in books.items()}
    status, trigger = _status(rule, course, today, books)
    award = course.award
    carried = {} if award is None else _carried_by(rule, award, initial, renewal)
    used = {statement for statements in carried.values() for statement in statements}
    excluded = set(_taken_out(rule, prepared))
    for name, book in books.items():
        excluded.update(_excluded(name, initial[name], book, today, bound, course))
    # What the next award needs.
    phase = course.phase(rule, today)
    missing: tuple[Missing, ...] = ()
    if status != "achieved":
        missing = _missing_now(rule, course, phase, renewal, books, as_of, today)
    return Decision(
        rule_id=rule.id,
        rule_version=rule.version,
        rule_hash=rule.hash,
        engine=ENGINE_VERSION,
        competency=rule.competency,
        person=person,
        as_of=as_of,
        known_at=known_at,
        status=status,
        achieved_on=None if award is None else date.fromordinal(award.day),
        expires_on=_date(None if award is None else award.expires),
        trigger=trigger,
        used=tuple(sorted(used)),
        carried_by=carried,
        excluded=tuple(sorted(excluded)),
        counted=tuple(sorted(_counted(books, chosen, used, status))),
        clauses={name: _state(book, chosen[name]) for name, book in books.items()},
        requires=rule.initial.requires,
        phase=phase,
        missing=missing,
        next_change=_next_change(rule, course, prepared, (initial, renewal), as_of, today),
    )


def _items(
    clauses: Clauses,
    prepared: Prepared,
    world: World,
    person: str,
    known_at: datetime | None,
    same: Mapping[int, list[Item]],
) -> dict[str, list[Item]]:
    """The items of each clause; a clause that renewal leaves as it was has them already."""
    return {
        name: same[id(clause)]
        if id(clause) in same
        else items_of(clause, prepared, world, person, known_at)
        for name, clause in clauses.evidence.items()
    }


def _book(
    clause: Clause, items: Sequence[Item], time: datetime, day: int, bound: datetime | None
) -> Book:
    """The attempts of a clause at one instant."""
    book = Book(clause)
    for item in items:
        if item.time <= time and counts(item, day, bound):
            book.add(item)
    return book


def _carried_by(
    rule: Rule, award: Award, initial: Items, renewal: Items
) -> dict[str, tuple[str, ...]]:
    """The statements of the attempts that carry an award, by clause."""
    clauses, items = rule.initial, initial
    if award.phase == "renewal" and rule.renewal is not None:
        clauses, items = rule.renewal, renewal
    carried = {}
    for name in award.names:
        book = _book(clauses.evidence[name], items[name], award.time, award.day, award.bound)
        attempts = book.chosen() or []
        carried[name] = tuple(sorted(item.id for attempt in attempts for item in attempt.items))
    return carried


def _status(
    rule: Rule, course: Course, today: int, books: Mapping[str, Book]
) -> tuple[Status, str | None]:
    """The status at as_of and the statement that triggered it, if one did."""
    award = course.award
    if award is None:
        return ("in_progress" if any(book.all for book in books.values()) else "not_started"), None
    if course.suspended:
        return "suspended", course.suspended_by
    if award.expires is not None and today > award.expires:
        return "expired", None
    if course.review_by is not None and rule.later_fail_status is not None:
        return rule.later_fail_status, course.review_by
    return "achieved", None


def _taken_out(rule: Rule, prepared: Prepared) -> Iterator[Excluded]:
    """Statements that preparing took out, listed where they match an initial clause."""
    for name, clause in rule.initial.evidence.items():
        for statement in matching(clause, prepared.conflicting):
            yield Excluded(statement, name, Reason.ID_CONFLICT_QUARANTINED)
        for statement in matching(clause, prepared.voided):
            yield Excluded(statement, name, Reason.VOIDED)
        for void, target in prepared.unauthorised:
            if matching(clause, [target]):
                yield Excluded(void.id, name, Reason.VOID_NOT_AUTHORISED)


def _excluded(
    name: str,
    items: Sequence[Item],
    book: Book,
    today: int,
    bound: datetime | None,
    course: Course,
) -> Iterator[Excluded]:
    """Matched statements that do not count at as_of, each with the first reason that applies."""
    disqualified = bound is not None and bound == course.disqualified_at
    bound_reason = Reason.BEFORE_DISQUALIFICATION if disqualified else Reason.PREVIOUS_CYCLE
    for item in items:
        reason = exclusion(item, today, bound, bound_reason)
        if reason is not None:
            yield Excluded(item.id, name, reason)
    for attempt in book.all:
        for item in attempt.items:
            if item.failure is not None:
                yield Excluded(item.id, name, item.failure)
            elif not attempt.passes:
                yield Excluded(item.id, name, Reason.ATTEMPT_FAILED)


def _counted(
    books: Mapping[str, Book],
    chosen: Mapping[str, list[Attempt] | None],
    used: set[str],
    status: Status,
) -> Iterator[Counted]:
    """Passing statements that do not carry the award, and what they are good for."""
    for name, book in books.items():
        selected = chosen[name]
        useful = {id(attempt) for attempt in (book.helping() if selected is None else selected)}
        for attempt in book.passing:
            role: Role = "progress"
            if selected is None and id(attempt) not in useful:
                role = "reset"
            elif status == "achieved" or id(attempt) not in useful:
                role = "not_needed"
            for item in attempt.items:
                if item.failure is None and item.id not in used:
                    yield Counted(item.id, name, role)


def _state(book: Book, chosen: list[Attempt] | None) -> ClauseState:
    value = book.value() if book.rules.policy in SCORED else None
    text = None if value is None else written(value)
    if book.rules.policy in SCORED:
        have, need = text or "none", str(book.rules.gte)
    else:
        have, need = str(min(len(book.helping()), book.rules.n)), str(book.rules.n)
    return ClauseState(chosen is not None, len(book.passing), len(book.all), text, have, need)


def _missing_now(
    rule: Rule,
    course: Course,
    phase: Phase,
    renewal: Items,
    books: Mapping[str, Book],
    as_of: datetime,
    today: int,
) -> tuple[Missing, ...]:
    """What the clauses in force lack at as_of for an award."""
    clauses = rule.initial
    if phase == "renewal" and rule.renewal is not None:
        clauses, bound = rule.renewal, course.bound(phase)
        books = {
            name: _book(clause, renewal[name], as_of, today, bound)
            for name, clause in clauses.evidence.items()
        }
    return tuple(_missing(clauses.requires, books))


def _missing(tree: Tree, books: Mapping[str, Book]) -> Iterator[Missing]:
    if isinstance(tree, str):
        if books[tree].chosen() is None:
            yield Missing((tree,), lack(tree, books[tree]))
        return
    unmet = [part for part in tree.parts if not _holds(part, books)]
    held = len(tree.parts) - len(unmet)
    if held >= tree.need:
        return
    if tree.need == len(tree.parts):
        for part in unmet:
            yield from _missing(part, books)
        return
    # Several ways lead on: one entry that names them all.
    ways = [list(_missing(part, books)) for part in unmet]
    names = dict.fromkeys(name for way in ways for one in way for name in one.clauses)
    texts = ["; ".join(one.text for one in way) for way in ways]
    yield Missing(tuple(names), f"{tree.need - held} of: ({') or ('.join(texts)})")


def _holds(tree: Tree, books: Mapping[str, Book]) -> bool:
    return solve(tree, lambda name: books[name].chosen() is not None) is not None


def lack(name: str, book: Book) -> str:
    """One sentence on what a clause that is not satisfied still needs."""
    rules, state = book.rules, _state(book, None)
    match rules.policy:
        case "any" | "count":
            text = f"{state.have} of {state.need} passes"
        case "first":
            text = "the first attempt did not pass" if book.all else "no attempt yet"
        case "latest":
            text = "the latest attempt did not pass" if book.all else "no attempt yet"
        case "n_of_last":
            text = f"{state.have} of {state.need} passes among the last {rules.m} attempts"
        case "consecutive":
            text = f"{state.have} of {state.need} passes in a row"
        case _:
            text = f"{rules.policy.replace('_', ' ')} score {state.have}, needs {state.need}"
    if book.distinct > 1:
        text += f", with {book.distinct} different assessors"
    return f"{name}: {text}"


def _next_change(
    rule: Rule,
    course: Course,
    prepared: Prepared,
    sets: Sequence[Items],
    as_of: datetime,
    today: int,
) -> datetime | None:
    """The first instant after as_of at which time alone can change anything of the decision."""
    days = {rule.effective_from, rule.effective_to}
    award = course.award
    if award is not None and award.expires is not None:
        days.add(award.expires + 1)
        limit = lapse_day(rule, award)
        if rule.renewal is not None and limit is not None:
            days.add(limit + 1)
    for items in sets:
        for clause_items in items.values():
            days.update(item.last_day + 1 for item in clause_items if item.last_day >= today)
    instants = list(prepared.future)
    # Days begin in order: only the next one can be the first instant, and today's has passed.
    following = min((day for day in days if day is not None and day > today), default=None)
    if following is not None:
        start = day_start(following, rule.zone)
        if start is not None:
            instants.append(start)
    return min((instant for instant in instants if instant > as_of), default=None)


def _date(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)
