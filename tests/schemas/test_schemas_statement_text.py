"""The JSON text of a request, and all that is refused before any rule of xAPI is asked."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_schemas.statement import (
    CheckedStatement,
    Limits,
    RefusedStatement,
    StatementsRefused,
    check_each_statement,
    check_statements,
)
from assay_schemas.xapi_rules import RULES
from statement_examples import example
from statement_texts import EXTENSION, ID, extended, refused, rule_of, statement


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "json-malformed"),
        (b"  ", "json-malformed"),
        (b"{", "json-malformed"),
        (b"[", "json-malformed"),
        (b"[1,]", "json-malformed"),
        (b"{}]", "json-malformed"),
        (b"[{}] x", "json-malformed"),
        (b"nothing", "json-malformed"),
        (b"\xef\xbb\xbf{}", "json-malformed"),
        (b'{"actor":"\xff"}', "json-malformed"),
        (b'[{"actor":"\xff"}]', "json-malformed"),
        (b'{"a":NaN}', "json-malformed"),
        (b'{"a":-Infinity}', "json-malformed"),
        (b'[{"a":NaN}]', "json-malformed"),
        (b'{"a":01}', "json-malformed"),
        (b"{'a':1}", "json-malformed"),
        (b'{"a":"\n"}', "json-malformed"),
        (b'"text"', "body-shape"),
        (b"5", "body-shape"),
        (b"null", "body-shape"),
        (b"[]", "body-shape"),
        (b" [ ] ", "body-shape"),
        (b"[5]", "wrong-type"),
        (b"[[]]", "wrong-type"),
        (b"[null]", "null-value"),
    ],
)
def test_body_that_holds_no_statement_is_refused(body: bytes, rule: str) -> None:
    assert rule_of(body) == rule


def test_malformed_json_names_line_and_column() -> None:
    (error,) = refused('{\n "actor": x}')
    assert (error.rule, error.index, error.pointer) == ("json-malformed", None, "")
    assert "line 2 column 11" in error.message


def test_malformed_statement_of_a_batch_is_refused_as_a_whole() -> None:
    (error,) = refused(f"[{json.dumps(statement())}, {{]")
    assert error.rule == "json-malformed"


@given(
    path=st.lists(st.sampled_from(["a", "b/c", "é", "", '"', "\\", "actor"]), max_size=5),
    key=st.text(max_size=5).filter(lambda key: "\0" not in key),
    escaped=st.booleans(),
    batch=st.booleans(),
)
def test_duplicate_key_is_refused_wherever_it_stands(
    path: list[str], key: str, *, escaped: bool, batch: bool
) -> None:
    first = json.dumps(key)
    second = "".join(f"\\u{ord(c):04x}" for c in key) if escaped and key.isascii() else key
    again = f'"{second}"' if escaped and key.isascii() else first
    value = f"{{{first}:1,{again}:2}}"
    for step in reversed(path):
        value = f"{{{json.dumps(step, ensure_ascii=False)}:[0,{value}]}}"
    body = extended(value)
    (error,) = refused(f"[{body}]" if batch else body)
    assert error.rule == "duplicate-key"
    whole = ["result", "extensions", EXTENSION]
    for step in path:
        whole += [step, "1"]
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in [*whole, key])
    assert error.pointer == ("/0" if batch else "") + pointer


@pytest.mark.parametrize("name", ["id", "actor", "verb", "object", "result", "timestamp"])
def test_duplicate_property_of_the_statement_is_refused(name: str) -> None:
    text = json.dumps(statement(id=ID, timestamp="2026-03-04T10:00:00Z", result={}))
    value = json.dumps(json.loads(text)[name])
    (error,) = refused(f'{text[:-1]},"{name}":{value}}}')
    assert (error.rule, error.pointer) == ("duplicate-key", f"/{name}")


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ('"\\u0000"', "nul-character"),
        ('["a\\u0000b"]', "nul-character"),
        ('{"\\u0000":1}', "nul-character"),
        ('"\\\\u0000"', None),
        ('"\\\\\\u0000"', "nul-character"),
        ('"\\ud800"', "lone-surrogate"),
        ('"\\udc00\\ud800"', "lone-surrogate"),
        ('{"\\udfff":1}', "lone-surrogate"),
        ('"\\ud83d\\ude00"', None),
    ],
)
def test_characters_that_cannot_be_stored_are_refused(value: str, rule: str | None) -> None:
    assert rule_of(extended(value)) == rule
    errors = refused(f"[{json.dumps(statement())},{extended(value)}]")
    assert [(error.rule, error.index) for error in errors] == ([(rule, 1)] if rule else [])


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_exactly_the_texts_with_nul_are_refused(text: str) -> None:
    assert rule_of(extended(json.dumps(text))) == ("nul-character" if "\0" in text else None)


def test_pointer_to_a_nul_leads_to_the_text() -> None:
    (error,) = refused(f"[{extended(chr(91) + '1,' + json.dumps(chr(0)) + ']')}]")
    assert error.pointer == "/0/result/extensions/https:~1~1example.org~1x/1"


def test_numbers_beyond_what_is_computable_are_refused() -> None:
    assert rule_of(extended("1" * 4_300)) is None
    assert rule_of(extended("1" * 4_301)) == "json-number-range"
    assert rule_of(extended("1e99999999999999999999")) == "json-number-range"
    assert rule_of(extended("1e400")) is None


def test_numbers_are_parsed_exactly() -> None:
    body = extended("[0.79999999999999999999, 9007199254740993, 1e400, 1.0]")
    (checked,), _ = check_statements(body.encode(), version="2.0.0", limits=Limits())
    values = checked.document["result"]["extensions"][EXTENSION]
    assert values == [Decimal("0.79999999999999999999"), 2**53 + 1, Decimal("1e400"), 1]
    assert [type(value) for value in values] == [Decimal, int, Decimal, Decimal]
    score = json.dumps(statement(result={"score": {"scaled": "MARK"}})).replace
    assert rule_of(score('"MARK"', "1.0000000000000000000001")) == "score-scaled-range"


def test_same_id_twice_in_one_request_is_refused() -> None:
    batch = [statement(id=ID), statement(), statement(id=ID.upper())]
    (error,) = refused(json.dumps(batch))
    assert (error.rule, error.index, error.pointer) == ("repeated-id", 2, "/2/id")


def test_checked_statement_has_what_was_sent() -> None:
    voided = statement(
        id=ID,
        verb={"id": "http://adlnet.gov/expapi/verbs/voided"},
        object={"objectType": "StatementRef", "id": ID.upper()},
    )
    first, second = json.dumps(statement(), indent=1), json.dumps(voided)
    body = f" [{first} ,\n{second}]\n".encode()
    (one, two), single = check_statements(body, version="1.0.3", limits=Limits())
    assert not single
    assert (one.raw, two.raw) == (first.encode(), second.encode())
    assert (one.id, one.voids, one.verb_id) == (None, None, "https://example.org/did")
    assert (two.id, two.voids) == (UUID(ID), UUID(ID))
    assert one.document == statement()
    assert len(one.comparison_hash) == 32
    _, single = check_statements(second.encode(), version="1.0.3", limits=Limits())
    assert single


def test_unterminated_text_of_a_large_body_is_refused_quickly() -> None:
    # A walk that tries again at each quote would take hours here.
    assert rule_of(b'{"a":"' + b'\\"' * 400_000) == "json-malformed"
    assert rule_of(b'[{"a":"' + b'\\",[' * 400_000) in ("json-malformed", "limit-json-values")


def test_each_statement_stands_on_its_own_where_asked_for() -> None:
    texts = [json.dumps(one) for one in (statement(id=ID), {}, statement(id=ID))]
    body = f"[{','.join(texts)}]".encode()
    first, bad, last = check_each_statement(body, version="2.0.0", limits=Limits())
    assert isinstance(first, CheckedStatement)
    assert isinstance(last, CheckedStatement)
    assert first.id == last.id == UUID(ID)
    assert isinstance(bad, RefusedStatement)
    assert bad.raw == b"{}"
    assert [error.pointer for error in bad.errors] == ["/actor", "/verb", "/object"]
    assert [error.index for error in bad.errors] == [None, None, None]
    with pytest.raises(StatementsRefused):
        check_each_statement(b"[{},", version="2.0.0", limits=Limits())


keys = st.sampled_from(["id", "objectType", "mbox", "member", "<x>", "[key]"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["Agent", "Group", "SubStatement", ID, "en", "a:b"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value inside of `value`."""
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    return [path, *(place for key, part in parts for place in places(part, (*path, key)))]


