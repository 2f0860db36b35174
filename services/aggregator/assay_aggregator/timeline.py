"""The award timeline: a walk over the instants at which something happened (rules.md section 3).

The walk keeps one book of attempts for each clause and moves it along, so that its cost grows as
n log n with the number of statements and not with its square.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from assay_aggregator.attempts import Attempt, Book, book_at
from assay_aggregator.clause import Item, counts
from assay_aggregator.dates import add, day_end, local_ordinal
from assay_aggregator.prepare import Prepared, matches
from assay_aggregator.rule import Clause, Clauses, Rule, Tree

Phase = Literal["initial", "renewal"]
Items = Mapping[str, Sequence[Item]]
_NEVER: Final = 1 << 40
# More statements than this are found again for the last award alone, not noted for each.
_CARRIED_NOTED: Final = 32


class AwardGate(Protocol):
    """What beside the evidence must hold at the instant of an award."""

    @property
    def instants(self) -> Sequence[datetime]:
        """When any of it changes, up to `as_of`."""

    def lets_award(self, instant: datetime) -> bool:
        """Whether it holds at an instant."""


@dataclass(frozen=True, slots=True)
class Award:
    """An award made at `time`. `names` are the clauses whose attempts carry it.

    The attempts themselves are those of a book filled for `phase` at `time` above `bound`; where
    they are few, `carried` has the ids of their statements, clause by clause as in `names`.
    """

    time: datetime
    day: int
    expires: int | None
    phase: Phase
    bound: datetime | None
    names: tuple[str, ...]
    carried: tuple[tuple[str, ...], ...] | None = None


@dataclass(slots=True)
class Course:
    """Where the walk stands; after it, where the person stands at `as_of`."""

    award: Award | None = None
    suspended: bool = False
    suspended_by: str | None = None
    review_by: str | None = None
    disqualified_at: datetime | None = None
    lapsed_at: datetime | None = None

    def phase(self, rule: Rule, day: int) -> Phase:
        """Step 2: which clauses are in force on a local date. Sets the boundary L of a lapse."""
        if self.award is None or rule.renewal is None or self.suspended:
            return "initial"
        limit = lapse_day(rule, self.award)
        if limit is None or day <= limit:
            return "renewal"
        self.lapsed_at = day_end(limit, rule.zone)
        return "initial"

    def bound(self, phase: Phase) -> datetime | None:
        """Step 3: only statements later than this count."""
        bounds = [self.disqualified_at, self.lapsed_at]
        if phase == "renewal" and self.award is not None:
            bounds.append(self.award.time)
        return max((bound for bound in bounds if bound is not None), default=None)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the walk stood after one instant."""

    time: datetime
    award: Award | None
    suspended: bool
    in_review: bool
    disqualified_at: datetime | None


def lapse_day(rule: Rule, award: Award) -> int | None:
    """The last local day on which a renewal counts; None when the award never expires."""
    return None if award.expires is None else add(award.expires, rule.lapse_after)


def solve(tree: Tree, satisfied: Callable[[str], bool]) -> tuple[str, ...] | None:
    """The clauses whose attempts carry the tree; None when it does not hold.

    Of `all`, those of every part; of `any`, those of the first satisfied part as written; of
    `at_least`, those of every satisfied part.
    """
    if isinstance(tree, str):
        return (tree,) if satisfied(tree) else None
    held: list[tuple[str, ...]] = []
    for part in tree.parts:
        names = solve(part, satisfied)
        if names is not None:
            held.append(names)
            if tree.op == "any":
                break
        elif tree.op == "all":
            return None
    if len(held) < tree.need:
        return None
    return tuple(dict.fromkeys(name for names in held for name in names))


class Track:
    """The book of one clause, moved along its ordered items."""

    def __init__(self, clause: Clause, items: Sequence[Item]) -> None:
        self._items = [item for item in items if item.eligible]
        self._first = 0
        self._next = 0
        self._clause = clause
        self._bound: datetime | None = None
        self.book = Book(clause)

    def move(self, time: datetime, day: int, bound: datetime | None) -> None:
        """Let the book hold what counts at `time`. Neither time nor bound ever goes back.

        For renewal clauses the bound is the award's instant, and awards follow each other. For
        initial ones it is D, or L of an award that expires later than the one before, unless that
        one was suspended; but then D is later than any L before it.
        """
        self._bound = bound
        items = self._items
        while self._next < len(items) and items[self._next].time <= time:
            self.book.add(items[self._next])
            self._next += 1
        # Below the bound and outside the window lies a beginning of the ordered items.
        while self._first < self._next and not counts(items[self._first], day, bound):
            self.book.drop(items[self._first])
            self._first += 1

    def at_last(self, as_of: datetime, day: int, bound: datetime | None) -> Book:
        """The book at `as_of`, after the walk; an award may have set the bound back since."""
        if self._bound is not None and (bound is None or bound < self._bound):
            return book_at(self._clause, self._items, as_of, day, bound)
        self.move(as_of, day, bound)
        return self.book

    def ends(self, time: datetime) -> bool:
        """True when an attempt's last statement is at `time`."""
        return bool(self.book.all) and self.book.all[-1].time == time

    def ending(self, time: datetime) -> Iterator[Attempt]:
        """The attempts whose last statement is at `time`."""
        for attempt in reversed(self.book.all):
            if attempt.time != time:
                return
            yield attempt


