"""Instants, local dates and calendar periods, as rules.md sections 1 and 3 mean them.

Days are counted as proleptic Gregorian ordinals (`date.toordinal`): integers compare and add fast.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from assay_runtime.instants import format_instant as format_instant

_PERIOD: Final = re.compile(r"P([0-9]{1,5})([DMY])")
_LAST_ORDINAL: Final = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar period: whole months (years are 12 of them) or whole days, never both."""

    months: int
    days: int

    @classmethod
    def parse(cls, text: str) -> "Period":
        """`PnD`, `PnM` or `PnY` with at most five digits; ValueError for anything else."""
        found = _PERIOD.fullmatch(text)
        if found is None:
            raise ValueError(f"`{text}` is not a period of the form PnD, PnM or PnY")
        number, unit = int(found[1]), found[2]
        if unit == "D":
            return cls(0, number)
        return cls(number * (12 if unit == "Y" else 1), 0)


@lru_cache(maxsize=65_536)
def add(ordinal: int, period: Period) -> int:
    """The ordinal of a date plus a period; month ends are clamped (31 Aug + 6 months = 28 Feb).

    A date past the calendar's end (9999-12-31) is that end.
    """
    if not period.months:
        return min(ordinal + period.days, _LAST_ORDINAL)
    start = date.fromordinal(ordinal)
    year, month0 = divmod(start.year * 12 + start.month - 1 + period.months, 12)
    if year > date.max.year:
        return _LAST_ORDINAL
    day = min(start.day, monthrange(year, month0 + 1)[1])
    return date(year, month0 + 1, day).toordinal()


def local_ordinal(instant: datetime, zone: ZoneInfo) -> int:
    """The ordinal of the local date of an aware instant."""
    try:
        return instant.astimezone(zone).toordinal()
    except OverflowError:  # The first or last hours of the calendar have no local date everywhere.
        return instant.toordinal()


def day_start(ordinal: int, zone: ZoneInfo) -> datetime | None:
    """The first instant (UTC) of a local day; None for a day past the calendar's end.

    Where clocks go forward at midnight the day begins at the change: fold 0 reads the missing
    midnight with the offset before the change, which is that instant.
    """
    if not 1 <= ordinal <= _LAST_ORDINAL:
        return None
    try:
        return datetime.combine(date.fromordinal(ordinal), time.min, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return None


def day_end(ordinal: int, zone: ZoneInfo) -> datetime:
    """The last instant (UTC, to the microsecond) of a local day."""
    following = day_start(ordinal + 1, zone)
    if following is None:
        return datetime.max.replace(tzinfo=UTC)
    return following - timedelta(microseconds=1)


def format_day(ordinal: int | None) -> str | None:
    """A date ordinal as YYYY-MM-DD."""
    return None if ordinal is None else date.fromordinal(ordinal).isoformat()
