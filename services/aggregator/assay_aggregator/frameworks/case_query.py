"""The query parameters of `GET /CFDocuments`: filter, sort, orderBy, fields, limit, offset.

The filter language is that of the 1EdTech REST bindings: `field='value'`, with the predicates
= != > >= < <= ~ (contains), joined by AND or by OR (not by both). Comparisons of equality and `~`
do not regard the case of letters; a list fits when one of its texts does.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from assay_aggregator.frameworks.case_json import Number
from assay_aggregator.frameworks.case_shapes import DOCUMENT, Kind

Document = Mapping[str, Any]
FIELDS: Final = (*DOCUMENT.members, "CFPackageURI")
CONDITIONS_MAX: Final = 20

_SORTABLE: Final = frozenset(
    name
    for name, kind in DOCUMENT.members.items()
    if kind not in (Kind.TEXTS, Kind.LINK, Kind.LINKS, Kind.EXTENSIONS)
)
_FILTERABLE: Final = _SORTABLE | {"subject"}
_CONDITION: Final = re.compile(r"\s*([A-Za-z]+)\s*(!=|>=|<=|=|>|<|~)\s*'((?:[^']|'')*)'\s*")
_JOIN: Final = re.compile(r"(AND|OR)\b", re.IGNORECASE)

_COMPARE: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "=": lambda have, want: have.casefold() == want.casefold(),
    "!=": lambda have, want: have.casefold() != want.casefold(),
    "~": lambda have, want: want.casefold() in have.casefold(),
    ">": lambda have, want: have > want,
    ">=": lambda have, want: have >= want,
    "<": lambda have, want: have < want,
    "<=": lambda have, want: have <= want,
}


class QueryInvalid(Exception):
    """A parameter that cannot be used. `code` is the value for imsx_codeMinorFieldValue."""

    def __init__(self, parameter: str, rule: str, code: str = "invalid_selection_field") -> None:
        super().__init__(f"{parameter}: {rule}")
        self.parameter = parameter
        self.code = code


@dataclass(frozen=True, slots=True)
class Condition:
    field: str
    predicate: str
    value: str

    def fits(self, document: Document) -> bool:
        compare = _COMPARE[self.predicate]
        have = _texts(document.get(self.field))
        if self.predicate == "!=":
            return all(compare(one, self.value) for one in have)
        return any(compare(one, self.value) for one in have)


@dataclass(frozen=True, slots=True)
class Filter:
    conditions: tuple[Condition, ...]
    any_fits: bool

    def fits(self, document: Document) -> bool:
        fitting = (one.fits(document) for one in self.conditions)
        return any(fitting) if self.any_fits else all(fitting)


def parse_filter(text: str) -> Filter:
    """Raises QueryInvalid."""
    conditions: list[Condition] = []
    joins: set[str] = set()
    at = 0
    while True:
        match = _CONDITION.match(text, at)
        if match is None:
            raise QueryInvalid("filter", f"no condition field='value' at character {at + 1}")
        name, predicate, value = match.groups()
        if name not in _FILTERABLE:
            raise QueryInvalid("filter", f"{name!r} is no field to filter by")
        conditions.append(Condition(name, predicate, value.replace("''", "'")))
        at = match.end()
        if at == len(text):
            break
        join = _JOIN.match(text, at)
        if join is None:
            raise QueryInvalid("filter", f"neither AND nor OR at character {at + 1}")
        joins.add(join[1].upper())
        at = join.end()
        if len(conditions) == CONDITIONS_MAX:
            raise QueryInvalid("filter", f"more than {CONDITIONS_MAX} conditions")
    if len(joins) > 1:
        raise QueryInvalid("filter", "AND and OR cannot be mixed")
    return Filter(tuple(conditions), joins == {"OR"})


def selected(
    documents: Iterable[Document], where: str | None, sort: str | None, order: str | None
) -> list[Document]:
    """The documents that fit, in order: by identifier unless told; without the field, last.

    Raises QueryInvalid.
    """
    if order not in (None, "asc", "desc"):
        raise QueryInvalid("orderBy", "is asc or desc", "invalid_sort_field")
    if sort is not None and sort not in _SORTABLE:
        raise QueryInvalid("sort", f"{sort[:60]!r} is no field to sort by", "invalid_sort_field")
    condition = None if where is None else parse_filter(where)
    fitting = [one for one in documents if condition is None or condition.fits(one)]
    fitting.sort(key=lambda one: str(one["identifier"]))
    if sort is None:
        if order == "desc":
            fitting.reverse()
        return fitting
    have = [one for one in fitting if _texts(one.get(sort))]
    lack = [one for one in fitting if not _texts(one.get(sort))]
    have.sort(key=lambda one: _texts(one[sort])[0], reverse=order == "desc")
    return have + lack


def parse_fields(text: str | None) -> tuple[str, ...] | None:
    """The fields that are asked for; None is all. Raises QueryInvalid."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in FIELDS:
            raise QueryInvalid("fields", f"{name[:60]!r} is no field of a CFDocument")
    return names


def only_fields(document: Document, names: tuple[str, ...] | None) -> Document:
    if names is None:
        return document
    return {name: document[name] for name in names if name in document}


def page_links(
    path: str, query: Sequence[tuple[str, str]], offset: int, limit: int, total: int
) -> str:
    """The header Link (RFC 8288) of one page: first, prev, next, last; empty for a lone page."""

    def link(start: int, relation: str) -> str:
        kept = [one for one in query if one[0] not in ("offset", "limit")]
        text = urlencode([*kept, ("limit", str(limit)), ("offset", str(start))])
        return f'<{path}?{text}>; rel="{relation}"'

    found = []
    if offset > 0:
        found += [link(0, "first"), link(max(0, offset - limit), "prev")]
    if offset + limit < total:
        found += [link(offset + limit, "next"), link((total - 1) // limit * limit, "last")]
    return ", ".join(found)


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [one for one in value if isinstance(one, str)]
    if isinstance(value, Number):
        return [value.text]
    return [value] if isinstance(value, str) else []
