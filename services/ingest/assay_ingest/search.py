"""The statements search: parameters in, SQL from named fragments out, `more` as a stateless token.

Pure. Source of the parameters: xAPI 1.0.3 Communication 2.1.3, IEEE 9274.1.1 4.1.6.1.

Lists are ordered by (stored, id) and end at the watermark, so no row can appear behind a cursor. A
`more` token is the sender's own parameters with that cursor: it needs no memory of ours, and the
tenant is never in it but comes from the reader's key.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from assay_ingest.errors import NotSupportedYet, RequestInvalid
from assay_ingest.records import term
from assay_ingest.times import milliseconds_of
from assay_runtime.sql import Queries
from assay_schemas.agents import agent_key
from assay_schemas.limits import Limits
from assay_schemas.statement import StatementsRefused, Version, check_statements
from assay_schemas.xapi_types import parse_timestamp

Parameters = Sequence[tuple[str, str]]

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PLACEHOLDER = re.compile(r"(?<!:):([a-z_]+)")
_BY_ID = ("statementId", "voidedStatementId")
_FILTERS = ("agent", "verb", "activity", "registration", "since", "until", "limit", "ascending")
_LATER = ("format", "attachments", "related_agents", "related_activities")
# What may be asked of a parameter that is not served yet: its default changes nothing.
_DEFAULTS = {
    "format": "exact",
    "attachments": "false",
    "related_agents": "false",
    "related_activities": "false",
}
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of the page before."""

    stored_ms: int
    id: UUID


