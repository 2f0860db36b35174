"""A statement is recorded and answered as it was sent, but for what a record store must set."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_schemas.statement import (
    CheckedStatement,
    Limits,
    check_statements,
    complete_statement,
    with_stored,
)

ID = UUID("6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10")
OTHER_ID = UUID("0c6f9a70-7f0a-4c56-8a44-3a8f1f1e9d55")
AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://a.example", "name": "é"}}
STORED = "2026-03-04T10:15:31.123Z"

REQUIRED = {
    "actor": '{ "mbox":"mailto:a@example.org" }',
    "verb": '{"id":"https:\\/\\/example.org/did","display":{"en":"d\\u0069d \\"it\\""}}',
    "object": '{"id" : "https://example.org/thing"}',
}
SET_BY_THE_STORE = {
    "id": f'"{str(ID).upper()}"',
    "authority": '{"mbox":"mailto:somebody@example.org"}',
    "stored": '"2001-01-01T00:00:00Z"',
    "version": '"1.0.9"',
    "timestamp": '"2026-03-04T10:15:30+01:00"',
}


def checked(text: str) -> CheckedStatement:
    (statement,), _ = check_statements(text.encode(), version="2.0.0", limits=Limits())
    return statement


def complete(text: str, statement_id: UUID = ID) -> bytes:
    return complete_statement(
        checked(text), statement_id=statement_id, authority=AUTHORITY, version="2.0.0"
    )


def pairs(data: bytes) -> list[tuple[str, Any]]:
    """The properties of a JSON object in order, repeated ones too; numbers as their text."""
    found: list[tuple[str, Any]] = json.loads(
        data, object_pairs_hook=list, parse_float=str, parse_int=str
    )
    return found


def raw_values(data: bytes) -> dict[str, bytes]:
    values = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    return {name: bytes(value) for name, value in values.items()}


spaces = st.sampled_from(["", " ", "\n", "\t "])


@st.composite
def statement_texts(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """The text of a valid statement, and its properties' texts by name."""
    chosen = draw(st.sets(st.sampled_from(sorted(SET_BY_THE_STORE))))
    numbers = draw(
        st.lists(st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
                               fullmatch=True), max_size=4)
    )  # fmt: skip
    properties = {
        **REQUIRED,
        **{name: SET_BY_THE_STORE[name] for name in chosen},
        "result": '{"extensions":{"https://example.org/x":[' + " ,".join(numbers) + "]}}",
    }
    names = draw(st.permutations(sorted(properties)))
    space = draw(spaces)
    inner = f",{space}".join(f'"{name}"{space}:{space}{properties[name]}' for name in names)
    return f"{{{space}{inner}{space}}}", properties


@given(statement_texts(), st.sampled_from([ID, OTHER_ID]))
def test_all_that_is_not_set_by_the_store_keeps_its_bytes(
    statement: tuple[str, dict[str, str]], statement_id: UUID
) -> None:
    text, properties = statement
    result = complete(text, statement_id)
    values = raw_values(result)
    for name, sent in properties.items():
        if name not in ("id", "authority", "stored"):
            assert values[name] == sent.encode()
    assert UUID(json.loads(values["id"])) == statement_id
    assert json.loads(values["authority"]) == AUTHORITY
    assert json.loads(values["version"]) == ("1.0.9" if "version" in properties else "2.0.0")
    assert "stored" not in values
    names = [name for name, _ in pairs(result)]
    assert len(names) == len(set(names))
    kept = [name for name, _ in pairs(text.encode()) if name not in ("id", "authority", "stored")]
    assert [name for name in names if name in kept] == kept


@given(statement_texts())
def test_text_without_anything_to_replace_is_kept_whole(
    statement: tuple[str, dict[str, str]],
) -> None:
    text, properties = statement
    if not {"authority", "stored"}.isdisjoint(properties):
        return
    assert complete(text).endswith(text.encode()[1:])


@given(statement_texts())
def test_recorded_statement_answers_with_stored_and_timestamp(
    statement: tuple[str, dict[str, str]],
) -> None:
    text, properties = statement
    recorded = complete(text)
    answer = with_stored(recorded, STORED, "2026-03-04T10:15:31Z")
    values = raw_values(answer)
    assert json.loads(values.pop("stored")) == STORED
    expected = properties.get("timestamp", '"2026-03-04T10:15:31Z"')
    assert values.pop("timestamp") == expected.encode()
    before = raw_values(recorded)
    before.pop("timestamp", None)
    assert values == before
    names = [name for name, _ in pairs(answer)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("key", ["\\u0074imestamp", "time\\u0073tamp", "timestamp"])
def test_timestamp_with_an_escape_in_its_name_is_still_the_timestamp(key: str) -> None:
    inner = ",".join(f'"{name}":{value}' for name, value in REQUIRED.items())
    recorded = complete(f'{{{inner},"{key}":"2026-03-04T10:15:30Z"}}')
    answer = with_stored(recorded, STORED, STORED)
    assert [value for name, value in pairs(answer) if name == "timestamp"] == [
        "2026-03-04T10:15:30Z"
    ]


def test_timestamp_inside_of_a_sub_statement_is_not_the_timestamp() -> None:
    inner = ",".join(f'"{name}":{value}' for name, value in REQUIRED.items() if name != "object")
    sub = (
        f'{{"objectType":"SubStatement",{inner},"timestamp":"2031-01-01T00:00:00Z",'
        f'"object":{REQUIRED["object"]}}}'
    )
    answer = with_stored(complete(f'{{{inner},"object":{sub}}}'), STORED, STORED)
    assert ("timestamp", STORED) in pairs(answer)


def test_statement_that_was_recorded_with_stored_has_it_once() -> None:
    inner = ",".join(f'"{name}":{value}' for name, value in REQUIRED.items())
    answer = with_stored(f'{{"stored":"2001-01-01T00:00:00Z",{inner}}}'.encode(), STORED, STORED)
    assert [value for name, value in pairs(answer) if name == "stored"] == [STORED]


def test_completed_statement_is_the_same_statement() -> None:
    text = json.dumps(
        {
            "actor": {"mbox": "mailto:a@example.org"},
            "verb": {"id": "https://example.org/did"},
            "object": {"id": "https://example.org/thing"},
            "result": {"score": {"scaled": 0.5}},
            "timestamp": "2026-03-04T10:15:30Z",
        }
    )
    again = checked(with_stored(complete(text), STORED, STORED).decode())
    assert again.comparison_hash == checked(text).comparison_hash
    assert again.document["result"]["score"]["scaled"] == Decimal("0.5")
