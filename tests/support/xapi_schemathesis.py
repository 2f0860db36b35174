"""Hooks of schemathesis (SCHEMATHESIS_HOOKS) for the tests of the OpenAPI document."""

from typing import Any

import schemathesis

# One character of a parameter that is JSON becomes up to 8 of the address ("%5Cu00b8"). An address
# of more than 64 KiB is refused by the HTTP parser, before there is a resource to refuse it.
QUERY_CHARACTERS = 60_000 // 8


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: "schemathesis.Case[Any]") -> bool:
    """Leave out what no resource would see."""
    return len(repr(case.query)) <= QUERY_CHARACTERS
