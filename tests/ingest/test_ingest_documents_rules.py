"""Documents without I/O: addresses, contents, ETags and preconditions."""

import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.documents import (
    ACTIVITY_PROFILE,
    AGENT_PROFILE,
    ANY,
    RESOURCES,
    STATE,
    Address,
    Condition,
    Resource,
    content_of,
    etag_of,
    parse_address,
    parse_condition,
)
from assay_ingest.errors import DocumentInvalid, RequestInvalid

ACTIVITY = "http://example.org/activities/1"
AGENT = {"objectType": "Agent", "mbox": "mailto:a@example.org"}
METHODS = ("GET", "PUT", "POST", "DELETE")


def good(resource: Resource, **more: str) -> dict[str, str]:
    """Good parameters of one document."""
    values = {resource.name: "n"}
    if resource.has_activity:
        values["activityId"] = ACTIVITY
    if resource.has_agent:
        values["agent"] = json.dumps(AGENT)
    return values | more


def address(resource: Resource, values: dict[str, str], method: str = "GET") -> Address:
    return parse_address(resource, method, values, version="2.0.0", name_characters_max=100)


def refused(resource: Resource, values: dict[str, str], method: str = "GET") -> str | None:
    """The parameter that a refusal names."""
    with pytest.raises(RequestInvalid) as caught:
        address(resource, values, method)
    return caught.value.parameter


# Addresses


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.kind)
@pytest.mark.parametrize("method", METHODS)
def test_an_address_needs_what_its_resource_is_about(resource: Resource, method: str) -> None:
    values = good(resource)
    assert address(resource, values, method).name == "n"
    for name in values.keys() - {resource.name}:
        left = {key: value for key, value in values.items() if key != name}
        assert refused(resource, left, method) == name


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.kind)
def test_only_a_list_and_the_clearing_of_a_state_go_without_a_name(resource: Resource) -> None:
    values = good(resource)
    del values[resource.name]
    assert address(resource, values, "GET").name is None
    for method in ("PUT", "POST"):
        assert refused(resource, values, method) == resource.name
    if resource is STATE:
        assert address(resource, values, "DELETE").name is None
    else:
        assert refused(resource, values, "DELETE") == resource.name


@pytest.mark.parametrize(
    ("resource", "parameter", "value"),
    [
        (STATE, "profileId", "x"),
        (STATE, "stateid", "x"),
        (STATE, "registration", "true"),
        (STATE, "since", "not a timestamp"),
        (STATE, "stateId", ""),
        (STATE, "stateId", "a\0b"),
        (STATE, "stateId", "x" * 101),
        (STATE, "activityId", "no-scheme"),
        (STATE, "agent", "true"),
        (STATE, "agent", "not JSON"),
        (STATE, "agent", '{"objectType":"Agent"}'),
        (STATE, "agent", '{"mbox":"mailto:a@b.org","mbox":"mailto:c@d.org"}'),
        (STATE, "agent", '{"mbox":"mailto:a@b.org","openid":"http://b.org"}'),
        (STATE, "agent", '{"objectType":"Group","mbox":"mailto:a@b.org"}'),
        (STATE, "agent", '{"mbox":"mailto:a@b.org"},"verb":{"id":"http://b.org/v"}'),
        (AGENT_PROFILE, "activityId", ACTIVITY),
        (AGENT_PROFILE, "registration", str(uuid4())),
        (ACTIVITY_PROFILE, "agent", json.dumps(AGENT)),
        (ACTIVITY_PROFILE, "stateId", "x"),
    ],
)
def test_a_wrong_or_unknown_parameter_is_named(
    resource: Resource, parameter: str, value: str
) -> None:
    assert refused(resource, good(resource, **{parameter: value})) == parameter


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_since_is_for_reading_only(method: str) -> None:
    values = good(STATE, since="2026-01-01T00:00:00Z")
    assert address(STATE, values).since is not None
    assert refused(STATE, values, method) == "since"


def test_the_same_agent_in_other_words_is_the_same_place() -> None:
    other = json.dumps({"mbox": AGENT["mbox"], "name": "A"})
    assert address(STATE, good(STATE)).place == address(STATE, good(STATE, agent=other)).place


texts = st.text(alphabet="ab/ \n", min_size=1, max_size=4)


@given(st.lists(st.tuples(texts, texts), min_size=2, max_size=2, unique=True))
def test_two_documents_never_share_a_key(pairs: list[tuple[str, str]]) -> None:
    """Parts that are joined into one key must not be able to stand in for each other."""
    keys = {
        (made.place, made.document)
        for activity, name in pairs
        for made in [Address(STATE, activity, "mbox:x", None, name, None)]
    }
    assert len(keys) == 2


