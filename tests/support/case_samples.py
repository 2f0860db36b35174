"""CFPackages for tests, in our own words."""

import copy
from collections.abc import Mapping
from typing import Any

CHANGED = "2026-01-05T09:00:00+00:00"
DOCUMENT = "0d6f2c1e-0000-4000-8000-000000000001"

MINIMAL: Mapping[str, Any] = {
    "CFDocument": {
        "identifier": DOCUMENT,
        "uri": f"https://example.org/uri/{DOCUMENT}",
        "creator": "Example centre",
        "title": "ATMP practice",
        "lastChangeDateTime": CHANGED,
        "adoptionStatus": "Adopted",
        "frameworkType": "competency",
        "caseVersion": "1.1",
    },
    "CFItems": [
        {
            "identifier": "0d6f2c1e-0000-4000-8000-0000000000a1",
            "uri": "https://example.org/uri/a1",
            "fullStatement": "Work aseptically",
            "humanCodingScheme": "ASP",
            "lastChangeDateTime": CHANGED,
        },
        {
            "identifier": "0d6f2c1e-0000-4000-8000-0000000000a2",
            "uri": "https://example.org/uri/a2",
            "fullStatement": "Gown aseptically for grade B",
            "humanCodingScheme": "ASP2",
            "lastChangeDateTime": CHANGED,
        },
    ],
    "CFAssociations": [
        {
            "identifier": "0d6f2c1e-0000-4000-8000-0000000000b1",
            "uri": "https://example.org/uri/b1",
            "associationType": "isChildOf",
            "originNodeURI": {
                "title": "ASP2",
                "identifier": "0d6f2c1e-0000-4000-8000-0000000000a2",
                "uri": "https://example.org/uri/a2",
            },
            "destinationNodeURI": {
                "title": "ASP",
                "identifier": "0d6f2c1e-0000-4000-8000-0000000000a1",
                "uri": "https://example.org/uri/a1",
            },
            "lastChangeDateTime": CHANGED,
        }
    ],
}


def uuid(number: int) -> str:
    return f"0d6f2c1e-0000-4000-8000-{number:012x}"


def minimal() -> dict[str, Any]:
    """A copy that a test may change."""
    return copy.deepcopy(dict(MINIMAL))


def link(number: int, **members: Any) -> dict[str, Any]:
    return {
        "title": f"node {number}",
        "identifier": uuid(number),
        "uri": f"https://example.org/uri/{number:x}",
        **members,
    }


def association(number: int, kind: str, origin: int, destination: int, **members: Any) -> Any:
    return {
        "identifier": uuid(number),
        "uri": f"https://example.org/uri/{number:x}",
        "associationType": kind,
        "originNodeURI": link(origin),
        "destinationNodeURI": link(destination),
        "lastChangeDateTime": CHANGED,
        **members,
    }


def thing(number: int, **members: Any) -> dict[str, Any]:
    """What every object of CASE holds, and `members`."""
    return {
        "identifier": uuid(number),
        "uri": f"https://example.org/uri/{number:x}",
        "lastChangeDateTime": CHANGED,
        **members,
    }


def complete() -> dict[str, Any]:
    """A package with every list, and an association to another framework."""
    package = minimal()
    package["CFDocument"] |= {
        "subject": ["Manufacturing"],
        "licenseURI": link(0xD1),
        "statusStartDate": "2026-01-01",
        "extensions": {"urn:assay:case:note": {"kept": [1, 2.50, None]}},
    }
    package["CFItems"][0] |= {
        "CFItemType": "Skill",
        "CFItemTypeURI": link(0xC1),
        "conceptKeywords": ["aseptic"],
        "educationLevel": [],
    }
    package["CFAssociations"] += [
        association(0xB2, "exactMatchOf", 0xA1, 0xFF, sequenceNumber=2),
        association(0xB3, "ext:uses.tool", 0xA2, 0xA1, notes="in our own words"),
    ]
    level = thing(0xE3, quality="supervised", score=2, position=1, extensions=[{"own": True}])
    criterion = thing(0xE2, weight=1.0, CFItemURI=link(0xA2), CFRubricCriterionLevels=[level])
    package["CFRubrics"] = [thing(0xE1, title="Levels", CFRubricCriteria=[criterion])]
    package["CFDefinitions"] = {
        "CFConcepts": [
            thing(0xC2, title="aseptic", hierarchyCode="1"),
            thing(0xC3, title="gowning", hierarchyCode="1.1", keywords="gown|glove"),
            thing(0xC4, title="cells", hierarchyCode="11"),
        ],
        "CFSubjects": [thing(0xC5, title="Manufacturing", hierarchyCode="1")],
        "CFLicenses": [thing(0xD1, title="CC BY 4.0", licenseText="Creative Commons")],
        "CFItemTypes": [thing(0xC1, title="Skill", description="A skill", hierarchyCode="1")],
        "CFAssociationGroupings": [thing(0xD2, title="As taught")],
        "extensions": {},
    }
    package["extensions"] = {"urn:assay:case:about": "a test"}
    return package


ROLES_DOCUMENT = "0d6f2c1e-0000-4000-8000-000000000002"


def roles_package(levels: Mapping[int, Any] | None = None) -> dict[str, Any]:
    """A role document: the role OP1 asks for the competencies 0xA1 and 0xA2 at levels."""
    levels = {0xA1: 2, 0xA2: 3} if levels is None else levels
    return {
        "CFDocument": {
            "identifier": ROLES_DOCUMENT,
            "uri": "https://example.org/uri/roles",
            "creator": "Example centre",
            "title": "Roles",
            "frameworkType": "role",
            "lastChangeDateTime": CHANGED,
        },
        "CFItems": [thing(0x91, fullStatement="Operator", humanCodingScheme="OP1")],
        "CFAssociations": [
            association(
                0x100 + competency,
                "hasSkillLevel",
                0x91,
                competency,
                extensions={"urn:assay:case:level": level},
            )
            for competency, level in levels.items()
        ],
    }
