"""Certificates and badges: every text can be set, archived, read aloud; in English and Welsh."""

from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from assay_credentials.downloads.certificate import (
    Endorsed,
    certificate,
    linkedin_url,
    qr_svg,
    verify_url,
)
from assay_credentials.downloads.picture import Image, Look, badge_picture
from assay_credentials.downloads.typeset import LANGUAGES, language_of, texts
from assay_credentials.downloads.words import MONTHS, Shown, in_words, shown
from assay_credentials.templates.document import (
    DEFAULT_COLOURS,
    Colours,
    LevelText,
    TemplateDocument,
    Text,
)
from credential_samples import ACHIEVEMENT, CENTRE

MADE_AT = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
ADDRESS = "https://credentials.example.org/verify?share=abcdefghijklmnopqrstuvwxyz"
WHAT = Shown(
    id="https://credentials.example.org/credentials/7a1f1a0e-5b55-4c53-8d3e-0f3a3b7b9a10",
    name="Gown aseptically for grade B",
    description="Gowns without supervision.",
    criteria="Two observed gownings.",
    level="Practises under supervision",
    issuer="Training Centre North",
    issuer_url="https://north.example.org",
    awarded_on=date(2026, 3, 2),
    valid_until=date(2027, 3, 2),
    alignments=({"name": "Gown", "code": "ASP2", "framework": None, "url": "https://x.example"},),
)
BADGE = badge_picture(Look(WHAT.name, WHAT.issuer, WHAT.level), "svg")


def paper(what: Shown = WHAT, lang: str = "en") -> bytes:
    return certificate(
        b'{"signed": true}',
        what,
        lang=lang,
        address=ADDRESS,
        badge_svg=BADGE,
        colours=DEFAULT_COLOURS,
        endorsements=[Endorsed("Employer Ltd", "Seen at work.")],
        made_at=MADE_AT,
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_certificate_can_be_archived_and_read_aloud(lang: str) -> None:
    made = paper(lang=lang)
    assert made == paper(lang=lang)
    # As PDF/UA-1 and PDF/A-3a name themselves in their metadata.
    assert b"<pdfuaid:part>1</pdfuaid:part>" in made
    assert b"<pdfaid:part>3</pdfaid:part>" in made
    reader = PdfReader(BytesIO(made))
    root = cast("dict[str, Any]", reader.root_object)
    assert root["/Lang"] == lang
    assert root["/MarkInfo"]["/Marked"].value is True
    assert "/StructTreeRoot" in root
    assert root["/ViewerPreferences"]["/DisplayDocTitle"].value is True
    said = reader.pages[0].extract_text()
    words = texts(lang)["certificate"]
    for text in (WHAT.name, WHAT.issuer, "Employer Ltd", words["verify_title"], ADDRESS):
        assert text in said.replace("\n", "")
    assert in_words(WHAT.awarded_on, lang) in said
    (attached,) = reader.attachments.values()
    assert attached == [b'{"signed": true}']


def test_every_language_has_the_same_words() -> None:
    english = texts("en")
    for lang in LANGUAGES:
        assert {name: set(words) for name, words in texts(lang).items()} == {
            name: set(words) for name, words in english.items()
        }
        assert all(text.strip() for words in texts(lang).values() for text in words.values())
    assert set(MONTHS) == set(LANGUAGES)


@given(st.text(max_size=300), st.text(max_size=60))
@settings(deadline=None, max_examples=20)
def test_any_text_can_be_set(long: str, short: str) -> None:
    what = Shown(
        short, short, long, long, short, short, None, WHAT.awarded_on, None, WHAT.alignments
    )
    assert paper(what).startswith(b"%PDF-")
    for kind in ("png", "svg"):
        assert badge_picture(Look(short, short, long), kind)


def test_texts_are_data_and_never_markup() -> None:
    hostile = '#read("/etc/passwd") = * _ $ @preview #import "@preview/cetz:0.3.0" \\ // <label>'
    reader = PdfReader(BytesIO(paper(replace(WHAT, description=hostile))))
    assert '#read("/etc/passwd")' in reader.pages[0].extract_text().replace("\n", " ")


def test_characters_without_a_font_are_no_reason_to_fail() -> None:
    assert paper(replace(WHAT, name="无菌 \U0001f9ea")).startswith(b"%PDF-")


def test_a_badge_has_the_colours_and_picture_of_its_template() -> None:
    colours = Colours(background="#102030", text="#ffffff", accent="#fedcba")
    dot = (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4" fill="#00ff01"/>'
        b"</svg>"
    )
    look = Look(WHAT.name, WHAT.issuer, None, colours, Image("image/svg+xml", dot, "A green dot"))
    svg = badge_picture(look, "svg")
    assert b"#102030" in svg
    assert b"#fedcba" in svg
    assert b"#00ff01" in svg or b"image" in svg
    assert badge_picture(look, "png") != badge_picture(Look(WHAT.name, WHAT.issuer), "png")


def test_the_words_are_those_of_the_template_in_the_language_asked_for() -> None:
    document = CENTRE.badge()
    template = TemplateDocument(
        competency="https://example.org/uri/a2",
        texts={
            "en": Text(name="Gowning", description="Gowns.", criteria="Twice."),
            "cy": Text(name="Gwisgo", description="Yn gwisgo.", criteria="Ddwywaith."),
        },
        levels=tuple(
            {"en": LevelText(name=f"Level {n}"), "cy": LevelText(name=f"Lefel {n}")}
            for n in (1, 2, 3)
        ),
    )
    plain = shown(document, timezone="Europe/London", lang="cy", template=None)
    assert (plain.name, plain.level) == (ACHIEVEMENT.name, "Practises without supervision")
    welsh = shown(document, timezone="Europe/London", lang="cy", template=template)
    assert (welsh.name, welsh.criteria, welsh.level) == ("Gwisgo", "Ddwywaith.", "Lefel 3")
    french = shown(document, timezone="Europe/London", lang="fr", template=template)
    assert french.name == "Gowning"


@pytest.mark.parametrize("timezone", ["Europe/London", "America/Los_Angeles", "Pacific/Auckland"])
def test_days_are_those_of_the_awards_own_time_zone(timezone: str) -> None:
    found = shown(
        {
            **CENTRE.badge(),
            "validFrom": datetime(2026, 7, 1, tzinfo=UTC).isoformat(),
            "validUntil": datetime(2027, 7, 1, 6, 59, 59, tzinfo=UTC).isoformat(),
        },
        timezone=timezone,
        lang="en",
        template=None,
    )
    assert found.valid_until == date(2027, 6, 30) if "Los" in timezone else date(2027, 7, 1)


def test_days_and_languages_in_words() -> None:
    assert in_words(date(2026, 3, 2), "en") == "2 March 2026"
    assert in_words(date(2026, 8, 31), "cy") == "31 Awst 2026"
    assert [language_of(one) for one in ("cy-GB", "CY", "fr", "", None)] == [
        *("cy", "cy", "en", "en", "en")
    ]


def test_addresses() -> None:
    assert verify_url("https://c.example", "a/b") == "https://c.example/verify?share=a%2Fb"
    assert linkedin_url(WHAT, address=ADDRESS).startswith("https://www.linkedin.com/profile/add?")
    assert b"<svg" in qr_svg(ADDRESS)
