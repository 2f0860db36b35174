"""The demo's competencies and roles as two CFPackages of CASE 1.1, made of `framework.json`.

The level scale is a CFRubric; what kind of thing a competency is, a CFItemType; what our rules need
stands in `extensions` under `urn:assay:case:`. Identifiers follow from URIs: twice is once.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from assay_aggregator.frameworks.building import (
    Object,
    association,
    document,
    identifier_of,
    item,
    link,
    package,
)
from assay_aggregator.frameworks.case_json import Number
from assay_aggregator.frameworks.roles import LEVEL_KEY, SKILL_LEVEL
from assay_cli.demo_catalogue import framework, framework_document, rule_documents
from assay_cli.demo_statements import BASE

TITLE: Final = "Advanced therapy and vaccine manufacturing skills (illustrative)"
FRAMEWORK_URI: Final = f"{BASE}/frameworks/skills"
ROLES_URI: Final = f"{BASE}/frameworks/roles"
CREATOR: Final = "Assay demo training network"
CHANGED: Final = "2026-01-05T09:00:00+00:00"
NAMESPACE: Final = "urn:assay:case:"

_KINDS: Final[Mapping[str, str]] = {"K": "Knowledge", "S": "Skill", "B": "Behaviour"}
_MODALITIES: Final[Mapping[str, str]] = {
    "O": "online",
    "V": "vr",
    "P": "in_person",
    "W": "workplace",
}
_MEANINGS: Final[Mapping[str, str]] = {
    "0": "no evidence",
    "1": "can explain it, and has watched it",
    "2": "does it with direct supervision",
    "3": "does it alone, to procedure",
    "4": "supervises, trains and assesses others",
}


@cache
def framework_package() -> Object:
    """The competencies, below the document, with their kinds and the scale of levels."""
    about = _about(FRAMEWORK_URI, TITLE, "competency")
    rules = rule_documents()
    items: list[Object] = []
    for one in framework():
        extensions: dict[str, Any] = {
            f"{NAMESPACE}modalities": [_MODALITIES[letter] for letter in one.modalities],
            f"{NAMESPACE}basis": "public guidance" if one.basis == "A" else "site default",
        }
        if one.requal != "-":
            extensions[f"{NAMESPACE}requalification"] = one.requal
        if one.code in rules:
            extensions[f"{NAMESPACE}rule"] = rules[one.code]["id"]
        items.append(
            item(
                one.iri,
                one.statement,
                changed=CHANGED,
                humanCodingScheme=one.code,
                CFItemType=_KINDS[one.kind],
                CFItemTypeURI=_kind_link(one.kind),
                language="en-GB",
                extensions=extensions,
            )
        )
    below = [
        association(
            "isChildOf",
            link(one),
            link(about),
            changed=CHANGED,
            sequenceNumber=Number(str(number)),
        )
        for number, one in enumerate(items, start=1)
    ]
    return {
        **package(about, items, below),
        "CFDefinitions": {"CFItemTypes": [_kind(one) for one in _KINDS]},
        "CFRubrics": [_levels()],
    }


@cache
def roles_package() -> Object:
    """The roles; each asks for competencies of the other package, at levels."""
    about = _about(ROLES_URI, f"{TITLE}: roles", "role")
    competencies = {one["humanCodingScheme"]: one for one in framework_package()["CFItems"]}
    items: list[Object] = []
    asks: list[Object] = []
    for title, levels in framework_document()["roles"].items():
        code, _, name = title.partition(" ")
        role = item(
            f"{BASE}/roles/{code}",
            name,
            changed=CHANGED,
            humanCodingScheme=code,
            CFItemType="Role",
            language="en-GB",
        )
        items.append(role)
        asks += [
            association(
                SKILL_LEVEL,
                link(role),
                link(competencies[competency]),
                changed=CHANGED,
                extensions={LEVEL_KEY: Number(str(level))},
            )
            for competency, level in levels.items()
        ]
    return package(about, items, asks)


def _about(uri: str, title: str, kind: str) -> Object:
    return document(
        uri,
        changed=CHANGED,
        creator=CREATOR,
        title=title,
        frameworkType=kind,
        description="Illustrative data for demonstrations, written in our own words.",
        language="en-GB",
        adoptionStatus="Adopted",
    )


def _thing(uri: str, **members: Any) -> Object:
    return {
        "identifier": identifier_of(uri),
        "uri": uri,
        "lastChangeDateTime": CHANGED,
        **members,
    }


def _kind(letter: str) -> Object:
    return _thing(
        f"{BASE}/kinds/{letter}",
        title=_KINDS[letter],
        description=f"What a person has, as {_KINDS[letter].lower()}",
        hierarchyCode=letter,
        typeCode=letter,
    )


def _kind_link(letter: str) -> Object:
    return link(_kind(letter))


def _levels() -> Object:
    """The scale of all competencies, as a rubric of one criterion."""
    uri = f"{BASE}/levels"
    scale = [
        _thing(
            f"{uri}/{level}",
            quality=name,
            description=_MEANINGS[level],
            score=Number(level),
            position=Number(level),
        )
        for level, name in framework_document()["levels"].items()
    ]
    criterion = _thing(
        f"{uri}/criterion", description="Level of a competency", CFRubricCriterionLevels=scale
    )
    return _thing(uri, title="Levels", CFRubricCriteria=[criterion])
