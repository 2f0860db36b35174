"""Intake and JSON-LD: what is refused before a signature is looked at."""

import copy
import hashlib
import json
import time
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from assay_credentials.badge import build_badge
from assay_credentials.contexts import (
    BADGE_CONTEXT,
    CREDENTIALS_V1,
    CREDENTIALS_V2,
    OPEN_BADGES_3,
    TRANSCRIPT_CONTEXT,
    ContextChanged,
    pinned_contexts,
    read_pinned,
)
from assay_credentials.errors import DocumentRefused, DocumentUnsupported
from assay_credentials.intake import (
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    MAX_ITEMS,
    MAX_NODES,
    JsonObject,
    checked_document,
    parse_document,
)
from assay_credentials.jsonld import JsonLd, pinned_jsonld
from credential_samples import AWARD, CENTRE, REVOCATION, SUSPENSION

BADGE = build_badge(AWARD, CENTRE.issuer, (REVOCATION, SUSPENSION))


def _edited() -> Any:
    """A copy of the unsigned badge, to be damaged. Any: tests reach into it freely."""
    return copy.deepcopy(BADGE)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b'{"a": 1, "a": 2}', "duplicate-key"),
        (b'{"a": {"b": 1, "b": 1}}', "duplicate-key"),
        (b'{"a": 9007199254740993}', "number"),
        (b'{"a": 1e300}', "number"),
        (b'{"a": 1e999}', "number"),
        (b'{"a": NaN}', "number"),
        (b'{"a": -Infinity}', "number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number"),
        (b'{"a": "\\u0007"}', "characters"),
        (b'{"a": "\\u0085"}', "characters"),
        (b'{"a": "\\ufffe"}', "characters"),
        (b'{"a": "\\ud800"}', "characters"),
        ('{"a": "\U0010ffff"}'.encode(), "characters"),
        (b'{"a\\u0000": "x"}', "characters"),
        (b'{"a": null}', "empty"),
        (b'{"a": []}', "empty"),
        (b'{"a": "\xff"}', "json"),
        (b'\xef\xbb\xbf{"a": 1}', "json"),
        (b'{"a": 1', "json"),
        (b"[1]", "object"),
        (b"", "json"),
    ],
)
def test_bytes_that_can_be_read_in_two_ways_are_refused(data: bytes, rule: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        parse_document(data)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b'{"a": "' + b"x" * MAX_DOCUMENT_BYTES + b'"}', "size"),
        (b'{"a": [' + b"1," * MAX_ITEMS + b"1]}", "items"),
        (b'{"a": [' + (b"[" + b"1," * 99 + b"1],") * (MAX_NODES // 100) + b"1]}", "nodes"),
        (b'{"a":' * (MAX_DEPTH + 2) + b"1" + b"}" * (MAX_DEPTH + 2), "depth"),
        (b"[" * 100_000, "depth"),
    ],
)
def test_bytes_beyond_a_limit_are_not_worked_on(data: bytes, rule: str) -> None:
    with pytest.raises(DocumentUnsupported) as caught:
        parse_document(data)
    assert caught.value.rule == rule


def test_a_number_without_fraction_is_an_integer_and_tabs_and_lines_are_text() -> None:
    parsed = parse_document(b'{"a": 2.0, "b": 2.5, "c": true, "d": "x\\t\\r\\ny"}')
    assert parsed == {"a": 2, "b": 2.5, "c": True, "d": "x\t\r\ny"}
    assert type(parsed["a"]) is int
    assert type(parsed["c"]) is bool


def test_checking_leaves_the_original_alone_and_keeps_every_value() -> None:
    original = copy.deepcopy(BADGE)
    checked = checked_document(BADGE)
    assert checked == BADGE == original
    assert checked["credentialSubject"] is not BADGE["credentialSubject"]


@settings(deadline=None)
@given(
    st.recursive(
        st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3)
            | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
        max_leaves=20,
    )
)
def test_what_is_accepted_comes_out_as_it_went_in(value: object) -> None:
    document: JsonObject = {"value": value}
    assert parse_document(json.dumps(document).encode()) == document


def test_the_context_files_are_the_pinned_ones() -> None:
    pinned = pinned_contexts()
    folder = files("assay_credentials").joinpath("contexts")
    shipped = {one.name: one.read_bytes() for one in folder.iterdir() if one.name != "README.md"}
    assert {hashlib.sha256(content).hexdigest() for content in shipped.values()} == set(
        pinned.digests.values()
    )
    assert len(shipped) == len(pinned.documents)
    # The digest that VC Data Model 2.0 itself gives in its appendix B.1.
    assert pinned.digests[CREDENTIALS_V2] == (
        "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734"
    )
    assert {(CREDENTIALS_V2,), BADGE_CONTEXT, TRANSCRIPT_CONTEXT} <= pinned.accepted
    for urls in pinned.accepted:
        assert urls[0] in (CREDENTIALS_V1, CREDENTIALS_V2)
        assert set(urls) <= set(pinned.documents)


def test_a_context_file_with_another_digest_is_not_used() -> None:
    with pytest.raises(ContextChanged, match="credentials-v2"):
        read_pinned("credentials-v2.json", "0" * 64)


def test_the_badge_means_the_same_as_plain_pyld_says() -> None:
    """Our caching processor changes the time it takes and nothing else."""
    plain = jsonld.to_rdf(
        BADGE,
        {
            "base": None,
            "rdfDirection": "i18n-datatype",
            "documentLoader": lambda url, _: {
                "contentType": "application/ld+json",
                "contextUrl": None,
                "documentUrl": url,
                "document": pinned_contexts().documents[url],
            },
            "format": "application/n-quads",
        },
    )
    ours = [pinned_jsonld().quads(BADGE) for _ in range(2)]
    lines = [" ".join(t for t in quad if t) + " ." for quad in ours[0]]
    assert sorted(lines) == sorted(plain.splitlines())
    assert ours[0] == ours[1]


