"""Signing by template gives what the full path gives, or does not happen."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_credentials.badge import AwardFacts, build_badge
from assay_credentials.canonical import canonicalize
from assay_credentials.contexts import pinned_contexts
from assay_credentials.errors import CredentialsError
from assay_credentials.intake import JsonObject
from assay_credentials.jsonld import JsonLd, pinned_jsonld
from assay_credentials.proof import add_proof
from assay_credentials.status_list import StatusEntry
from assay_credentials.template import TemplateJsonLd, template_jsonld
from credential_samples import ACHIEVEMENT, AWARD, CENTRE, NOW, with_level

ADDRESSES = st.sampled_from(["https://a.example/x/", "urn:uuid:", "http://127.0.0.1:8402/status/"])
FACTS = st.builds(
    AwardFacts,
    credential_id=st.builds(lambda start, end: f"{start}{end}", ADDRESSES, st.uuids()),
    achievement=st.sampled_from(
        [ACHIEVEMENT, replace(ACHIEVEMENT, alignments=()), replace(ACHIEVEMENT, name='"\\ \t é')]
    ),
    awarded_at=st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    expires_on=st.none() | st.dates(date(2051, 1, 1), date(2090, 1, 1)),
    timezone=st.sampled_from(["UTC", "Europe/London"]),
    identity=st.text("abcdef", min_size=1),
    identity_type=st.just("systemId"),
    salt=st.binary(min_size=16, max_size=16),
    level_id=st.sampled_from([None, *(level.id for level in ACHIEVEMENT.levels)]),
    evidence_sha256=st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple),
)
STATUS = st.lists(
    st.builds(
        StatusEntry,
        st.sampled_from(["revocation", "suspension"]),
        st.builds(lambda start, end: f"{start}{end}", ADDRESSES, st.uuids()),
        st.integers(0, 131_071),
    ),
    max_size=2,
    unique_by=lambda entry: entry.purpose,
).map(tuple)


@settings(max_examples=60, deadline=None)
@given(FACTS, STATUS)
def test_the_rdf_of_a_template_is_that_of_the_full_path(
    facts: AwardFacts, status: tuple[StatusEntry, ...]
) -> None:
    badge = build_badge(facts, CENTRE.issuer, status)
    full = canonicalize(pinned_jsonld().quads(badge))
    assert canonicalize(template_jsonld().quads(badge)) == full
    assert template_jsonld().canonical(badge) == full


def _signed(badge: JsonObject, jsonld: JsonLd) -> JsonObject:
    return add_proof(
        badge, CENTRE.signer, verification_method=CENTRE.method, created=NOW, jsonld=jsonld
    )


def test_signatures_are_the_same_also_from_a_kept_template() -> None:
    jsonld = TemplateJsonLd(pinned_contexts())
    for salt in (bytes(16), bytes(range(16)), bytes(range(16, 32))):
        for level in (None, ACHIEVEMENT.levels[0].id):
            badge = build_badge(with_level(replace(AWARD, salt=salt), level), CENTRE.issuer, ())
            assert _signed(badge, jsonld) == _signed(badge, pinned_jsonld())


def _evidence(*digests: bytes) -> JsonObject:
    award = replace(AWARD, evidence_sha256=())
    found = [{"type": ["Evidence"], "digestMultibase": f"u{one.hex()}"} for one in digests]
    return {**build_badge(award, CENTRE.issuer, ()), "evidence": found}


@pytest.mark.parametrize(
    "badge",
    [
        pytest.param(_evidence(b"one", b"one"), id="two nodes alike"),
        pytest.param(_evidence(b"one", b"two"), id="two nodes that are not"),
        pytest.param(_evidence(b"one") | {"name": "see _:b0 . 100%s {}"}, id="texts like places"),
        pytest.param(_evidence(b"one") | {"id": "https://e.example/%s_:b0"}, id="odd place"),
    ],
)
def test_the_canonical_form_of_a_kept_template_is_that_of_the_full_path(badge: JsonObject) -> None:
    jsonld = TemplateJsonLd(pinned_contexts())
    # The template is made of a document without ties.
    other = [{"type": ["Evidence"], "digestMultibase": f"u{n}"} for n in range(9)]
    jsonld.canonical({**badge, "evidence": other[: len(badge["evidence"])]})  # type: ignore[arg-type]
    assert jsonld.canonical(badge) == canonicalize(pinned_jsonld().quads(badge))


def test_a_kept_skeleton_is_many_times_faster() -> None:
    jsonld = TemplateJsonLd(pinned_contexts())
    seconds = []
    for number in range(6):
        began = time.thread_time()
        jsonld.canonical(CENTRE_BADGE | {"id": f"urn:uuid:{number}"})
        seconds.append(time.thread_time() - began)
    assert min(seconds[1:]) < seconds[0] / 5


CENTRE_BADGE = build_badge(AWARD, CENTRE.issuer, ())


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "xsd:string"},
        {"id": "credentials/1"},
        {"id": "_:b0"},
        {"id": "https://e.example/ 1"},
        {"validFrom": 'x" .'},
        {"validFrom": {"@value": "x"}},
        {"evil": "x"},
        {"name": "urn:assay:placeholder:0:"},
        {"awardedDate": "urn:assay:placeholder:0:"},
    ],
)
def test_what_the_full_path_refuses_or_reads_otherwise_a_template_does_too(
    changed: dict[str, Any],
) -> None:
    jsonld = TemplateJsonLd(pinned_contexts())
    jsonld.quads(CENTRE_BADGE)
    assert _said(jsonld, CENTRE_BADGE | changed) == _said(pinned_jsonld(), CENTRE_BADGE | changed)


def _said(jsonld: JsonLd, document: JsonObject) -> str:
    try:
        return canonicalize(jsonld.quads(document))
    except CredentialsError as error:
        return f"{type(error).__name__}: {error}"
