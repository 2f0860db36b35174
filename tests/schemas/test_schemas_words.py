"""The words that services meet in: envelope, agents, topics, events and their JSON Schemas."""

import json
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError as SchemaViolation
from pydantic import ValidationError

import assay_schemas
from assay_schemas.agents import agent_key
from assay_schemas.envelope import (
    HEADER_ENVELOPE,
    HEADER_HASHES,
    HEADER_IDS,
    HEADER_STORED,
    TICK_HEADERS,
    Envelope,
    EnvelopeError,
    open_envelope,
    seal,
)
from assay_schemas.events import (
    CompetencyAchieved,
    CredentialChanged,
    competencies_record,
    competency_event,
)
from assay_schemas.json_schemas import FOLDER, event_classes, schema_texts
from assay_schemas.topics import (
    OWN_SOURCE,
    STATEMENTS,
    TOPICS,
    input_topic,
    source_of_input,
)

EXAMPLES = Path(assay_schemas.__file__).parent / "examples"
EVENT_EXAMPLES = sorted(EXAMPLES.glob("[cp]*.v1.json"))

texts = st.text(max_size=40)
envelopes = st.builds(
    Envelope,
    tenant=texts,
    source=texts,
    modality=st.none() | texts,
    client=texts,
    xapi_version=st.sampled_from(["1.0.3", "2.0.0"]),
    vouches_for_assessors=st.booleans(),
    learner_controlled=st.booleans(),
    may_void=st.booleans(),
    signed_by=st.lists(st.none() | texts, max_size=4).map(tuple),
)
columns = st.lists(st.tuples(st.uuids(), st.binary(min_size=32, max_size=32)), min_size=1)


@given(envelopes, columns)
def test_an_envelope_opens_as_it_was_sealed(
    envelope: Envelope, pairs: list[tuple[UUID, bytes]]
) -> None:
    ids, hashes = [one for one, _ in pairs], [one for _, one in pairs]
    opened = open_envelope(seal(envelope, ids, hashes))
    assert opened.envelope == envelope
    assert opened.ids == tuple(ids)
    assert opened.hashes == tuple(hashes)
    assert opened.original_stored_ms is None


def test_a_replayed_record_keeps_its_original_stored() -> None:
    headers = [*seal(Envelope(tenant="t"), [uuid4()], [bytes(32)])]
    headers.append((HEADER_STORED, (1_767_225_600_123).to_bytes(8, "big")))
    assert open_envelope(headers).original_stored_ms == 1_767_225_600_123


def test_a_tick_has_no_statements() -> None:
    opened = open_envelope(TICK_HEADERS)
    assert (opened.envelope.kind, opened.ids, opened.hashes) == ("tick", (), ())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (HEADER_ENVELOPE, None, "no envelope"),
        (HEADER_ENVELOPE, b"{", "not readable"),
        (HEADER_ENVELOPE, b'{"kind":"other"}', "not readable"),
        (HEADER_ENVELOPE, b'{"version":2}', "version 2"),
        (HEADER_IDS, None, "do not fit"),
        (HEADER_IDS, bytes(17), "do not fit"),
        (HEADER_HASHES, bytes(64), "do not fit"),
    ],
)
def test_headers_that_no_writer_made_are_refused(name: str, value: bytes | None, says: str) -> None:
    headers = dict(seal(Envelope(tenant="t"), [uuid4()], [bytes(32)]))
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    with pytest.raises(EnvelopeError, match=says):
        open_envelope(list(headers.items()))


def test_an_envelope_needs_a_statement() -> None:
    with pytest.raises(EnvelopeError):
        seal(Envelope(tenant="t"), [], [])


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"mbox": "mailto:a@example.org"}, {"mbox": "mailto:a@example.org", "name": "A"}, True),
        ({"mbox_sha1sum": "AB" * 20}, {"mbox_sha1sum": "ab" * 20}, True),
        ({"mbox": "mailto:a@example.org"}, {"openid": "mailto:a@example.org"}, False),
        (
            {"account": {"homePage": "https://a.example", "name": "b c"}},
            {"account": {"homePage": "https://a.example", "name": "b  c"}},
            False,
        ),
    ],
)
def test_agent_keys_are_equal_exactly_when_the_identifiers_are(
    left: dict[str, Any], right: dict[str, Any], same: bool
) -> None:
    assert (agent_key(left) == agent_key(right)) is same


