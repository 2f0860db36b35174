"""The words of rule documents: texts that are checked, and what JSON Schema says of each."""

import re
from datetime import date
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, WithJsonSchema

from assay_aggregator.dates import Period
from assay_aggregator.vocabulary import SHORT_NAMES, expand

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


def _shape(**keywords: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **keywords})


# Where the published schema holds a tree of `requires`, and a part of a clause: `rule_schema`
# writes these two itself.
TREE_SCHEMA: Final = "Tree"
PARTIAL_CLAUSE_SCHEMA: Final = "PartialClause"
_TREE: Final = WithJsonSchema({"x-definition": TREE_SCHEMA})
PERIOD_PATTERN: Final = "^P[0-9]{1,5}[DMY]$"
PARTIAL_CLAUSE: Final = WithJsonSchema({"x-definition": PARTIAL_CLAUSE_SCHEMA})

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=100)]
Iri = Annotated[
    str,
    Field(max_length=4000),
    AfterValidator(_iri),
    _shape(maxLength=4000, pattern=r"^\S*:\S*$"),
]
DecimalText = Annotated[str, AfterValidator(_decimal), _shape(pattern=f"^{_DECIMAL.pattern}$")]
PeriodText = Annotated[str, AfterValidator(_period), _shape(pattern=PERIOD_PATTERN)]
DateText = Annotated[
    str, AfterValidator(_date), _shape(format="date", pattern=f"^{_DATE.pattern}$")
]
ZoneName = Annotated[str, AfterValidator(_zone)]
Tree = Annotated[object, _TREE]
PositiveInt = Annotated[int, Field(ge=1, le=10_000)]


def name_of(key: str) -> object:
    """A full IRI, or a short name that the vocabulary expands for this key."""
    short = sorted(SHORT_NAMES.get(key, ()))
    iri: dict[str, object] = {"pattern": ":"}
    names = {"anyOf": [iri, {"enum": short}]} if short else iri
    return Annotated[Text, _expander(key), _shape(maxLength=4000, **names)]


def values_of(key: str) -> object:
    return Annotated[list[name_of(key)], Field(min_length=1, max_length=1000)]  # type: ignore[misc]
