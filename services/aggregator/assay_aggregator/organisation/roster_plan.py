"""What a roster's rows change, given what is recorded already.

Pure. A row that says what is recorded changes nothing, so the same file again changes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from assay_aggregator.days import ALWAYS, Days
from assay_aggregator.organisation.model import Cohort, Organisation
from assay_aggregator.organisation.roster import Fault, Place, Row
from assay_aggregator.people import uncovered
from assay_aggregator.world import Valid

NewId = Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Linked:
    """A standing link of an agent."""

    person: UUID
    automatic: bool
    days: Days


@dataclass(frozen=True, slots=True)
class Held:
    """A standing employment or membership: its id and last day."""

    id: UUID
    valid_to: date | None


EmploymentKey = tuple[UUID, str, str | None, date | None]
MembershipKey = tuple[UUID, str, date | None]


@dataclass(slots=True)
class Recorded:
    """What stands of what the rows speak of, and, as they are planned, what they add.

    `settled` are the people about whom something was stated: no roster joins two of them.
    """

    links: dict[str, list[Linked]] = field(default_factory=dict)
    settled: set[UUID] = field(default_factory=set)
    employments: dict[EmploymentKey, Held] = field(default_factory=dict)
    memberships: dict[MembershipKey, Held] = field(default_factory=dict)
    organisations: set[str] = field(default_factory=set)
    cohorts: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Changes:
    """What is to be written for one batch of rows, and what was wrong with others."""

    people: list[UUID] = field(default_factory=list)
    links: list[tuple[str, UUID, Days]] = field(default_factory=list)
    organisations: list[Organisation] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    employments: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    memberships: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    # The record that takes the place of each one taken back; None where nothing does.
    employments_back: dict[UUID, UUID | None] = field(default_factory=dict)
    memberships_back: dict[UUID, UUID | None] = field(default_factory=dict)
    contradictions: list[tuple[Place, tuple[str, ...]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unchanged: int = 0

    def is_empty(self) -> bool:
        """True when there is nothing to write."""
        return not (
            self.people
            or self.links
            or self.organisations
            or self.cohorts
            or self.employments
            or self.memberships
            or self.employments_back
            or self.memberships_back
            or self.contradictions
        )


@dataclass(slots=True)
class Planner:
    """Plans rows one after the other. `today` is the day that a row without `from` is read on."""

    recorded: Recorded
    today: date
    new_id: NewId
    create: bool = False
    changes: Changes = field(default_factory=Changes)

    def plan(self, row: Row) -> None:
        """Add what one row changes, or its fault."""
        before = self._size()
        if row.withdrawn and not any(self.recorded.links.get(key) for key in row.agents):
            # Nobody is made known by what is taken back.
            self.changes.unchanged += 1
            return
        fault = self._missing_place(row)
        person = None if fault is not None else self._person(row)
        if fault is None and person is None:
            fault = Fault(
                row.place,
                "identifiers",
                "the identifiers are different people: merge them, or correct the roster",
            )
            self.changes.contradictions.append((row.place, row.agents))
        if fault is not None or person is None:
            self.changes.faults += [] if fault is None else [fault]
            return
        self._employ(row, person)
        self._enrol(row, person)
        if self._size() == before:
            self.changes.unchanged += 1

    def _size(self) -> tuple[int, ...]:
        made = self.changes
        return (
            len(made.people),
            len(made.links),
            len(made.employments) + len(made.memberships),
            len(made.employments_back) + len(made.memberships_back),
        )

    def _missing_place(self, row: Row) -> Fault | None:
        """Why the row cannot be, as its organisation or cohort is not there; made where asked."""
        organisation, cohort = row.organisation, row.cohort
        no_organisation = (
            organisation is not None and organisation not in self.recorded.organisations
        )
        no_cohort = cohort is not None and cohort not in self.recorded.cohorts
        if not self.create:
            if no_organisation:
                return Fault(row.place, "organisation", f"there is no organisation {organisation}")
            if no_cohort:
                return Fault(row.place, "cohort", f"there is no cohort {cohort}")
        if organisation is not None and no_organisation:
            self.recorded.organisations.add(organisation)
            self.changes.organisations.append(Organisation(organisation, organisation))
        if cohort is not None and no_cohort:
            self.recorded.cohorts.add(cohort)
            self.changes.cohorts.append(Cohort(cohort, cohort))
        return None

    def _person(self, row: Row) -> UUID | None:
        """Who the row is about; None when its agents are different people already.

        Stated links decide. Agents that were only seen so far are joined: at most one of their
        persons has anything else stated about them.
        """
        on = row.days.valid_from or self.today
        stated: set[UUID] = set()
        automatic: set[UUID] = set()
        for key in row.agents:
            links = self.recorded.links.get(key, [])
            found = {one.person for one in links if not one.automatic and _covers(one.days, on)}
            stated |= found
            if not found:
                automatic |= {one.person for one in links if one.automatic}
        settled = automatic & self.recorded.settled
        if len(stated | settled) > 1:
            return None
        if stated or settled:
            person = next(iter(stated or settled))
        elif automatic:
            person = min(automatic)
        else:
            person = self.new_id()
            self.changes.people.append(person)
        if not row.withdrawn:
            self._link(row, person, on)
        return person

    def _link(self, row: Row, person: UUID, on: date) -> None:
        for key in row.agents:
            links = self.recorded.links.setdefault(key, [])
            if any(
                one.person == person and not one.automatic and _covers(one.days, on)
                for one in links
            ):
                continue
            # One agent that is its automatic person already needs no other link.
            if len(row.agents) == 1 and any(one.person == person for one in links):
                continue
            days = _gap([one.days for one in links if not one.automatic], on)
            links.append(Linked(person, False, days))
            self.recorded.settled.add(person)
            self.changes.links.append((key, person, days))

    def _employ(self, row: Row, person: UUID) -> None:
        if row.organisation is None:
            return
        key = (person, row.organisation, row.role, row.days.valid_from)
        held = self.recorded.employments.get(key)
        made = self._replaced(row, held, self.changes.employments_back, self.changes.employments)
        if made is not None:
            self.changes.employments[made] = (*key, row.days.valid_to)
            self.recorded.employments[key] = Held(made, row.days.valid_to)
            self.recorded.settled.add(person)
        elif row.withdrawn:
            self.recorded.employments.pop(key, None)

    def _enrol(self, row: Row, person: UUID) -> None:
        if row.cohort is None:
            return
        key = (person, row.cohort, row.days.valid_from)
        held = self.recorded.memberships.get(key)
        made = self._replaced(row, held, self.changes.memberships_back, self.changes.memberships)
        if made is not None:
            self.changes.memberships[made] = (*key, row.days.valid_to)
            self.recorded.memberships[key] = Held(made, row.days.valid_to)
            self.recorded.settled.add(person)
        elif row.withdrawn:
            self.recorded.memberships.pop(key, None)

    def _replaced(
        self,
        row: Row,
        held: Held | None,
        back: dict[UUID, UUID | None],
        made: dict[UUID, tuple[Any, ...]],
    ) -> UUID | None:
        """The id of the record to be made; what it corrects, or the row withdraws, goes back."""
        if held is not None and not row.withdrawn and held.valid_to == row.days.valid_to:
            return None
        if held is None and row.withdrawn:
            return None
        new = None if row.withdrawn else self.new_id()
        if held is not None:
            # A record that an earlier row of this batch made is not written at all.
            if made.pop(held.id, None) is None:
                back[held.id] = new
            else:
                for was, successor in back.items():
                    if successor == held.id:
                        back[was] = new
        return new


def _covers(days: Days, on: date) -> bool:
    return (days.valid_from or date.min) <= on <= (days.valid_to or date.max)


def _gap(stated: Iterable[Days], on: date) -> Days:
    """The days around `on` that no stated link covers."""
    covered = [Valid(_ordinal(one.valid_from), _ordinal(one.valid_to)) for one in stated]
    for gap in uncovered(covered):
        days = Days(_date(gap.valid_from), _date(gap.valid_to))
        if _covers(days, on):
            return days
    return ALWAYS


def _ordinal(day: date | None) -> int | None:
    return None if day is None else day.toordinal()


def _date(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)
