"""Files of statements, judged as makers of content need it: every fault, of every statement.

    for outcome in check_lines(open("statements.jsonl", "rb"), version="2.0.0"): ...

A file is no request: it may hold any number of statements, and one bad statement does not end the
judgement of the others. What is read is the caller's; nothing is kept of a statement once judged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from sys import maxsize

from assay_schemas.jsontext import is_json
from assay_schemas.limits import Limits
from assay_schemas.refusals import StatementError, StatementsRefused
from assay_schemas.statement import CheckedStatement, check_each_statement
from assay_schemas.xapi_errors import MAX_DESCRIBED_FAULTS, build_error
from assay_schemas.xapi_rules import Version

# The limits of one statement hold; those of a request do not.
FILE_LIMITS = replace(
    Limits(),
    max_statements_per_request=maxsize,
    max_json_values_per_request=maxsize,
    max_errors_per_request=MAX_DESCRIBED_FAULTS,
)
_WHITESPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One statement of a file, or a text that is none.

    `line` counts from 1 where each line is read for itself, else it is None; `index` counts from 0
    within an array, else it is None. Pointers of `errors` begin at that line or at the file. With
    no errors, the statement is valid.
    """

    line: int | None
    index: int | None
    errors: tuple[StatementError, ...]


def holds_lines(first_line: bytes) -> bool:
    """Whether a text that begins with this line is one statement a line, and not one JSON value.

    A line that is an object by itself can only be followed by more of them.
    """
    text = first_line.strip(_WHITESPACE)
    return text[:1] == b"{" and is_json(text)


def check_lines(
    lines: Iterable[bytes], *, version: Version, limits: Limits = FILE_LIMITS
) -> Iterator[Outcome]:
    """The outcome of every statement of JSON Lines; blank lines are passed over."""
    for number, line in enumerate(lines, start=1):
        if line.strip(_WHITESPACE):
            yield from check_text(line, version=version, limits=limits, line=number)


def check_text(
    text: bytes, *, version: Version, limits: Limits = FILE_LIMITS, line: int | None = None
) -> Iterator[Outcome]:
    """The outcome of every statement of one JSON text: an object, or an array of them."""
    in_array = text.lstrip(_WHITESPACE)[:1] == b"["
    try:
        found = check_each_statement(text, version=version, limits=limits, every_fault=True)
    except StatementsRefused as refused:
        yield Outcome(line, None, refused.errors)
        return
    seen = set()
    for number, one in enumerate(found):
        index = number if in_array else None
        if not isinstance(one, CheckedStatement):
            errors = one.errors
        elif one.id is not None and one.id in seen:
            errors = (build_error("repeated-id", ("id",), None, str(one.id), version),)
        else:
            if one.id is not None:
                seen.add(one.id)
            errors = ()
        yield Outcome(line, index, tuple(_within(index, error) for error in errors))


def _within(index: int | None, error: StatementError) -> StatementError:
    """The error with its pointer from the beginning of the array."""
    if index is None:
        return error
    return replace(error, index=index, pointer=f"/{index}{error.pointer}")
