"""The statements search: what its parameters mean, and `more` as a stateless token.

Pure. Source of the parameters: xAPI 1.0.3 Communication 2.1.3, IEEE 9274.1.1 4.1.6.1.

Lists are ordered by (stored, id) and end at the watermark, so no row can appear behind a cursor. A
`more` token is the sender's own parameters with that cursor: it needs no memory of ours, and the
tenant is never in it but comes from the reader's key.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from assay_ingest.canonical import FORMATS, Format
from assay_ingest.errors import RequestInvalid
from assay_ingest.parameters import (
    agent_parameter,
    check_known,
    iri_parameter,
    time_parameter,
    uuid_parameter,
)
from assay_ingest.records import term
from assay_ingest.times import milliseconds_of
from assay_schemas.statement import Version

Parameters = Sequence[tuple[str, str]]

_BY_ID = ("statementId", "voidedStatementId")
_FILTERS = ("agent", "verb", "activity", "registration", "since", "until", "limit", "ascending")
_BROAD = ("related_agents", "related_activities")
# How the answer looks; these may stand beside an id too.
_FORMS = ("format", "attachments")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of the page before."""

    stored_ms: int
    id: UUID


@dataclass(frozen=True, slots=True)
class ById:
    """One statement is asked for; a voided one only under `voided`. `mine` as in Search."""

    id: UUID
    voided: bool
    format: Format = "exact"
    attachments: bool = False
    mine: UUID | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A list is asked for. `given` are the parameters as sent, for the `more` token.

    Filters are terms as `records.term` makes them. `mine` is no parameter but a bound of the
    reader: only statements with this authority (`records.authority_term`) are found.
    """

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
    format: Format = "exact"
    attachments: bool = False
    related_agents: bool = False
    related_activities: bool = False
    mine: UUID | None = None


def parse_parameters(parameters: Parameters, *, version: Version) -> ById | Search:
    """What a GET of the statements asks for. Raises RequestInvalid naming the parameter."""
    values = _each_once(parameters)
    more = values.pop("more", None)
    if more is not None:
        if values:
            raise RequestInvalid("more stands alone: it holds every filter", parameter="more")
        return _continued(more, version)
    check_known(values, (*_BY_ID, *_FILTERS, *_BROAD, *_FORMS))
    for name in _BY_ID:
        if name in values:
            others = sorted(values.keys() - {name, *_FORMS})
            if others:
                raise RequestInvalid(
                    f"{name} may not stand beside {', '.join(others)}", parameter=name
                )
            return ById(
                id=uuid_parameter(name, values[name]),
                voided=name == "voidedStatementId",
                format=_format(values),
                attachments=_flag("attachments", values.get("attachments", "false")),
            )
    return _search(values, version)


def _each_once(parameters: Parameters) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parameters:
        if name in values:
            raise RequestInvalid(f"{name} is given twice", parameter=name)
        values[name] = value
    return values


def _search(values: dict[str, str], version: Version) -> Search:
    agent = values.get("agent")
    verb = values.get("verb")
    activity = values.get("activity")
    registration = values.get("registration")
    return Search(
        given=tuple(values.items()),
        agent=None if agent is None else term(agent_parameter("agent", agent, version).key),
        verb=None if verb is None else term(iri_parameter("verb", verb, version)),
        activity=None if activity is None else term(iri_parameter("activity", activity, version)),
        registration=None if registration is None else uuid_parameter("registration", registration),
        since_ms=_time("since", values.get("since")),
        until_ms=_time("until", values.get("until")),
        limit=_limit(values.get("limit", "0")),
        ascending=_flag("ascending", values.get("ascending", "false")),
        format=_format(values),
        attachments=_flag("attachments", values.get("attachments", "false")),
        related_agents=_flag("related_agents", values.get("related_agents", "false")),
        related_activities=_flag("related_activities", values.get("related_activities", "false")),
    )


def _time(name: str, value: str | None) -> int | None:
    # Rounding down is exact: `stored` has whole milliseconds, `since` excludes, `until` includes.
    return None if value is None else milliseconds_of(time_parameter(name, value))


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise RequestInvalid("limit must be a whole number, 0 or more", parameter="limit")
    return int(value)


def _format(values: dict[str, str]) -> Format:
    value = values.get("format", "exact")
    for known in FORMATS:
        if value == known:
            return known
    raise RequestInvalid(f"format must be one of {', '.join(FORMATS)}", parameter="format")


def _flag(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise RequestInvalid(f"{name} must be true or false", parameter=name)
    return value == "true"


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
    check_known(values, (*_BY_ID, *_FILTERS, *_BROAD, *_FORMS))
    if any(name in values for name in _BY_ID) or not 0 <= stored_ms < 2**53:
        raise wrong
    return replace(_search(values, version), cursor=cursor)


_token = msgspec.json.Decoder(tuple[tuple[tuple[str, str], ...], int, str])
