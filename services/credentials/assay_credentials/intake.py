"""What comes in as a document: parsed once, with limits, before any work is spent on it.

Refused here is what two readers of the same bytes could read differently (duplicate keys, numbers
outside the safe range, control characters) and what costs more than a credential ever needs (size,
depth, nodes).
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Final

from assay_credentials.errors import DocumentRefused, DocumentUnsupported

JsonObject = dict[str, object]
"""A parsed JSON object. The values are `object`, so that each is narrowed before it is used."""

MAX_DOCUMENT_BYTES: Final = 512 * 1024
MAX_NODES: Final = 20_000
"""Values and keys together. A badge with every field and ten alignments has about 250; a transcript
wraps a career of them.
"""
MAX_NODES_TRANSCRIPT: Final = 16_000
"""Of a ClrCredential, which wraps whole credentials: a hundred of them."""
MAX_ITEMS: Final = 500
"""In one array: JSON-LD compares each with each."""
MAX_DEPTH: Final = 32
MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Beyond it an IEEE double, which is what a JavaScript verifier reads, loses digits (RFC 7493
section 2.2).
"""

# Control characters but tab, line feed and carriage return; surrogates; the 66 non-characters of
# Unicode.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)


def parse_document(data: bytes) -> JsonObject:
    """Parse the bytes of one JSON object and check it (see `checked_document`).

    Raises DocumentRefused (not JSON, duplicate key, bad number or character) and
    DocumentUnsupported (limits).
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentUnsupported("size", f"the document is longer than {MAX_DOCUMENT_BYTES} bytes")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_int=_safe_integer,
            parse_constant=_no_constant,
        )
    except RecursionError as error:
        raise DocumentUnsupported("depth", f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise DocumentRefused("json", f"not JSON in UTF-8: {error}") from error
    return checked_document(value)


def checked_document(value: object) -> JsonObject:
    """A deep copy of a parsed JSON object that keeps the limits and the rules on numbers, texts
    and nothing.

    A number without fraction becomes an int, as JSON-LD reads it (`1.0` and `1` are the same
    integer). `null` and empty arrays are refused: JSON-LD drops them, so a signature would not
    cover them. Raises DocumentRefused and DocumentUnsupported.
    """
    if not isinstance(value, dict):
        raise DocumentRefused("object", "the document is not a JSON object")
    types = value.get("type")
    is_transcript = isinstance(types, list) and "ClrCredential" in types
    return _Walk(MAX_NODES_TRANSCRIPT if is_transcript else MAX_NODES).object(value, "", 0)


class _Walk:
    """One pass over a document; counts what it meets against the limits."""

    def __init__(self, nodes: int) -> None:
        self._nodes = self._nodes_left = nodes
        self._characters_left = MAX_DOCUMENT_BYTES

    def checked(self, value: object, pointer: str, depth: int) -> object:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise DocumentUnsupported("nodes", f"more than {self._nodes} keys and values")
        if depth > MAX_DEPTH:
            raise DocumentUnsupported("depth", f"nested deeper than {MAX_DEPTH} levels")
        if type(value) is str:
            return self._text(value, pointer)
        match value:
            case bool():
                return value
            case str():
                return self._text(value, pointer)
            case int() | float():
                return _safe_number(value, pointer)
            case dict():
                return self.object(value, pointer, depth)
            case list():
                if not value:
                    raise DocumentRefused("empty", f"{pointer}: an empty array is never signed")
                if len(value) > MAX_ITEMS:
                    raise DocumentUnsupported("items", f"{pointer}: more than {MAX_ITEMS} values")
                return [
                    self.checked(item, f"{pointer}/{index}", depth + 1)
                    for index, item in enumerate(value)
                ]
            case None:
                raise DocumentRefused("empty", f"{pointer}: null is never signed")
            case _:
                raise DocumentRefused("json", f"{pointer}: {type(value).__name__} is not JSON")

    def object(self, value: Mapping[object, object], pointer: str, depth: int) -> JsonObject:
        copy: JsonObject = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise DocumentRefused("json", f"{pointer or '/'}: a key is not a text")
            copy[self._text(key, pointer)] = self.checked(item, f"{pointer}/{key}", depth + 1)
        return copy

    def _text(self, text: str, pointer: str) -> str:
        self._characters_left -= len(text)
        if self._characters_left < 0:
            raise DocumentUnsupported("size", f"more than {MAX_DOCUMENT_BYTES} characters")
        # Nothing that is forbidden is printable; that most texts are is told five times faster.
        if not text.isprintable() and _FORBIDDEN.search(text):
            raise DocumentRefused(
                "characters", f"{pointer or '/'}: a control character or a non-character"
            )
        return text


def _without_duplicates(pairs: list[tuple[str, object]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DocumentRefused(
                    "duplicate-key", f"the key {key!r} stands twice in one object"
                )
            seen.add(key)
    return result


def _safe_integer(text: str) -> int:
    # Checked by length first: Python takes quadratic time for long numbers.
    if len(text) > 17 or abs(int(text)) > MAX_SAFE_INTEGER:
        raise DocumentRefused("number", "a number is outside the safe range of 53 bits")
    return int(text)


def _no_constant(text: str) -> object:
    raise DocumentRefused("number", f"{text} is not a JSON number")


def _safe_number(number: float, pointer: str) -> int | float:
    if not math.isfinite(number) or abs(number) > MAX_SAFE_INTEGER:
        raise DocumentRefused("number", f"{pointer}: outside the safe range of 53 bits")
    return int(number) if number == int(number) else number
