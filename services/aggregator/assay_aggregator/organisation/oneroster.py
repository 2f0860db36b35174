"""Rosters in OneRoster 1.2 CSV: organisations, classes as cohorts, users, roles, enrolments.

Pure. Source: 1EdTech OneRoster 1.2, CSV Binding (manifest.csv, then one file per table; a file is
`bulk`, `delta` or `absent`; in a delta `status` is `active` or `tobedeleted`; end dates are
exclusive). Names, telephone numbers and birth data of people are not read.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal

from assay_aggregator.days import Days
from assay_aggregator.errors import Refused
from assay_aggregator.organisation.model import (
    NAME_CHARACTERS_MAX,
    Cohort,
    Organisation,
    OrganisationKind,
)
from assay_aggregator.organisation.roster import (
    Cell,
    CohortRow,
    Fault,
    Item,
    OrganisationRow,
    Place,
    RosterError,
    Row,
    account,
    day,
    identifier,
    read_table,
)
from assay_schemas.topics import is_slug

VERSIONS: Final = ("1.2", "1.2.0", "1.2.1")
AccountField = Literal["sourcedId", "username", "identifier", "userMasterIdentifier"]
ACCOUNT_FIELDS: Final[tuple[AccountField, ...]] = (
    "sourcedId",
    "username",
    "identifier",
    "userMasterIdentifier",
)

# OneRoster 1.2, OrgTypeEnum: a school teaches; a department is a part; the others stand above.
_KINDS: Final[Mapping[str, OrganisationKind]] = {
    "school": "centre",
    "department": "site",
    "district": "organisation",
    "local": "organisation",
    "state": "organisation",
    "national": "organisation",
}

# Who is neither trained nor works there: no record is made of them (data minimisation).
_FAMILY: Final = frozenset({"guardian", "parent", "relative"})
_USER_ID: Final = re.compile(r"\{([^{}:]+):([^{}]+)\}")
_SLUG_OTHER: Final = re.compile(r"[^a-z0-9_-]+")

OpenTable = Callable[[str], Iterable[str] | None]
Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accounts:
    """How users become xAPI agents.

    `home_page` with the field that holds the account's name; `user_ids` maps the types of
    `userIds` to home pages. The mailbox of `email` counts where `by_email`.
    """

    home_page: str | None = None
    name_field: AccountField = "sourcedId"
    user_ids: Mapping[str, str] = field(default_factory=dict)
    by_email: bool = True


def read_oneroster(open_table: OpenTable, accounts: Accounts) -> Iterator[Item]:
    """The items of a OneRoster folder: organisations, cohorts, then people.

    `open_table` gives the lines of a file, None where there is none. Users are held in memory
    (a few hundred bytes each). Raises RosterError.
    """
    return _Folder(open_table, accounts, _manifest(open_table)).items()


def _manifest(open_table: OpenTable) -> Mapping[str, str]:
    lines = open_table("manifest.csv")
    if lines is None:
        raise RosterError("there is no manifest.csv")
    found: dict[str, str] = {}
    for _, cells in read_table(lines, "manifest.csv", required=("propertyName", "value")):
        if isinstance(cells, Fault):
            raise RosterError(f"{cells.place}: {cells.reason}")
        found[cells["propertyName"]] = cells["value"]
    version = found.get("oneroster.version", "")
    if version not in VERSIONS:
        raise RosterError(f"manifest.csv: oneroster.version is {version!r}, not 1.2")
    for name, value in found.items():
        if name.startswith("file.") and value not in ("absent", "bulk", "delta"):
            raise RosterError(f"manifest.csv: {name} is {value!r}, not absent, bulk or delta")
    return found


class _Folder:
    """One reading of the files of a folder."""

    def __init__(
        self, open_table: OpenTable, accounts: Accounts, manifest: Mapping[str, str]
    ) -> None:
        self._open = open_table
        self._accounts = accounts
        self._manifest = manifest
        self._users: dict[str, tuple[Place, tuple[str, ...]]] = {}
        self._told: set[str] = set()
        self._family: set[str] = set()

    def items(self) -> Iterator[Item]:
        yield from self._organisations()
        yield from self._cohorts()
        yield from self._read_users()
        yield from self._roles()
        yield from self._enrolments()
        # Users without a role or a class: their identifiers are one person all the same.
        for user, (place, agents) in self._users.items():
            if user not in self._told and user not in self._family:
                yield Row(place, agents)

    def _table(self, name: str, *required: str) -> Iterator[tuple[Place, Cells | Fault]]:
        """The rows of a table that the manifest names."""
        if self._manifest.get(f"file.{name}", "absent") == "absent":
            return
        lines = self._open(f"{name}.csv")
        if lines is None:
            raise RosterError(f"manifest.csv names {name}.csv, which is not there")
        yield from read_table(lines, f"{name}.csv", required=("sourcedId", *required))

    def _organisations(self) -> Iterator[Item]:
        waiting: dict[str, tuple[Place, Organisation]] = {}
        for place, cells in self._table("orgs", "name", "type"):
            if isinstance(cells, Fault):
                yield cells
                continue
            if _is_deleted(cells):
                yield Fault(place, "status", "an organisation is not deleted by a roster")
                continue
            try:
                one = _organisation(cells)
            except Cell as error:
                yield Fault(place, error.column, error.reason)
            else:
                waiting[one.organisation] = (place, one)
        # Parents first, whatever their order in the file.
        yield from _parents_first(waiting)

    def _cohorts(self) -> Iterator[Item]:
        courses = {
            cells["sourcedId"]: cells["courseCode"]
            for _, cells in self._table("courses", "courseCode")
            if not isinstance(cells, Fault)
        }
        terms: dict[str, tuple[date | None, date | None]] = {}
        for place, cells in self._table("academicSessions", "startDate", "endDate"):
            if isinstance(cells, Fault):
                yield cells
                continue
            try:
                term = _days(cells, "startDate", "endDate")
            except Cell as error:
                yield Fault(place, error.column, error.reason)
            else:
                terms[cells["sourcedId"]] = (term.valid_from, term.valid_to)
        for place, cells in self._table("classes", "title"):
            if isinstance(cells, Fault):
                yield cells
            elif _is_deleted(cells):
                yield Fault(place, "status", "a cohort is not deleted by a roster")
            else:
                yield _cohort(place, cells, courses, terms)

    def _read_users(self) -> Iterator[Item]:
        for place, cells in self._table("users"):
            if isinstance(cells, Fault):
                yield cells
                continue
            if _is_deleted(cells):
                yield Fault(place, "status", "a person is not deleted by a roster")
                continue
            try:
                agents = self._agents(cells)
            except Cell as error:
                yield Fault(place, error.column, error.reason)
            else:
                self._users[cells["sourcedId"]] = (place, agents)

    def _agents(self, cells: Cells) -> tuple[str, ...]:
        """The keys of a user's agents. Raises Cell."""
        keys: list[str] = []
        if self._accounts.home_page is not None:
            name = cells.get(self._accounts.name_field, "")
            if name:
                keys.append(account(self._accounts.home_page, name, self._accounts.name_field))
        for kind, name in _USER_ID.findall(cells.get("userIds", "")):
            home_page = self._accounts.user_ids.get(kind.strip())
            if home_page is not None:
                keys.append(account(home_page, name.strip(), "userIds"))
        email = cells.get("email", "")
        if email and self._accounts.by_email:
            keys.append(identifier(f"mailto:{email.removeprefix('mailto:')}", "email"))
        if not keys:
            raise Cell("", "the user has no identifier of those that are asked for")
        return tuple(dict.fromkeys(keys))

    def _roles(self) -> Iterator[Item]:
        for place, cells in self._table("roles", "userSourcedId", "role", "orgSourcedId"):
            if isinstance(cells, Fault):
                yield cells
            elif cells["role"] in _FAMILY:
                self._family.add(cells["userSourcedId"])
            else:
                yield self._row(place, cells, "orgSourcedId", _role)

    def _enrolments(self) -> Iterator[Item]:
        for place, cells in self._table("enrollments", "userSourcedId", "classSourcedId"):
            yield (
                cells
                if isinstance(cells, Fault)
                else self._row(place, cells, "classSourcedId", _enrolment)
            )

    def _row(
        self, place: Place, cells: Cells, column: str, make: Callable[[Place, Cells, Row], Row]
    ) -> Item:
        user = self._users.get(cells["userSourcedId"])
        if user is None:
            return Fault(place, "userSourcedId", "users.csv has no such user that can be read")
        if not cells[column]:
            return Fault(place, column, "empty")
        self._told.add(cells["userSourcedId"])
        try:
            bare = Row(
                place,
                user[1],
                _days(cells, "beginDate", "endDate"),
                withdrawn=_is_deleted(cells),
            )
            return make(place, cells, bare)
        except Cell as error:
            return Fault(place, error.column, error.reason)


