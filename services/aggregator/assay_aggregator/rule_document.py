"""The form of an `assay.rule/v1` document (competency/rules.md section 1), checked strictly.

These models only check and give defaults; `rule.parse_rule` turns them into what is evaluated.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from assay_aggregator.dates import Period
from assay_aggregator.vocabulary import expand

_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,60})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iri(text: str) -> str:
    if ":" not in text or any(character.isspace() for character in text):
        raise ValueError("must be a full IRI")
    return text


def _decimal(text: str) -> str:
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError('must be a decimal written as text, like "0.80"')
    return text


def _period(text: str) -> str:
    Period.parse(text)
    return text


def _date(text: str) -> str:
    if _DATE.fullmatch(text) is None:
        raise ValueError("must be a date, YYYY-MM-DD")
    date.fromisoformat(text)
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"`{text}` is not an IANA time zone name") from error
    return text


def _expander(key: str) -> AfterValidator:
    return AfterValidator(lambda name: expand(key, name))


Text = Annotated[str, Field(min_length=1, max_length=4000)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=100)]
Iri = Annotated[str, Field(max_length=4000), AfterValidator(_iri)]
DecimalText = Annotated[str, AfterValidator(_decimal)]
PeriodText = Annotated[str, AfterValidator(_period)]
DateText = Annotated[str, AfterValidator(_date)]
ZoneName = Annotated[str, AfterValidator(_zone)]
PositiveInt = Annotated[int, Field(ge=1, le=10_000)]
Group = Literal["none", "each_member"]
Policy = Literal[
    "any",
    "first",
    "latest",
    "count",
    "n_of_last",
    "consecutive",
    "average",
    "highest",
    "decaying",
    "weighted_recent",
]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _values(key: str) -> object:
    return Annotated[list[Annotated[Text, _expander(key)]], Field(min_length=1, max_length=1000)]


class MatchDocument(_Document):
    """Any within a list, all across the keys that are given; at least one key is."""

    verb: _values("verb") | None = None  # type: ignore[valid-type]
    activity: _values("activity") | None = None  # type: ignore[valid-type]
    activity_prefix: _values("activity_prefix") | None = None  # type: ignore[valid-type]
    activity_type: _values("activity_type") | None = None  # type: ignore[valid-type]
    grouping: _values("grouping") | None = None  # type: ignore[valid-type]
    category: _values("category") | None = None  # type: ignore[valid-type]
    profile: _values("profile") | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _some_key(self) -> Self:
        if not any(value is not None for value in self.__dict__.values()):
            raise ValueError("needs at least one of its keys, or it would match every statement")
        return self


class CriticalDocument(_Document):
    """More than `max` entries in the result extension fail the statement."""

    extension: Iri
    max: Annotated[int, Field(ge=0)]


class AssessorDocument(_Document):
    """What must hold of the named assessor; all three flags are on unless the rule says else."""

    required: bool = True
    not_self: bool = True
    independent: bool = True
    scope: Text | None = None
    distinct_gte: PositiveInt | None = None


# The parameters of each policy: (required, optional). `key` and `needs` go with every policy.
_PARAMETERS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "any": (frozenset(), frozenset()),
    "first": (frozenset(), frozenset()),
    "latest": (frozenset(), frozenset()),
    "count": (frozenset({"n"}), frozenset({"spacing"})),
    "n_of_last": (frozenset({"n", "m"}), frozenset()),
    "consecutive": (frozenset({"n"}), frozenset()),
    "average": (frozenset({"gte"}), frozenset()),
    "highest": (frozenset({"gte"}), frozenset()),
    "decaying": (frozenset({"gte", "weight"}), frozenset()),
    "weighted_recent": (frozenset({"gte", "weight"}), frozenset()),
}


class AttemptsDocument(_Document):
    """How statements form attempts and how attempts satisfy a clause (rules.md section 4)."""

    policy: Policy = "any"
    n: PositiveInt | None = None
    m: PositiveInt | None = None
    spacing: PeriodText | None = None
    gte: DecimalText | None = None
    weight: DecimalText | None = None
    key: Literal["session", "registration"] = "session"
    needs: Annotated[list[Annotated[Text, _expander("verb")]], Field(max_length=20)] = []

    @model_validator(mode="after")
    def _parameters(self) -> Self:
        required, optional = _PARAMETERS[self.policy]
        given = {
            name
            for name in ("n", "m", "spacing", "gte", "weight")
            if getattr(self, name) is not None
        }
        if required - given:
            missing = ", ".join(sorted(required - given))
            raise ValueError(f"the policy {self.policy} needs {missing}")
        if given - required - optional:
            excess = ", ".join(sorted(given - required - optional))
            raise ValueError(f"the policy {self.policy} does not take {excess}")
        if self.m is not None and self.n is not None and self.m < self.n:
            raise ValueError("m must not be smaller than n")
        if self.weight is not None and not 0 < Decimal(self.weight) <= 1:
            raise ValueError("weight must be above 0 and at most 1")
        return self


class ClauseDocument(_Document):
    """One kind of evidence: what matches, what counts, and how often it is needed."""

    modality: Annotated[
        list[Literal["online", "vr", "in_person", "workplace"]], Field(min_length=1)
    ]
    match: MatchDocument
    score_gte: DecimalText | None = None
    waivers: list[Text] = []
    critical: CriticalDocument | None = None
    assessor: AssessorDocument | None = None
    attempts: AttemptsDocument = AttemptsDocument()
    window: PeriodText | None = None
    launch_modes: Annotated[list[Text], Field(min_length=1)] = ["Normal"]
    group: Group | None = None


class BasisDocument(_Document):
    """Why a number is what it is."""

    doc: Text
    clause: Text | None = None
    note: Text | None = None


class ApprovalDocument(_Document):
    """A record of approval carried in the document; it decides nothing here."""

    by: Text
    meaning: Text
    at: Text
    signature: Text | None = None


class ValidityDocument(_Document):
    """How long an award holds, counted from `basis`."""

    period: PeriodText
    basis: Literal["earliest", "latest", "award"] = "earliest"


class RenewalDocument(_Document):
    """Partial clauses laid over the initial ones; checked after the overlay, by `rule`."""

    evidence: dict[str, object] = {}
    requires: object = None


class LapseDocument(_Document):
    """How long after the expiry a renewal still counts."""

    after: PeriodText = "P0D"
    then: Literal["initial"] = "initial"


class DisqualifyDocument(_Document):
    """Evidence that suspends, whatever source reports it."""

    match: MatchDocument
    then: Literal["suspended"] = "suspended"
    reinstate: Literal["initial"] = "initial"


class OnLaterFailDocument(_Document):
    """The status that a failed attempt gives after the award."""

    clauses: Annotated[list[str], Field(min_length=1)]
    status: Literal["under_review", "suspended", "revoked"]


class TransitionDocument(_Document):
    """What becomes of awards of an older version (by default, of the one before)."""

    from_version: Annotated[int, Field(ge=1)] | None = None
    policy: Literal["grandfather"] = "grandfather"


class RuleDocument(_Document):
    """The keys of a rule. Those the engine does not evaluate yet are refused before this."""

    schema_: Literal["assay.rule/v1"] = Field(alias="schema")
    id: Slug
    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "in_review", "effective", "retired"]
    effective_from: DateText
    effective_to: DateText | None = None
    competency: Iri
    timezone: ZoneName
    basis: list[BasisDocument] = []
    approvals: list[ApprovalDocument] = []
    evidence: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=100)], ClauseDocument],
        Field(min_length=1, max_length=100),
    ]
    requires: object
    validity: ValidityDocument | None = None
    renewal: RenewalDocument | None = None
    lapse: LapseDocument | None = None
    disqualify: Annotated[list[DisqualifyDocument], Field(max_length=100)] = []
    on_later_fail: OnLaterFailDocument | None = None
    group: Group = "none"
    transition: TransitionDocument | None = None

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise ValueError("effective_to must be later than effective_from")
        return self
