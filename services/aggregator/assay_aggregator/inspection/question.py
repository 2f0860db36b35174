"""What an inspection pack is asked about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from assay_aggregator.copies import instant
from assay_aggregator.dates import format_instant


@dataclass(frozen=True, slots=True)
class Selection:
    """About whom and what; each that is given narrows the others.

    People: those named; those employed on the local day of `as_of` in `role` and in `organisation`
    or what belongs to it; where none of these is given, all who have evidence. Competencies: those
    named; those that `role` requires; else all that a rule is known for.
    """

    people: tuple[UUID, ...] = ()
    role: str | None = None
    organisation: str | None = None
    competencies: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        return {
            "people": [str(person) for person in self.people],
            "role": self.role,
            "organisation": self.organisation,
            "competencies": list(self.competencies),
        }


@dataclass(frozen=True, slots=True)
class Settled:
    """A question with its times settled, its people and its competencies found.

    `known_at_capped`: a later `known_at` was asked for than can be answered for ever. `only_with`
    evidence: people without any are left out. `names` are what competencies are called. `zone` is
    where a time becomes a day, for records that have no rule to say so.
    """

    tenant: str
    selection: Selection
    as_of: datetime
    known_at_ms: int
    known_at_capped: bool
    people: tuple[UUID, ...]
    only_with_evidence: bool
    competencies: tuple[str, ...]
    names: Mapping[str, str]
    zone: ZoneInfo

    @property
    def known_at(self) -> datetime:
        return instant(self.known_at_ms)

    def document(self) -> dict[str, Any]:
        """As the manifest says it: asking it again gives the same pack."""
        return {
            "tenant": self.tenant,
            **self.selection.document(),
            "as_of": format_instant(self.as_of),
            "known_at": format_instant(self.known_at),
            "known_at_capped": self.known_at_capped,
            "local_timezone": self.zone.key,
        }

    def name(self, competency: str) -> str:
        """What people call it; its IRI where no framework says."""
        return self.names.get(competency, competency)