def _role(place: Place, cells: Cells, bare: Row) -> Row:
    role = _SLUG_OTHER.sub("-", cells["role"].lower())[:40]
    if not is_slug(role):
        raise Cell("role", "not the name of a role")
    return Row(
        place,
        bare.agents,
        bare.days,
        organisation=slug_of(cells["orgSourcedId"]),
        role=role,
        withdrawn=bare.withdrawn,
    )


def _enrolment(place: Place, cells: Cells, bare: Row) -> Row:
    return Row(
        place,
        bare.agents,
        bare.days,
        cohort=slug_of(cells["classSourcedId"]),
        withdrawn=bare.withdrawn,
    )


def _organisation(cells: Cells) -> Organisation:
    kind = _KINDS.get(cells["type"])
    if kind is None:
        raise Cell("type", f"not one of {', '.join(_KINDS)}")
    try:
        return Organisation(
            slug_of(cells["sourcedId"]),
            cells["name"][:NAME_CHARACTERS_MAX],
            kind,
            slug_of(cells["parentSourcedId"]) if cells.get("parentSourcedId") else None,
        )
    except Refused as error:
        raise Cell("name", str(error)) from None


def _parents_first(waiting: Mapping[str, tuple[Place, Organisation]]) -> Iterator[Item]:
    done: set[str] = set()
    for start in waiting:
        path: list[str] = []
        at: str | None = start
        while at is not None and at in waiting and at not in done and at not in path:
            path.append(at)
            at = waiting[at][1].parent
        if at in path:
            place = waiting[start][0]
            yield Fault(place, "parentSourcedId", "the organisation stands below itself")
            done.update(path)
            continue
        for one in reversed(path):
            done.add(one)
            yield OrganisationRow(*waiting[one])


