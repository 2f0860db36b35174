"""What the objects of CASE 1.1 hold: member, kind, whether it must be there.

Written down from the information model of 1EdTech CASE 1.1 (final, 13 March 2025), section 5, as
it is inside a CFPackage; outside one, the document also has `CFPackageURI`, items and
associations also `CFDocumentURI`. Nothing else is allowed but `extensions`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """What a member's value is."""

    TEXT = auto()
    TEXTS = auto()
    UUID = auto()
    URI = auto()
    INSTANT = auto()
    DATE = auto()
    INTEGER = auto()
    NUMBER = auto()
    LINK = auto()
    LINKS = auto()
    NODE = auto()
    ASSOCIATION_TYPE = auto()
    TARGET_TYPE = auto()
    CASE_VERSION = auto()
    EXTENSIONS = auto()
    EXTENSIONS_LIST = auto()
    CRITERIA = auto()
    LEVELS = auto()


@dataclass(frozen=True, slots=True)
class Shape:
    """An object: its members by name, and which must be there."""

    name: str
    members: Mapping[str, Kind]
    required: tuple[str, ...]


_COMMON: Final[Mapping[str, Kind]] = {
    "identifier": Kind.UUID,
    "uri": Kind.URI,
    "lastChangeDateTime": Kind.INSTANT,
    "extensions": Kind.EXTENSIONS,
}


def _members(names: str, kind: Kind = Kind.TEXT) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


def _shape(name: str, required: str, *members: Mapping[str, Kind]) -> Shape:
    whole: dict[str, Kind] = dict(_COMMON)
    for one in members:
        whole.update(one)
    return Shape(name, whole, ("identifier", "uri", *required.split(), "lastChangeDateTime"))


DOCUMENT: Final = _shape(
    "CFDocument",
    "creator title",
    _members("frameworkType creator title publisher description language version notes"),
    _members("adoptionStatus"),
    _members("officialSourceURL", Kind.URI),
    _members("statusStartDate statusEndDate", Kind.DATE),
    _members("subject", Kind.TEXTS),
    _members("subjectURI", Kind.LINKS),
    _members("licenseURI", Kind.LINK),
    {"caseVersion": Kind.CASE_VERSION},
)
ITEM: Final = _shape(
    "CFItem",
    "fullStatement",
    _members("fullStatement alternativeLabel CFItemType humanCodingScheme listEnumeration"),
    _members("abbreviatedStatement notes language"),
    _members("conceptKeywords subject educationLevel", Kind.TEXTS),
    _members("conceptKeywordsURI CFItemTypeURI licenseURI", Kind.LINK),
    _members("subjectURI", Kind.LINKS),
    _members("statusStartDate statusEndDate", Kind.DATE),
)
ASSOCIATION: Final = _shape(
    "CFAssociation",
    "associationType originNodeURI destinationNodeURI",
    {"associationType": Kind.ASSOCIATION_TYPE, "sequenceNumber": Kind.INTEGER},
    _members("originNodeURI destinationNodeURI", Kind.NODE),
    _members("CFAssociationGroupingURI", Kind.LINK),
    _members("notes"),
)
LEVEL: Final = _shape(
    "CFRubricCriterionLevel",
    "",
    _members("description quality feedback"),
    {
        "score": Kind.NUMBER,
        "position": Kind.INTEGER,
        "rubricCriterionId": Kind.UUID,
        "extensions": Kind.EXTENSIONS_LIST,
    },
)
CRITERION: Final = _shape(
    "CFRubricCriterion",
    "",
    _members("category description"),
    {
        "CFItemURI": Kind.LINK,
        "weight": Kind.NUMBER,
        "position": Kind.INTEGER,
        "rubricId": Kind.UUID,
        "CFRubricCriterionLevels": Kind.LEVELS,
    },
)
RUBRIC: Final = _shape(
    "CFRubric", "", _members("title description"), {"CFRubricCriteria": Kind.CRITERIA}
)
CONCEPT: Final = _shape(
    "CFConcept", "title hierarchyCode", _members("title keywords hierarchyCode description")
)
SUBJECT: Final = _shape(
    "CFSubject", "title hierarchyCode", _members("title hierarchyCode description")
)
LICENSE: Final = _shape("CFLicense", "title licenseText", _members("title description licenseText"))
ITEM_TYPE: Final = _shape(
    "CFItemType",
    "title description hierarchyCode",
    _members("title description hierarchyCode typeCode"),
)
GROUPING: Final = _shape("CFAssociationGrouping", "title", _members("title description"))

# The lists of a package, and those inside its CFDefinitions.
SECTIONS: Final[Mapping[str, Shape]] = {
    "CFItems": ITEM,
    "CFAssociations": ASSOCIATION,
    "CFRubrics": RUBRIC,
}
DEFINITIONS: Final[Mapping[str, Shape]] = {
    "CFConcepts": CONCEPT,
    "CFSubjects": SUBJECT,
    "CFLicenses": LICENSE,
    "CFItemTypes": ITEM_TYPE,
    "CFAssociationGroupings": GROUPING,
}

# Allowed when the object stands alone, and found inside packages in the wild.
STANDALONE: Final[Mapping[str, str]] = {
    "CFDocument": "CFPackageURI",
    "CFItem": "CFDocumentURI",
    "CFAssociation": "CFDocumentURI",
}

ASSOCIATION_TYPES: Final = frozenset(
    {
        "isChildOf",
        "isPeerOf",
        "isPartOf",
        "exactMatchOf",
        "precedes",
        "isRelatedTo",
        "replacedBy",
        "exemplar",
        "hasSkillLevel",
        "isTranslationOf",
    }
)
EXTENSION_TYPE: Final = re.compile(r"ext:[a-zA-Z0-9.\-_]+")
UUID_TEXT: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
