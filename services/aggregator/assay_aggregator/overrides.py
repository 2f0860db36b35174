"""What people decide instead of the evidence: overrides and reviews, laid over at `as_of`.

Both are laid over a decision and over each step of a history by the same functions, so that a rule
that looks at another competency sees of it what a reader sees.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from assay_aggregator.dates import add, day_start, local_ordinal
from assay_aggregator.decision import (
    Decision,
    OverrideState,
    ReviewState,
    by_evidence,
    earliest,
)
from assay_aggregator.rule import Rule
from assay_aggregator.world import Override, Review, Step, World

# What a review leaves as it is: they say more than that somebody looks into it.
_GRAVER: Final = ("suspended", "revoked")
_TWO: Final = 2


@dataclass(frozen=True, slots=True)
class Said:
    """An override under a rule: the last day it can hold, its level, and why it does not decide."""

    override: Override
    ends: int | None
    level: int | None
    ignored: str | None


class People:
    """What people decided about one person's competency, as known at `known_at`."""

    def __init__(self, rule: Rule, world: World, person: str, known_at: datetime | None) -> None:
        subject = (person, rule.competency)
        self._rule = rule
        self._known_at = known_at
        self._said = [
            _under(rule, one)
            for one in world.overrides
            if (one.person, one.competency) == subject and _known(one.recorded, known_at)
        ]
        self._reviews = [
            one
            for one in world.reviews
            if (one.person, one.competency) == subject
            and _known(one.recorded, known_at)
            and _known(one.opened, known_at)
        ]

    def __bool__(self) -> bool:
        return bool(self._said or self._reviews)

    def overrides_on(self, day: int, disqualified_at: datetime | None) -> list[Said]:
        """Those in their dates, the one that decides first: by level, last day, then id."""
        found = [
            _disqualified(one, disqualified_at, self._rule)
            for one in self._said
            if one.override.starts <= day and (one.ends is None or day <= one.ends)
        ]
        return sorted(found, key=_rank)

    def open_reviews(self, instant: datetime) -> list[Review]:
        """Those open at an instant, the oldest first."""
        found = [
            one
            for one in self._reviews
            if one.opened <= instant and not self._closed_by(one, instant)
        ]
        return sorted(found, key=lambda one: (one.opened, one.id))

    def _closed_by(self, review: Review, instant: datetime) -> bool:
        closed = self._closed(review)
        return closed is not None and closed <= instant

    def _closed(self, review: Review) -> datetime | None:
        """When it was closed, where that is known by `known_at`."""
        known = review.closed is not None and _known(review.closed, self._known_at)
        return review.closed if known else None

    def instants(self) -> Iterator[datetime]:
        """When any of it begins or ends."""
        for one in self._said:
            for day in (one.override.starts, None if one.ends is None else one.ends + 1):
                start = None if day is None else day_start(day, self._rule.zone)
                if start is not None:
                    yield start
        for review in self._reviews:
            yield review.opened
            closed = self._closed(review)
            if closed is not None:
                yield closed

    def decided(self, decision: Decision) -> Decision:
        """The decision after overrides and reviews."""
        as_of = decision.as_of
        day = local_ordinal(as_of, self._rule.zone)
        found = self.overrides_on(day, decision.disqualified_at)
        said = [_unneeded(one, decision.status, decision.level) for one in found]
        reviews = self.open_reviews(as_of)
        after = [one for one in self.instants() if one > as_of]
        shown = replace(
            decision,
            overrides=tuple(_state(one) for one in said),
            reviews=tuple(ReviewState(one.id, one.opened, one.reason) for one in reviews),
            next_change=earliest(decision.next_change, *after),
        )
        evidence = decision.by_evidence or by_evidence(decision)
        deciding = next((one for one in said if one.ignored is None), None)
        if deciding is not None:
            shown = replace(
                shown,
                status="achieved",
                level=deciding.level,
                achieved_on=date.fromordinal(deciding.override.starts),
                expires_on=None if deciding.ends is None else date.fromordinal(deciding.ends),
                trigger=None,
                used=(),
                carried_by={},
                missing=(),
                by_evidence=evidence,
            )
        if reviews and shown.status not in _GRAVER:
            shown = replace(shown, status="under_review", trigger=None, by_evidence=evidence)
        return shown

    def stood(self, step: Step) -> Step:
        """A step of a history after overrides and reviews, at the instant that it begins."""
        day = local_ordinal(step.since, self._rule.zone)
        found = self.overrides_on(day, step.disqualified_at)
        said = [_unneeded(one, step.held, step.level) for one in found]
        deciding = next((one for one in said if one.ignored is None), None)
        if deciding is not None:
            step = replace(
                step,
                held="achieved",
                level=deciding.level,
                achieved_on=deciding.override.starts,
                expires_on=deciding.ends,
            )
        if step.held not in _GRAVER and self.open_reviews(step.since):
            step = replace(step, held="under_review")
        return step


def by_people(decision: Decision, rule: Rule, world: World) -> Decision:
    """The decision after what people said about the person's competency, under this rule."""
    if not world.overrides and not world.reviews:
        return decision
    people = People(rule, world, decision.person, decision.known_at)
    return people.decided(decision) if people else decision


def _known(recorded: datetime | None, known_at: datetime | None) -> bool:
    return known_at is None or recorded is None or recorded <= known_at


def _under(rule: Rule, override: Override) -> Said:
    """An override as the rule lets it stand."""
    policy, ends, level = rule.overrides, override.ends, override.level
    if policy is None:
        return Said(override, ends, level, "not_allowed")
    if policy.longest is not None:
        last = add(override.starts, policy.longest)
        ends = last if ends is None else min(ends, last)
    ignored: str | None = None
    numbers: Sequence[int] = [one.number for one in rule.levels]
    if numbers and level is None:
        level = numbers[0]
    if override.meaning not in policy.meanings:
        ignored = "meaning_not_accepted"
    elif policy.two_person and len(set(override.by)) < _TWO:
        ignored = "needs_two_people"
    elif level is not None and level not in numbers and not _any_level(rule):
        ignored = "no_such_level"
    return Said(override, ends, level, ignored)


def _any_level(rule: Rule) -> bool:
    """A roll-up of the weakest has the levels of its children, whatever they are."""
    return rule.rollup is not None and rule.rollup.method == "weakest"


def _disqualified(said: Said, disqualified_at: datetime | None, rule: Rule) -> Said:
    """Who signed before a disqualification did not know of it."""
    if said.ignored is not None or disqualified_at is None:
        return said
    one = said.override
    if one.recorded is not None:
        unaware = disqualified_at > one.recorded
    else:
        unaware = local_ordinal(disqualified_at, rule.zone) >= one.starts
    return replace(said, ignored="disqualified_since") if unaware else said


def _unneeded(said: Said, held: str, level: int | None) -> Said:
    enough = held == "achieved" and (
        said.level is None or (level is not None and level >= said.level)
    )
    return replace(said, ignored="not_needed") if said.ignored is None and enough else said


def _rank(said: Said) -> tuple[int, int, str]:
    last = date.max.toordinal() if said.ends is None else said.ends
    return (-(said.level or 0), -last, said.override.id)


def _state(said: Said) -> OverrideState:
    one = said.override
    return OverrideState(
        id=one.id,
        ignored=said.ignored,
        level=said.level,
        starts=date.fromordinal(one.starts),
        ends=None if said.ends is None else date.fromordinal(said.ends),
        by=one.by,
        meaning=one.meaning,
        reason=one.reason,
    )
