"""Why a statement is refused: values that name the place, the rule and its section.

No value sent by the client is ever repeated here, since it may be personal data; the names of its
properties are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Names of properties come from the sender too: a longer one is cut.
MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class StatementError:
    """One fault of one statement.

    `index` is the place in the batch, None when the body was a single statement or is no JSON;
    `statement_id` is the id as sent, None when there is no valid one; `pointer` is an RFC 6901 JSON
    pointer into the body as sent, to a missing property where it should be; `rule` is a stable slug
    of `xapi_rules.RULES`; `section` names the specification; `message` is one sentence.
    """

    index: int | None
    statement_id: str | None
    pointer: str
    rule: str
    section: str
    message: str


class StatementsRefused(Exception):
    """The request is refused as a whole; `errors` holds the first faults, at least one."""

    def __init__(self, errors: Iterable[StatementError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.pointer}: {error.message}" for error in self.errors))


def shorten(name: str) -> str:
    """`name`, cut to the length that an error message may have of it."""
    return name if len(name) <= MAX_NAME_CHARACTERS else name[:MAX_NAME_CHARACTERS] + "…"


def json_pointer(path: Sequence[str | int]) -> str:
    """The RFC 6901 pointer of `path`; names longer than MAX_NAME_CHARACTERS are cut."""
    return "".join(
        f"/{part}" if isinstance(part, int) else "/" + escape(shorten(part)) for part in path
    )


def escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
