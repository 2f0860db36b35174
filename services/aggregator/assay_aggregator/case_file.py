"""The form of a case file, `assay.case/v1` (competency/rules.md section 6)."""

from typing import Annotated, Any, Literal

import msgspec

from assay_aggregator.clause import Reason

Json = dict[str, Any]


class CaseError(ValueError):
    """A file is no case that can be run; the text says why."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is expected: a misspelt key here would be an expectation that nobody looks at."""


class CaseSource(msgspec.Struct, frozen=True):
    """A source; without a modality nothing of it is evidence."""

    modality: Literal["online", "vr", "in_person", "workplace"] | None = None
    vouches_for_assessors: bool = False
    scopes: tuple[str, ...] = ()
    learner_controlled: bool = False


class CasePerson(msgspec.Struct, frozen=True):
    """A person; each identifier is an xAPI agent, and may carry from, to and recorded."""

    identifiers: tuple[Json, ...]


class _Period(msgspec.Struct, frozen=True, rename={"start": "from"}):
    start: str | None = None
    to: str | None = None
    recorded: str | None = None


class CaseAuthorisation(_Period, frozen=True, kw_only=True):
    """The person `assessor` may assess within `scope`."""

    assessor: str
    scope: str


class CaseConflict(_Period, frozen=True, kw_only=True, rename={"start": "from", "person": "with"}):
    """The person `assessor` may not assess the person named by `with`."""

    assessor: str
    person: str


class CaseRecord(msgspec.Struct, frozen=True):
    """A statement as its source delivered it."""

    source: str
    stored: str
    statement: Json


class ExpectedClause(_Strict, frozen=True):
    """What is expected of a clause; what is left out is not compared."""

    satisfied: bool | None = None
    passes: int | None = None
    attempts: int | None = None
    value: Any = None  # A number or its text.


class ExpectedExclusion(_Strict, frozen=True):
    """A statement and the reason for which it does not count in some clause."""

    statement: str
    reason: Reason


class Expected(_Strict, frozen=True):
    """The expected decision; what is left out is not compared."""

    status: str | msgspec.UnsetType = msgspec.UNSET
    level: int | msgspec.UnsetType | None = msgspec.UNSET
    achieved_on: str | msgspec.UnsetType | None = msgspec.UNSET
    expires_on: str | msgspec.UnsetType | None = msgspec.UNSET
    trigger: str | msgspec.UnsetType | None = msgspec.UNSET
    used: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    excluded: tuple[ExpectedExclusion, ...] | msgspec.UnsetType = msgspec.UNSET
    clauses: dict[str, ExpectedClause] | msgspec.UnsetType = msgspec.UNSET


class CaseOverride(msgspec.Struct, frozen=True, rename={"start": "from"}):
    """People said that `person` has the competency; without one, the case's person and rule."""

    start: str
    to: str | None = None
    level: int | None = None
    by: tuple[str, ...] = ()
    meaning: str = "approval"
    reason: str = ""
    recorded: str | None = None
    person: str | None = None
    competency: str | None = None


class CaseReview(msgspec.Struct, frozen=True):
    """People look into the competency of `person`; without one, the case's person and rule."""

    opened: str
    closed: str | None = None
    reason: str = ""
    recorded: str | None = None
    person: str | None = None
    competency: str | None = None


class CaseFile(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """A case as written. `rules` are others that stand beside `rule`, or versions of it."""

    schema_: Literal["assay.case/v1"]
    case: Annotated[str, msgspec.Meta(min_length=1)]
    rule: Json
    sources: dict[str, CaseSource]
    people: dict[str, CasePerson]
    records: tuple[CaseRecord, ...]
    person: str
    as_of: str
    expect: Expected | None = None
    title: str = ""
    known_at: str | None = None
    authorisations: tuple[CaseAuthorisation, ...] = ()
    conflicts: tuple[CaseConflict, ...] = ()
    rules: tuple[Json, ...] = ()
    overrides: tuple[CaseOverride, ...] = ()
    reviews: tuple[CaseReview, ...] = ()
