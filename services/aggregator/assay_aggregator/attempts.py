"""Attempts and the policies over them (competency/rules.md section 4).

A `Book` holds the attempts of the statements that count at one instant. Statements are added in
the order (timestamp, id) and dropped in the same order, so that the walk over the timeline moves
one book along instead of building a new one at every instant. Each step costs a search in ordered
lists, O(log n) comparisons, and each policy O(its n), whatever the number of attempts.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import inf, lcm
from operator import attrgetter
from typing import Final

from assay_aggregator.clause import AttemptKey, Item, counts
from assay_aggregator.dates import Period, add
from assay_aggregator.rule import Attempts, Clause
from assay_aggregator.vocabulary import COMPLETED, WAIVED

SCORED: Final = frozenset(
    {"average", "highest", "decaying", "weighted_recent", "n_mastery", "median"}
)
_NOTHING: Final = Fraction(0)
_TWENTY_EIGHT_DIGITS: Final = Context(prec=28, rounding=ROUND_HALF_EVEN, Emin=-9999, Emax=9999)


@dataclass(slots=True, eq=False)
class Attempt:
    """Statements that belong together, in the order (timestamp, id). Scores are left to `Book`.

    `order` is (time of the last statement, smallest id): ids of two attempts are disjoint, so
    their smallest ones order them as their sorted lists would.
    """

    key: AttemptKey
    items: list[Item] = field(default_factory=list)
    order: tuple[datetime, str] = (datetime.min, "")
    passes: bool = False
    score: Fraction | None = None
    smallest: str = ""
    scoring: Item | None = None
    passing_verbs: dict[str, int] = field(default_factory=dict)
    waivers: int = 0
    others: int = 0
    failing_others: int = 0
    failing_completed: int = 0

    @property
    def time(self) -> datetime:
        """The time of its last statement."""
        return self.order[0]

    @property
    def day(self) -> int:
        """The ordinal of the local date of its last statement."""
        return self.items[-1].day

    def add(self, item: Item) -> None:
        """Take in a statement that is later than all of its own."""
        self.items.append(item)
        self._count(item, 1)
        self.smallest = item.id if len(self.items) == 1 else min(self.smallest, item.id)
        if item.score is not None and item.verb != COMPLETED:
            self.scoring = item

    def drop(self) -> None:
        """Forget its first statement."""
        item = self.items.pop(0)
        self._count(item, -1)
        if item.id == self.smallest:
            self.smallest = min((other.id for other in self.items), default="")
        if item is self.scoring:
            self.scoring = None  # It was the last with a score, so no other one has any.

    def _count(self, item: Item, step: int) -> None:
        failing = item.failure is not None
        if not failing:
            self.passing_verbs[item.verb] = self.passing_verbs.get(item.verb, 0) + step
            if item.verb == WAIVED:
                self.waivers += step
        if item.verb != COMPLETED:
            self.others += step
            if failing:
                self.failing_others += step
        elif failing:
            self.failing_completed += step

    def settle(self, needs: frozenset[str]) -> None:
        """Bring order and passes up to date after its statements have changed."""
        self.order = (self.items[-1].time, self.smallest)
        if needs:
            self.passes = self.waivers > 0 or (
                self.failing_others == 0
                and all(self.passing_verbs.get(verb, 0) > 0 for verb in needs)
            )
        elif self.others:
            self.passes = self.failing_others == 0
        else:
            self.passes = self.failing_completed == 0


_order: Final = attrgetter("order")


def _insert(ordered: list[Attempt], attempt: Attempt) -> None:
    if not ordered or ordered[-1].order < attempt.order:
        ordered.append(attempt)
    else:
        insort(ordered, attempt, key=_order)


def _remove(ordered: list[Attempt], attempt: Attempt) -> None:
    del ordered[bisect_left(ordered, attempt.order, key=_order)]


class Book:
    """The attempts of one clause at one instant, ordered by (time, ids)."""

    def __init__(self, clause: Clause) -> None:
        self.rules: Attempts = clause.attempts
        self.distinct = 0 if clause.assessor is None else clause.assessor.distinct_gte
        self.all: list[Attempt] = []
        self.passing: list[Attempt] = []
        # For the policies over scores alone: attempts with a score, their scores in ascending
        # order, the sum, and how many reach the rule's `gte`.
        self.scored: list[Attempt] = []
        self.mastered: list[Attempt] = []
        self.ranked: list[Fraction] = []
        self.total = _NOTHING
        self.reaching = 0
        self.magnitude = 0.0
        self._keeps_scores = self.rules.policy in SCORED
        self._keeps_mastered = self.rules.policy == "n_mastery"
        self._gte = Fraction(self.rules.gte) if self._keeps_scores else _NOTHING
        self._by_key: dict[AttemptKey, Attempt] = {}

    def add(self, item: Item) -> None:
        """Count a statement; none with a smaller (timestamp, id) may follow."""
        attempt = self._by_key.get(item.key)
        if attempt is None:
            attempt = self._by_key[item.key] = Attempt(item.key)
        else:
            self._take_out(attempt)
        attempt.add(item)
        self._put_in(attempt)

    def drop(self, item: Item) -> None:
        """Forget the statement that was added first of those still here."""
        attempt = self._by_key[item.key]
        self._take_out(attempt)
        attempt.drop()
        if attempt.items:
            self._put_in(attempt)
        else:
            del self._by_key[item.key]

    def _put_in(self, attempt: Attempt) -> None:
        attempt.settle(self.rules.needs)
        _insert(self.all, attempt)
        if attempt.passes:
            _insert(self.passing, attempt)
        if self._keeps_scores:
            self._put_score(attempt)

    def _put_score(self, attempt: Attempt) -> None:
        scoring = attempt.scoring
        if scoring is None or scoring.score is None:
            attempt.score = None
            return
        attempt.score = Fraction(scoring.score)
        _insert(self.scored, attempt)
        insort(self.ranked, attempt.score)
        self.total += attempt.score
        if attempt.score >= self._gte:
            self.reaching += 1
            if self._keeps_mastered:
                _insert(self.mastered, attempt)
        self.magnitude = max(self.magnitude, abs(_approximate(attempt.score)))

    def _take_out(self, attempt: Attempt) -> None:
        _remove(self.all, attempt)
        if attempt.passes:
            _remove(self.passing, attempt)
        if self._keeps_scores and attempt.score is not None:
            _remove(self.scored, attempt)
            del self.ranked[bisect_left(self.ranked, attempt.score)]
            self.total -= attempt.score
            if attempt.score >= self._gte:
                self.reaching -= 1
                if self._keeps_mastered:
                    _remove(self.mastered, attempt)

    def chosen(self) -> list[Attempt] | None:
        """The attempts that the policy uses, in order; None when the clause is not satisfied."""
        used = self._by_policy()
        if used is None or not self.distinct:
            return used
        seen: set[str] = set()
        for attempt in used:
            for item in attempt.items:
                seen |= item.assessors
            if len(seen) >= self.distinct:
                return used
        return None

    def _by_policy(self) -> list[Attempt] | None:
        """One line for each row of the table of policies."""
        every, passing, n = self.all, self.passing, self.rules.n
        match self.rules.policy:
            case "any":
                return passing[-1:] or None
            case "first":
                return every[:1] if every and every[0].passes else None
            case "latest":
                return every[-1:] if every and every[-1].passes else None
            case "count":
                return self._spaced() if self.rules.spacing is not None else _last(passing, n)
            case "n_of_last":
                return _last([a for a in every[-self.rules.m :] if a.passes], n)
            case "consecutive":
                last = _last(every, n)
                return last if last is not None and all(a.passes for a in last) else None
            case "n_mastery":
                return self.mastered[:] if self.reaching >= n else None
            case "median":
                median = self._median()
                return self.rated() if median is not None and median >= self._gte else None
            case _:
                return every[:] if self._reaches() else None

    def helping(self) -> list[Attempt]:
        """The passing attempts that count towards what the policy asks for."""
        every, passing = self.all, self.passing
        match self.rules.policy:
            case "first":
                helping = every[:1]
            case "latest":
                helping = every[-1:]
            case "n_of_last":
                helping = every[-self.rules.m :]
            case "consecutive":
                run = next((i for i, a in enumerate(reversed(every)) if not a.passes), len(every))
                helping = every[len(every) - run :]
            case "count":
                return self._spaced_back() if self.rules.spacing is not None else passing
            case "n_mastery":
                return self.mastered
            case "median":
                return self.rated()
            case _:
                return passing
        return [attempt for attempt in helping if attempt.passes]

    def rated(self) -> list[Attempt]:
        """The last m attempts with a score."""
        return self.scored[-self.rules.m :]

    def _median(self) -> Fraction | None:
        """The lower median of the last m ratings; None with fewer than n of them."""
        ratings = sorted(attempt.score for attempt in self.rated() if attempt.score is not None)
        return ratings[(len(ratings) - 1) // 2] if len(ratings) >= self.rules.n else None

    def _spaced(self) -> list[Attempt] | None:
        used = self._spaced_back()
        return used if len(used) == self.rules.n else None

    def _spaced_back(self) -> list[Attempt]:
        """Up to n, from the last passing attempt backwards, each `spacing` before the next."""
        spacing, passing = self.rules.spacing or Period(0, 0), self.passing
        used: list[Attempt] = []
        end = len(passing)
        while end and len(used) < self.rules.n:
            used.append(passing[end - 1])
            latest = passing[end - 1].day
            end = bisect_right(
                passing, latest, hi=end - 1, key=lambda attempt: add(attempt.day, spacing)
            )
        return used[::-1]

    def _reaches(self) -> bool:
        """Whether the policy's value is at least `gte`, exactly."""
        if not self.scored or not self.reaching:
            return False  # Every value is a mean with positive weights, or one of the scores.
        if self.reaching == len(self.scored) or self.rules.policy == "highest":
            return True
        if self.rules.policy == "decaying":
            near = self._decayed_nearly()
            # Far from the limit the rounded sum decides; near it, or beyond floats, the exact one.
            if abs(near - float(self._gte)) > 1e-9 * (1.0 + self.magnitude):
                return near > float(self._gte)
        exact = self.value()
        return exact is not None and exact >= self._gte

    def _decayed_nearly(self) -> float:
        """The decaying value in floats, newest first, until the rest cannot matter."""
        weight = float(self.rules.weight)
        near, share = 0.0, 1.0
        for attempt in reversed(self.scored):
            near += share * weight * _approximate(attempt.score)
            share *= 1.0 - weight
            if share * self.magnitude < 1e-15:
                return near
        # The oldest score stands for itself: it takes the share that is left, too.
        return near + share * _approximate(self.scored[0].score)

    def value(self) -> Fraction | None:
        """The exact value of a policy over scores; None without scores or for other policies."""
        scores = len(self.scored)
        last = self.scored[-1].score if scores else None
        if last is None:
            return None
        match self.rules.policy:
            case "highest":
                return self.ranked[-1]
            case "median":
                return self._median()
            case "n_mastery":
                kept = [attempt.score for attempt in self.mastered if attempt.score is not None]
                return sum(kept, _NOTHING) / len(kept) if len(kept) >= self.rules.n else None
            case "average":
                return self.total / scores
            case "weighted_recent" if scores > 1:
                weight = Fraction(self.rules.weight)
                return weight * last + (1 - weight) * (self.total - last) / (scores - 1)
            case "weighted_recent":
                return last
            case _:
                return self._decayed()

    def _decayed(self) -> Fraction:
        """v1 = s1, vk = w·sk + (1-w)·v(k-1), in whole numbers over one common denominator.

        With w = p/q and L common to the scores, V(k) = v(k)·L·q^(k-1) is an integer.
        """
        scores = [attempt.score for attempt in self.scored if attempt.score is not None]
        common = lcm(*{score.denominator for score in scores})
        weight = Fraction(self.rules.weight)
        p, q = weight.numerator, weight.denominator
        value, power = 0, 1
        for index, score in enumerate(scores):
            whole = score.numerator * (common // score.denominator)
            if index == 0:
                value = whole
            else:
                value = p * whole * power + (q - p) * value
                power *= q
        return Fraction(value, common * power)


def book_at(
    clause: Clause, items: Sequence[Item], time: datetime, day: int, bound: datetime | None
) -> Book:
    """The attempts of a clause at one instant, of local date `day`."""
    book = Book(clause)
    for item in items:
        if item.time <= time and counts(item, day, bound):
            book.add(item)
    return book


def _last(attempts: list[Attempt], n: int) -> list[Attempt] | None:
    return attempts[-n:] if len(attempts) >= n else None


def _approximate(score: Fraction | None) -> float:
    """The nearest float; infinite where floats end, which sends the caller to exact numbers."""
    try:
        return 0.0 if score is None else float(score)
    except OverflowError:
        return inf


def written(value: Fraction) -> str:
    """A value as a decimal text, rounded half-even to 28 significant digits."""
    context = _TWENTY_EIGHT_DIGITS
    exact = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    return format(exact.normalize(context), "f")