def test_contexts_are_processed_once_and_not_once_per_document() -> None:
    fresh = JsonLd(pinned_contexts())
    fresh.quads(BADGE)
    started = time.process_time()
    for _ in range(5):
        JsonLd(pinned_contexts()).quads(BADGE)
    cold = time.process_time() - started
    started = time.process_time()
    for _ in range(5):
        fresh.quads(BADGE)
    assert time.process_time() - started < cold / 1.5


def test_every_term_of_the_badge_reaches_the_signature() -> None:
    """Changing any one value of the badge changes the RDF, so nothing in it is unsigned."""
    original = set(pinned_jsonld().quads(BADGE))

    def pointers(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
        if isinstance(value, dict):
            return [p for key, item in value.items() for p in pointers(item, (*path, key))]
        if isinstance(value, list):
            return [p for i, item in enumerate(value) for p in pointers(item, (*path, i))]
        return [path]

    for *parents, last in pointers(BADGE, ()):
        if "@context" in parents or "type" in (*parents, last):
            continue
        changed = _edited()
        place = changed
        for step in parents:
            place = place[step]
        place[last] = not place[last] if isinstance(place[last], bool) else place[last] + "x"
        assert set(pinned_jsonld().quads(changed)) != original, (*parents, last)


def _respell_status(badge: Any) -> None:
    badge["https://www.w3.org/2018/credentials#credentialStatus"] = badge.pop("credentialStatus")


def _respell_type(badge: Any) -> None:
    badge["type"][1] = "https://purl.imsglobal.org/spec/vc/ob/vocab.html#OpenBadgeCredential"


def _respell_date(badge: Any) -> None:
    badge["validUntil"] = {
        "@value": badge["validUntil"],
        "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
    }


def _plain_value_object(badge: Any) -> None:
    badge["validUntil"] = {"@value": badge["validUntil"]}


def _unknown_term(badge: Any) -> None:
    badge["grade"] = "A"


def _unknown_nested_term(badge: Any) -> None:
    badge["credentialSubject"]["achievement"]["grade"] = "A"


def _term_of_another_type(badge: Any) -> None:
    badge["salt"] = "identityObject has this, a credential has not"


def _unknown_type(badge: Any) -> None:
    badge["credentialSubject"]["type"].append("Genius")


def _relative_id(badge: Any) -> None:
    badge["credentialSubject"]["id"] = "ada"


def _smuggled_quad(badge: Any) -> None:
    badge["credentialSubject"]["id"] = "u:a>.<u:b"


def _bad_language(badge: Any) -> None:
    badge["name"] = {"@value": "x", "@language": "en .\n<u:a>"}


def _reverse(badge: Any) -> None:
    badge["@reverse"] = {"issuer": {"id": "u:x"}}


def _nested_context(badge: Any) -> None:
    badge["credentialSubject"]["@context"] = {"x": "u:x"}


def _included(badge: Any) -> None:
    badge["@included"] = [{"id": "u:x", "name": "y"}]


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (_respell_status, "respelled"),
        (_respell_type, "respelled"),
        (_respell_date, "respelled"),
        (_plain_value_object, "respelled"),
        (_unknown_term, "unknown-term"),
        (_unknown_nested_term, "unknown-term"),
        (_term_of_another_type, "unknown-term"),
        (_unknown_type, "iri"),
        (_relative_id, "iri"),
        (_smuggled_quad, "iri"),
        (_bad_language, "language"),
        (_reverse, "respelled"),
        (_nested_context, "respelled"),
        (_included, "respelled"),
    ],
)
def test_a_document_that_json_ld_would_bend_is_refused(damage: Any, rule: str) -> None:
    badge = _edited()
    damage(badge)
    with pytest.raises(DocumentRefused) as caught:
        pinned_jsonld().quads(badge)
    assert caught.value.rule == rule


def test_an_inline_context_is_refused_and_an_unknown_one_not_processed() -> None:
    badge = _edited()
    badge["@context"].append({"validUntil": "https://e.example/hidden"})
    with pytest.raises(DocumentRefused, match="inline"):
        pinned_jsonld().quads(badge)
    for context in (
        [*BADGE_CONTEXT, "https://e.example/context"],
        [OPEN_BADGES_3, CREDENTIALS_V2],
        [CREDENTIALS_V2, CREDENTIALS_V2],
        OPEN_BADGES_3,
    ):
        badge["@context"] = context
        with pytest.raises(DocumentUnsupported):
            pinned_jsonld().quads(badge)


def test_blank_node_labels_are_not_processed() -> None:
    badge = _edited()
    badge["credentialSubject"]["id"] = "_:b0"
    with pytest.raises(DocumentUnsupported) as caught:
        pinned_jsonld().quads(badge)
    assert caught.value.rule == "blank-node-label"


def test_language_and_direction_are_kept_and_signed() -> None:
    badge = _edited()
    badge["name"] = {"@value": "Gwisgo", "@language": "cy-GB", "@direction": "ltr"}
    objects = [quad.object for quad in pinned_jsonld().quads(badge)]
    assert '"Gwisgo"^^<https://www.w3.org/ns/i18n#cy-gb_ltr>' in objects


def test_one_value_and_an_array_of_one_are_the_same_statement() -> None:
    badge = _edited()
    badge["evidence"] = badge["evidence"][:1]
    single = _edited()
    single["evidence"] = badge["evidence"][0]
    assert pinned_jsonld().quads(single) == pinned_jsonld().quads(badge)
