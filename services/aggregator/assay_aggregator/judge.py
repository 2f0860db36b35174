"""A rule over its evidence: the decision at `as_of` without levels, prerequisites' fate, or people.

Normative text: competency/rules.md. `judge` names its sections in order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from assay_aggregator.attempts import Attempt, Book, book_at
from assay_aggregator.clause import Item, Reason, exclusion, items_of, matching
from assay_aggregator.dates import day_start, local_ordinal
from assay_aggregator.decision import Counted, Decision, Excluded, Missing, Role, Status
from assay_aggregator.lack import clause_state, missing_now
from assay_aggregator.prepare import Prepared, prepare
from assay_aggregator.prerequisites import Gate
from assay_aggregator.rule import ENGINE_VERSION, Clauses, Rule
from assay_aggregator.timeline import Award, Course, Items, Mark, lapse_day, walk
from assay_aggregator.world import Held, World


@dataclass(frozen=True, slots=True)
class Question:
    """Whose competency, as of when, known when. From `awards_before` on no award is made.

    `kept`, where it is given, keeps what each rule sees, by rule hash, for who asks more than once.
    """

    world: World
    person: str
    as_of: datetime
    known_at: datetime | None
    awards_before: datetime | None = None
    kept: dict[str, "View"] | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a rule sees of one person: shared by its levels."""

    asked: Question
    today: int
    prepared: Prepared
    initial: Items
    renewal: Items
    gate: Gate | None


def view_of(rule: Rule, asked: Question) -> View:
    """Section 2: which statements are considered, and what each is worth in each clause."""
    if asked.kept is not None and rule.hash in asked.kept:
        return replace(asked.kept[rule.hash], asked=asked)
    world, person, known_at = asked.world, asked.person, asked.known_at
    prepared = prepare(rule, world, person, asked.as_of, known_at)
    initial = _items(rule.initial, prepared, world, person, known_at, {})
    renewal: Items = {}
    if rule.renewal is not None:
        same = {id(clause): initial[name] for name, clause in rule.initial.evidence.items()}
        renewal = _items(rule.renewal, prepared, world, person, known_at, same)
    gate = Gate(rule, world.standings, asked.as_of) if rule.prerequisites else None
    today = local_ordinal(asked.as_of, rule.zone)
    view = View(asked, today, prepared, initial, renewal, gate)
    if asked.kept is not None:
        asked.kept[rule.hash] = view
    return view


def judge(rule: Rule, view: View, history: list[Mark] | None = None) -> Decision:
    """The decision by the evidence that the view holds.

    `history` is given the marks of the walk.
    """
    asked, today, prepared = view.asked, view.today, view.prepared
    initial, renewal, as_of = view.initial, view.renewal, asked.as_of
    # Section 3: the award timeline, then the initial clauses at as_of (section 4).
    course, tracks = walk(
        rule, prepared, initial, renewal, today, asked.awards_before, view.gate, history
    )
    bound = course.bound("initial")
    books = {name: tracks[name].at_last(as_of, today, bound) for name in rule.initial.evidence}
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
        missing = missing_now(rule, course, phase, renewal, books, as_of, today)
    return Decision(
        rule_id=rule.id,
        rule_version=rule.version,
        rule_hash=rule.hash,
        engine=ENGINE_VERSION,
        competency=rule.competency,
        person=asked.person,
        as_of=as_of,
        known_at=asked.known_at,
        status=status,
        achieved_on=None if award is None else date.fromordinal(award.day),
        expires_on=_date(None if award is None else award.expires),
        trigger=trigger,
        used=tuple(sorted(used)),
        carried_by=carried,
        excluded=tuple(sorted(excluded)),
        counted=tuple(sorted(_counted(books, chosen, used, status))),
        clauses={name: clause_state(book, chosen[name]) for name, book in books.items()},
        requires=rule.initial.requires,
        phase=phase,
        missing=missing,
        next_change=_next_change(rule, course, prepared, (initial, renewal), as_of, today),
        disqualified_at=course.disqualified_at,
    )


def held_after(rule: Rule, mark: Mark, day: int) -> Held:
    """What is held on a local date after a mark and before the next; compare `_status`."""
    award = mark.award
    if award is None:
        return "none"
    if mark.suspended:
        return "suspended"
    if award.expires is not None and day > award.expires:
        return "expired"
    if mark.in_review and rule.later_fail_status is not None:
        return rule.later_fail_status
    return "achieved"


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


def _carried_by(
    rule: Rule, award: Award, initial: Items, renewal: Items
) -> dict[str, tuple[str, ...]]:
    """The statements of the attempts that carry an award, by clause."""
    if award.carried is not None:
        return {
            name: tuple(sorted(ids)) for name, ids in zip(award.names, award.carried, strict=True)
        }
    clauses, items = rule.initial, initial
    if award.phase == "renewal" and rule.renewal is not None:
        clauses, items = rule.renewal, renewal
    carried = {}
    for name in award.names:
        book = book_at(clauses.evidence[name], items[name], award.time, award.day, award.bound)
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