@given(st.data())
def test_any_value_anywhere_is_accepted_or_refused_by_a_named_rule(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["every-property.json", "sub-statement.json"]))
    sent = example(name)
    path = data.draw(st.sampled_from(places(sent)[1:]))
    place: Any = sent
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = data.draw(json_values)
    for error in refused(json.dumps(sent)):
        assert error.rule in RULES
        parts = [part.replace("~1", "/").replace("~0", "~") for part in error.pointer.split("/")]
        # The fault lies where the value was put, in it, or in an object that it belongs to.
        changed = [str(part) for part in path]
        shared = min(len(changed), len(parts) - 1)
        near = parts[1 : shared + 1] == changed[:shared]
        assert near or error.rule in ("activity-object-only", "voiding-object", *RELATED)


# Rules that a value breaks by what stands beside it.
RELATED = (
    "interaction-type-required", "interaction-components", "missing-property", "unknown-property",
    "score-raw-range", "score-min-max", "component-ids-distinct", "anonymous-group-members",
)  # fmt: skip


@given(
    st.binary(max_size=40) | st.text(alphabet='[]{}",:\\u0d1e-9.tn ', max_size=40).map(str.encode)
)
def test_any_bytes_are_refused_by_a_named_rule(body: bytes) -> None:
    (first, *_) = refused(body)
    assert first.rule in RULES
