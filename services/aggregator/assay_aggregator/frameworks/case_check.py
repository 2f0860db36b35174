"""Checks a CFPackage against CASE 1.1, and repairs what can be repaired without losing anything.

`check_package` never changes a package without saying so: a strict import is one that refuses every
finding but the notes, so what it lets through is stored as it came. Repairs give a member that must
be there a value from its neighbours; what the specification does not allow but says something
(unknown members, `CFDocumentURI` inside a package) is kept.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from assay_aggregator.admin import COMPETENCY_BYTES_MAX
from assay_aggregator.frameworks import case_shapes as shapes
from assay_aggregator.frameworks.case_json import Number
from assay_aggregator.frameworks.case_shapes import Kind, Shape
from assay_aggregator.frameworks.findings import Findings, Outcome

# Indexed by the database, which takes 2,704 bytes a key.
IDENTIFIER_LENGTH_MAX: Final = 200
CODE_LENGTH_MAX: Final = 500

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LONG_AGO: Final = "1970-01-01T00:00:00+00:00"
_INT32: Final = 2**31


@dataclass(frozen=True, slots=True)
class Checked:
    """A package that can be stored, and what was found in it."""

    package: dict[str, Any]
    findings: Findings


def check_package(value: Any) -> Checked:
    """The package as it is to be stored. With a finding `refused` it must not be."""
    check = _Check()
    package = check.package(value)
    return Checked(package, check.findings)


class _Check:
    def __init__(self) -> None:
        self.findings = Findings()
        self._changed: str | None = None

    def package(self, value: Any) -> dict[str, Any]:
        value = self._unwrapped(value, "CFPackage", "")
        if not isinstance(value, dict):
            self._refuse("", "a package is a JSON object")
            return {}
        document = value.get("CFDocument")
        if not isinstance(document, dict):
            self._refuse("/CFDocument", "is missing")
            return {}
        checked = self._object(document, shapes.DOCUMENT, "/CFDocument")
        changed = checked.get("lastChangeDateTime")
        self._changed = changed if isinstance(changed, str) else None
        found: dict[str, Any] = {}
        for name, one in value.items():
            self._top(found, name, checked if name == "CFDocument" else one)
        return found

    def _top(self, found: dict[str, Any], name: str, one: Any) -> None:
        pointer = f"/{_escaped(name)}"
        if name == "CFDocument":
            found[name] = one
        elif one is None:
            self._repair(pointer, "null is taken out")
        elif name in shapes.SECTIONS:
            found[name] = self._list(one, shapes.SECTIONS[name], pointer)
        elif name == "CFDefinitions":
            if one == []:
                self._repair(pointer, "an empty list stands for an object and is taken out")
            else:
                found[name] = self._definitions(one, pointer)
        elif name == "extensions":
            found[name] = self._extensions(one, pointer)
        else:
            self._keep(pointer, "is no member of a CFPackage")
            found[name] = one

    def _definitions(self, value: Any, pointer: str) -> Any:
        if not isinstance(value, dict):
            self._refuse(pointer, "is a JSON object")
            return value
        found: dict[str, Any] = {}
        for name, one in value.items():
            place = f"{pointer}/{_escaped(name)}"
            if one is None:
                self._repair(place, "null is taken out")
            elif name in shapes.DEFINITIONS:
                found[name] = self._list(one, shapes.DEFINITIONS[name], place)
            elif name == "extensions":
                found[name] = self._extensions(one, place)
            else:
                self._keep(place, "is no member of CFDefinitions")
                found[name] = one
        return found

    def _list(self, value: Any, shape: Shape, pointer: str) -> Any:
        """A list of objects, each once."""
        if not isinstance(value, list):
            self._refuse(pointer, "is a list")
            return value
        found: dict[str, dict[str, Any]] = {}
        for index, one in enumerate(value):
            place = f"{pointer}/{index}"
            checked = self._object(one, shape, place)
            key = checked.get("identifier")
            if not isinstance(key, str):
                # Refused already.
                continue
            before = found.setdefault(key.lower(), checked)
            if before is checked:
                continue
            if before == checked:
                self._repair(place, "stands twice; the second is taken out")
            else:
                self._refuse(f"{place}/identifier", "is that of another object of the list")
        return list(found.values())

    def _object(self, value: Any, shape: Shape, pointer: str) -> dict[str, Any]:
        value = self._unwrapped(value, shape.name, pointer)
        if not isinstance(value, dict):
            self._refuse(pointer, f"a {shape.name} is a JSON object")
            return {}
        found: dict[str, Any] = {}
        for name, one in value.items():
            place = f"{pointer}/{_escaped(name)}"
            kind = shape.members.get(name)
            if kind is None:
                self._unknown(shape, name, place)
                found[name] = one
            elif one is None:
                if name not in shape.required:
                    self._repair(place, "null is taken out")
            else:
                found[name] = self._value(one, kind, place)
        for name in shape.required:
            given = found.get(name)
            if given is None or (given == "" and shape.members[name] is not Kind.TEXT):
                self._fill(found, shape, name, f"{pointer}/{name}")
            elif not isinstance(given, dict if shape.members[name] is Kind.NODE else str):
                self._refuse(f"{pointer}/{name}", "is of another type than it must be")
        self._limits(found, pointer)
        return found

    def _unknown(self, shape: Shape, name: str, pointer: str) -> None:
        if shapes.STANDALONE.get(shape.name) == name:
            self._keep(pointer, "is not allowed inside a package")
        else:
            self._keep(pointer, f"is no member of a {shape.name}")

    def _unwrapped(self, value: Any, name: str, pointer: str) -> Any:
        """What is inside the wrapper that OpenSALT puts around single objects."""
        while isinstance(value, dict) and list(value) == [name] and isinstance(value[name], dict):
            self._repair(pointer, f"the wrapper {name} is taken off")
            value = value[name]
        return value

    def _limits(self, found: Mapping[str, Any], pointer: str) -> None:
        for name, most in (
            ("identifier", IDENTIFIER_LENGTH_MAX),
            ("humanCodingScheme", CODE_LENGTH_MAX),
        ):
            text = found.get(name)
            if isinstance(text, str) and len(text) > most:
                self._refuse(f"{pointer}/{name}", f"is longer than {most} characters")
        uri = found.get("uri")
        if isinstance(uri, str) and len(uri.encode()) > COMPETENCY_BYTES_MAX:
            self._refuse(f"{pointer}/uri", f"is longer than {COMPETENCY_BYTES_MAX} bytes")

    # Members that must be there

    def _fill(self, found: dict[str, Any], shape: Shape, name: str, pointer: str) -> None:
        value = self._stand_in(found, shape, name)
        if value is None:
            self._refuse(pointer, "is missing")
            return
        found[name] = value
        self._repair(pointer, f"is missing; it became {str(value)[:80]!r}")

    def _stand_in(self, found: Mapping[str, Any], shape: Shape, name: str) -> str | None:
        """A value for a missing member, from the others of its object; None where there is none."""
        texts = {key: one for key, one in found.items() if isinstance(one, str) and one}
        if name == "identifier":
            return None if "uri" not in texts else str(uuid5(NAMESPACE_URL, texts["uri"]))
        if name == "uri":
            return None if "identifier" not in texts else f"urn:uuid:{texts['identifier']}"
        if name == "lastChangeDateTime":
            return self._changed or _LONG_AGO
        others: Mapping[str, tuple[str, ...]] = {
            "creator": ("publisher",),
            "title": ("description", "identifier"),
            "fullStatement": ("abbreviatedStatement", "humanCodingScheme", "alternativeLabel"),
            "description": ("title",),
            "hierarchyCode": ("identifier",),
            "licenseText": ("description", "title"),
        }
        for other in others.get(name, ()):
            if other in texts:
                return texts[other]
        return "unknown" if name == "creator" and shape is shapes.DOCUMENT else None

    # Values

    def _value(self, value: Any, kind: Kind, pointer: str) -> Any:
        match kind:
            case Kind.TEXTS:
                return self._texts(value, pointer)
            case Kind.INTEGER | Kind.NUMBER:
                return self._number(value, kind, pointer)
            case Kind.LINK | Kind.NODE:
                return self._link(value, kind, pointer)
            case Kind.LINKS:
                return self._links(value, pointer)
            case Kind.EXTENSIONS:
                return self._extensions(value, pointer)
            case Kind.EXTENSIONS_LIST:
                if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                    self._keep(pointer, "is a list of JSON objects")
                return value
            case Kind.CRITERIA:
                return self._list(value, shapes.CRITERION, pointer)
            case Kind.LEVELS:
                return self._list(value, shapes.LEVEL, pointer)
            case _:
                return self._text(value, kind, pointer)

    def _text(self, value: Any, kind: Kind, pointer: str) -> Any:
        if isinstance(value, Number):
            self._repair(pointer, "a number became the text of it")
            value = value.text
        if not isinstance(value, str):
            self._keep(pointer, "is a text")
            return value
        if kind is Kind.UUID and shapes.UUID_TEXT.fullmatch(value) is None:
            self._keep(pointer, "is a UUID of the versions 1 to 5 in lower case")
        elif kind is Kind.URI and _ABSOLUTE.fullmatch(value) is None:
            self._keep(pointer, "is an absolute URI")
        elif kind is Kind.INSTANT and not _is_instant(value):
            self._keep(pointer, "is a time with its offset from UTC (RFC 3339)")
        elif kind is Kind.DATE and not _is_date(value):
            if _is_instant(value):
                self._repair(pointer, "a time became its date")
                return value[:10]
            self._keep(pointer, "is a date (YYYY-MM-DD)")
        elif kind is Kind.CASE_VERSION and value != "1.1":
            self._keep(pointer, 'is "1.1" or left out')
        elif kind is Kind.TARGET_TYPE and not _is_target_type(value):
            self._keep(pointer, 'is "CASE", or begins with ext:')
        elif kind is Kind.ASSOCIATION_TYPE and not _is_association_type(value):
            self._keep(pointer, "is one of the association types, or begins with ext:")
        return value

    def _texts(self, value: Any, pointer: str) -> Any:
        if isinstance(value, str):
            self._repair(pointer, "a text became a list of one")
            return [value]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._keep(pointer, "is a list of texts")
        return value

    def _number(self, value: Any, kind: Kind, pointer: str) -> Any:
        if not isinstance(value, Number):
            self._keep(pointer, "is a number")
        elif kind is Kind.INTEGER and not (
            value.is_integer() and -_INT32 <= int(value.text) < _INT32
        ):
            self._keep(pointer, "is an integer of 32 bits")
        return value

    def _links(self, value: Any, pointer: str) -> Any:
        if isinstance(value, dict):
            self._repair(pointer, "a link became a list of one")
            value = [value]
        if not isinstance(value, list):
            self._keep(pointer, "is a list of links")
            return value
        return [self._link(one, Kind.LINK, f"{pointer}/{index}") for index, one in enumerate(value)]

    def _link(self, value: Any, kind: Kind, pointer: str) -> Any:
        """{title, identifier, uri}; a node may be anywhere, so its identifier is any text."""
        if isinstance(value, str) and value:
            self._repair(pointer, "a text became a link with it as URI")
            return {
                "title": value,
                "identifier": str(uuid5(NAMESPACE_URL, value)),
                "uri": value,
            }
        if not isinstance(value, dict):
            self._keep(pointer, "is a link: {title, identifier, uri}")
            return value
        found = dict(value)
        for name, inner in (
            ("identifier", Kind.TEXT if kind is Kind.NODE else Kind.UUID),
            ("uri", Kind.URI),
            ("title", Kind.TEXT),
        ):
            given = found.get(name)
            if given is None or (given == "" and inner is not Kind.TEXT):
                self._fill_link(found, kind, name, f"{pointer}/{name}")
            else:
                found[name] = self._text(given, inner, f"{pointer}/{name}")
            if kind is Kind.NODE and not isinstance(found.get(name), str | None):
                self._refuse(f"{pointer}/{name}", "is of another type than it must be")
        for name, one in found.items():
            if kind is Kind.NODE and name == "targetType":
                found[name] = self._text(one, Kind.TARGET_TYPE, f"{pointer}/{name}")
            elif name not in ("title", "identifier", "uri"):
                self._keep(f"{pointer}/{_escaped(name)}", "is no member of a link")
        return found

    def _fill_link(self, found: dict[str, Any], kind: Kind, name: str, pointer: str) -> None:
        texts = {key: one for key, one in found.items() if isinstance(one, str) and one}
        if name == "identifier" and "uri" in texts:
            found[name] = str(uuid5(NAMESPACE_URL, texts["uri"]))
        elif name == "uri" and "identifier" in texts:
            found[name] = f"urn:uuid:{texts['identifier']}"
        elif name == "title" and "uri" in texts:
            found[name] = texts["uri"]
        else:
            outcome: Outcome = "refused" if kind is Kind.NODE else "kept"
            self.findings.add(outcome, pointer, "is missing, and what it could be made from, too")
            return
        self._repair(pointer, "is missing; it was made from the link's other members")

    def _extensions(self, value: Any, pointer: str) -> Any:
        if value == []:
            self._repair(pointer, "an empty list became an empty object")
            return {}
        if not isinstance(value, dict):
            self._keep(pointer, "is a JSON object")
        return value

    def _refuse(self, pointer: str, rule: str) -> None:
        self.findings.add("refused", pointer, rule)

    def _repair(self, pointer: str, rule: str) -> None:
        self.findings.add("repaired", pointer, rule)

    def _keep(self, pointer: str, rule: str) -> None:
        self.findings.add("kept", pointer, rule)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _is_association_type(text: str) -> bool:
    return text in shapes.ASSOCIATION_TYPES or shapes.EXTENSION_TYPE.fullmatch(text) is not None


def _is_target_type(text: str) -> bool:
    return text == "CASE" or shapes.EXTENSION_TYPE.fullmatch(text) is not None


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_instant(text: str) -> bool:
    if _INSTANT.fullmatch(text) is None:
        return False
    # A leap second is allowed (RFC 3339, 5.6), and Python knows none.
    second = "59" if text[17:19] == "60" else text[17:19]
    try:
        datetime.fromisoformat(text[:17].upper() + second + text[19:].upper())
    except ValueError:
        return False
    return True
