"""From errors of pydantic and of the JSON text to `StatementError`: pointer, rule, section, words.

Only refused requests come here, so nothing here is quick. The table `_RULE_OF_TYPE` says which of
pydantic's own error types is which rule; the errors of our formats and checks carry their rule as
their type already.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import ErrorDetails, ValidationError

from assay_schemas.jsontext import TextFault
from assay_schemas.refusals import StatementError, json_pointer, shorten
from assay_schemas.xapi_rules import PROPERTY_SECTIONS, RULES, Rule, Version
from assay_schemas.xapi_types import UUID_PATTERN

_RULE_OF_TYPE = {
    "missing": "missing-property",
    "extra_forbidden": "unknown-property",
    "string_type": "wrong-type",
    "bool_type": "wrong-type",
    "dict_type": "wrong-type",
    "list_type": "wrong-type",
    "too_long": "limit-list-items",
    "too_short": "relevant-types-empty",
}

_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "dict_type": "an object",
    "list_type": "an array",
}

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "a string": (str,),
    "an object": (dict,),
    "a whole number": (int,),
}

# Each fault costs a kilobyte to describe, and a text of unknown properties could hold a million.
MAX_DESCRIBED_FAULTS = 1_000

_UUID = re.compile(UUID_PATTERN)

Path = tuple[str | int, ...]


def statement_errors(
    document: Any, error: ValidationError, index: int | None, version: Version
) -> Iterator[StatementError]:
    """Each fault that pydantic found in the parsed statement `document`, in its order."""
    statement_id = sent_id(document)
    if error.error_count() > MAX_DESCRIBED_FAULTS:
        yield build_error("too-many-faults", (), index, statement_id, version)
        return
    for details in error.errors(include_url=False):
        rule, path, expects = _read(document, details)
        yield build_error(rule, path, index, statement_id, version, expects)


def text_error(fault: TextFault, index: int | None, version: Version) -> StatementError:
    """The error of a text that was refused before it became a statement."""
    path = fault.path
    if index is None and path and isinstance(path[0], int):  # a fault of the batch as a whole
        index, path = path[0], path[1:]
    error = build_error(fault.rule, path, index, None, version)
    if not fault.detail or fault.rule == "duplicate-key":
        return error
    return StatementError(
        error.index,
        error.statement_id,
        error.pointer,
        error.rule,
        error.section,
        f"{error.message[:-1]} ({fault.detail}).",
    )


def build_error(
    rule_name: str,
    path: Path,
    index: int | None,
    statement_id: str | None,
    version: Version,
    expects: str = "",
) -> StatementError:
    """The error of a rule at `path` within the statement, put into words."""
    rule = RULES[rule_name]
    whole = path if index is None else (index, *path)
    message = f"{_field(path)} {rule.expected.format(expects=expects)}."
    section = _section(rule_name, rule, path, version)
    return StatementError(index, statement_id, json_pointer(whole), rule_name, section, message)


def sent_id(document: Any) -> str | None:
    """The statement's id as sent, when it is one."""
    value = document.get("id") if isinstance(document, dict) else None
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None


def _read(document: Any, details: ErrorDetails) -> tuple[str, Path, str]:
    """The rule, the path in the document and what was expected, of one of pydantic's errors."""
    kind = details["type"]
    path = _document_path(document, details["loc"], missing=kind == "missing")
    context = details.get("ctx", {})
    value = details["input"]
    if "path" in context:  # raised by xapi_checks
        return kind, path + tuple(context["path"]), ""
    if kind in ("missing", "extra_forbidden"):
        return _RULE_OF_TYPE[kind], path, ""
    if value is None:
        return "null-value", path, ""
    expects = context.get("expects") or _EXPECTED.get(kind, "")
    python_types = _PYTHON_TYPES.get(expects)
    if python_types and (not isinstance(value, python_types) or isinstance(value, bool)):
        return "wrong-type", path, expects
    if "limit" in context and len(value) > context["max_length"]:
        return context["limit"], path, ""
    rule = _RULE_OF_TYPE.get(kind, kind)
    return rule if rule in RULES else "wrong-type", path, expects


def _document_path(document: Any, location: Sequence[str | int], *, missing: bool) -> Path:
    """`location` without what is not in the document: names of union branches and "[key]".

    With `missing`, the last part is the name of a property that should be there.
    """
    path: list[str | int] = []
    value = document
    for part in location[:-1] if missing else location:
        if isinstance(value, dict) and isinstance(part, str):
            if part in value:
                value = value[part]
                path.append(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else None
            path.append(part)
    return (*path, location[-1]) if missing else tuple(path)


def _field(path: Path) -> str:
    """The field's name for a sentence: its last two names, as "actor.mbox" or "member[3]"."""
    name = ""
    for part in path[-3:]:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += f".{shorten(part)}" if name else shorten(part)
    return name or "The statement"


def _section(name: str, rule: Rule, path: Path, version: Version) -> str:
    """The rule's section, or for a missing property that of the object which lacks it."""
    if name == "missing-property":
        for part in reversed(path[:-1]):
            if part in PROPERTY_SECTIONS:
                section_1, section_2 = PROPERTY_SECTIONS[str(part)]
                return Rule("", section_1, section_2).section(version)
    return rule.section(version)
