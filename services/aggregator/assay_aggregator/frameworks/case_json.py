"""JSON whose numbers stay as they were written: 3 stays 3, and 3.0 stays 3.0.

What is read is made of dict, list, str, bool, None and `Number`. Written again it differs from what
was read by white space and by the escapes in strings alone.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import orjson

from assay_aggregator.errors import Refused

# orjson goes no deeper than this, counted in nested objects and lists.
DEPTH_MAX: Final = 254

# The escape itself, and not the text of one: an even number of backslashes stands before it.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a JSON document, by its text. Equal when written equally."""

    text: str

    def is_integer(self) -> bool:
        return self.text.lstrip("-").isdigit()


def read_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises Refused for what is no JSON (RFC 8259), for a key that stands twice in one object, and
    for what the database cannot keep: U+0000, half of a surrogate pair.
    """
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            parse_int=Number,
            parse_float=Number,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
        if _NUL.search(data) is not None:
            raise Refused("the character U+0000 cannot be kept")
        if b"\\ud" in data or b"\\uD" in data:
            dump(value)
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Refused(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise Refused(f"nested deeper than {DEPTH_MAX} levels") from None
    return value


def dump(value: Any) -> str:
    """The value as JSON, members in their own order. Raises Refused for what is no Unicode text."""
    return _encoded(value, 0).decode()


def canonical(value: Any) -> bytes:
    """The value with its members sorted and without white space, numbers as they were written."""
    return _encoded(value, orjson.OPT_SORT_KEYS)


def _encoded(value: Any, option: int) -> bytes:
    try:
        return orjson.dumps(value, default=_raw, option=option | orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError as error:
        if "recursion" in str(error).lower():
            raise Refused(f"nested deeper than {DEPTH_MAX} levels") from None
        raise Refused(f"a text is not Unicode: {error}") from None


def _raw(value: Any) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refused(f"the member {key[:60]!r} stands twice in one object")
            seen.add(key)
    return found


def _no_constant(text: str) -> NoReturn:
    raise Refused(f"not JSON: {text} is no number")
