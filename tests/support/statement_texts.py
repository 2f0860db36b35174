"""JSON texts of statements made for a purpose, and what becomes of them."""

import json
from typing import Any

from assay_schemas.statement import (
    Limits,
    StatementError,
    StatementsRefused,
    check_statements,
)

ID = "6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10"
EXTENSION = "https://example.org/x"


def statement(**properties: Any) -> dict[str, Any]:
    return {
        "actor": {"mbox": "mailto:a@example.org"},
        "verb": {"id": "https://example.org/did"},
        "object": {"id": "https://example.org/thing"},
        **properties,
    }


def extended(value: str) -> str:
    """The JSON of a statement with `value`, itself JSON, in an extension of its result."""
    marked = statement(result={"extensions": {EXTENSION: "MARK"}})
    return json.dumps(marked).replace('"MARK"', value)


def refused(body: str | bytes, limits: Limits | None = None) -> tuple[StatementError, ...]:
    data = body.encode() if isinstance(body, str) else body
    try:
        check_statements(data, version="2.0.0", limits=limits or Limits())
    except StatementsRefused as error:
        return error.errors
    return ()


def rule_of(body: str | bytes, limits: Limits | None = None) -> str | None:
    errors = refused(body, limits)
    return errors[0].rule if errors else None
