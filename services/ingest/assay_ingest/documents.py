"""Documents: whose they are, what their ETags are, and when a change may be made. Pure.

State, Agent Profile and Activity Profile are one kind of thing under three addresses. Sources: xAPI
1.0.3 Communication 2.2, 2.3, 2.6, 2.7 and 3.1; IEEE 9274.1.1 4.1.4, 4.1.6.2, 4.1.6.5 and 4.1.6.6;
RFC 9110 section 13 for the preconditions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1, sha256
from typing import Final
from uuid import UUID

import msgspec

from assay_ingest.errors import DocumentInvalid, RequestInvalid
from assay_ingest.parameters import (
    agent_parameter,
    check_known,
    iri_parameter,
    required,
    time_parameter,
    uuid_parameter,
)
from assay_schemas.jsontext import TextFault, check_values, depth_exceeds, find_fault, parse_json
from assay_schemas.limits import Limits
from assay_schemas.statement import Version

CONTENT_TYPE_DEFAULT: Final = "application/octet-stream"
_JSON = "application/json"
_CONTENT_TYPE = re.compile(r"[\x20-\x7e]{1,255}")
_SHA1 = re.compile(r"[0-9A-Fa-f]{40}")
_ETAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Resource:
    """One of the three resources; `name` is the parameter that names a document."""

    kind: str
    path: str
    name: str
    scope: str
    has_activity: bool = False
    has_agent: bool = False
    # State alone: it knows registrations, may be cleared as a whole, and in 1.0.3 the last PUT wins
    # (Communication 3.1 guards the two profiles only).
    is_state: bool = False

    def guards_put(self, version: Version) -> bool:
        """Whether a PUT over a document must say which one it means to replace."""
        return version != "1.0.3" or not self.is_state


STATE: Final = Resource(
    kind="state",
    path="/xapi/activities/state",
    name="stateId",
    scope="state",
    has_activity=True,
    has_agent=True,
    is_state=True,
)
AGENT_PROFILE: Final = Resource(
    kind="agent-profile",
    path="/xapi/agents/profile",
    name="profileId",
    scope="profile",
    has_agent=True,
)
ACTIVITY_PROFILE: Final = Resource(
    kind="activity-profile",
    path="/xapi/activities/profile",
    name="profileId",
    scope="profile",
    has_activity=True,
)
RESOURCES: Final = (STATE, AGENT_PROFILE, ACTIVITY_PROFILE)


@dataclass(frozen=True, slots=True)
class Address:
    """What a request is about: one document, or with `name` None all those of a place.

    A place is the activity, the agent, or both. A single document is found under exactly the
    registration that is given, or under none; a list without one is that of all registrations
    ("Activity + Agent [+ registration if specified]", 1.0.3 Communication 2.3).
    """

    resource: Resource
    activity: str | None
    agent: str | None
    registration: UUID | None
    name: str | None
    since: datetime | None

    @property
    def place(self) -> UUID:
        """How the place is indexed."""
        return _hashed(self.resource.kind, self.activity, self.agent)

    @property
    def document(self) -> UUID:
        """How the document is indexed within its place."""
        return _hashed(self.registration, self.name)


def _hashed(*parts: object) -> UUID:
    return UUID(bytes=sha256(msgspec.json.encode(parts)).digest()[:16])


def parse_address(
    resource: Resource,
    method: str,
    values: Mapping[str, str],
    *,
    version: Version,
    name_characters_max: int,
) -> Address:
    """The address of a GET, PUT, POST or DELETE. Raises RequestInvalid naming the parameter."""
    known = [resource.name]
    known += ["activityId"] if resource.has_activity else []
    known += ["agent"] if resource.has_agent else []
    known += ["registration"] if resource.is_state else []
    # Beside a name it has nothing to choose from, and does no harm.
    known += ["since"] if method == "GET" else []
    check_known(values.keys(), known)
    activity = agent = None
    if resource.has_activity:
        activity = iri_parameter("activityId", required(values, "activityId"), version)
    if resource.has_agent:
        asked = agent_parameter("agent", required(values, "agent"), version)
        if asked.is_group:
            raise RequestInvalid("agent must be an Agent, not a Group", parameter="agent")
        agent = asked.key
    registration, since = values.get("registration"), values.get("since")
    name = values.get(resource.name)
    if name is None and not (method == "GET" or (method == "DELETE" and resource.is_state)):
        required(values, resource.name)
    if name is not None:
        _check_name(resource.name, name, name_characters_max)
    return Address(
        resource=resource,
        activity=activity,
        agent=agent,
        registration=(
            None if registration is None else uuid_parameter("registration", registration)
        ),
        name=name,
        since=None if since is None else time_parameter("since", since),
    )


def _check_name(parameter: str, name: str, characters_max: int) -> None:
    # An empty name is more likely a mistake than a name, and a DELETE without one clears a place.
    if not name or "\0" in name:
        raise RequestInvalid(
            f"{parameter} must have a character, and none may be U+0000", parameter=parameter
        )
    if len(name) > characters_max:
        raise RequestInvalid(
            f"{parameter} is over the limit of {characters_max} characters", parameter=parameter
        )


@dataclass(frozen=True, slots=True)
class Content:
    """What is stored. `is_mergeable` says that it is JSON to which top-level keys can be added."""

    content_type: str
    body: bytes
    is_mergeable: bool


def content_of(body: bytes, content_type: str | None, *, is_posted: bool) -> Content:
    """The content of a PUT or POST.

    A PUT keeps whatever bytes it is given. A POST that says it is JSON must be JSON (1.0.3
    Communication 2.2; XAPI-00235, 00284, 00314): raises DocumentInvalid.
    """
    content_type = CONTENT_TYPE_DEFAULT if content_type is None else content_type.strip()
    if _CONTENT_TYPE.fullmatch(content_type) is None:
        raise RequestInvalid("Content-Type must have 1 to 255 printable characters")
    if content_type.partition(";")[0].strip().lower() != _JSON:
        return Content(content_type, body, is_mergeable=False)
    try:
        parsed = _parsed(body)
    except TextFault as fault:
        if is_posted:
            raise DocumentInvalid(f"the body is no JSON that can be kept: {fault.rule}") from None
        return Content(content_type, body, is_mergeable=False)
    return Content(content_type, body, is_mergeable=isinstance(parsed, dict))


def _parsed(body: bytes) -> object:
    """The body as JSON. Raises TextFault, also for what could not be merged later on.

    Duplicate keys: which of them a merge replaces is anybody's guess. U+0000: the database, which
    merges, cannot read a text that has it.
    """
    check_values(body, _LIMITS.max_json_values_per_statement)
    parsed = parse_json(body, _LIMITS.max_json_depth)
    if depth_exceeds(parsed, _LIMITS.max_json_depth):
        raise TextFault("limit-json-depth")
    if b"\\u0000" in body:
        fault = find_fault(body, _LIMITS.max_json_depth)
        if fault is not None:
            raise fault
    return parsed


def etag_of(body: bytes) -> str:
    """The ETag: the SHA-1 of the content in hexadecimal, quoted (1.0.3 Communication 3.1)."""
    return f'"{sha1(body, usedforsecurity=False).hexdigest()}"'


ANY: Final = frozenset({"*"})
Tags = frozenset[str]


@dataclass(frozen=True, slots=True)
class Condition:
    """The preconditions of a request: sets of ETags, ANY for `*`, None where no header was sent."""

    if_match: Tags | None = None
    if_none_match: Tags | None = None

    @property
    def is_there(self) -> bool:
        return self.if_match is not None or self.if_none_match is not None

    @property
    def names_tags(self) -> bool:
        """Whether the content must be looked at, and not only whether there is any."""
        return not {self.if_match, self.if_none_match} <= {None, ANY}

    def match_fails(self, etag: str | None) -> bool:
        """Whether If-Match forbids a request for what has `etag`; None when nothing is there."""
        return self.if_match is not None and not _matches(self.if_match, etag)

    def none_match_fails(self, etag: str | None) -> bool:
        """Whether If-None-Match forbids it."""
        return self.if_none_match is not None and _matches(self.if_none_match, etag)


def _matches(tags: Tags, etag: str | None) -> bool:
    return etag is not None and (tags == ANY or etag in tags)


def parse_condition(headers: Mapping[str, str]) -> Condition:
    """If-Match and If-None-Match. Raises RequestInvalid for what is no list of ETags."""
    # If-Match compares strongly (RFC 9110, 13.1.1): a weak tag matches nothing.
    return Condition(
        if_match=_tags("If-Match", headers.get("if-match"), takes_weak=False),
        if_none_match=_tags("If-None-Match", headers.get("if-none-match"), takes_weak=True),
    )


def _tags(header: str, value: str | None, *, takes_weak: bool) -> Tags | None:
    if value is None:
        return None
    if value.strip() == "*":
        return ANY
    tags = set()
    for part in value.split(","):
        text = part.strip()
        if _SHA1.fullmatch(text):
            # Widespread clients (TinCanJS) send the hash alone.
            tags.add(f'"{text.lower()}"')
            continue
        match = _ETAG.fullmatch(text)
        if match is None:
            raise RequestInvalid(f"{header} must be * or a list of quoted ETags", parameter=header)
        if match[1] is None or takes_weak:
            # Hexadecimal digits have no case of their own for whoever computes the hash.
            tags.add(match[2].lower())
    return frozenset(tags)
