"""What organisations and cohorts are. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from assay_aggregator.errors import Refused
from assay_schemas.topics import is_slug

NAME_CHARACTERS_MAX: Final = 200

OrganisationKind = Literal["organisation", "site", "centre"]
ORGANISATION_KINDS: Final[tuple[OrganisationKind, ...]] = ("organisation", "site", "centre")


@dataclass(frozen=True, slots=True)
class Organisation:
    """An employer, a site of one, or a training centre."""

    organisation: str
    name: str
    kind: OrganisationKind = "organisation"
    parent: str | None = None

    def __post_init__(self) -> None:
        check_slug("organisation", self.organisation)
        _check_name(self.name)
        if self.kind not in ORGANISATION_KINDS:
            raise Refused(f"`kind` is one of {', '.join(ORGANISATION_KINDS)}")


@dataclass(frozen=True, slots=True)
class Cohort:
    """People who learn together: an apprenticeship's intake with its standard and dates."""

    cohort: str
    name: str
    standard: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None

    def __post_init__(self) -> None:
        check_slug("cohort", self.cohort)
        _check_name(self.name)
        if self.standard is not None and not 0 < len(self.standard) <= NAME_CHARACTERS_MAX:
            raise Refused(f"`standard` has 1 to {NAME_CHARACTERS_MAX} characters")
        if (self.starts_on or date.min) > (self.ends_on or date.max):
            raise Refused("`starts_on` is later than `ends_on`")


def check_slug(name: str, text: str) -> None:
    """Raises Refused for what is no name of ours; `name` is the field."""
    if not is_slug(text):
        raise Refused(f"`{name}` is 1 to 40 of a-z, 0-9, '-' and '_'")


def _check_name(text: str) -> None:
    if not 0 < len(text.strip()) <= NAME_CHARACTERS_MAX or "\0" in text:
        raise Refused(f"`name` has 1 to {NAME_CHARACTERS_MAX} characters")
