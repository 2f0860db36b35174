"""Limits: a bucket lets through its rate and a burst, never more; a quota holds exactly."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay_runtime.auth_limits import Bucket, Limits, Meter
from assay_runtime.problem import Problem

rates = st.floats(min_value=0.1, max_value=10_000)
# (seconds since the one before, pieces)
attempts = st.lists(
    st.tuples(st.floats(min_value=0, max_value=60), st.integers(min_value=1, max_value=1000)),
    max_size=60,
)


@given(rates, st.floats(min_value=0.1, max_value=60), attempts)
@example(1.0, 1.0, [(0.0, 1000), (999.0, 1000), (1.0, 1000)])
def test_a_bucket_never_lets_through_more_than_burst_and_rate(
    rate: float, burst_seconds: float, tried: list[tuple[float, int]]
) -> None:
    bucket = Bucket(rate, burst_seconds, now=0.0)
    now, taken, largest = 0.0, 0, 0
    for pause, amount in tried:
        now += pause
        if bucket.take(amount, now) == 0.0:
            taken += amount
            largest = max(largest, amount)
            assert taken <= (burst_seconds + now) * rate + largest + 1e-6 * taken


@given(rates, st.floats(min_value=0.1, max_value=60), attempts)
def test_whoever_waits_as_told_comes_in(
    rate: float, burst_seconds: float, tried: list[tuple[float, int]]
) -> None:
    bucket = Bucket(rate, burst_seconds, now=0.0)
    now = 0.0
    for pause, amount in tried:
        now += pause
        wait = bucket.take(amount, now)
        if wait:
            now += wait * (1 + 1e-9) + 1e-9
            assert bucket.take(amount, now) == 0.0


def test_a_batch_that_is_larger_than_the_burst_comes_in_and_is_paid_for() -> None:
    bucket = Bucket(10.0, 1.0, now=0.0)
    assert bucket.take(1000, 0.0) == 0.0
    assert bucket.take(1, 1.0) == pytest.approx(98.0)
    assert bucket.take(1, 99.5) == 0.0


def test_another_rate_does_not_give_back_what_was_taken() -> None:
    bucket = Bucket(10.0, 1.0, now=0.0)
    bucket.take(30, 0.0)
    bucket.changed(20.0, 1.0)
    assert bucket.take(1, 0.0) == pytest.approx(1.0)


def _refusal(meter: Meter, statements: int) -> Problem:
    with pytest.raises(Problem) as caught:
        meter.take_statements(statements)
    return caught.value


def test_without_limits_everything_is_let_through_and_counted() -> None:
    meter = Meter("t", "c")
    for _ in range(1000):
        meter.take_request(0.0)
        meter.take_statements(1000)
    assert (meter.requests_pending, meter.statements_pending) == (1000, 1_000_000)


def test_too_many_requests_are_a_429_that_says_when() -> None:
    meter = Meter("t", "c", Limits(requests_per_second=2, burst_seconds=1), now=0.0)
    for _ in range(3):
        meter.take_request(0.0)
    with pytest.raises(Problem) as caught:
        meter.take_request(0.0)
    assert (caught.value.status, caught.value.slug) == (429, "rate-limited")
    assert int(caught.value.headers["Retry-After"]) == 1
    assert "2 requests a second" in str(caught.value.detail)
    meter.take_request(1.0)


def test_too_many_statements_are_a_429_and_none_of_them_counts() -> None:
    meter = Meter("t", "c", Limits(statements_per_second=0.001, burst_seconds=1), time.monotonic())
    meter.take_statements(10)
    problem = _refusal(meter, 5)
    assert (problem.status, problem.slug) == (429, "rate-limited")
    assert int(problem.headers["Retry-After"]) > 1000
    assert meter.statements_pending == 10


def test_the_quota_of_the_day_is_never_passed() -> None:
    meter = Meter("t", "c", Limits(statements_per_day=100))
    meter.take_statements(60)
    problem = _refusal(meter, 41)
    assert (problem.status, problem.slug) == (429, "quota-reached")
    assert "40 are left" in str(problem.detail)
    assert 1 <= int(problem.headers["Retry-After"]) <= 86_400
    meter.take_statements(40)
    assert _refusal(meter, 1).slug == "quota-reached"
    # What other processes accepted counts too, as soon as it is known.
    meter.counted(0, 100, 130)
    assert "0 are left" in str(_refusal(meter, 1).detail)
    # A new day.
    meter.counted(0, 0, 0)
    meter.take_statements(100)


@given(st.lists(st.integers(min_value=1, max_value=50), max_size=40), st.integers(1, 200))
def test_whatever_is_flushed_in_between_no_more_than_the_quota_is_taken(
    amounts: list[int], quota: int
) -> None:
    meter = Meter("t", "c", Limits(statements_per_day=quota))
    taken = 0
    for number, amount in enumerate(amounts):
        try:
            meter.take_statements(amount)
        except Problem:
            assert taken + amount > quota
        else:
            taken += amount
        if number % 3 == 0:
            pending = meter.statements_pending
            meter.counted(0, pending, meter.statements_today + pending)
    assert taken <= quota
