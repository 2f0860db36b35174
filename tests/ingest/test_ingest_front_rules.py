"""Pure parts of the front: the alternate request syntax, CORS, languages and forms of answers."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.datastructures import MutableHeaders

from assay_ingest.alternate import Sent, is_alternate, undo
from assay_ingest.canonical import activities_of, canonical, exact, ids
from assay_ingest.cors import Cors
from assay_ingest.errors import RequestInvalid
from assay_ingest.languages import Languages
from assay_ingest.settings import IngestSettings
from assay_schemas.statement import Limits, check_statements
from assay_schemas.xapi_types import parse_timestamp
from statement_strategies import Document, language_maps, statements

FORM = {"content-type": "application/x-www-form-urlencoded"}
PICKED_PROPERTIES = ("display", "name", "description")
COMPONENTS = ("choices", "scale", "source", "target", "steps")


def form(method: str, headers: dict[str, str] | None = None, **fields: str) -> Sent:
    """A request in the alternate syntax, undone."""
    sent = Sent("POST", (("method", method),), FORM if headers is None else headers)
    return undo(sent, urlencode(fields).encode())


# The alternate request syntax


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_form_fields_become_parameters(method: str) -> None:
    sent = form(method, activityId="http://e.org/a?x=1&y=ü", since="2026-01-01T00:00:00Z")
    assert sent.method == method
    assert sent.parameters == (
        ("activityId", "http://e.org/a?x=1&y=ü"),
        ("since", "2026-01-01T00:00:00Z"),
    )
    assert sent.content == b""


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_content_of_a_form_is_the_body_byte_for_byte(text: str) -> None:
    assert form("PUT", content=text).content == text.encode()


def test_headers_of_a_form_win_and_others_stay() -> None:
    sent = undo(
        Sent(
            "POST",
            (("method", "PUT"),),
            {**FORM, "authorization": "Basic old", "accept-language": "de", "content-length": "9"},
        ),
        urlencode(
            {
                "Authorization": "Basic new",
                "X-Experience-API-Version": "1.0.3",
                "If-None-Match": "*",
                "Content-Length": "2",
                "Content-Type": "text/plain",
                "content": "{}",
            }
        ).encode(),
    )
    assert dict(sent.headers) == {
        "authorization": "Basic new",
        "accept-language": "de",
        "x-experience-api-version": "1.0.3",
        "if-none-match": "*",
        "content-type": "text/plain",
    }
    assert sent.parameters == ()


def test_content_is_json_where_the_form_does_not_say_what_it_is() -> None:
    assert form("POST", content="{}").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("parameters", "headers", "body", "named"),
    [
        ((("method", "PUT"), ("statementId", "1")), FORM, b"content=x", "method"),
        ((("method", "PUT"), ("method", "PUT")), FORM, b"content=x", "method"),
        ((("method", "PATCH"),), FORM, b"content=x", "method"),
        ((("method", "put"),), FORM, b"content=x", "method"),
        ((("method", "PUT"),), FORM, b"", "content"),
        ((("method", "PUT"),), FORM, b"content=x&content=y", "content"),
        ((("method", "PUT"),), FORM, b"content=x&If-Match=1&if-match=2", "if-match"),
        ((("method", "PUT"),), FORM, b'{"content":"x"}', None),
        ((("method", "PUT"),), FORM, b"content=%ff", None),
        ((("method", "PUT"),), {"content-type": "application/json"}, b"content=x", None),
        ((("method", "PUT"),), {"content-type": "multipart/mixed"}, b"content=x", None),
    ],
)
def test_a_wrong_form_is_refused_and_the_field_named(
    parameters: tuple[tuple[str, str], ...],
    headers: dict[str, str],
    body: bytes,
    named: str | None,
) -> None:
    with pytest.raises(RequestInvalid) as refused:
        undo(Sent("POST", parameters, headers), body)
    assert refused.value.parameter == named


def test_content_of_a_request_without_a_body_is_an_unknown_parameter() -> None:
    # The resource refuses it then, as any parameter that it does not know.
    assert form("GET", content="x").parameters == (("content", "x"),)


def test_only_a_post_with_the_parameter_method_is_alternate() -> None:
    assert is_alternate(Sent("POST", (("a", "b"), ("method", "GET")), {}))
    assert not is_alternate(Sent("PUT", (("method", "POST"),), {}))
    assert not is_alternate(Sent("POST", (("Method", "GET"),), {}))


# CORS


def marked(origins: str, origin: str | None) -> MutableHeaders:
    """The headers of an answer to a page of `origin`."""
    headers = MutableHeaders()
    request = {} if origin is None else {"origin": origin}
    Cors(origins, preflight_seconds=60).mark(headers, request)
    return headers


def test_any_page_may_read_answers_by_default() -> None:
    headers = marked("*", "https://content.example.org")
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    for name in ("ETag", "Last-Modified", "X-Experience-API-Consistent-Through"):
        assert name in headers["access-control-expose-headers"]
    assert not marked("*", None)


def test_with_a_list_only_its_pages_may_and_caches_are_told() -> None:
    listed = "https://a.example.org,http://b.example.org:8080"
    good = marked(listed, "http://b.example.org:8080")
    assert good["access-control-allow-origin"] == "http://b.example.org:8080"
    for origin in ("https://b.example.org:8080", "https://a.example.org.evil.test", "null", None):
        headers = marked(listed, origin)
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "Origin"
    assert not marked("", "https://a.example.org")


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("authorization, x-custom", "authorization, x-custom"),
        ("", None),
        ("bad\r\nheader: x", None),
        ("a," * 200, None),
    ],
)
def test_a_preflight_is_told_what_may_be_sent(asked: str, allowed: str | None) -> None:
    request = {
        "origin": "https://a.example.org",
        "access-control-request-method": "PUT",
        "access-control-request-headers": asked,
    }
    headers = Cors("*", preflight_seconds=60).preflight(request, "GET, PUT, HEAD")
    assert headers["Access-Control-Allow-Methods"] == "GET, PUT, HEAD"
    assert headers["Access-Control-Max-Age"] == "60"
    if allowed is None:
        assert "Authorization" in headers["Access-Control-Allow-Headers"]
        assert "\n" not in headers["Access-Control-Allow-Headers"]
    else:
        assert headers["Access-Control-Allow-Headers"] == allowed


def test_a_page_that_may_not_is_told_nothing_in_a_preflight() -> None:
    request = {"origin": "https://evil.test", "access-control-request-method": "PUT"}
    assert Cors("https://a.example.org", preflight_seconds=60).preflight(request, "GET") == {}
    assert Cors("*", preflight_seconds=60).preflight({"origin": "x"}, "GET") == {}


@pytest.mark.parametrize("origins", ["example.org", "https://a/b", "*,https://a", "https://a, b"])
def test_origins_that_are_none_are_refused_at_the_start(origins: str) -> None:
    with pytest.raises(ValidationError) as refused:
        IngestSettings.model_validate({"cors_origins": origins})
    assert ("cors_origins",) in {one["loc"] for one in refused.value.errors()}


# Languages


@pytest.mark.parametrize(
    ("header", "tags", "chosen"),
    [
        (None, ("de", "en"), "de"),
        ("", ("de", "en"), "de"),
        ("en", ("de", "en-GB", "en"), "en"),
        ("en", ("de", "en-GB"), "en-GB"),
        ("EN-gb", ("de", "en-GB"), "en-GB"),
        ("en-GB", ("de", "en"), "en"),
        ("en-GB", ("en-US", "de"), "en-US"),
        ("de-CH-1996, en", ("de", "en"), "en"),
        ("fr, de;q=0.5, en;q=0.7", ("de", "en"), "en"),
        ("de;q=0, *", ("de", "en"), "en"),
        ("de;q=0", ("de-CH", "en"), "en"),
        ("de;q=0", ("de",), "de"),
        ("en;q=0, de;q=0", ("de", "en"), "de"),
        ("*", ("de", "en"), "de"),
        ("e", ("de", "en"), "de"),
        ("en;q=9, ;;, , de", ("en", "de"), "de"),
    ],
)
def test_the_language_that_fits_best_is_chosen(
    header: str | None, tags: tuple[str, ...], chosen: str
) -> None:
    assert Languages(header).choose(tags) == chosen


@given(st.text(max_size=200), st.lists(st.sampled_from(["en", "en-GB", "de", "x"]), min_size=1))
def test_whatever_is_sent_some_tag_of_the_map_is_chosen(header: str, tags: list[str]) -> None:
    assert Languages(header).choose(tags) in tags


# Forms of answers


def raw_of(statement: Document) -> bytes:
    return json.dumps(statement, ensure_ascii=False).encode()


def parts_of(statement: Any) -> Iterator[dict[str, Any]]:
    """The statement, and its SubStatement."""
    yield statement
    if statement["object"].get("objectType") == "SubStatement":
        yield statement["object"]


def activities_in(statement: Any) -> Iterator[dict[str, Any]]:
    """Every activity, where contextActivities are lists."""
    for part in parts_of(statement):
        if part["object"].get("objectType", "Activity") == "Activity":
            yield part["object"]
        for many in part.get("context", {}).get("contextActivities", {}).values():
            yield from many


def with_lists(statement: Any) -> Any:
    """A copy with every contextActivities a list, which is all that `exact` may change."""
    copy = json.loads(json.dumps(statement))
    for part in parts_of(copy):
        lists = part.get("context", {}).get("contextActivities", {})
        for name, value in lists.items():
            if isinstance(value, dict):
                lists[name] = [value]
    return copy


any_statement = statements("2.0.0")


@given(any_statement)
def test_exact_changes_nothing_but_single_context_activities(statement: Document) -> None:
    raw = raw_of(statement)
    wanted = with_lists(statement)
    shown = exact(raw)
    assert json.loads(shown) == wanted
    if wanted == statement:
        assert shown == raw


def test_exact_finds_context_activities_however_their_name_is_spelled() -> None:
    raw = (
        rb'{"object":{"objectType":"SubStatement","actor":{"mbox":"mailto:a@e.org"},'
        rb'"verb":{"id":"http:v"},"object":{"id":"http:a"},'
        rb'"context":{"contextActivities":{"parent":{"id":"http:p"}}}},'
        rb'"result":{"score":{"raw":1.50}},"actor":{"mbox":"mailto:a@e.org"},"verb":{"id":"http:v"}}'
    )
    shown = exact(raw)
    sub = json.loads(shown)["object"]
    assert sub["context"] == {"contextActivities": {"parent": [{"id": "http:p"}]}}
    assert b'"result":{"score":{"raw":1.50}}' in shown


@given(any_statement)
def test_ids_is_a_good_statement_of_identifiers_alone(statement: Document) -> None:
    shown = ids(raw_of(statement))
    check_statements(shown, version="2.0.0", limits=Limits())
    found = json.loads(shown)
    for part in parts_of(found):
        assert part["verb"].keys() == {"id"}
        for one in agents_in(part):
            kept = one.keys() - {"objectType", "member"}
            assert len(kept) <= 1
            assert not (kept and "member" in one)
    for activity in activities_in(found):
        assert activity.keys() == {"id"}
    # Everything else is as it was.
    for name in ("result", "attachments", "timestamp"):
        assert found.get(name) == statement.get(name)
    assert ids(shown) == shown


def agents_in(part: Any) -> Iterator[dict[str, Any]]:
    """Every agent and group of a statement or SubStatement, members of groups too."""
    context = part.get("context", {})
    top = [
        part["actor"],
        *(part.get(name) for name in ("authority",)),
        *(context.get(name) for name in ("instructor", "team")),
        *(one["agent"] for one in context.get("contextAgents", [])),
        *(one["group"] for one in context.get("contextGroups", [])),
    ]
    if part["object"].get("objectType") in ("Agent", "Group"):
        top.append(part["object"])
    for one in top:
        if one is not None:
            yield one
            yield from one.get("member", [])


@given(any_statement, st.sampled_from([None, "en", "de-CH-1996,en;q=0.5", "*;q=0"]))
def test_canonical_has_one_language_of_those_that_were_sent(
    statement: Document, header: str | None
) -> None:
    shown = canonical(raw_of(statement), Languages(header), {})
    check_statements(shown, version="2.0.0", limits=Limits())
    found, before = json.loads(shown), with_lists(statement)
    for part, was in zip(parts_of(found), parts_of(before), strict=True):
        check_picked(part["verb"], was["verb"])
        # Agents stay as they were (Communication 2.1.3).
        assert part["actor"] == was["actor"]
    for activity, was in zip(activities_in(found), activities_in(before), strict=True):
        definition, was_definition = activity.get("definition", {}), was.get("definition", {})
        assert definition.keys() == was_definition.keys()
        check_picked(definition, was_definition)
        for name in COMPONENTS:
            for one, other in zip(
                definition.get(name, []), was_definition.get(name, []), strict=True
            ):
                check_picked(one, other)
    assert found.get("attachments") == before.get("attachments")


def check_picked(found: dict[str, Any], before: dict[str, Any]) -> None:
    """Of each language map at most one entry is left, and it is one of those before."""
    for name in PICKED_PROPERTIES:
        if name in before:
            assert len(found[name]) == min(1, len(before[name]))
            assert found[name].items() <= before[name].items()


@given(any_statement, language_maps)
def test_canonical_takes_the_definitions_that_are_known(
    statement: Document, name: dict[str, str]
) -> None:
    raw = raw_of(statement)
    iris = activities_of([raw])
    assert iris == {one["id"] for one in activities_in(with_lists(statement))}
    known = (
        json.dumps({"name": name, "extensions": {"http://e.org/n": 1}}).encode()[:-3] + b"1.50}}"
    )
    found = canonical(raw, Languages("en"), dict.fromkeys(iris, known))
    for activity in activities_in(json.loads(found)):
        assert len(activity["definition"]["name"]) == min(1, len(name))
        assert activity["definition"]["extensions"] == {"http://e.org/n": 1.5}
    # Numbers keep their spelling.
    assert found.count(b'{"http://e.org/n": 1.50}') >= min(1, len(iris))


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2023-05-04T12:00:00.120-05:00", "2023-05-04T17:00:00.120Z"),
        ("0999-12-31T23:30:00,5-0130", "1000-01-01T01:00:00.5Z"),
        ("2023-05-04T12:00+02", "2023-05-04T10:00:00Z"),
        ("2016-12-31T23:59:60+00:00", "2017-01-01T00:00:00Z"),
        ("2023-05-04T12:00:00.1234567890+00:00", "2023-05-04T12:00:00.1234567890Z"),
        ("2023-05-04T12:00:00", "2023-05-04T12:00:00Z"),
        ("2023-05-04t12:00:00z", "2023-05-04t12:00:00z"),
    ],
)
def test_times_are_in_utc_where_2_0_is_spoken(sent: str, shown: str) -> None:
    part = {"actor": {"mbox": "mailto:a@e.org"}, "verb": {"id": "http:v"}, "timestamp": sent}
    sub = {"objectType": "SubStatement", **part, "object": {"id": "http:a"}}
    raw = raw_of({**part, "object": sub})
    found = json.loads(exact(raw, in_utc=True))
    assert found["timestamp"] == found["object"]["timestamp"] == shown
    assert exact(raw) == raw


@given(any_statement)
def test_times_in_utc_are_the_same_times(statement: Document) -> None:
    found = json.loads(exact(raw_of(statement), in_utc=True))
    for part, was in zip(parts_of(found), parts_of(statement), strict=True):
        if "timestamp" in was:
            assert parse_timestamp(part["timestamp"]) == parse_timestamp(was["timestamp"])
            assert part["timestamp"][-1] in "Zz"
        part.pop("timestamp", None)
        was.pop("timestamp", None)
    assert found == with_lists(statement)