def _cohort(
    place: Place,
    cells: Cells,
    courses: Mapping[str, str],
    terms: Mapping[str, tuple[date | None, date | None]],
) -> Item:
    named = [part.strip() for part in cells.get("termSourcedIds", "").split(",")]
    starts = [begin for one in named if (begin := terms.get(one, (None, None))[0]) is not None]
    ends = [end for one in named if (end := terms.get(one, (None, None))[1]) is not None]
    standard = courses.get(cells.get("courseSourcedId", ""), "")
    try:
        cohort = Cohort(
            slug_of(cells["sourcedId"]),
            cells["title"][:NAME_CHARACTERS_MAX],
            standard[:NAME_CHARACTERS_MAX] or None,
            min(starts, default=None),
            max(ends, default=None),
        )
    except Refused as error:
        return Fault(place, "title", str(error))
    return CohortRow(place, cohort)


def _days(cells: Cells, first: str, last: str) -> Days:
    """The days from the first to the one before the last. Raises Cell."""
    begin, end = day(cells, first), day(cells, last)
    if end is None:
        return Days(begin)
    if end == date.min or (begin is not None and end <= begin):
        raise Cell(last, f"not later than `{first}`; it is the day after the last")
    return Days(begin, end - timedelta(days=1))


def slug_of(sourced_id: str) -> str:
    """A name of ours for a sourcedId: itself where it can be one, else made of its SHA-256."""
    if is_slug(sourced_id):
        return sourced_id
    return "x-" + hashlib.sha256(sourced_id.encode()).hexdigest()[:32]


def _is_deleted(cells: Cells) -> bool:
    return cells.get("status", "") == "tobedeleted"
