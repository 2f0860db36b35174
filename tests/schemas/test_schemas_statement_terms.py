"""What is pulled out of a statement for the indexes, and the reading of timestamps."""

import json
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_schemas.agents import agent_key
from assay_schemas.statement import Limits, check_statements
from assay_schemas.terms import StatementTerms, statement_terms
from assay_schemas.xapi_types import (
    MAX_TIMESTAMP_CHARACTERS,
    comparable_duration,
    parse_timestamp,
)

EXAMPLES = files("assay_schemas") / "examples" / "statements"


def terms_of(body: bytes) -> StatementTerms:
    (checked,), _ = check_statements(body, version="2.0.0", limits=Limits())
    return statement_terms(checked.raw)


def terms(name: str) -> StatementTerms:
    return terms_of((EXAMPLES / name).read_bytes())


def test_terms_of_a_cmi5_statement() -> None:
    found = terms("cmi5-passed.json")
    assert found.actor_key == "account:https://lms.example.org apprentice-00042"
    assert found.member_keys == ()
    assert found.verb_id == "http://adlnet.gov/expapi/verbs/passed"
    assert found.activity_id == ("https://training.example.org/courses/aseptic-technique/gowning")
    assert found.object_agent_keys == ()
    assert (found.statement_ref, found.voids) == (None, None)
    assert found.registration == UUID("0c6f9a70-7f0a-4c56-8a44-3a8f1f1e9d55")
    assert found.timestamp == datetime(2026, 3, 4, 10, 15, 30, 123_000, tzinfo=UTC)


AGENTS = [f"mailto:{number}@example.org" for number in range(12)]


def agent(number: int) -> dict[str, Any]:
    return {"mbox": AGENTS[number]}


def keys(*numbers: int) -> set[str]:
    return {f"mbox:{AGENTS[number]}" for number in numbers}


def broad_context(first: int) -> dict[str, Any]:
    return {
        "instructor": agent(first),
        "team": {"objectType": "Group", "member": [agent(first + 1)]},
        "contextAgents": [{"objectType": "contextAgent", "agent": agent(first + 2)}],
        "contextGroups": [
            {"objectType": "contextGroup", "group": {"objectType": "Group", **agent(first + 3)}}
        ],
        "contextActivities": {
            place: [{"id": f"urn:{place}:{first}", "definition": {"type": f"urn:{place}"}}]
            for place in ("parent", "grouping", "category", "other")
        },
    }


def test_related_terms_are_those_of_the_context_and_of_a_sub_statement() -> None:
    inner = {
        "objectType": "SubStatement",
        "actor": agent(4),
        "verb": {"id": "http://example.org/v"},
        "object": {"id": "urn:inner"},
        "context": broad_context(5),
    }
    sent = {
        "id": "6F1B6C4E-1F0C-4F3E-9A2B-0D6F4C6F7A10",
        "actor": agent(9),
        "verb": {"id": "http://example.org/v"},
        "object": inner,
        "context": broad_context(0),
        "authority": {"objectType": "Group", "member": [agent(10), agent(11)]},
    }
    found = statement_terms(json.dumps(sent).encode())
    assert found.id == UUID("6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10")
    assert set(found.related_agent_keys) == keys(0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11)
    places = ("parent", "grouping", "category", "other")
    assert set(found.related_activity_ids) == {"urn:inner"} | {
        f"urn:{place}:{first}" for place in places for first in (0, 5)
    }
    assert found.authority == f"members:mbox:{AGENTS[10]} mbox:{AGENTS[11]}"
    assert ("urn:parent:5", b'{"type": "urn:parent"}') in found.definitions
    assert len(found.definitions) == 8


def test_what_is_direct_is_not_related() -> None:
    sent = {
        "actor": agent(0),
        "verb": {"id": "http://example.org/v"},
        "object": {"id": "urn:a"},
        "context": {
            "instructor": agent(0),
            "contextActivities": {"parent": {"id": "urn:a"}, "other": {"id": "urn:b"}},
        },
    }
    found = statement_terms(json.dumps(sent).encode())
    assert found.related_agent_keys == ()
    assert found.related_activity_ids == ("urn:b",)


identifiers = st.one_of(
    st.fixed_dictionaries({"mbox": st.text(max_size=5)}),
    st.fixed_dictionaries({"mbox_sha1sum": st.text("ABCabc", max_size=5)}),
    st.fixed_dictionaries({"openid": st.text(max_size=5)}),
    st.fixed_dictionaries(
        {"account": st.fixed_dictionaries({"homePage": st.text(), "name": st.text()})}
    ),
    st.just({"objectType": "Group", "member": []}),
)


@given(identifiers)
def test_the_typed_reader_knows_agents_by_the_same_keys(one: dict[str, Any]) -> None:
    sent = {"actor": one, "verb": {"id": "v"}, "object": {"id": "urn:a"}}
    assert statement_terms(json.dumps(sent).encode()).actor_key == agent_key(one)


def test_terms_of_a_minimal_statement_are_absent() -> None:
    found = terms("minimal.json")
    assert (found.registration, found.timestamp, found.statement_ref) == (None, None, None)
    assert found.actor_keys == ("mbox:mailto:apprentice@example.org",)


