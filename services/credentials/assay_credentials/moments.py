"""Moments as VC Data Model 2.0 writes them: `xsd:dateTimeStamp`, always with an offset."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from assay_credentials.errors import DocumentRefused

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def write_moment(moment: datetime) -> str:
    """A moment in UTC, to the second, with `Z`. Raises ValueError for one without offset."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs an offset from UTC")
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_moment(text: str, field: str) -> datetime:
    """The moment of an `xsd:dateTimeStamp`. Raises DocumentRefused that names `field`."""
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError("expected YYYY-MM-DDThh:mm:ss with Z or an offset")
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DocumentRefused("date", f"{field}: not a moment with an offset: {error}") from error


def end_of_day(day: date, timezone: ZoneInfo) -> datetime:
    """The last second of a local day, in UTC. A badge that expires on a date is good through that
    day there.
    """
    # fold=1: where the clock is set back over midnight, the later of the two 23:59:59.
    return datetime.combine(day, time(23, 59, 59, fold=1), tzinfo=timezone).astimezone(UTC)
