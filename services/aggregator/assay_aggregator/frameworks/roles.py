"""Roles and the levels that they ask for: from a CASE document of roles, or from a CSV file.

In CASE, a role is an item of a CFDocument of `frameworkType` "role" (or that document itself), with
an association `hasSkillLevel` to each competency. The level stands in the association's
`extensions`, under a key whose last part is `level`; ours is `urn:assay:case:level`.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from assay_aggregator.errors import Refused
from assay_aggregator.frameworks.findings import Findings
from assay_aggregator.frameworks.packages import (
    Object,
    Package,
    framework_of,
    node_of,
    score_of,
    text_of,
)

LEVEL_KEY: Final = "urn:assay:case:level"
SKILL_LEVEL: Final = "hasSkillLevel"
CSV_COLUMNS: Final = ("role", "name", "competency", "level")
SLUG_LENGTH_MAX: Final = 100
NAME_LENGTH_MAX: Final = 500

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_NOT_IN_A_SLUG: Final = re.compile(r"[^a-z0-9._]+")
_LAST_PART: Final = re.compile(r"[^:/#.]*\Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A competency that a role asks for. `reference` is a URI, an identifier or a code."""

    reference: str
    level: int | None
    place: str
    uri: str | None = None


@dataclass(slots=True)
class StatedRole:
    """A role as a file states it, whole."""

    role: str
    name: str
    wanted: list[Wanted] = field(default_factory=list)


def slug_of(text: str) -> str:
    """A role's short name of a code or title: lower case, what does not fit becomes a hyphen."""
    slug = _NOT_IN_A_SLUG.sub("-", text.lower()).strip("-._")[:SLUG_LENGTH_MAX]
    if not slug:
        raise Refused(f"{text[:60]!r} gives no short name for a role: use letters and digits")
    return slug


def check_slug(role: str) -> str:
    """The slug itself. Raises Refused."""
    if _SLUG.fullmatch(role) is None:
        raise Refused(
            f"the role {role[:60]!r} is not written with a-z, 0-9, '.', '_' and '-', "
            f"up to {SLUG_LENGTH_MAX}"
        )
    return role


def roles_of(package: Package) -> list[StatedRole]:
    """The roles of a CFPackage of roles, in its order. Raises Refused for two of one short name."""
    title = package["CFDocument"]["title"]
    # Of what may be a role: what its short name is made of, and its name.
    names = {framework_of(package): (title, title)}
    for item in package.get("CFItems") or ():
        title = _title(item)
        code = text_of(item, "humanCodingScheme") or title
        names[str(item["identifier"]).lower()] = (code, title)
    found: dict[str, StatedRole] = {}
    stated: dict[str, str] = {}
    for position, association in enumerate(package.get("CFAssociations") or ()):
        origin = node_of(association, "originNodeURI")
        if association.get("associationType") != SKILL_LEVEL or origin not in names:
            continue
        code, name = names[origin]
        role = slug_of(code)
        if stated.setdefault(role, origin) != origin:
            raise Refused(f"two roles of the document have the short name {role}")
        destination = association["destinationNodeURI"]
        found.setdefault(role, StatedRole(role, name[:NAME_LENGTH_MAX])).wanted.append(
            Wanted(
                str(destination["identifier"]).lower(),
                level_of(association),
                f"/CFAssociations/{position}",
                text_of(destination, "uri"),
            )
        )
    return list(found.values())


def level_of(association: Object) -> int | None:
    """The level that an association asks for, if it says one."""
    extensions = association.get("extensions")
    if not isinstance(extensions, Mapping):
        return None
    if LEVEL_KEY in extensions:
        return score_of(extensions[LEVEL_KEY])
    for key, value in extensions.items():
        last = _LAST_PART.search(key)
        if last is not None and last[0].lower() in ("level", "requiredlevel"):
            return score_of(value)
    return None


def _title(item: Object) -> str:
    return text_of(item, "abbreviatedStatement") or str(item["fullStatement"])


def read_roles_csv(text: str, findings: Findings) -> list[StatedRole]:
    """The roles of a CSV file with the columns role, name, competency, level.

    A line asks for one competency; a line without one states a role that asks for nothing. What is
    wrong is found with line, column and reason, all of it.
    """
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, StatedRole] = {}
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if missing := [name for name in CSV_COLUMNS[:3] if name not in header]:
            findings.add("refused", "line 1", f"the column {missing[0]} is missing")
            return []
        for row in rows:
            if any(cell.strip() for cell in row):
                _add_row(found, dict(zip(header, row, strict=False)), rows.line_num, findings)
    except csv.Error as error:
        findings.add("refused", f"line {rows.line_num}", f"is no CSV: {error}")
    return list(found.values())


def _add_row(
    found: dict[str, StatedRole], row: Mapping[str, str], line: int, findings: Findings
) -> None:
    def cell(name: str) -> str:
        return row.get(name, "").strip()

    def refuse(column: str, rule: str) -> None:
        findings.add("refused", f"line {line}, column {column}", rule)

    role, name, competency, level = (cell(column) for column in CSV_COLUMNS)
    if _SLUG.fullmatch(role.lower()) is None:
        refuse("role", f"is written with a-z, 0-9, '.', '_' and '-', up to {SLUG_LENGTH_MAX}")
        return
    stated = found.get(role.lower())
    if stated is None:
        if not name:
            refuse("name", "is empty in the first line of a role")
            return
        stated = found[role.lower()] = StatedRole(role.lower(), name[:NAME_LENGTH_MAX])
    elif name and name != stated.name:
        refuse("name", f"is another than in the role's first line, {stated.name[:60]!r}")
    if not competency:
        if level:
            refuse("competency", "is empty, and there is a level")
        return
    if level and score_of(level) is None:
        refuse("level", "is an integer from 0 on, or empty")
        return
    if any(one.reference == competency for one in stated.wanted):
        refuse("competency", "is asked for twice by the role")
        return
    stated.wanted.append(
        Wanted(competency, score_of(level), f"line {line}, column competency", None)
    )
