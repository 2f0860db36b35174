"""Each limit of a request at its edge: accepted at the limit, refused by name one beyond."""

import json

import pytest

from assay_schemas.statement import Limits
from statement_texts import extended, refused, rule_of, statement


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_accepted_at_the_limit_and_refused_beyond(opening: str, closing: str) -> None:
    limits = Limits(max_json_depth=20)
    # Statement, result and extensions are three levels.
    at_limit = extended(opening * 17 + "1" + closing * 17)
    beyond = extended(opening * 18 + "1" + closing * 18)
    assert rule_of(at_limit, limits) is None
    assert rule_of(f"[{at_limit}]", limits) is None
    (error,) = refused(beyond, limits)
    assert error.rule == "limit-json-depth"
    assert error.pointer.startswith("/result/extensions/https:~1~1example.org~1x/")
    assert rule_of(f"[{beyond}]", limits) == "limit-json-depth"


@pytest.mark.parametrize("levels", [61, 62, 190, 500, 5_000, 50_000])
@pytest.mark.parametrize("batch", [False, True])
def test_deep_nesting_is_refused_by_the_default_limit(levels: int, *, batch: bool) -> None:
    body = extended("[" * levels + "]" * levels)
    expected = None if levels == 61 else "limit-json-depth"
    assert rule_of(f"[{body}]" if batch else body) == expected


def test_deep_nesting_without_end_is_refused() -> None:
    assert rule_of("[" * 50_000) == "limit-json-depth"
    assert rule_of('{"a":' * 50_000) == "limit-json-depth"
    assert rule_of('[{"a":' * 50_000) == "limit-json-depth"


def test_depth_limit_beyond_the_parser_is_no_setting() -> None:
    Limits(max_json_depth=190)
    with pytest.raises(ValueError, match="max_json_depth"):
        Limits(max_json_depth=201)


def test_number_of_statements_at_the_limit_and_beyond() -> None:
    limits = Limits(max_statements_per_request=3)
    assert rule_of(json.dumps([statement()] * 3), limits) is None
    assert rule_of(json.dumps([statement()] * 4), limits) == "limit-statements"


# A bare statement has 7 values; one with `extended` has a result, extensions and the value besides.
@pytest.mark.parametrize(
    ("limits", "wrapping"),
    [
        (Limits(max_json_values_per_request=20), "{}"),
        (Limits(max_json_values_per_request=21), "[{}]"),
        (Limits(max_json_values_per_statement=20), "{}"),
        (Limits(max_json_values_per_statement=20), "[{}]"),
    ],
)
def test_number_of_values_at_the_limit_and_beyond(limits: Limits, wrapping: str) -> None:
    at_limit, beyond = ("[" + ",".join(["1"] * count) + "]" for count in (10, 11))
    assert rule_of(wrapping.replace("{}", extended(at_limit)), limits) is None
    assert rule_of(wrapping.replace("{}", extended(beyond)), limits) == "limit-json-values"
    # Commas and brackets inside of texts, and empty containers, are no values.
    texts = json.dumps(['[,{"\\', "[[[,,,,,,,,,,,,,,,", [], {}, [], {}, "", "", "", ""])
    assert rule_of(wrapping.replace("{}", extended(texts)), limits) is None


def test_length_of_iri_at_the_limit_and_beyond() -> None:
    limits = Limits(max_iri_characters=100)
    at_limit = "https://example.org/".ljust(100, "é")
    assert rule_of(json.dumps(statement(verb={"id": at_limit})), limits) is None
    (error,) = refused(json.dumps(statement(verb={"id": at_limit + "é"})), limits)
    assert (error.rule, error.pointer) == ("limit-iri-characters", "/verb/id")
    key = json.dumps(statement(result={"extensions": {at_limit + "é": 1}}))
    assert rule_of(key, limits) == "limit-iri-characters"
    mailbox = {"mbox": "mailto:" + "a" * 88 + "@b.cd"}
    assert rule_of(json.dumps(statement(actor=mailbox)), limits) is None
    mailbox = {"mbox": "mailto:" + "a" * 89 + "@b.cd"}
    assert rule_of(json.dumps(statement(actor=mailbox)), limits) == "limit-iri-characters"


def test_length_of_account_name_at_the_limit_and_beyond() -> None:
    limits = Limits(max_account_name_characters=8)

    def with_name(name: str) -> str:
        account = {"homePage": "https://example.org", "name": name}
        return json.dumps(statement(actor={"account": account}))

    assert rule_of(with_name("x" * 8), limits) is None
    assert rule_of(with_name("x" * 9), limits) == "limit-account-name-characters"
    assert rule_of(with_name("\n"), limits) is None


def test_length_of_lists_at_the_limit_and_beyond() -> None:
    limits = Limits(max_list_items=2)

    def with_members(count: int) -> str:
        members = [{"mbox": f"mailto:{number}@example.org"} for number in range(count)]
        return json.dumps(statement(actor={"objectType": "Group", "member": members}))

    assert rule_of(with_members(2), limits) is None
    (error,) = refused(with_members(3), limits)
    assert (error.rule, error.pointer) == ("limit-list-items", "/actor/member")
    # The specification forbids a limit for the responses that are correct.
    responses = {"interactionType": "fill-in", "correctResponsesPattern": ["a", "b", "c"]}
    thing = {"id": "https://example.org/thing", "definition": responses}
    assert rule_of(json.dumps(statement(object=thing)), limits) is None


@pytest.mark.parametrize(
    ("at_limit", "beyond"),
    [
        ("9999", "10000"),
        ("-9999", "-10000"),
        ("99.99", "99.999"),
        ("0.0001", "0.00001"),
        ("1e-4", "1e-5"),
        ("1.5e3", "1.5e4"),
        ("1e3", "1e999999"),
    ],
)
def test_digits_of_a_score_at_the_limit_and_beyond(at_limit: str, beyond: str) -> None:
    limits = Limits(max_score_digits=4)
    body = json.dumps(statement(result={"score": {"raw": "MARK"}}))
    assert rule_of(body.replace('"MARK"', at_limit), limits) is None
    (error,) = refused(body.replace('"MARK"', beyond), limits)
    assert (error.rule, error.pointer) == ("limit-score-digits", "/result/score/raw")


def test_number_of_errors_is_limited() -> None:
    limits = Limits(max_errors_per_request=3)
    assert len(refused(json.dumps([{}]), limits)) == 3
    assert len(refused(json.dumps([{}, {}, {}]), limits)) == 3
    many = {f"unknown{number}": 1 for number in range(2_000)}
    (error,) = refused(json.dumps(statement(**many)), limits)
    assert error.rule == "too-many-faults"
