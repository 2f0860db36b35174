"""Rules and cases as people write them: JSON or YAML text, with the line of every value.

Both are read strictly: a key stands once, numbers keep their digits, and a YAML scalar is text
unless JSON would read it as something else (no dates, no `yes`, no octal numbers).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final

import yaml

from assay_schemas.jsontext import TextFault, parse_json

YAML_SUFFIXES: Final = (".yaml", ".yml")
MAX_BYTES: Final = 16 * 1024 * 1024
_MAX_DEPTH: Final = 64
_MAX_DIGITS: Final = 4_300  # as the JSON parser
_STR: Final = "tag:yaml.org,2002:str"


class TextError(ValueError):
    """A text cannot be read. `line` counts from 1, None where it is not known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason = reason
        self.line = line
        super().__init__(reason if line is None else f"line {line}: {reason}")


@dataclass(frozen=True, slots=True)
class Written:
    """A value and the lines of its parts, by RFC 6901 pointer."""

    value: Any
    lines: Mapping[str, int]

    def line(self, pointer: str) -> int | None:
        """The line of a place, or of the nearest place around it that was written."""
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)


def read_text(text: bytes, name: str) -> Written:
    """The value of a file's text, YAML by the name's suffix, else JSON. Raises TextError."""
    if len(text) > MAX_BYTES:
        raise TextError(f"is larger than {MAX_BYTES} bytes")
    if PurePath(name).suffix.lower() in YAML_SUFFIXES:
        return _read_yaml(text)
    try:
        value = parse_json(text, _MAX_DEPTH)
    except TextFault as fault:
        where = "".join(f"/{step}" for step in fault.path)
        found = re.search(r"line (\d+)", fault.detail)
        reason = " ".join(filter(None, ["is not JSON:", fault.rule, where, fault.detail]))
        raise TextError(reason, int(found[1]) if found else None) from fault
    return Written(value, _lines_of_json(text))


def _lines_of_json(text: bytes) -> Mapping[str, int]:
    """JSON is nearly YAML, whose parser keeps the lines; where it is not, there are none."""
    try:
        return _read_yaml(text.replace(b"\t", b" ")).lines
    except TextError:
        return {}


class _Loader(yaml.SafeLoader):
    """Scalars as JSON reads them; everything else is text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as the base class declares it


_NUMBER_START: Final = list("-0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""]
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), _NUMBER_START
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"),
    _NUMBER_START,
)


def _read_yaml(text: bytes) -> Written:
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        reason = f"is not YAML: {error.problem or error.context}"
        raise TextError(reason, None if mark is None else mark.line + 1) from error
    except (yaml.YAMLError, RecursionError, UnicodeError) as error:
        raise TextError(f"is not YAML: {error}") from error
    lines: dict[str, int] = {}
    value = None if root is None else _value(root, "", lines, set(), 0)
    return Written(value, lines)


def _value(node: yaml.Node, pointer: str, lines: dict[str, int], seen: set[int], depth: int) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(pointer, line)
    if depth > _MAX_DEPTH:
        raise TextError(f"is nested deeper than {_MAX_DEPTH} levels", line)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, line)
    if id(node) in seen:
        raise TextError("aliases are not taken: write the value where it is meant", line)
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(one, f"{pointer}/{index}", lines, seen, depth + 1)
            for index, one in enumerate(node.value)
        ]
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key_line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STR:
            raise TextError("a key is not text", key_line)
        key = key_node.value
        if key in found:
            raise TextError(f"the key `{key}` stands twice", key_line)
        place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        lines[place] = key_line
        found[key] = _value(value_node, place, lines, seen, depth + 1)
    return found


def _scalar(node: yaml.ScalarNode, line: int) -> Any:
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "str":
            return text
        case "null":
            return None
        case "bool":
            return text == "true"
        case "int" if len(text) < _MAX_DIGITS:
            return int(text)
        case "float":
            return Decimal(text)
        case _:
            raise TextError(f"`{node.tag}` is not taken", line)
