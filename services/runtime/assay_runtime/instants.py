"""Times of the log (milliseconds since 1970, UTC) and instants."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(milliseconds: int) -> datetime:
    """The instant (UTC) of a time of the log, exactly."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def format_instant(instant: datetime) -> str:
    """An aware instant in UTC with a Z, microseconds only when there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
