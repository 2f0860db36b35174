"""Rosters: who works and learns where, as a CSV file of ours says it (docs/people.md).

Pure. A roster is read row by row; each row becomes what it says, or a fault that names the line,
the column and the reason. `oneroster` makes the same items of the files of OneRoster 1.2.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import unquote

from assay_aggregator.days import ALWAYS, Days
from assay_aggregator.errors import AggregatorError, Refused
from assay_aggregator.organisation.model import Cohort, Organisation
from assay_schemas.agents import agent_key
from assay_schemas.topics import is_slug

CELL_CHARACTERS_MAX: Final = 4_000
IDENTIFIERS_MAX: Final = 20
COLUMNS: Final = ("identifiers", "organisation", "role", "from", "to", "cohort")

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAILBOX: Final = re.compile(r"mailto:[^@\s]+@[^@\s]+")
_SHA1: Final = re.compile(r"[0-9a-fA-F]{40}")
_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")


class RosterError(AggregatorError):
    """The file as a whole is no roster."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row was left out. `column` is empty when it is the row as a whole."""

    place: Place
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """The agents (by their keys) are one person, who works and learns there on these days.

    `withdrawn` takes back what an earlier roster said.
    """

    place: Place
    agents: tuple[str, ...]
    days: Days = ALWAYS
    organisation: str | None = None
    role: str | None = None
    cohort: str | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """An organisation as the file has it."""

    place: Place
    organisation: Organisation


@dataclass(frozen=True, slots=True)
class CohortRow:
    """A cohort as the file has it."""

    place: Place
    cohort: Cohort


Item = Row | OrganisationRow | CohortRow | Fault


class Cell(Exception):
    """A cell that breaks a rule; becomes a fault."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def read_roster(lines: Iterable[str], name: str) -> Iterator[Item]:
    """The rows of a roster in our own format. Raises RosterError for a header that is none."""
    for place, cells in read_table(lines, name, required=("identifiers",), known=COLUMNS):
        if isinstance(cells, Fault):
            yield cells
            continue
        try:
            yield _row(place, cells)
        except Cell as error:
            yield Fault(place, error.column, error.reason)


def _row(place: Place, cells: Mapping[str, str]) -> Row:
    agents = tuple(
        dict.fromkeys(identifier(text, "identifiers") for text in cells["identifiers"].split())
    )
    if not agents:
        raise Cell("identifiers", "at least one identifier is needed")
    if len(agents) > IDENTIFIERS_MAX:
        raise Cell("identifiers", f"more than {IDENTIFIERS_MAX} identifiers")
    organisation = slug(cells, "organisation")
    role = slug(cells, "role")
    if role is not None and organisation is None:
        raise Cell("role", "a role needs an organisation")
    return Row(
        place=place,
        agents=agents,
        days=days(cells, "from", "to"),
        organisation=organisation,
        role=role,
        cohort=slug(cells, "cohort"),
    )


def read_table(
    lines: Iterable[str],
    name: str,
    *,
    required: Sequence[str],
    known: Sequence[str] | None = None,
) -> Iterator[tuple[Place, Mapping[str, str] | Fault]]:
    """The rows of a CSV file with a header, cells stripped of spaces around them.

    `known` are the only columns that there may be (None: others are left alone). A file that stops
    being CSV ends with a fault. Raises RosterError for a header that lacks a column.
    """
    reader = csv.reader(lines, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise RosterError(f"{name}: {error}") from None
    missing = [column for column in required if column not in header]
    if missing:
        raise RosterError(f"{name}: the first line lacks the column {missing[0]}")
    if len(set(header)) != len(header):
        raise RosterError(f"{name}: two columns have the same name")
    unknown = [column for column in header if known is not None and column not in known]
    if unknown:
        raise RosterError(
            f"{name}: unknown column {unknown[0]!r}; known are {', '.join(known or ())}"
        )
    begin = reader.line_num + 1
    while True:
        place = Place(name, begin)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield place, Fault(place, "", f"not CSV: {error}; the rest is not read")
            return
        if cells is None:
            return
        begin = reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        yield place, _checked(place, header, cells, known or ())


def _checked(
    place: Place, header: Sequence[str], cells: Sequence[str], known: Sequence[str]
) -> Mapping[str, str] | Fault:
    """The cells by column; those of known columns that the file lacks are empty."""
    if len(cells) != len(header):
        return Fault(place, "", f"{len(cells)} cells, but {len(header)} columns")
    found: dict[str, str] = dict.fromkeys(known, "")
    for column, cell in zip(header, cells, strict=True):
        text = cell.strip()
        if len(text) > CELL_CHARACTERS_MAX:
            return Fault(place, column, f"longer than {CELL_CHARACTERS_MAX} characters")
        if "\0" in text:
            return Fault(place, column, "the character U+0000 cannot be kept")
        found[column] = text
    return found


def identifier(text: str, column: str) -> str:
    """The key of one identifier as rosters write it. Raises Cell."""
    kind, _, rest = text.partition(":")
    agent: dict[str, Any]
    if kind == "mailto":
        if _MAILBOX.fullmatch(text) is None:
            raise Cell(column, "a mailbox is mailto:name@host")
        agent = {"mbox": text}
    elif kind == "sha1":
        if _SHA1.fullmatch(rest) is None:
            raise Cell(column, "sha1: is followed by 40 hexadecimal digits")
        agent = {"mbox_sha1sum": rest}
    elif kind == "openid":
        if _IRI.fullmatch(rest) is None:
            raise Cell(column, "openid: is followed by an IRI")
        agent = {"openid": rest}
    elif "|" in text:
        home_page, _, name = text.partition("|")
        return account(home_page, unquote(name), column)
    else:
        raise Cell(
            column, "an identifier is mailto:…, sha1:…, openid:… or <home page>|<account name>"
        )
    key = agent_key(agent)
    assert key is not None  # noqa: S101 - one of the identifiers is set above
    return key


def account(home_page: str, name: str, column: str) -> str:
    """The key of an account. Raises Cell."""
    if _IRI.fullmatch(home_page) is None:
        raise Cell(column, "the home page of an account is an IRI")
    if not name:
        raise Cell(column, "the name of an account is empty")
    return f"account:{home_page} {name}"


def slug(cells: Mapping[str, str], column: str) -> str | None:
    """A name of ours, None where the cell is empty. Raises Cell."""
    text = cells[column]
    if text and not is_slug(text):
        raise Cell(column, "not 1 to 40 of a-z, 0-9, '-' and '_'")
    return text or None


def day(cells: Mapping[str, str], column: str) -> date | None:
    """A date, None where the cell is empty or missing. Raises Cell."""
    text = cells.get(column, "")
    if not text:
        return None
    try:
        if _DATE.fullmatch(text) is None:
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise Cell(column, "not a date (YYYY-MM-DD)") from None


def days(cells: Mapping[str, str], first: str, last: str) -> Days:
    """The days from one cell to another, both inclusive. Raises Cell."""
    begin, end = day(cells, first), day(cells, last)
    try:
        return Days(begin, end)
    except Refused:
        raise Cell(last, f"earlier than `{first}`") from None
