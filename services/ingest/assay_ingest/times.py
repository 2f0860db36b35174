"""Milliseconds since 1970 and the ISO 8601 texts of xAPI."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def iso(milliseconds: int) -> str:
    """For example 2026-03-01T09:30:00.125Z."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def milliseconds_of(moment: datetime) -> int:
    """Whole milliseconds since 1970 at `moment` (with an offset), rounded down."""
    return (moment - _EPOCH) // _MILLISECOND
