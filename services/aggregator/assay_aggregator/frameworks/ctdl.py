"""A framework as CTDL-ASN, the JSON-LD of Credential Engine's registry.

Source: CTDL Profile of ASN-DL, `https://credreg.net/ctdlasn/schema/context/json`. Texts are maps
from language to text. CASE's isChildOf, exactMatchOf and precedes have counterparts; the other
associations have none and are left out.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay_aggregator.errors import Refused
from assay_aggregator.frameworks.case_json import Number
from assay_aggregator.frameworks.packages import (
    Object,
    Package,
    framework_of,
    holds_competencies,
    node_of,
    text_of,
)

CONTEXT: Final = "https://credreg.net/ctdlasn/schema/context/json"
CTDL_ASN_TYPE: Final = "application/ld+json"
LANGUAGE: Final = "en"

_STATUSES: Final[Mapping[str, str]] = {
    "draft": "publicationStatus:Draft",
    "private draft": "publicationStatus:Draft",
    "adopted": "publicationStatus:Published",
    "deprecated": "publicationStatus:Deprecated",
}


def ctdl_of(package: Package, attribution: str | None = None) -> dict[str, Any]:
    """The JSON-LD graph of a framework and its competencies. Raises Refused for one of roles."""
    document = package["CFDocument"]
    if not holds_competencies(document):
        raise Refused("CTDL-ASN describes competencies, and this framework has none")
    graph = _Graph(package)
    return {
        "@context": CONTEXT,
        "@id": document["uri"],
        "@graph": [
            graph.framework(attribution),
            *(graph.competency(one) for one in package.get("CFItems") or ()),
        ],
    }


class _Graph:
    def __init__(self, package: Package) -> None:
        self._document = package["CFDocument"]
        self._language = text_of(self._document, "language") or LANGUAGE
        items = package.get("CFItems") or ()
        self._uris = {str(one["identifier"]).lower(): str(one["uri"]) for one in items}
        self._order = [str(one["uri"]) for one in items]
        self._parents: dict[str, list[str]] = {}
        self._children: dict[str, list[tuple[int, int, str]]] = {}
        self._exact: dict[str, list[str]] = {}
        self._before: dict[str, list[str]] = {}
        self._tops: dict[str, tuple[int, int]] = {}
        for position, one in enumerate(package.get("CFAssociations") or ()):
            self._associate(position, one)

    def _associate(self, position: int, one: Object) -> None:
        origin, destination = (
            self._uri(one, end) for end in ("originNodeURI", "destinationNodeURI")
        )
        if origin is None or destination is None:
            return
        match one.get("associationType"):
            case "isChildOf":
                if node_of(one, "destinationNodeURI") == framework_of(
                    {"CFDocument": self._document}
                ):
                    self._tops[origin] = (_sequence(one), position)
                else:
                    self._parents.setdefault(origin, []).append(destination)
                    self._children.setdefault(destination, []).append(
                        (_sequence(one), position, origin)
                    )
            case "exactMatchOf":
                self._exact.setdefault(origin, []).append(destination)
            case "precedes":
                self._before.setdefault(destination, []).append(origin)

    def _uri(self, association: Object, end: str) -> str | None:
        """The item's own URI, or that of the link when the item is elsewhere."""
        node = node_of(association, end)
        if node in self._uris:
            return self._uris[node]
        return text_of(association[end], "uri")

    def framework(self, attribution: str | None) -> dict[str, Any]:
        document = self._document
        tops = sorted(self._tops, key=lambda uri: self._tops[uri])
        tops += [uri for uri in self._order if uri not in self._tops and not self._parents.get(uri)]
        return _without_nothing(
            {
                "@id": document["uri"],
                "@type": "ceasn:CompetencyFramework",
                "ceterms:ctid": f"ce-{document['identifier']}",
                "ceasn:name": self._map(document, "title"),
                "ceasn:description": self._map(document, "description"),
                "ceasn:inLanguage": [self._language],
                "ceasn:publisherName": self._map(document, "publisher")
                or self._map(document, "creator"),
                "ceasn:publicationStatusType": _STATUSES.get(
                    (text_of(document, "adoptionStatus") or "").lower()
                ),
                "ceasn:dateModified": text_of(document, "lastChangeDateTime"),
                "ceasn:dateValidFrom": text_of(document, "statusStartDate"),
                "ceasn:dateValidUntil": text_of(document, "statusEndDate"),
                "ceasn:source": _list(text_of(document, "officialSourceURL")),
                "ceasn:license": text_of(document.get("licenseURI") or {}, "uri"),
                "ceasn:rights": None if attribution is None else {self._language: attribution},
                "ceasn:hasTopChild": tops,
            }
        )

    def competency(self, item: Object) -> dict[str, Any]:
        uri = str(item["uri"])
        parents = self._parents.get(uri, [])
        keywords = item.get("conceptKeywords")
        language = text_of(item, "language") or self._language
        return _without_nothing(
            {
                "@id": uri,
                "@type": "ceasn:Competency",
                "ceterms:ctid": f"ce-{item['identifier']}",
                "ceasn:competencyText": self._map(item, "fullStatement"),
                "ceasn:competencyLabel": self._map(item, "abbreviatedStatement"),
                "ceasn:codedNotation": text_of(item, "humanCodingScheme"),
                "ceasn:listID": text_of(item, "listEnumeration"),
                "ceasn:competencyCategory": self._map(item, "CFItemType"),
                "ceasn:comment": _list(self._map(item, "notes")),
                "ceasn:conceptKeyword": {language: keywords}
                if isinstance(keywords, list) and keywords
                else None,
                "ceasn:inLanguage": [language],
                "ceasn:dateModified": text_of(item, "lastChangeDateTime"),
                "ceasn:isPartOf": [self._document["uri"]],
                "ceasn:isTopChildOf": self._document["uri"]
                if uri in self._tops or not parents
                else None,
                "ceasn:isChildOf": parents,
                "ceasn:hasChild": [one for *_, one in sorted(self._children.get(uri, ()))],
                "ceasn:exactAlignment": self._exact.get(uri),
                "ceasn:prerequisiteAlignment": self._before.get(uri),
            }
        )

    def _map(self, body: Object, name: str) -> dict[str, str] | None:
        text = text_of(body, name)
        language = text_of(body, "language") or self._language
        return None if text is None else {language: text}


def _sequence(association: Object) -> int:
    number = association.get("sequenceNumber")
    if isinstance(number, Number) and number.is_integer():
        return int(number.text)
    return 0


def _list(value: Any) -> list[Any] | None:
    return None if value is None else [value]


def _without_nothing(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value not in (None, [], {})}
