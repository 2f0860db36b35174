"""JSON text of requests: split into statements, parsed strictly, faults found by place.

The quick path is C and Rust: `msgspec` cuts a batch into the bytes of its statements, `jiter`
parses each with duplicate keys refused and numbers kept exact. Only when something is wrong is the
text walked in Python, to say where.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import jiter
import msgspec

from assay_schemas.limits import Limits
from assay_schemas.refusals import shorten

_WHITESPACE = b" \t\r\n"
# A string without end is one token up to the end of the text, so that the walk stays linear; the
# quantifiers give nothing back ("*+"), so that a long string needs no stack.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_TOKEN = re.compile(_STRING.pattern + rb"|[{}\[\],:]", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_batch_decoder = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(eq=False)
class TextFault(Exception):
    """The text is refused: `rule` of xapi_rules.RULES, `path` of keys and indexes, and a detail.

    The path is relative to the text that was given.
    """

    rule: str
    path: tuple[str | int, ...] = ()
    detail: str = ""


def split_statements(body: bytes, limits: Limits) -> tuple[list[bytes], bool]:
    """The bytes of each statement of a request's `body`, and whether it was one object.

    Nothing within a statement is checked yet. Raises TextFault when the body is neither an object
    nor an array, holds no or too many statements or too many values.
    """
    check_values(body, limits.max_json_values_per_request)
    text = body.strip(_WHITESPACE)
    if text[:1] == b"{":
        return [text], True
    if text[:1] != b"[":
        raise malformed(text) if not text or not is_json(text) else TextFault("body-shape")
    try:
        parts = _batch_decoder.decode(text)
    except RecursionError:
        raise find_fault(text, limits.max_json_depth + 1) or TextFault("limit-json-depth") from None
    except msgspec.DecodeError:
        raise find_fault(text, limits.max_json_depth + 1) or malformed(text) from None
    if not parts:
        raise TextFault("body-shape", (), "the array is empty")
    if len(parts) > limits.max_statements_per_request:
        raise TextFault("limit-statements", (limits.max_statements_per_request,))
    return [bytes(part) for part in parts], False


def check_values(body: bytes, max_values: int) -> None:
    """Refuse a text of more than `max_values` JSON values, before anything is built from it.

    Each value but the outermost has a comma or an opening bracket before it, so their number is a
    bound, and a cheap one. Only beyond it are the values counted, text by text. With its comma, a
    value takes two bytes, which is a bound that costs nothing.
    """
    if len(body) < 2 * max_values:
        return
    if body.count(b",") + body.count(b"[") + body.count(b"{") < max_values:
        return
    text = body.translate(None, _WHITESPACE)  # so that an empty bracket is "[]" or "{}"
    values, position = 1, 0
    for string in _STRING.finditer(text):
        values += _first_characters(text, position, string.start())
        position = string.end()
        if values > max_values:
            break
    if values + _first_characters(text, position, len(text)) > max_values:
        raise TextFault("limit-json-values")


def _first_characters(text: bytes, start: int, end: int) -> int:
    """How many values begin after a comma or bracket in a stretch of `text` without strings."""
    commas = text.count(b",", start, end)
    lists = text.count(b"[", start, end) - text.count(b"[]", start, end)
    return commas + lists + text.count(b"{", start, end) - text.count(b"{}", start, end)


def parse_json(text: bytes, max_depth: int) -> Any:
    """The value of one JSON text: whole numbers as int, others as Decimal, nothing rounded.

    Raises TextFault for what is no JSON by RFC 8259, duplicate keys, lone surrogates, whole numbers
    of more than 4,300 digits, and nesting that the parser refuses (`max_depth` names the place).
    """
    try:
        return jiter.from_json(
            text, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="decimal"
        )
    except ValueError as error:
        raise find_fault(text, max_depth) or malformed(text, str(error)) from None


def is_json(text: bytes) -> bool:
    try:
        jiter.from_json(text, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def malformed(text: bytes, reason: str | None = None) -> TextFault:
    """The fault of a text that a parser refused, with the parser's word on where."""
    if reason is None:
        try:
            jiter.from_json(text, allow_inf_nan=False)
            reason = ""
        except ValueError as error:
            reason = str(error)
    if reason.startswith(("number out of range", "Internal error")):
        return TextFault("json-number-range")
    place = re.search(r" at line \d+ column \d+$", reason)
    return TextFault("json-malformed", (), place.group().strip() if place else "")


def depth_exceeds(document: Any, max_depth: int) -> bool:
    """Whether a parsed value nests objects and arrays more than `max_depth` deep."""
    layer = [document]
    for _ in range(max_depth + 1):
        containers = [value for value in layer if isinstance(value, dict | list)]
        if not containers:
            return False
        layer = [
            child
            for value in containers
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    return True


@dataclass(slots=True)
class _Open:
    """An object or array that the walk is inside of."""

    seen: set[str] | None  # the keys so far; None for an array
    here: str | int
    at_key: bool


def find_fault(text: bytes, max_depth: int) -> TextFault | None:
    """The first duplicate key, NUL, lone surrogate or too deep nesting in `text`, with its path.

    None when there is none before the text ends or stops being JSON. Slow, without recursion.
    """
    stack: list[_Open] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        mark = token[:1]
        top = stack[-1] if stack else None
        if mark in b"{[":
            stack.append(_Open(set(), "", True) if mark == b"{" else _Open(None, 0, False))
            if len(stack) > max_depth:
                return TextFault("limit-json-depth", _path(stack[:-1]))
        elif mark in b"}]":
            if stack:
                stack.pop()
        elif mark == b",":
            if top is not None and isinstance(top.here, int):
                top.here += 1
            elif top is not None:
                top.at_key = True
        elif mark == b":":
            if top is not None:
                top.at_key = False
        else:
            fault = _string_fault(token, stack)
            if fault is not None:
                return fault
    return None


def _path(stack: list[_Open]) -> tuple[str | int, ...]:
    return tuple(level.here for level in stack)


def _string_fault(token: bytes, stack: list[_Open]) -> TextFault | None:
    try:
        text = json.loads(token) if b"\\" in token or token[-1:] != b'"' else token[1:-1].decode()
    except ValueError:
        return TextFault("json-malformed", _path(stack))
    top = stack[-1] if stack else None
    if top is not None and top.seen is not None and top.at_key:
        top.here = text
        if text in top.seen:
            return TextFault("duplicate-key", _path(stack), shorten(text))
        top.seen.add(text)
    if "\0" in text:
        return TextFault("nul-character", _path(stack))
    if _SURROGATE.search(text):
        # A pointer with half a character in it could not be sent.
        path = tuple(
            part if isinstance(part, int) else _SURROGATE.sub("�", part) for part in _path(stack)
        )
        return TextFault("lone-surrogate", path)
    return None