def test_kinds_and_registrations_do_not_share_documents() -> None:
    registration = uuid4()
    made = [
        Address(STATE, ACTIVITY, "k", None, "n", None),
        Address(STATE, ACTIVITY, "k", registration, "n", None),
        Address(STATE, ACTIVITY, None, None, "n", None),
        Address(ACTIVITY_PROFILE, ACTIVITY, None, None, "n", None),
        Address(AGENT_PROFILE, None, "k", None, "n", None),
    ]
    assert len({(one.place, one.document) for one in made}) == len(made)
    assert made[0].place == made[1].place


# Contents


def test_the_etag_is_the_quoted_sha1_of_the_bytes() -> None:
    assert etag_of(b"") == '"da39a3ee5e6b4b0d3255bfef95601890afd80709"'


@pytest.mark.parametrize(
    ("body", "content_type", "mergeable"),
    [
        (b'{"a":1}', "application/json", True),
        (b' {"a":1} ', "Application/JSON; charset=utf-8", True),
        (b"{}", "application/json", True),
        (b'{"a":"\\\\u0000"}', "application/json", True),
        (b'{"a":1}', "text/plain", False),
        (b'{"a":1}', None, False),
        (b"[1]", "application/json", False),
        (b"1", "application/json", False),
    ],
)
@pytest.mark.parametrize("is_posted", [True, False])
def test_only_objects_that_say_that_they_are_json_can_be_merged(
    body: bytes, content_type: str | None, mergeable: bool, is_posted: bool
) -> None:
    content = content_of(body, content_type, is_posted=is_posted)
    assert (content.is_mergeable, content.body) == (mergeable, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"abc",
        b'{"a":1}{',
        b"\xff",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b"[" * 65 + b"]" * 65,
        b"[" + b"0," * 100_001 + b"0]",
    ],
)
def test_what_is_no_json_to_us_is_kept_by_put_and_refused_by_post(body: bytes) -> None:
    """XAPI-00235, XAPI-00284, XAPI-00314; a PUT is of bytes, whatever they call themselves."""
    kept = content_of(body, "application/json", is_posted=False)
    assert (kept.body, kept.is_mergeable) == (body, False)
    with pytest.raises(DocumentInvalid):
        content_of(body, "application/json", is_posted=True)


@pytest.mark.parametrize("content_type", ["", "x" * 256, "text/plain\x01", "text/é"])
def test_a_content_type_must_be_one_that_can_be_sent_back(content_type: str) -> None:
    with pytest.raises(RequestInvalid):
        content_of(b"", content_type, is_posted=False)


# Preconditions

TAG = etag_of(b"1")
OTHER = etag_of(b"2")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("*", ANY),
        (" * ", ANY),
        (TAG, {TAG}),
        (f"{TAG}, {OTHER}", {TAG, OTHER}),
        (f"{TAG},{OTHER}", {TAG, OTHER}),
        ('""', {'""'}),
        (TAG.strip('"'), {TAG}),
        (TAG.strip('"').upper(), {TAG}),
        (TAG.upper(), {TAG}),
    ],
)
def test_etags_are_read(sent: str, expected: Any) -> None:
    assert parse_condition({"if-match": sent}).if_match == expected
    assert parse_condition({"if-none-match": sent}).if_none_match == expected


def test_a_weak_etag_matches_nothing_that_is_to_be_changed() -> None:
    """RFC 9110, 13.1.1: If-Match compares strongly, If-None-Match (13.1.2) weakly."""
    condition = parse_condition({"if-match": f"W/{TAG}", "if-none-match": f"W/{TAG}"})
    assert condition.match_fails(TAG)
    assert condition.none_match_fails(TAG)


@pytest.mark.parametrize("sent", ["", "abc", '"a', 'a"', '"a" "b"', '"a",', "w/", '"a"b"'])
def test_what_is_no_etag_is_refused_by_name(sent: str) -> None:
    for header in ("If-Match", "If-None-Match"):
        with pytest.raises(RequestInvalid) as caught:
            parse_condition({header.lower(): sent})
        assert caught.value.parameter == header


@pytest.mark.parametrize("etag", [None, TAG, OTHER])
@pytest.mark.parametrize("match", [None, "*", TAG])
@pytest.mark.parametrize("none_match", [None, "*", TAG])
def test_preconditions_hold_as_rfc_9110_says(
    etag: str | None, match: str | None, none_match: str | None
) -> None:
    headers = {"if-match": match, "if-none-match": none_match}
    condition = parse_condition({name: one for name, one in headers.items() if one is not None})
    there = etag is not None
    wanted = match is None or (there and match in ("*", etag))
    unwanted = none_match is not None and there and none_match in ("*", etag)
    assert condition.match_fails(etag) is not wanted
    assert condition.none_match_fails(etag) is unwanted
    assert condition.is_there is (match is not None or none_match is not None)
    assert condition.names_tags is (TAG in (match, none_match))


@given(st.binary(), st.binary())
def test_the_etag_of_a_body_matches_that_body_only(one: bytes, other: bytes) -> None:
    condition = Condition(if_match=frozenset({etag_of(one)}))
    assert condition.match_fails(etag_of(other)) is (one != other)
