"""Checks of single parameters, shared by the resources. Pure.

A value that also stands in statements is held to the rules of statements: the same agents, IRIs,
UUIDs and times are good everywhere (xAPI 1.0.3 Communication 2, IEEE 9274.1.1 4.1.6).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from assay_ingest.errors import RequestInvalid
from assay_schemas.agents import agent_key
from assay_schemas.jsontext import TextFault, parse_json
from assay_schemas.limits import Limits
from assay_schemas.statement import StatementsRefused, Version, check_statements
from assay_schemas.xapi_types import parse_timestamp

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class AskedAgent:
    """An agent that is a parameter: its key of `agents.agent_key`, and what was sent of it."""

    key: str
    sent: Mapping[str, Any]

    @property
    def is_group(self) -> bool:
        return self.sent.get("objectType") == "Group"


def check_known(names: Collection[str], known: Collection[str]) -> None:
    """Refuse the first of `names` that is not in `known`."""
    for name in names:
        if name not in known:
            # The name comes from the sender, so it is cut.
            raise RequestInvalid(f"{name[:60]} is not a parameter here", parameter=name[:60])


def required(values: Mapping[str, str], name: str) -> str:
    """The value of a parameter that must be there."""
    value = values.get(name)
    if value is None:
        raise RequestInvalid(f"{name} is missing", parameter=name)
    return value


def uuid_parameter(name: str, value: str) -> UUID:
    if _UUID.fullmatch(value) is None:
        raise RequestInvalid(f"{name} must be a UUID", parameter=name)
    return UUID(value)


def time_parameter(name: str, value: str) -> datetime:
    """The instant, in UTC."""
    try:
        return parse_timestamp(value)
    except ValueError as error:
        raise RequestInvalid(f"{name} must be a timestamp: {error}", parameter=name) from None


def iri_parameter(name: str, value: str, version: Version) -> str:
    _check_as_statement(name, "object", b'{"id":%b}' % msgspec.json.encode(value), version)
    return value


def agent_parameter(name: str, value: str, version: Version) -> AskedAgent:
    """An Agent, or a Group with an identifier, as JSON."""
    try:
        text = value.encode()
        agent = parse_json(text, _LIMITS.max_json_depth)
    except (TextFault, UnicodeEncodeError):
        raise RequestInvalid(f"{name} must be an agent as JSON", parameter=name) from None
    if not isinstance(agent, dict):
        raise RequestInvalid(f"{name} must be an agent as a JSON object", parameter=name)
    _check_as_statement(name, "actor", text, version)
    key = agent_key(agent)
    if key is None:
        raise RequestInvalid(f"{name} must have an identifier", parameter=name)
    return AskedAgent(key, agent)


def _check_as_statement(name: str, place: str, value: bytes, version: Version) -> None:
    """Check `value`, one whole JSON text, at `place` of an otherwise good statement."""
    parts = {
        "actor": b'{"mbox":"mailto:nobody@example.org"}',
        "verb": b'{"id":"http://example.org/verb"}',
        "object": b'{"id":"http://example.org/activity"}',
    } | {place: value}
    text = b"{%b}" % b",".join(b'"%b":%b' % (key.encode(), part) for key, part in parts.items())
    try:
        check_statements(text, version=version, limits=_LIMITS)
    except StatementsRefused as refused:
        raise RequestInvalid(f"{name}: {refused.errors[0].message}", parameter=name) from None