def test_an_anonymous_group_has_no_key() -> None:
    assert agent_key({"objectType": "Group", "member": []}) is None


def test_the_log_of_statements_is_never_shortened_by_the_broker_and_keeps_its_own_clock() -> None:
    topic = next(one for one in TOPICS if one.name == STATEMENTS)
    assert topic.config["message.timestamp.type"] == "LogAppendTime"
    assert topic.config["retention.ms"] == "-1"
    assert topic.config["retention.bytes"] == "-1"


slugs = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?", fullmatch=True)


@given(slugs, slugs.filter(lambda slug: slug != OWN_SOURCE))
def test_the_name_of_an_input_topic_tells_its_source_and_only_that_source_writes_it(
    tenant: str, source: str
) -> None:
    topic = input_topic(tenant, source)
    assert source_of_input(topic.name) == (tenant, source)
    assert topic.writers == (f"in-{tenant}-{source}",)
    own = input_topic(tenant, OWN_SOURCE)
    assert own.writers == ("relay",)


@pytest.mark.parametrize("slug", ["", "a.b", "A", "-a", "a-", "a" * 41, "a b", "ä"])
def test_what_could_not_stand_in_a_topic_name_names_no_source(slug: str) -> None:
    with pytest.raises(ValueError, match="1 to 40"):
        input_topic("demo", slug)


@pytest.mark.parametrize("name", ["assay.statements.v1", "assay.in.a.v1", "assay.in.a.b.c.v1"])
def test_other_topics_are_no_input_topics(name: str) -> None:
    with pytest.raises(ValueError, match="not an input topic"):
        source_of_input(name)


def test_the_json_schemas_are_those_of_the_classes() -> None:
    """Within a version only additions; then `python -m assay_schemas.json_schemas`."""
    on_disk = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}
    assert on_disk == schema_texts()


def test_every_type_of_event_has_an_example() -> None:
    types = {str(event.model_fields["type"].default) for event in event_classes()}
    assert types == {json.loads(file.read_text("utf-8"))["type"] for file in EVENT_EXAMPLES}


@pytest.mark.parametrize("file", EVENT_EXAMPLES, ids=lambda file: file.stem)
def test_an_example_satisfies_its_class_and_its_schema(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    document = json.loads(text)
    schema = json.loads((FOLDER / f"{file.stem}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    validator.validate(document)
    validator.validate(document | {"added_within_the_version": 1})
    with pytest.raises(SchemaViolation):
        validator.validate({name: document[name] for name in document if name != "sequence"})
    if document["type"] == "credential.changed/v1":
        event = CredentialChanged.model_validate_json(text)
        written = event.model_dump_json()
    else:
        written = competencies_record.dump_json(competencies_record.validate_json(text)).decode()
    assert json.loads(written) == document


def test_an_event_needs_a_sequence_of_at_least_one() -> None:
    document = json.loads((EXAMPLES / "competency.achieved.v1.json").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError, match="sequence"):
        competency_event.validate_python(document | {"sequence": 0})


def test_the_type_of_an_event_chooses_its_class() -> None:
    text = (EXAMPLES / "competency.achieved.v1.json").read_bytes()
    event = competency_event.validate_json(text)
    assert isinstance(event, CompetencyAchieved)
    assert event.achieved_on == date(2026, 3, 2)


def test_the_example_of_a_record_of_statements_opens() -> None:
    record = json.loads((EXAMPLES / "statements.record.v1.json").read_text(encoding="utf-8"))
    headers = [
        (name, json.dumps(value).encode() if name == HEADER_ENVELOPE else bytes.fromhex(value))
        for name, value in record["headers"].items()
    ]
    opened = open_envelope(headers)
    assert record["topic"] == STATEMENTS
    assert [str(one) for one in opened.ids] == [one["id"] for one in record["value"]]
    assert len(opened.envelope.signed_by) == len(record["value"])


def test_a_reader_lets_pass_what_a_later_writer_added() -> None:
    known = json.loads((EXAMPLES / "competency.achieved.v1.json").read_text(encoding="utf-8"))
    event = competency_event.validate_python(known | {"added_later": {"any": 1}})
    assert event == competency_event.validate_python(known)
