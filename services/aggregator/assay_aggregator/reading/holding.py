"""What somebody holds, and what is asked of them: the one definition of each word. Pure.

`docs/reading.md` says the same in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

Bucket = Literal["overdue", "0-30", "31-60", "61-90"]

# The last day of each bucket, counted from the day asked about; the due date itself is still valid.
EXPIRING_DAYS: Final[Mapping[Bucket, int]] = {"0-30": 30, "31-60": 60, "61-90": 90}
SINGLE_POINT_OF_FAILURE: Final = 2
"""Fewer people than this who may do a task are too few."""

STATUSES: Final = (
    "not_started",
    "in_progress",
    "achieved",
    "expired",
    "suspended",
    "under_review",
    "revoked",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix: what a decision says of a person and a competency."""

    status: str = "not_started"
    level: int | None = None
    achieved_on: date | None = None
    expires_on: date | None = None

    @property
    def is_current(self) -> bool:
        """Only an award in force is: what is under review or suspended is not."""
        return self.status == "achieved"

    @property
    def current_level(self) -> int:
        """The level that may be relied on; 0 without an award in force, or one without a level."""
        return self.level or 0 if self.is_current else 0


NOTHING: Final = Cell()


@dataclass(frozen=True, slots=True)
class Requirement:
    """A role asks for a competency; `level` None is any award, 0 is nothing."""

    competency: str
    level: int | None

    def met_by(self, cell: Cell) -> bool:
        """As a prerequisite of a rule is met (`world.Step.holds`)."""
        if self.level == 0:
            return True
        return cell.is_current and (
            self.level is None or (cell.level is not None and cell.level >= self.level)
        )

    def gap(self, cell: Cell) -> int:
        """max(0, required - level); an award of any level that is missing is a gap of 1."""
        if self.met_by(cell):
            return 0
        wanted = 1 if self.level is None else self.level
        return max(0, wanted - cell.current_level)


def is_ready(requirements: Sequence[Requirement], cells: Mapping[str, Cell]) -> bool:
    """Whether all that is asked for is current. `cells` are one person's, by competency."""
    return all(one.met_by(cells.get(one.competency, NOTHING)) for one in requirements)


def weakest_expiry(requirements: Sequence[Requirement], cells: Mapping[str, Cell]) -> date | None:
    """When the first of what is met runs out; None when nothing of it does."""
    return min(
        (
            expires_on
            for one in requirements
            if one.level != 0
            and one.met_by(cell := cells.get(one.competency, NOTHING))
            and (expires_on := cell.expires_on) is not None
        ),
        default=None,
    )


def bucket_of(expires_on: date, day: date) -> Bucket | None:
    """Where an award that expires stands on a day; None when it is further away."""
    days_left = (expires_on - day).days
    if days_left < 0:
        return "overdue"
    return next((name for name, last in EXPIRING_DAYS.items() if days_left <= last), None)


def percent(part: int, whole: int) -> float | None:
    """A share in percent, to one decimal, half away from zero; None of nobody."""
    return None if whole == 0 else (part * 2_000 + whole) // (2 * whole) / 10
