"""The example statements of the schemas, and mutations of them, for tests of statements."""

import copy
import json
from importlib.resources import files
from typing import Any

from assay_schemas.statement import (
    Limits,
    StatementError,
    StatementsRefused,
    Version,
    check_statements,
)

EXAMPLES = files("assay_schemas") / "examples" / "statements"
ABSENT = object()
VERSIONS: tuple[Version, ...] = ("1.0.3", "2.0.0")


def example(name: str) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))
    return statement


def example_names(version: Version) -> list[str]:
    names = sorted(entry.name for entry in EXAMPLES.iterdir())
    return [name for name in names if not (version == "1.0.3" and "2.0.0" in name)]


def mutated(statement: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of `statement` with `value` at `path` ("a/b/0"), or without it when ABSENT."""
    result = copy.deepcopy(statement)
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split("|")]
    place: Any = result
    for part in parents:
        place = place[part]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return result


def faults(statement: object, version: Version) -> tuple[StatementError, ...]:
    body = json.dumps(statement).encode()
    try:
        check_statements(body, version=version, limits=Limits())
    except StatementsRefused as refused:
        return refused.errors
    return ()


def pointer_of(path: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path.split("|"))