def walk(
    rule: Rule,
    prepared: Prepared,
    initial: Items,
    renewal: Items,
    as_of_day: int,
    awards_before: datetime | None = None,
    gate: AwardGate | None = None,
    history: list[Mark] | None = None,
) -> tuple[Course, Mapping[str, Track]]:
    """The course of a person up to `as_of`, whose local date is `as_of_day`.

    `initial` and `renewal` are the items of each clause of those sets, up to `as_of`. From
    `awards_before` on, no award is made: a later version of the rule is in force by then. `gate`
    are the prerequisites, if there are any. A `history` is given a mark for every instant after
    which something stands otherwise. With the course come the tracks of the initial clauses.
    """
    sets: dict[Phase, tuple[Clauses, dict[str, Track]]] = {
        "initial": (rule.initial, _tracks(rule.initial, initial))
    }
    if rule.renewal is not None:
        sets["renewal"] = (rule.renewal, _tracks(rule.renewal, renewal))
    course = Course()
    for time, day, disqualifying in _instants(rule, prepared, initial, renewal, gate):
        # 1. Disqualified?
        if disqualifying is not None:
            course.disqualified_at = time
            course.suspended_by = disqualifying
            course.suspended = True
            _mark(history, time, course)
        # 2. Which clauses? 3. Lower bound.
        phase = course.phase(rule, day)
        bound = course.bound(phase)
        clauses, tracks = sets[phase]
        for track in tracks.values():
            track.move(time, day, bound)
        if course.award is not None and not any(track.ends(time) for track in tracks.values()):
            continue  # Neither a new award nor a failure without an attempt that ends here.
        # 4. Satisfied? 5. Award.
        award = None
        if (awards_before is None or time < awards_before) and (
            gate is None or gate.lets_award(time)
        ):
            award = _award(rule, clauses, tracks, course, (time, day, phase, bound))
        if award is not None:
            course = Course(award=award, disqualified_at=course.disqualified_at)
            _mark(history, time, course)
        # 6. Later failure.
        elif course.award is not None and course.award.time < time and course.review_by is None:
            course.review_by = _failure(rule, tracks, time)
            if course.review_by is not None:
                _mark(history, time, course)
    # At as_of, step 2 once more, for L alone.
    course.phase(rule, as_of_day)
    return course, sets["initial"][1]


def _mark(history: list[Mark] | None, time: datetime, course: Course) -> None:
    if history is None:
        return
    if history and history[-1].time == time:
        history.pop()
    in_review = course.review_by is not None
    history.append(Mark(time, course.award, course.suspended, in_review, course.disqualified_at))


def _tracks(clauses: Clauses, items: Items) -> dict[str, Track]:
    return {name: Track(clause, items[name]) for name, clause in clauses.evidence.items()}


def _instants(
    rule: Rule, prepared: Prepared, initial: Items, renewal: Items, gate: AwardGate | None
) -> Iterator[tuple[datetime, int, str | None]]:
    """The distinct instants, ascending: (time, local date, smallest disqualifying id or None)."""
    days: dict[datetime, int] = {}
    for items in (*initial.values(), *renewal.values()):
        for item in items:
            days[item.time] = item.day
    disqualifying: dict[datetime, str] = {}
    if rule.disqualify:
        for one in prepared.evidence:
            fact = one.fact
            # The person must be the actor, and the evidence is in the order of ids at one time.
            if not one.as_member and any(matches(match, fact) for match in rule.disqualify):
                days[fact.timestamp] = one.day
                disqualifying.setdefault(fact.timestamp, fact.id)
    for time in () if gate is None else gate.instants:
        if time not in days:
            days[time] = local_ordinal(time, rule.zone)
    for time in sorted(days):
        yield time, days[time], disqualifying.get(time)


def _award(
    rule: Rule,
    clauses: Clauses,
    tracks: Mapping[str, Track],
    course: Course,
    at: tuple[datetime, int, Phase, datetime | None],
) -> Award | None:
    """The award made at this instant, if the clauses are satisfied and it changes anything."""
    time, day, phase, bound = at
    chosen: dict[str, list[Attempt]] = {}

    def satisfied(name: str) -> bool:
        attempts = tracks[name].book.chosen()
        if attempts is None:
            return False
        chosen[name] = attempts
        return True

    names = solve(clauses.requires, satisfied)
    if names is None:
        return None
    used = [chosen[name] for name in names]
    expires: int | None = None
    if rule.period is not None:
        # Attempts are in order of time, so the ends of each list hold its extreme dates.
        if rule.basis == "earliest":
            basis = min(attempts[0].day for attempts in used)
        elif rule.basis == "latest":
            basis = max(attempts[-1].day for attempts in used)
        else:
            basis = day
        expires = add(basis, rule.period)
    held = course.award
    if held is not None:
        if not any(attempts[-1].time == time for attempts in used):
            return None
        later = (_NEVER if expires is None else expires) > (
            _NEVER if held.expires is None else held.expires
        )
        if not (later or course.suspended):
            return None
    return Award(time, day, expires, phase, bound, names, _noted(used))


def _noted(used: Sequence[Sequence[Attempt]]) -> tuple[tuple[str, ...], ...] | None:
    """The statements of the attempts, if they are few."""
    if sum(len(attempts) for attempts in used) > _CARRIED_NOTED:
        return None
    return tuple(
        tuple(item.id for attempt in attempts for item in attempt.items) for attempts in used
    )


def _failure(rule: Rule, tracks: Mapping[str, Track], time: datetime) -> str | None:
    """The first statement of a failed attempt that ends now, of those the smallest id."""
    found = [
        attempt.items[0].id
        for name, track in tracks.items()
        if name in rule.later_fail_clauses
        for attempt in track.ending(time)
        if not attempt.passes
    ]
    return min(found, default=None)