def test_group_is_found_by_its_own_key_and_its_members() -> None:
    found = terms("every-property.json")
    assert found.actor_key == "account:https://lms.example.org shift-b"
    assert found.member_keys == (
        "mbox:mailto:first@example.org",
        "mbox_sha1sum:cd9b00a5611f94eaa7b1661edab976068e364975",
        "openid:https://id.example.org/third",
    )
    assert found.actor_keys == (found.actor_key, *found.member_keys)
    assert found.timestamp == datetime(2026, 3, 4, 9, 15, 30, tzinfo=UTC)


def test_anonymous_group_is_found_by_its_members_only() -> None:
    statement: dict[str, Any] = json.loads((EXAMPLES / "minimal.json").read_bytes())
    member = {"mbox": "mailto:a@example.org"}
    statement["actor"] = {"objectType": "Group", "member": [member, member]}
    found = terms_of(json.dumps(statement).encode())
    assert found.actor_key is None
    assert found.actor_keys == ("mbox:mailto:a@example.org",)


def test_agents_as_objects_are_found() -> None:
    agent = terms("agent-object.json")
    assert agent.object_agent_keys == ("mbox:mailto:apprentice@example.org",)
    assert agent.activity_id is None
    assert terms("group-object.json").object_agent_keys == (
        "account:https://lms.example.org apprentice-1",
        "account:https://lms.example.org apprentice-2",
    )


def test_reference_is_a_void_only_with_the_verb() -> None:
    found = terms("voiding.json")
    target = UUID("6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10")
    assert (found.statement_ref, found.voids) == (target, target)
    statement: dict[str, Any] = json.loads((EXAMPLES / "voiding.json").read_bytes())
    statement["verb"]["id"] = "http://adlnet.gov/expapi/verbs/commented"
    found = terms_of(json.dumps(statement).encode())
    assert (found.statement_ref, found.voids) == (target, None)


def test_sub_statement_gives_no_terms() -> None:
    found = terms("sub-statement.json")
    assert (found.activity_id, found.object_agent_keys, found.timestamp) == (None, (), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-04T10:15:30Z", datetime(2026, 3, 4, 10, 15, 30)),
        ("2026-03-04T10:15:30", datetime(2026, 3, 4, 10, 15, 30)),
        ("2026-03-04 10:15:30.5+05:30", datetime(2026, 3, 4, 4, 45, 30, 500_000)),
        ("2026-03-04t10:15:30z", datetime(2026, 3, 4, 10, 15, 30)),
        ("2026-03-04T10:15-08", datetime(2026, 3, 4, 18, 15)),
        ("20260304T101530,25+0100", datetime(2026, 3, 4, 9, 15, 30, 250_000)),
        ("2026-03-04T10:15:30.123456789Z", datetime(2026, 3, 4, 10, 15, 30, 123_456)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1)),
        ("20161231T235960Z", datetime(2017, 1, 1)),
        ("2017-01-01T00:59:60.5+01:00", datetime(2017, 1, 1, 0, 0, 0, 500_000)),
        ("2024-02-29T00:00:00+00:00", datetime(2024, 2, 29)),
    ],
)
def test_timestamp_is_read_as_an_instant_in_utc(text: str, expected: datetime) -> None:
    found = parse_timestamp(text)
    assert found == expected.replace(tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "", "2026", "2026-03-04", "10:15:30Z", "2026-03-04T10Z", "2026-3-4T10:15:30Z",
        "2026-03-04T10:15:30-00:00", "2026-03-04T10:15:30-0000", "2026-03-04T10:15:30-00",
        "2025-02-29T10:15:30Z", "2026-13-04T10:15:30Z", "2026-03-04T24:00:00Z",
        "2026-03-04T10:60:00Z", "2026-03-04T10:15:61Z", "2026-03-04T10:15:30.Z",
        "2026-03-04T10:15:30+24:00", "2026-03-04T10:15:30 Z", " 2026-03-04T10:15:30Z",
        "2026-03-04T10:15:30Z\n", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-01:00", "+02026-03-04T10:15:30Z",
        "2026-W10-3T10:15:30Z", "٢٠٢٦-03-04T10:15:30Z", "2026-03-04T10:15:30Z[UTC]",
    ],
)  # fmt: skip
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_timestamp(text)


def test_timestamp_of_any_precision_is_read_up_to_its_length() -> None:
    at_limit = "2026-03-04T10:15:30.5".ljust(MAX_TIMESTAMP_CHARACTERS - 1, "0") + "Z"
    assert parse_timestamp(at_limit) == datetime(2026, 3, 4, 10, 15, 30, 500_000, tzinfo=UTC)
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_timestamp(at_limit[:-1] + "0Z")


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.integers(min_value=-1439, max_value=1439),
)
def test_timestamp_written_with_any_offset_is_the_same_instant(
    moment: datetime, minutes: int
) -> None:
    moment = moment.replace(tzinfo=UTC)
    written = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    assert parse_timestamp(written) == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT1S", "PT1S"), ("PT1.00S", "PT1S"), ("PT1.5S", "PT1.5S"), ("PT1.50S", "PT1.5S"),
        ("PT1.509S", "PT1.5S"), ("PT1,55S", "PT1.55S"), ("PT1.004S", "PT1S"), ("P4W", "P4W"),
        ("PT60S", "PT60S"), ("P1.5D", "P1.5D"),
    ],
)  # fmt: skip
def test_duration_is_compared_to_the_hundredth_of_a_second(text: str, expected: str) -> None:
    assert comparable_duration(text) == expected