@dataclass(frozen=True, slots=True)
class ById:
    """One statement is asked for; a voided one is found only under `voided`."""

    id: UUID
    voided: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A list is asked for. `given` are the parameters as sent, for the `more` token."""

    given: tuple[tuple[str, str], ...] = ()
    agent: UUID | None = None
    verb: UUID | None = None
    activity: UUID | None = None
    registration: UUID | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 0
    ascending: bool = False
    cursor: Cursor | None = None


def parse_parameters(parameters: Parameters, *, version: Version) -> ById | Search:
    """What a GET of the statements asks for. Raises RequestInvalid naming the parameter."""
    values = _each_once(parameters)
    more = values.pop("more", None)
    if more is not None:
        if values:
            raise RequestInvalid("more stands alone: it holds every filter", parameter="more")
        return _continued(more, version)
    _check_names(values)
    for name in _BY_ID:
        if name in values:
            others = sorted(values.keys() - {name, "format", "attachments"})
            if others:
                raise RequestInvalid(
                    f"{name} may not stand beside {', '.join(others)}", parameter=name
                )
            return ById(id=_uuid(name, values[name]), voided=name == "voidedStatementId")
    return _search(values, version)


def _each_once(parameters: Parameters) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parameters:
        if name in values:
            raise RequestInvalid(f"{name} is given twice", parameter=name)
        values[name] = value
    return values


def _check_names(values: dict[str, str]) -> None:
    for name, value in values.items():
        if name in _DEFAULTS:
            if value != _DEFAULTS[name]:
                raise NotSupportedYet(
                    f"{name} other than {_DEFAULTS[name]} is not supported yet", parameter=name
                )
        elif name not in _BY_ID and name not in _FILTERS:
            # The name comes from the sender, so it is cut.
            raise RequestInvalid(f"{name[:60]} is not a parameter here", parameter=name[:60])


def _search(values: dict[str, str], version: Version) -> Search:
    agent = values.get("agent")
    verb = values.get("verb")
    activity = values.get("activity")
    registration = values.get("registration")
    return Search(
        given=tuple(values.items()),
        agent=None if agent is None else term(_agent(agent, version)),
        verb=None if verb is None else term(_iri("verb", verb, version)),
        activity=None if activity is None else term(_iri("activity", activity, version)),
        registration=None if registration is None else _uuid("registration", registration),
        since_ms=_time("since", values.get("since")),
        until_ms=_time("until", values.get("until")),
        limit=_limit(values.get("limit", "0")),
        ascending=_flag("ascending", values.get("ascending", "false")),
    )


def _uuid(name: str, value: str) -> UUID:
    if _UUID.fullmatch(value) is None:
        raise RequestInvalid(f"{name} must be a UUID", parameter=name)
    return UUID(value)


def _time(name: str, value: str | None) -> int | None:
    # Rounding down is exact: `stored` has whole milliseconds, `since` excludes, `until` includes.
    return None if value is None else milliseconds_of(_timestamp(name, value))


def _timestamp(name: str, value: str) -> datetime:
    try:
        return parse_timestamp(value)
    except ValueError as error:
        raise RequestInvalid(f"{name} must be a timestamp: {error}", parameter=name) from None


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise RequestInvalid("limit must be a whole number, 0 or more", parameter="limit")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise RequestInvalid(f"{name} must be true or false", parameter=name)
    return value == "true"


def _iri(name: str, value: str, version: Version) -> str:
    _check_as_statement(name, {"object": {"id": value}}, version)
    return value


def _agent(value: str, version: Version) -> str:
    try:
        agent = msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise RequestInvalid("agent must be an agent as JSON", parameter="agent") from None
    if not isinstance(agent, dict):
        raise RequestInvalid("agent must be an agent as a JSON object", parameter="agent")
    _check_as_statement("agent", {"actor": agent}, version)
    key = agent_key(agent)
    if key is None:
        raise RequestInvalid("agent must have an identifier", parameter="agent")
    return key


def _check_as_statement(name: str, part: dict[str, Any], version: Version) -> None:
    """Hold a part of a statement to the rules of statements: the same IRIs and agents are good."""
    statement: dict[str, Any] = {
        "actor": {"mbox": "mailto:nobody@example.org"},
        "verb": {"id": "http://example.org/verb"},
        "object": {"id": "http://example.org/activity"},
    }
    try:
        check_statements(msgspec.json.encode(statement | part), version=version, limits=_LIMITS)
    except StatementsRefused as refused:
        raise RequestInvalid(f"{name}: {refused.errors[0].message}", parameter=name) from None


def more_token(search: Search, last: Cursor) -> str:
    """The token that continues `search` behind the row `last`."""
    text = msgspec.json.encode([search.given, last.stored_ms, last.id.hex])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _continued(token: str, version: Version) -> Search:
    wrong = RequestInvalid("more is not a token of this server", parameter="more")
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        given, stored_ms, last = _token.decode(text)
        cursor = Cursor(stored_ms, UUID(hex=last))
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise wrong from None
    values = _each_once(given)
    _check_names(values)
    if any(name in values for name in _BY_ID) or not 0 <= stored_ms < 2**53:
        raise wrong
    search = _search(values, version)
    return Search(
        given=search.given,
        agent=search.agent,
        verb=search.verb,
        activity=search.activity,
        registration=search.registration,
        since_ms=search.since_ms,
        until_ms=search.until_ms,
        limit=search.limit,
        ascending=search.ascending,
        cursor=cursor,
    )


_token = msgspec.json.Decoder(tuple[tuple[tuple[str, str], ...], int, str])


def compose(
    search: Search,
    queries: Queries,
    *,
    tenant: str,
    watermark_ms: int,
    rows_max: int,
    bytes_max: int,
) -> tuple[str, list[object]]:
    """SQL and arguments for one page, one row longer than `rows_max` in its innermost part.

    The answer's column `found` counts that row, which is how the reader knows of another page.
    """
    until_ms = watermark_ms if search.until_ms is None else min(search.until_ms, watermark_ms)
    parts = ["search_head"]
    values: dict[str, object] = {"tenant": tenant, "at_most": until_ms}
    if search.agent is None:
        parts.append("search_from_statements")
    else:
        parts.append("search_from_agent")
        values["agent"] = search.agent
    for name, value in (
        ("verb", search.verb),
        ("activity", search.activity),
        ("registration", search.registration),
    ):
        if value is not None:
            parts.append(f"search_{name}")
            values[name] = value
    parts.append("search_at_most")
    if search.since_ms is not None:
        parts.append("search_since")
        values["since"] = search.since_ms
    if search.cursor is not None:
        parts.append("search_after_ascending" if search.ascending else "search_after_descending")
        values["cursor_stored"] = search.cursor.stored_ms
        values["cursor_id"] = search.cursor.id
    parts.append("search_tail")
    values |= {"rows": rows_max + 1, "bytes": bytes_max, "page": rows_max}
    text = "\n".join(queries[part] for part in parts)
    text = text.replace("{driver}", "s" if search.agent is None else "a")
    text = text.replace("{direction}", "asc" if search.ascending else "desc")
    return _numbered(text, values)


def _numbered(text: str, values: dict[str, object]) -> tuple[str, list[object]]:
    """`:name` becomes `$n`; each value is passed once."""
    order: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name not in order:
            order.append(name)
        return f"${order.index(name) + 1}"

    numbered = _PLACEHOLDER.sub(number, text)
    return numbered, [values[name] for name in order]
