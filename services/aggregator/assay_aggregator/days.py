"""The local days on which a record holds. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from assay_aggregator.errors import Refused


@dataclass(frozen=True, slots=True)
class Days:
    """Local dates, inclusive; None is open."""

    valid_from: date | None = None
    valid_to: date | None = None

    def __post_init__(self) -> None:
        if (self.valid_from or date.min) > (self.valid_to or date.max):
            raise Refused("`from` is later than `to`")

    def document(self) -> dict[str, Any]:
        """The two days as JSON."""
        return {"from": self.valid_from, "to": self.valid_to}


ALWAYS = Days()
