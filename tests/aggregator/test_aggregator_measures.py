"""The words of reading and the measures: each as docs/reading.md defines it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_aggregator.reading.holding import (
    Cell,
    Requirement,
    bucket_of,
    is_ready,
    percent,
    weakest_expiry,
)
from assay_aggregator.reading.measures import (
    Award,
    Lag,
    Tried,
    assessor_leniency,
    awards_of,
    evidence_lag,
    first_time_pass,
    nearest_rank,
    on_time_requalification,
    rank_correlation,
    time_to_competence,
    vr_to_practice,
)
from assay_aggregator.world import Step

TODAY = date(2026, 3, 1)
START = datetime(2026, 1, 1, tzinfo=UTC)
levels = st.none() | st.integers(0, 4)


def person(number: int) -> UUID:
    return UUID(int=number)


def tried(
    number: int,
    *,
    passes: bool = True,
    clause: str = "obs",
    at: float = 0,
    score: str | None = None,
    modality: str = "in_person",
    assessor: str | None = None,
) -> Tried:
    return Tried(
        person(number),
        clause,
        frozenset({modality}),
        START + timedelta(days=at),
        passes,
        None if score is None else Fraction(score),
        frozenset() if assessor is None else frozenset({assessor}),
    )


# What is held ------------------------------------------------------------------------------------


@given(levels, levels, st.sampled_from(["achieved", "expired", "suspended", "in_progress"]))
def test_a_requirement_is_met_as_a_prerequisite_of_a_rule_is(
    wanted: int | None, level: int | None, status: str
) -> None:
    requirement = Requirement("c", wanted)
    cell = Cell(status, level)
    step = Step(START, status, level)  # type: ignore[arg-type] # the words of a standing
    assert requirement.met_by(cell) == (wanted == 0 or step.holds(wanted))
    assert (requirement.gap(cell) == 0) == requirement.met_by(cell)
    assert 0 <= requirement.gap(cell) <= max(1, wanted or 0)


@given(levels, st.integers(0, 4), st.integers(0, 4))
def test_a_gap_does_not_grow_with_the_level(wanted: int | None, one: int, other: int) -> None:
    low, high = sorted((one, other))
    requirement = Requirement("c", wanted)
    assert requirement.gap(Cell("achieved", high)) <= requirement.gap(Cell("achieved", low))


def test_all_that_is_asked_for_must_be_current() -> None:
    asked = [Requirement("a", 2), Requirement("b", None)]
    both = {
        "a": Cell("achieved", 3, expires_on=date(2026, 5, 1)),
        "b": Cell("achieved", None, expires_on=date(2026, 4, 1)),
        "c": Cell("achieved", 1, expires_on=date(2026, 1, 1)),
    }
    assert is_ready(asked, both)
    assert weakest_expiry(asked, both) == date(2026, 4, 1)
    assert not is_ready(asked, {**both, "b": Cell("under_review")})
    assert not is_ready(asked, {"a": Cell("achieved", 3)})
    assert not is_ready(asked, {**both, "a": Cell("achieved", None)})


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-400, "overdue"), (-1, "overdue"), (0, "0-30"), (30, "0-30"), (31, "31-60"),
        (60, "31-60"), (61, "61-90"), (90, "61-90"), (91, None),
    ],
)  # fmt: skip
def test_the_due_date_itself_is_not_overdue(days: int, bucket: str | None) -> None:
    assert bucket_of(TODAY + timedelta(days=days), TODAY) == bucket


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 0, None), (0, 3, 0.0), (1, 3, 33.3), (2, 3, 66.7), (1, 2000, 0.1), (3, 3, 100.0)],
)
def test_percent(part: int, whole: int, shown: float | None) -> None:
    assert percent(part, whole) == shown


# Attempts ----------------------------------------------------------------------------------------


def test_only_the_first_attempt_of_each_person_counts() -> None:
    again = [tried(number, passes=True, at=9) for number in range(5, 10)]
    firsts = [tried(number, passes=number < 5) for number in range(10)]
    (found,) = first_time_pass([*again, *firsts])
    assert (found["of"], found["count"], found["percent"]) == (10, 5, 50.0)
    # One who failed is hidden, and with it how many passed.
    (hidden,) = first_time_pass([tried(number, passes=number > 0) for number in range(10)])
    assert (hidden["of"], hidden["count"], hidden["suppressed"]) == (10, None, True)


def test_vr_before_practice_is_shown_from_twenty_people() -> None:
    def scores(people: int) -> list[Tried]:
        found = []
        for number in range(people):
            vr, observed = f"{number + 1}/100", f"{(number + 1) ** 2}/10000"
            found += [
                tried(number, modality="vr", score="99/100", at=0),
                tried(number, modality="vr", score=vr, at=1),
                tried(number, score=observed, at=2),
                tried(number, modality="vr", score="0", at=3),
                tried(number, score="0", at=4),
            ]
        return found

    assert vr_to_practice(scores(20)) == {
        "people": 20,
        "rank_correlation": 1.0,
        "suppressed": False,
    }
    assert vr_to_practice(scores(19))["rank_correlation"] is None
    assert vr_to_practice(scores(4))["people"] is None


def test_rank_correlation_with_ties_as_published() -> None:
    # 6 * sum of squared differences / (n * (n^2 - 1)) holds without ties: 1 - 6 * 4 / 120.
    one = [Fraction(value) for value in (1, 2, 3, 4, 5)]
    other = [Fraction(value) for value in (2, 1, 4, 3, 5)]
    assert rank_correlation(one, other) == 0.8
    assert rank_correlation(one, [Fraction(1)] * 5) is None
    ties = [Fraction(value) for value in (1, 1, 2, 3, 3)]
    assert rank_correlation(ties, ties) == 1.0
    assert rank_correlation(one, one[::-1]) == -1.0


def test_leniency_is_against_the_mean_of_the_others() -> None:
    attempts = [
        tried(number, passes=number < passes, assessor=name)
        for name, passes in (("ben", 10), ("cai", 5), ("dee", 7))
        for number in range(10)
    ]
    few = [tried(number, assessor="eve") for number in range(9)]
    found = {one["assessor"]: one for one in assessor_leniency([*attempts, *few])}
    assert {name: one["leniency_percent"] for name, one in found.items()} == {
        "ben": 40.0,
        "cai": -35.0,
        "dee": -5.0,
        "eve": None,
    }
    assert found["eve"]["attempts"] is None


# Awards ------------------------------------------------------------------------------------------


def test_what_a_later_decision_takes_back_was_no_award() -> None:
    first, second = date(2025, 1, 1), date(2026, 1, 1)
    told: Sequence[tuple[date | None, date | None]] = [
        (None, None),
        (first, second),
        (first, second),
    ]
    assert awards_of(told) == [Award(first, second)]
    assert awards_of([*told, (None, None)]) == []
    assert awards_of([*told, (second, None)]) == [Award(first, second), Award(second, None)]
    earlier = date(2024, 6, 1)
    assert awards_of([*told, (earlier, first)]) == [Award(earlier, first)]


def test_a_renewal_on_the_due_date_is_on_time() -> None:
    due = date(2026, 2, 1)
    on_time = [Award(date(2025, 2, 1), due), Award(due, date(2027, 2, 1))]
    late = [Award(date(2025, 2, 1), due), Award(due + timedelta(days=1), None)]
    never = [Award(date(2025, 2, 1), due)]
    not_yet = [Award(date(2025, 2, 1), TODAY)]
    people = [on_time] * 6 + [late] * 3 + [never] * 3 + [not_yet] * 9
    found = on_time_requalification(people, date(2026, 1, 1), date(2026, 12, 31), TODAY)
    assert (found["of"], found["count"], found["percent"]) == (12, 6, 50.0)
    before = on_time_requalification(people, date(2025, 1, 1), date(2025, 12, 31), TODAY)
    assert before["of"] == 0


def test_time_to_competence_says_who_has_none_yet() -> None:
    started = {person(number): date(2026, 1, 1) for number in range(17)}
    awards = {
        person(number): [Award(date(2026, 1, 1) + timedelta(days=number), None)]
        for number in range(7)
    }
    awards |= {person(number): [Award(date(2025, 1, 1), None)] for number in range(7, 12)}
    assert time_to_competence(started, awards) == {
        "awarded": 7,
        "already_competent": 5,
        "censored": 5,
        "median_days": 3.0,
        "suppressed": False,
    }
    assert time_to_competence({person(1): date(2026, 1, 1)}, awards)["median_days"] is None


def test_lag_by_source() -> None:
    lags = [Lag(person(number), "tablet", float(number)) for number in range(1, 101)]
    lags += [Lag(person(1), "late", 9.0)] * 50
    late, tablet = evidence_lag(lags)
    assert (late["p50_seconds"], late["suppressed"]) == (None, True)
    assert (tablet["statements"], tablet["p50_seconds"], tablet["p95_seconds"]) == (100, 50.0, 95.0)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_the_nearest_rank_is_one_of_the_values(values: list[float], percentile: int) -> None:
    ordered = sorted(values)
    found = nearest_rank(ordered, percentile)
    assert sum(value <= found for value in ordered) * 100 >= percentile * len(ordered)
