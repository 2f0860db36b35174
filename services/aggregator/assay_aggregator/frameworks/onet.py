"""O*NET database text files (tab-delimited), made into two CFPackages.

The skills are a framework; the occupations are another, of the type `occupation`, whose
associations `ext:onet.skill` lead to the skills, with the importance (scale IM, 1 to 5) and the
level (scale LV, 0 to 7) in `extensions`, as they are written.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from assay_aggregator.frameworks.building import (
    Lines,
    Object,
    Table,
    association,
    document,
    item,
    link_to,
    package,
    rows_of,
)
from assay_aggregator.frameworks.case_json import Number
from assay_aggregator.frameworks.findings import Findings

SKILLS_URI: Final = "https://www.onetonline.org/find/descriptor/browse/2.A"
OCCUPATIONS_URI: Final = "https://www.onetonline.org/find/all"
SKILL_PREFIX: Final = "https://www.onetonline.org/find/descriptor/result/"
OCCUPATION_PREFIX: Final = "https://www.onetonline.org/link/summary/"
SKILL: Final = "ext:onet.skill"

_SKILLS: Final = Table(
    "Skills.txt",
    ("O*NET-SOC Code", "Element ID", "Element Name", "Scale ID", "Data Value"),
    delimiter="\t",
    quoted=False,
)
_OCCUPATIONS: Final = Table(
    "Occupation Data.txt",
    ("O*NET-SOC Code", "Title", "Description"),
    delimiter="\t",
    quoted=False,
)
_SCALES: Final[Mapping[str, str]] = {"IM": "importance", "LV": "level"}
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
_LONG_AGO: Final = "1970-01-01T00:00:00+00:00"


def attribution(release: str | None) -> str:
    """The line that the licence (CC BY 4.0) asks for, with the release when it is known."""
    which = f"O*NET {release} Database" if release else "O*NET Database"
    return (
        f"This service includes information from the {which} by the U.S. Department of Labor, "
        "Employment and Training Administration (USDOL/ETA). Used under the CC BY 4.0 license. "
        "O*NET® is a trademark of USDOL/ETA. It was converted to another format; USDOL/ETA has "
        "not approved, endorsed, or tested these modifications."
    )


def onet_packages(lines: Lines, findings: Findings, *, release: str | None = None) -> list[Object]:
    """The packages of skills and of occupations, from Skills.txt and Occupation Data.txt."""
    for table in (_SKILLS, _OCCUPATIONS):
        if lines(table.name) is None:
            findings.add("refused", table.name, "is not there")
    if findings.count("refused"):
        return []
    occupations = {
        row["O*NET-SOC Code"]: item(
            OCCUPATION_PREFIX + row["O*NET-SOC Code"],
            row["Title"],
            changed=_LONG_AGO,
            humanCodingScheme=row["O*NET-SOC Code"],
            CFItemType="Occupation",
            notes=row["Description"],
            language="en-US",
        )
        for _, row in rows_of(_OCCUPATIONS, lines, findings)
    }
    skills: dict[str, Object] = {}
    rated: dict[tuple[str, str], dict[str, Any]] = {}
    for line, row in rows_of(_SKILLS, lines, findings):
        element = row["Element ID"]
        skills.setdefault(element, _skill(row))
        if row["Scale ID"] not in _SCALES:
            continue
        if _NUMBER.fullmatch(row["Data Value"]) is None:
            findings.add(
                "refused", f"Skills.txt, line {line}, column Data Value", "is a number from 0 on"
            )
            continue
        ratings = rated.setdefault((row["O*NET-SOC Code"], element), {})
        ratings[f"urn:assay:onet:{_SCALES[row['Scale ID']]}"] = Number(row["Data Value"])
        if row.get("Recommend Suppress") == "Y":
            ratings["urn:assay:onet:recommend-suppress"] = True
    related = [
        association(
            SKILL,
            link_to(OCCUPATION_PREFIX + code, code),
            link_to(SKILL_PREFIX + element, element),
            changed=_LONG_AGO,
            extensions=ratings,
        )
        for (code, element), ratings in rated.items()
    ]
    about = {
        uri: document(
            uri,
            changed=_LONG_AGO,
            creator="U.S. Department of Labor, Employment and Training Administration",
            title=title,
            frameworkType=kind,
            version=release,
            officialSourceURL="https://www.onetcenter.org/database.html",
            language="en-US",
            adoptionStatus="Adopted",
            notes=attribution(release),
        )
        for uri, title, kind in (
            (SKILLS_URI, "O*NET skills", "competency"),
            (OCCUPATIONS_URI, "O*NET occupations", "occupation"),
        )
    }
    return [
        package(about[SKILLS_URI], list(skills.values()), []),
        package(about[OCCUPATIONS_URI], list(occupations.values()), related),
    ]


def _skill(row: Mapping[str, str]) -> Object:
    return item(
        SKILL_PREFIX + row["Element ID"],
        row["Element Name"],
        changed=_LONG_AGO,
        humanCodingScheme=row["Element ID"],
        CFItemType="Skill",
        language="en-US",
    )
