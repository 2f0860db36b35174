"""Reading a CFPackage: its lists, what it is about, and what its associations connect.

A node of an association is found by its identifier (in lower case), which may belong to an item,
to the document itself, or to something that the package does not hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from assay_aggregator.frameworks.case_json import Number
from assay_aggregator.frameworks.case_shapes import DEFINITIONS, SECTIONS
from assay_aggregator.frameworks.findings import Findings

Package = Mapping[str, Any]
Object = Mapping[str, Any]

# Associations that must not go round: a part is no part of itself, and nothing comes before itself.
ACYCLIC: Final = ("isChildOf", "precedes")
# Each costs a walk over all associations.
CYCLES_MAX: Final = 20

# Frameworks whose items are no competencies.
NOT_OF_COMPETENCIES: Final = frozenset({"role", "occupation"})
ROLE: Final = "role"


@dataclass(frozen=True, slots=True)
class Member:
    """An object of a package: its list, its place there, and its body."""

    section: str
    position: int
    body: Object

    @property
    def identifier(self) -> str:
        return str(self.body["identifier"]).lower()

    @property
    def origin(self) -> str | None:
        return node_of(self.body, "originNodeURI") if self.is_association else None

    @property
    def destination(self) -> str | None:
        return node_of(self.body, "destinationNodeURI") if self.is_association else None

    @property
    def is_association(self) -> bool:
        return self.section == "CFAssociations"


def members(package: Package) -> Iterator[Member]:
    """Every object of the package's lists, list by list."""
    definitions = package.get("CFDefinitions") or {}
    for section in SECTIONS:
        for position, body in enumerate(package.get(section) or ()):
            yield Member(section, position, body)
    for section in DEFINITIONS:
        for position, body in enumerate(definitions.get(section) or ()):
            yield Member(section, position, body)


def frame_of(package: Package) -> dict[str, Any]:
    """The package without the members of its lists."""
    frame = {name: [] if name in SECTIONS else value for name, value in package.items()}
    definitions = package.get("CFDefinitions")
    if definitions is not None:
        frame["CFDefinitions"] = {
            name: [] if name in DEFINITIONS else value for name, value in definitions.items()
        }
    return frame


def framework_of(package: Package) -> str:
    """By what a framework is known: its document's identifier in lower case."""
    return str(package["CFDocument"]["identifier"]).lower()


def framework_type(document: Object) -> str | None:
    return text_of(document, "frameworkType")


def holds_competencies(document: Object) -> bool:
    return (framework_type(document) or "").strip().lower() not in NOT_OF_COMPETENCIES


def holds_roles(document: Object) -> bool:
    return (framework_type(document) or "").strip().lower() == ROLE


def text_of(body: Object, name: str) -> str | None:
    """A member that is a text and not empty."""
    value = body.get(name)
    return value if isinstance(value, str) and value else None


def node_of(association: Object, end: str) -> str | None:
    """The identifier of one end of an association, in lower case."""
    node = association.get(end)
    identifier = None if not isinstance(node, Mapping) else text_of(node, "identifier")
    return None if identifier is None else identifier.lower()


def score_of(value: Any) -> int | None:
    """A level as a number: an integer from 0 on, of a number or of the text of one."""
    text = value.text if isinstance(value, Number) else value
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    return None


def outside_nodes(package: Package) -> dict[str, list[str]]:
    """The identifiers that associations name and the package does not hold, with the pointers."""
    inside = {framework_of(package)}
    inside.update(one.identifier for one in members(package))
    found: dict[str, list[str]] = {}
    for position, association in enumerate(package.get("CFAssociations") or ()):
        for end in ("originNodeURI", "destinationNodeURI"):
            node = node_of(association, end)
            if node is not None and node not in inside:
                found.setdefault(node, []).append(f"/CFAssociations/{position}/{end}")
    return found


def note_cycles(package: Package, findings: Findings) -> None:
    """Note the ways round of what must not go round, up to CYCLES_MAX of each kind."""
    names = _names(package)
    for kind in ACYCLIC:
        edges: dict[str, set[str]] = {}
        for association in package.get("CFAssociations") or ():
            if association.get("associationType") == kind:
                origin = node_of(association, "originNodeURI")
                destination = node_of(association, "destinationNodeURI")
                if origin is not None and destination is not None:
                    edges.setdefault(origin, set()).add(destination)
        for cycle in _cycles(edges):
            way = " -> ".join(names.get(node, node) for node in cycle)
            findings.add("noted", "/CFAssociations", f"{kind} goes round: {way}")


def _names(package: Package) -> Mapping[str, str]:
    return {
        str(item["identifier"]).lower(): text_of(item, "humanCodingScheme") or item["identifier"]
        for item in package.get("CFItems") or ()
    }


def _cycles(edges: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """One way round after the other, each cut where it closes; [a, b, a] says a to b to a."""
    left = {node: set(others) for node, others in sorted(edges.items())}
    for _ in range(CYCLES_MAX):
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # The sorter's edges go from a node to what comes before it, so the way is reversed.
            way = list(reversed(error.args[1]))
            yield way
            left[way[0]].discard(way[1])
        else:
            return
