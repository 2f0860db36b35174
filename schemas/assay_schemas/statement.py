"""xAPI statements as they come in: checked strictly, kept as sent, completed by splicing.

    checked, single = check_statements(body, version="2.0.0", limits=Limits())
    record = complete_statement(checked[0], statement_id=..., authority=..., version="2.0.0")

Sources: xAPI 1.0.3 (adlnet/xAPI-Spec), parts Data and Communication; IEEE 9274.1.1 (xAPI 2.0).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from pydantic_core import ValidationError

from assay_schemas.comparison import comparison_hash
from assay_schemas.jsontext import (
    TextFault,
    check_values,
    depth_exceeds,
    find_fault,
    parse_json,
    split_statements,
)
from assay_schemas.limits import Limits
from assay_schemas.refusals import StatementError, StatementsRefused
from assay_schemas.xapi_errors import build_error, statement_errors, text_error
from assay_schemas.xapi_model import statement_validator
from assay_schemas.xapi_rules import Version
from assay_schemas.xapi_types import VOIDED_VERB

__all__ = [
    "CheckedStatement",
    "Limits",
    "RefusedStatement",
    "StatementError",
    "StatementsRefused",
    "Version",
    "check_each_statement",
    "check_statements",
    "complete_statement",
    "with_stored",
]


class CheckedStatement(msgspec.Struct, frozen=True, gc=False):
    """One statement that keeps every rule of its version.

    `id` is None when the sender gave none; `raw` are its bytes as sent; `document` is what they
    say, with int and Decimal for numbers (read only: it is shared); `comparison_hash` is that of
    `comparison.comparison_hash`; `voids` is the id of the statement that this one voids.
    """

    id: UUID | None
    raw: bytes
    document: dict[str, Any]
    comparison_hash: bytes
    verb_id: str
    voids: UUID | None


@dataclass(frozen=True, slots=True)
class RefusedStatement:
    """A statement that `check_each_statement` refuses: its bytes as sent, and its faults."""

    raw: bytes
    errors: tuple[StatementError, ...]


def check_statements(
    body: bytes, *, version: Version, limits: Limits
) -> tuple[list[CheckedStatement], bool]:
    """The statements of a request's JSON `body`, in order, and whether it was one single object.

    All or nothing: raises StatementsRefused with the first faults (at most
    `limits.max_errors_per_request`) when anything in the body is wrong.
    """
    texts, single = _split(body, version, limits)
    checker = _Checker(version, limits, has_nul=b"\\u0000" in body)
    checked: list[CheckedStatement] = []
    errors: list[StatementError] = []
    seen: set[UUID] = set()
    for number, text in enumerate(texts):
        index = None if single else number
        try:
            one = checker.check(text, index)
            if one.id is not None:
                if one.id in seen:
                    raise StatementsRefused(
                        [build_error("repeated-id", ("id",), index, str(one.id), version)]
                    )
                seen.add(one.id)
            checked.append(one)
        except StatementsRefused as refused:
            errors.extend(refused.errors)
            if len(errors) >= limits.max_errors_per_request:
                break
    if errors:
        raise StatementsRefused(errors[: limits.max_errors_per_request])
    return checked, single


def check_each_statement(
    body: bytes, *, version: Version, limits: Limits, every_fault: bool = False
) -> Iterator[CheckedStatement | RefusedStatement]:
    """What each statement of `body` is on its own, in order, for input that is no HTTP request.

    One bad statement does not spoil the others, and an id that comes twice is left to those who
    decide which is first. Faults have no index, and their pointers begin at their own statement.
    With `every_fault`, lists are looked through behind their first faulty item, which costs memory.
    Raises StatementsRefused, before the first outcome, when the body cannot be split.
    """
    texts, _ = _split(body, version, limits)
    return _each(texts, _Checker(version, limits, has_nul=True, fail_fast=not every_fault))


def _each(
    texts: Iterable[bytes], checker: "_Checker"
) -> Iterator[CheckedStatement | RefusedStatement]:
    for text in texts:
        try:
            yield checker.check(text, None)
        except StatementsRefused as refused:
            yield RefusedStatement(text, refused.errors)


def _split(body: bytes, version: Version, limits: Limits) -> tuple[list[bytes], bool]:
    try:
        return split_statements(body, limits)
    except TextFault as fault:
        raise StatementsRefused([text_error(fault, None, version)]) from None


class _Checker:
    """The check of single statements under one version and set of limits."""

    def __init__(
        self, version: Version, limits: Limits, *, has_nul: bool, fail_fast: bool = True
    ) -> None:
        self.version = version
        self.limits = limits
        self.has_nul = has_nul
        self.validate = statement_validator(version, limits, fail_fast=fail_fast).validate_python

    def check(self, text: bytes, index: int | None) -> CheckedStatement:
        """The checked statement of `text`; raises StatementsRefused with its faults."""
        # 1. Parse: exact numbers, no duplicate keys; look closer only where a bound is passed.
        try:
            document = self._parse(text)
        except TextFault as fault:
            raise StatementsRefused([text_error(fault, index, self.version)]) from None
        # 2. The rules of the specification.
        try:
            self.validate(document, strict=True)
        except ValidationError as error:
            faults = statement_errors(document, error, index, self.version)
            raise StatementsRefused(islice(faults, self.limits.max_errors_per_request)) from None
        # 3. What is needed of it further on.
        sent_id = document.get("id")
        verb_id = document["verb"]["id"]
        return CheckedStatement(
            id=None if sent_id is None else UUID(sent_id),
            raw=text,
            document=document,
            comparison_hash=comparison_hash(document),
            verb_id=verb_id,
            voids=UUID(document["object"]["id"]) if verb_id == VOIDED_VERB else None,
        )

    def _parse(self, text: bytes) -> Any:
        max_depth = self.limits.max_json_depth
        check_values(text, self.limits.max_json_values_per_statement)
        document = parse_json(text, max_depth)
        # The number of opening brackets bounds the depth, and most statements stay below the limit.
        deep = text.count(b"{") + text.count(b"[") > max_depth and depth_exceeds(
            document, max_depth
        )
        # "\\u0000" may also be a backslash and "u0000", which is fine: find_fault tells.
        if deep or (self.has_nul and b"\\u0000" in text):
            fault = find_fault(text, max_depth)
            if fault is not None:
                raise fault
        return document


def complete_statement(
    checked: CheckedStatement,
    *,
    statement_id: UUID,
    authority: Mapping[str, Any],
    version: str,
) -> bytes:
    """The statement as it is recorded: as sent, with id, authority and version, without `stored`.

    `statement_id` takes the place of an id as sent unless it is the same one; `authority` always
    takes the place of what was sent (Data 2.4.9); `version` is set only where none was sent (Data
    2.4.10). All other bytes are those of the sender. No property occurs twice.
    """
    sent = checked.document
    added = b'"authority":' + msgspec.json.encode(authority)
    if "version" not in sent:
        added += b',"version":' + msgspec.json.encode(version)
    if checked.id != statement_id:
        added = b'"id":"%b",' % str(statement_id).encode() + added
    replaced = (
        {"authority", "stored"} if checked.id == statement_id else {"authority", "stored", "id"}
    )
    raw = checked.raw
    if not replaced.isdisjoint(sent):
        raw = _without(raw, replaced)
    # What is added stands in front: there is always more behind it, as actor, verb and object are
    # required.
    return b"{%b,%b" % (added, raw[1:])


def _without(raw: bytes, names: set[str]) -> bytes:
    """The object without the properties `names`; the values of the others keep their bytes."""
    properties = _properties_decoder.decode(raw)
    for name in names:
        properties.pop(name, None)
    return msgspec.json.encode(properties)


class _Times(msgspec.Struct):
    """Whether a recorded statement has times of its own; everything else is skipped over."""

    timestamp: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    stored: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_properties_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_times_decoder = msgspec.json.Decoder(_Times)


def with_stored(raw: bytes, stored: str, timestamp_default: str) -> bytes:
    """A recorded statement as it is answered: with `stored`, and `timestamp` where it has none.

    `raw` comes from `complete_statement`; both times are ISO 8601 texts (Data 2.4.7, 2.4.8).
    """
    times = _times_decoder.decode(raw)
    if times.stored is not msgspec.UNSET:
        raw = _without(raw, {"stored"})
    added = b'"stored":' + msgspec.json.encode(stored)
    if times.timestamp is msgspec.UNSET:
        added += b',"timestamp":' + msgspec.json.encode(timestamp_default)
    return b"{%b,%b" % (added, raw[1:])
