"""Periods clamp at month ends; a local day has a first and a last instant."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from assay_aggregator.dates import Period, add, day_end, day_start, local_ordinal

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("day", "period", "result"),
    [
        ("2026-08-31", "P6M", "2027-02-28"),
        ("2027-08-31", "P6M", "2028-02-29"),
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2026-01-30", "P2M", "2026-03-30"),
        ("2026-12-31", "P12M", "2027-12-31"),
        ("2028-02-29", "P1Y", "2029-02-28"),
        ("2026-12-15", "P1M", "2027-01-15"),
        ("2026-01-01", "P0D", "2026-01-01"),
        ("2026-02-28", "P1D", "2026-03-01"),
        ("9999-06-01", "P99999Y", "9999-12-31"),
        ("9999-06-01", "P99999D", "9999-12-31"),
    ],
)
def test_a_period_is_added_with_clamped_month_ends(day: str, period: str, result: str) -> None:
    start = date.fromisoformat(day).toordinal()
    assert date.fromordinal(add(start, Period.parse(period))).isoformat() == result


@pytest.mark.parametrize("text", ["P1W", "1M", "P1.5M", "P-1D", "P1M2D", "PT5M", "P", ""])
def test_other_periods_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a period"):
        Period.parse(text)


def test_a_local_day_begins_and_ends_with_the_clocks_of_the_place() -> None:
    summer = date(2026, 7, 1).toordinal()
    assert day_start(summer, LONDON) == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert day_end(summer, LONDON) == datetime(2026, 7, 1, 22, 59, 59, 999999, tzinfo=UTC)
    assert local_ordinal(datetime(2026, 6, 30, 23, tzinfo=UTC), LONDON) == summer
    # The day on which the clocks go back has twenty-five hours.
    back = date(2026, 10, 25).toordinal()
    assert day_start(back, LONDON) == datetime(2026, 10, 24, 23, tzinfo=UTC)
    assert day_end(back, LONDON) == datetime(2026, 10, 25, 23, 59, 59, 999999, tzinfo=UTC)


def test_a_day_without_a_midnight_begins_when_the_clocks_change() -> None:
    santiago = ZoneInfo("America/Santiago")
    # On 8 September 2024 the clocks went from 24:00 to 1:00.
    day = date(2024, 9, 8).toordinal()
    start = day_start(day, santiago)
    assert start == datetime(2024, 9, 8, 4, tzinfo=UTC)
    assert local_ordinal(start, santiago) == day


def test_no_day_follows_the_last() -> None:
    assert day_start(date.max.toordinal() + 1, LONDON) is None
    assert day_end(date.max.toordinal(), LONDON) == datetime.max.replace(tzinfo=UTC)
