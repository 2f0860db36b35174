"""Templates: what may be proposed, and that whatever may be proposed makes a good credential."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator
from pydantic import ValidationError

from assay_credentials.awards import Described
from assay_credentials.canonical import canonicalize
from assay_credentials.contexts import pinned_contexts
from assay_credentials.errors import ImageRefused, TemplateRefused
from assay_credentials.intake import JsonObject
from assay_credentials.jsonld import pinned_jsonld
from assay_credentials.proof import add_proof
from assay_credentials.template import TemplateJsonLd, template_jsonld
from assay_credentials.templates.colours import contrast
from assay_credentials.templates.describe import described_by
from assay_credentials.templates.document import TemplateDocument
from assay_credentials.templates.images import BYTES_MAX, SVG_DEPTH_MAX, kind_of
from assay_credentials.templates.preview import Sample, sample
from assay_credentials.templates.proving import prove
from assay_credentials.verify import Outcome
from credential_samples import CENTRE, NOW, verify
from template_samples import COMPETENCY, GOWNING, SVG, documents, gowning, png

PUBLIC_URL = "https://credentials.example.org"
SCHEMA = json.loads(
    files("assay_credentials")
    .joinpath("schemas_pinned", "ob_v3p0_achievementcredential_schema.json")
    .read_text("utf-8")
)


def described(document: TemplateDocument, language: str | None = None) -> Described:
    return described_by(
        document,
        tenant="north",
        template="gowning",
        version=3,
        public_url=PUBLIC_URL,
        language=language,
    )


def badge(document: TemplateDocument, expires_on: date | None = None) -> JsonObject:
    return a_sample(document, expires_on).badge()


def a_sample(document: TemplateDocument, expires_on: date | None = None) -> Sample:
    return sample(
        described(document),
        tenant="north",
        competency=document.competency,
        issuer=CENTRE.issuer,
        public_url=PUBLIC_URL,
        awarded_on=date(2026, 3, 2),
        expires_on=expires_on,
        at=datetime(2026, 3, 2, 9, tzinfo=UTC),
    )


def schema_errors(document: object) -> list[str]:
    found = Draft201909Validator(SCHEMA).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_any_template_is_valid_by_the_official_schema_and_compiles_to_the_same_rdf(
    document: TemplateDocument,
) -> None:
    made = badge(document)
    errors = schema_errors(made)
    if document.status == "single":
        assert errors == []
    else:
        # The one named deviation: two status entries (1EdTech openbadges-specification, 623).
        assert [error.partition(":")[0] for error in errors] == ["$.credentialStatus"]
    full = canonicalize(pinned_jsonld().quads(made))
    kept = TemplateJsonLd(pinned_contexts())
    kept.quads({**made, "id": "urn:uuid:00000000-0000-4000-8000-000000000001"})
    assert canonicalize(kept.quads(made)) == full
    assert kept.canonical(made) == full


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_any_template_makes_a_credential_that_verifies(document: TemplateDocument) -> None:
    made = {**badge(document, date(2027, 3, 2))}
    del made["credentialStatus"]
    signed = add_proof(
        made,
        CENTRE.signer,
        verification_method=CENTRE.method,
        created=NOW,
        cryptosuite=document.proof,
        jsonld=template_jsonld(),
    )
    ends = datetime.fromisoformat(str(made["validUntil"]))
    found = verify(json.dumps(signed).encode(), at=min(NOW, ends))
    assert found.outcome is Outcome.VALID, found.checks


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.binary(min_size=32, max_size=32))
def test_any_template_is_proven_on_values_made_up_for_it(
    document: TemplateDocument, seed: bytes
) -> None:
    prove(a_sample(document), seed)


def test_what_would_not_be_valid_is_not_proposed() -> None:
    good = a_sample(gowning())
    two_of_one = replace(good, status=(good.status[0], good.status[0]))
    with pytest.raises(TemplateRefused, match="more than one entry"):
        prove(two_of_one, b"seed")
    achievement = replace(good.facts.achievement, type="no such type")
    with pytest.raises(TemplateRefused, match="achievementType"):
        prove(replace(good, facts=replace(good.facts, achievement=achievement)), b"seed")


def test_the_signed_document_is_in_the_main_language_and_names_the_other_editions() -> None:
    made: Any = badge(gowning(image="5a" * 32 + ".png"))
    achievement = made["credentialSubject"]["achievement"]
    assert achievement["id"] == f"{PUBLIC_URL}/achievements/north/gowning"
    assert (achievement["version"], achievement["inLanguage"]) == ("3", "en")
    assert achievement["name"] == "Gown aseptically for grade B"
    assert achievement["related"] == [
        {
            "id": f"{PUBLIC_URL}/achievements/north/gowning/3/cy",
            "type": ["Related"],
            "inLanguage": "cy",
        }
    ]
    assert achievement["image"] == {
        "id": f"{PUBLIC_URL}/images/north/{'5a' * 32}.png",
        "type": "Image",
        "caption": "A gowned figure",
    }
    assert [one["targetUrl"] for one in achievement["alignment"]] == [
        COMPETENCY,
        "https://example.org/uri/a1",
    ]
    levels = achievement["resultDescription"][0]["rubricCriterionLevel"]
    assert [one["name"] for one in levels] == ["Aware", "Practises"]
    assert levels[1]["description"] == "Without supervision."
    assert made["credentialSubject"]["result"][0]["achievedLevel"] == levels[1]["id"]


def test_another_edition_says_the_same_in_its_language() -> None:
    welsh = described(gowning(), "cy")
    assert welsh.name == "Gwisgo'n aseptig ar gyfer gradd B"
    assert welsh.levels == ("Ymwybodol", "Yn ymarfer")
    assert [one.language for one in welsh.editions] == ["en"]
    assert described(gowning(), "fr") == described(gowning())


@pytest.mark.parametrize(
    ("months", "award_ends", "credential_ends"),
    [
        (None, None, None),
        (None, date(2027, 3, 2), "2027-03-02T23:59:59Z"),
        (6, None, "2026-09-02T23:59:59Z"),
        (6, date(2027, 3, 2), "2026-09-02T23:59:59Z"),
        # Never longer than the award itself.
        (24, date(2027, 3, 2), "2027-03-02T23:59:59Z"),
    ],
)
def test_a_period_of_its_own_never_outlasts_the_award(
    months: int | None, award_ends: date | None, credential_ends: str | None
) -> None:
    made = badge(gowning(valid_months=months), award_ends)
    assert made.get("validUntil") == credential_ends


def test_the_same_content_has_the_same_hash_however_it_is_written() -> None:
    turned = dict(reversed(GOWNING.items()))
    turned["texts"] = dict(reversed(GOWNING["texts"].items()))
    spelled_out = TemplateDocument.model_validate(gowning().as_json())
    assert TemplateDocument.model_validate(turned).sha256() == gowning().sha256()
    assert spelled_out == gowning()
    assert spelled_out.sha256() == gowning().sha256()
    assert gowning(code="ASP3").sha256() != gowning().sha256()


def _english(**changed: Any) -> dict[str, Any]:
    return {"en": {**GOWNING["texts"]["en"], **changed}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"competency": "aseptic gowning"}, "competency"),
        ({"competency": "https://e.example/a b"}, "competency"),
        ({"language": "fr"}, "main language fr"),
        ({"language": "English"}, "language"),
        ({"texts": {}}, "texts"),
        ({"texts": _english(name=" "), "levels": []}, "texts.en.name"),
        ({"texts": _english(name="x" * 201), "levels": []}, "texts.en.name"),
        ({"texts": _english(criteria="bell \x07"), "levels": []}, "control character"),
        ({"texts": _english(colour="red"), "levels": []}, "texts.en.colour"),
        ({"levels": [{"en": {"name": "Aware"}}]}, "level 1"),
        ({"alignments": [{"name": "again", "url": COMPETENCY}]}, "the same item twice"),
        ({"alignments": [{"name": "x", "url": "javascript"}]}, "alignments.0.url"),
        ({"achievement_type": "Competence"}, "achievement_type"),
        ({"image": "https://elsewhere.example/a.png"}, "image"),
        ({"image": "5a" * 32 + ".gif"}, "image"),
        ({"valid_months": 0}, "valid_months"),
        ({"issuer": "The Academy"}, "issuer"),
        ({"proof": "ecdsa-sd-2023"}, "proof"),
        ({"status": "none"}, "status"),
        ({"colours": {"background": "#fff", "text": "#000000", "accent": "#000000"}}, "colours"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_could_not_be_signed_or_read_is_refused_by_the_name_of_its_field(
    changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        gowning(**changed)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


def test_colours_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"contrast of 4\.5"):
        gowning(colours={"background": "#ffffff", "text": "#777777", "accent": "#000000"})
    assert gowning(colours={"background": "#ffffff", "text": "#767676", "accent": "#000000"})


def test_plain_pictures_are_taken() -> None:
    assert kind_of(png()) == "image/png"
    assert kind_of(SVG) == "image/svg+xml"
    assert kind_of(b'<?xml version="1.0"?>\n' + SVG) == "image/svg+xml"


def _svg(content: bytes, attributes: bytes = b"") -> bytes:
    xlink = b' xmlns:xlink="http://www.w3.org/1999/xlink"'
    start = b'<svg xmlns="http://www.w3.org/2000/svg"' + xlink + attributes + b">"
    return start + content + b"</svg>"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GIF89a", id="another kind"),
        pytest.param(png(89), id="too small"),
        pytest.param(png(128, 4097), id="too large"),
        pytest.param(png()[:-4], id="cut off"),
        pytest.param(png()[:-12], id="without its end"),
        pytest.param(png() + b"<script>", id="something behind its end"),
        pytest.param(png().replace(b"IDAT", b"IDAX"), id="damaged"),
        pytest.param(png() + bytes(BYTES_MAX), id="too many bytes"),
        pytest.param(b"<html/>", id="another vocabulary"),
        pytest.param(_svg(b"<script>alert(1)</script>"), id="script"),
        pytest.param(_svg(b"", b' onload="alert(1)"'), id="script attribute"),
        pytest.param(_svg(b"<style>@import 'https://e.example'</style>"), id="style"),
        pytest.param(_svg(b'<image href="https://e.example/a.png"/>'), id="image"),
        pytest.param(_svg(b'<use xlink:href="https://e.example/a.svg#a"/>'), id="link outside"),
        pytest.param(_svg(b'<a href="https://e.example"><text>x</text></a>'), id="link"),
        pytest.param(_svg(b"<foreignObject/>"), id="foreign content"),
        pytest.param(_svg(b'<rect fill="url(https://e.example/#a)"/>'), id="paint outside"),
        pytest.param(_svg(b"<rect style=\"fill: url( 'data:x')\"/>"), id="data paint"),
        pytest.param(_svg(b'<rect fill="\\75rl(x)"/>'), id="escaped paint"),
        pytest.param(_svg(b'<set attributeName="href" to="x"/>'), id="animation"),
        pytest.param(
            _svg(b'<metadata><s:script xmlns:s="http://www.w3.org/2000/svg"/></metadata>'),
            id="script in metadata",
        ),
        pytest.param(
            _svg(b'<h:script xmlns:h="http://www.w3.org/1999/xhtml">x</h:script>'), id="XHTML"
        ),
        pytest.param(b'<?xml-stylesheet href="data:text/xsl,x"?>' + SVG, id="style sheet"),
        pytest.param(b"<!DOCTYPE svg [<!ENTITY a 'b'>]>" + SVG, id="entities"),
        pytest.param(_svg(b"<g>" * (SVG_DEPTH_MAX + 1) + b"</g>" * (SVG_DEPTH_MAX + 1)), id="deep"),
        pytest.param(_svg(b"<g/>" * 5_001), id="many elements"),
    ],
)
def test_pictures_that_are_not_plain_are_refused(content: bytes) -> None:
    with pytest.raises(ImageRefused):
        kind_of(content)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 150), st.integers(0, 255))
def test_no_bytes_break_the_check_of_pictures(noise: bytes, at: int, byte: int) -> None:
    damaged = bytearray(png())
    damaged[at % len(damaged)] = byte
    for content in (noise, b"\x89PNG\r\n\x1a\n" + noise, b"<svg" + noise, bytes(damaged)):
        try:
            kind_of(content)
        except ImageRefused:
            continue
