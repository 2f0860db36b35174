"""The pages without a service: words, views, files, headers."""

import hashlib
import re
from datetime import UTC, datetime
from importlib.resources import files
from itertools import pairwise
from string import Formatter
from typing import Any

import orjson
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from assay_credentials.pages.beside import ShownEndorsement
from assay_credentials.pages.language import (
    Language,
    accepted_language,
    asked_language,
    catalogue,
    moment_text,
)
from assay_credentials.pages.qr import qr_svg
from assay_credentials.pages.render import page, prefers_html, refusal
from assay_credentials.pages.static_files import static_files
from assay_credentials.pages.view import check_lines, editions_of, facts_of, shown
from assay_credentials.settings import CredentialsSettings
from assay_credentials.verify import Check, Outcome, Result, TrustedIssuer, Verification
from assay_runtime.problem import Problem
from credential_samples import ACHIEVEMENT, CENTRE

PUBLIC_URL = "https://credentials.example.org/badges"
CHECKS = (
    *("form", "contexts", "terms", "signature", "dates", "status", "issuer", "achievement"),
    *("schema", "holder", "request", "credentials"),
)
_KEY = re.compile(r"""\bt\(\s*'([^']+)'\s*(~)?""")


def request_of(path: str = "/verify", query: str = "", **headers: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
            ],
        }
    )


@pytest.fixture(scope="module")
def settings() -> CredentialsSettings:
    return CredentialsSettings.from_environment(
        {
            "ASSAY_PUBLIC_URL": PUBLIC_URL,
            "ASSAY_SIGNING_KEY_DIR": "keys",
            "ASSAY_HTTP_PORT": "8402",
            "ASSAY_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "ASSAY_KAFKA_USER": "credentials",
            "ASSAY_KAFKA_PASSWORD_FILE": __file__,
            "ASSAY_POSTGRES_DSN": "postgresql://assay_credentials@127.0.0.1/assay",
        }
    )


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def templates() -> dict[str, str]:
    folder = files("assay_credentials").joinpath("pages", "templates")
    return {one.name: one.read_text(encoding="utf-8") for one in folder.iterdir()}


# Words -------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_keys_and_the_same_gaps_to_fill() -> None:
    english, welsh = catalogue(Language.ENGLISH), catalogue(Language.WELSH)
    assert english.keys() == welsh.keys()
    assert {key for key in english if names_in(english[key]) != names_in(welsh[key])} == set()
    assert {key for key in english if not welsh[key].strip() or not english[key].strip()} == set()


def test_hardly_any_text_is_the_same_in_both() -> None:
    """A text that was not translated is one that is equal."""
    english, welsh = catalogue(Language.ENGLISH), catalogue(Language.WELSH)
    same = {key for key in english if english[key] == welsh[key]}
    assert same == {"time.day", "time.moment"}


def test_there_are_words_for_every_outcome_and_every_check() -> None:
    known = catalogue(Language.ENGLISH).keys()
    outcomes = {
        f"outcome.{outcome}{part}" for outcome in Outcome for part in ("", ".sentence", ".advice")
    }
    checks = {f"check.{name}{part}" for name in CHECKS for part in ("", *(f".{r}" for r in Result))}
    assert outcomes - known == set()
    assert checks - known == set()


def test_the_verifier_has_no_other_checks() -> None:
    package = files("assay_credentials")
    modules = [package.joinpath("verify.py"), *package.joinpath("verification").iterdir()]
    source = "".join(one.read_text(encoding="utf-8") for one in modules if one.name.endswith(".py"))
    told = set(re.findall(r'\b(?:passed|failed|unchecked|Check)\(\s*"([a-z_]+)"', source))
    assert len(told) > 5
    assert told - set(CHECKS) == set()


def test_templates_ask_for_words_that_are_there_and_no_word_is_left_over() -> None:
    known = set(catalogue(Language.ENGLISH))
    asked: set[str] = set()
    beginnings: set[str] = set()
    for text in templates().values():
        for key, joined in _KEY.findall(text):
            (beginnings if joined else asked).add(key)
    assert asked - known == set()
    # Those that code asks for: by outcome, check, status of a refusal, month.
    beginnings |= {"check.", "month.", "time.", "refused."}
    asked |= {"checks.title", "present.presentation", "present.qr", "claim.qr"}
    left = {key for key in known - asked if not key.startswith(tuple(beginnings))}
    assert left == set()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("cy", "cy"),
        ("cy-GB,cy;q=0.9,en;q=0.8", "cy"),
        ("en-GB,en;q=0.9,cy;q=0.8", "en"),
        ("fr,de;q=0.9", "en"),
        ("fr, cy;q=0.1", "cy"),
        ("cy;q=0, en;q=0.5", "en"),
        ("cy;q=nonsense", "en"),
        ("cy;q=nan", "en"),
        (";;;,,,", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_likes_best(
    header: str | None, language: str
) -> None:
    assert accepted_language(header) == language


def test_only_our_languages_can_be_asked_for() -> None:
    assert [asked_language(one) for one in ("cy", "en", "fr", "../en", None)] == [
        Language.WELSH, Language.ENGLISH, None, None, None
    ]  # fmt: skip


def test_moments_are_written_in_words() -> None:
    moment = datetime(2026, 8, 2, 7, 5, tzinfo=UTC)
    assert moment_text(Language.ENGLISH, moment) == "2 August 2026, 07:05 UTC"
    assert moment_text(Language.WELSH, moment) == "2 Awst 2026, 07:05 UTC"


# What is shown -----------------------------------------------------------------------------------


def verification(outcome: Outcome, **changed: Any) -> Verification:
    values: dict[str, Any] = {
        "outcome": outcome,
        "sentence": "A sentence.",
        "checks": (Check("form", Result.PASSED, "Well formed."),),
        "issuer": CENTRE.did,
        "document": CENTRE.badge(),
        **changed,
    }
    return Verification(**values)


@pytest.mark.parametrize("outcome", [Outcome.NOT_GENUINE, Outcome.MALFORMED])
def test_nothing_is_shown_of_what_cannot_be_relied_on(outcome: Outcome) -> None:
    one = shown(verification(outcome), public_url=PUBLIC_URL, language=Language.ENGLISH)
    assert one.facts is None


def test_nothing_is_shown_before_the_signature_is_good() -> None:
    found = verification(Outcome.COULD_NOT_CHECK, issuer=None)
    one = shown(found, public_url=PUBLIC_URL, language=Language.ENGLISH)
    assert one.facts is None


def test_of_the_issuer_only_our_list_is_shown() -> None:
    badge: Any = CENTRE.badge()
    badge["issuer"]["name"] = "The Royal Society of Impostors"
    found = verification(
        Outcome.VALID,
        document=badge,
        issuer_name="Training Centre North",
        trusted=TrustedIssuer("Training Centre North", "Register", "javascript:alert(1)"),
    )
    one = shown(found, public_url=PUBLIC_URL, language=Language.ENGLISH)
    assert "Impostors" not in repr(one)
    assert (one.issuer_name, one.registry, one.registry_url) == (
        "Training Centre North", "Register", None
    )  # fmt: skip


def test_the_facts_of_a_badge_are_found() -> None:
    badge: Any = CENTRE.badge()
    badge["credentialSubject"]["achievement"]["image"] = {
        "id": f"{PUBLIC_URL}/images/north/{'0' * 64}.png",
        "type": "Image",
        "caption": "A gown",
    }
    facts = facts_of(badge, PUBLIC_URL, Language.ENGLISH)
    assert (facts.name, facts.description, facts.criteria) == (
        ACHIEVEMENT.name, ACHIEVEMENT.description, ACHIEVEMENT.criteria
    )  # fmt: skip
    assert facts.level == "Practises without supervision"
    assert facts.parts_of == (
        ("Gown aseptically for grade B", "ATMP practice"),
        ("Work aseptically", None),
    )
    assert (facts.image, facts.image_text) == (f"/images/north/{'0' * 64}.png", "A gown")


@pytest.mark.parametrize(
    "image",
    [
        "https://elsewhere.example/x.png",
        {"id": "https://credentials.example.org/badges.evil/images/x.png"},
        {"id": "javascript:alert(1)"},
        {"id": 7},
        [],
    ],
)
def test_pictures_of_others_are_not_loaded(image: object) -> None:
    badge: Any = CENTRE.badge()
    badge["credentialSubject"]["achievement"]["image"] = image
    assert facts_of(badge, PUBLIC_URL, Language.ENGLISH).image is None


def test_a_text_in_several_languages_is_shown_in_the_readers() -> None:
    texts = {"en": "Gowning", "cy": "Gwisgo"}
    document: Any = {"name": [{"@value": text, "@language": tag} for tag, text in texts.items()]}
    assert facts_of(document, PUBLIC_URL, Language.WELSH).name == "Gwisgo"
    assert facts_of(document, PUBLIC_URL, Language.ENGLISH).name == "Gowning"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("id", "name", "@value", "@language", "achievement", "result", "alignment"),
                    *("image", "criteria", "narrative", "resultDescription", "caption"),
                    *("achievedLevel", "value", "targetName", "targetFramework", "related"),
                    *("inLanguage", "rubricCriterionLevel"),
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(["credentialSubject", "name", "description"]), _JSON))
def test_any_document_can_be_looked_at(document: dict[str, Any]) -> None:
    facts_of(document, PUBLIC_URL, Language.WELSH)
    editions_of(document)


def test_several_status_entries_are_one_line_as_bad_as_the_worst() -> None:
    found = verification(
        Outcome.REVOKED,
        checks=(
            Check("status", Result.PASSED, "It is not suspended."),
            Check("status", Result.FAILED, "It is revoked."),
            Check("status", Result.COULD_NOT_CHECK, "No list."),
            Check("issuer", Result.PASSED, "Known."),
        ),
    )
    status, issuer = check_lines(found)
    assert (status.result, status.detail) == (
        "failed", "It is not suspended. It is revoked. No list."
    )  # fmt: skip
    assert (issuer.name, issuer.result) == ("issuer", "passed")


def test_a_check_without_words_is_shown_by_its_name() -> None:
    found = verification(
        Outcome.VALID, checks=(Check("revision", Result.COULD_NOT_CHECK, "New here."),)
    )
    (line,) = check_lines(found)
    assert (line.name, line.title, line.sentence, line.detail) == (
        "revision", None, None, "New here."
    )  # fmt: skip


# Files, headers ----------------------------------------------------------------------------------


def test_the_vendored_decoder_is_the_one_that_its_note_names() -> None:
    folder = files("assay_credentials").joinpath("pages", "static", "qr")
    note = folder.joinpath("README.md").read_text(encoding="utf-8")
    for name in ("decode.js", "index.js"):
        digest = hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest()
        assert f"| `{name}` | `{digest}` |" in note
    assert "MIT License" in folder.joinpath("LICENSE").read_text(encoding="utf-8")


def test_nothing_that_is_served_loads_from_elsewhere() -> None:
    """But for the decoder, whose comments name its sources."""
    found = {
        name
        for name, one in static_files().files.items()
        if not name.startswith("qr/")
        and re.search(rb"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.[a-z]", one.content)
    }
    assert found == set()
    assert {"style.css", "verify.js", "present.js", "qr/decode.js"} <= set(static_files().files)
    # Notes and licences are for whoever reads the code.
    assert not any(name.endswith((".md", "LICENSE")) for name in static_files().files)


def test_templates_hold_no_style_no_script_and_no_handler() -> None:
    for name, text in templates().items():
        assert re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text) is None, name
        for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
            assert script == "", name
        assert "|safe" not in text.replace(" ", ""), name


def test_every_page_has_the_headers(settings: CredentialsSettings) -> None:
    response = page(
        request_of(accept_language="cy"), settings, "verify.html", nothing=False, megabytes=8
    )
    policy = response.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert not any("unsafe" in one or "*" in one or "http" in one for one in policy)
    assert {"base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["content-language"] == "cy"
    body = bytes(response.body).decode()
    assert body.startswith('<!doctype html>\n<html lang="cy">')
    assert "Gwirio tystysgrif" in body


def test_a_transcript_is_shown_with_each_credential_inside(settings: CredentialsSettings) -> None:
    badge: Any = CENTRE.badge()
    badge["credentialSubject"]["achievement"]["image"] = f"{PUBLIC_URL}/images/north/x.png"
    inner = verification(Outcome.REVOKED, document=badge, issuer_name="North")
    listed = TrustedIssuer("North", "Register of centres", "https://register.example")
    whole = verification(
        Outcome.PARTLY_VALID,
        document={"type": ["VerifiableCredential"], "name": "A <record>"},
        issuer_name="North",
        trusted=listed,
        credentials=(inner, verification(Outcome.VALID)),
    )
    one = shown(whole, public_url=PUBLIC_URL, language=Language.ENGLISH)
    response = page(
        request_of(),
        settings,
        "result.html",
        one=one,
        given_text="{}",
        other_result_link="/badges/verify/result?lang=cy",
        receipt="a.b.c",
        endorsements=(ShownEndorsement(one, "Well done"),),
        checked_at=datetime(2026, 6, 1, tzinfo=UTC),
        root="/badges",
        share=None,
    )
    body = bytes(response.body).decode()
    assert re.findall('data-outcome="([a-z_]+)"', body) == ["partly_valid", "revoked", "valid"]
    assert "A &lt;record&gt;" in body
    assert (
        '<a href="https://register.example" rel="noreferrer noopener">Register of centres' in body
    )
    assert '<img class="badge" src="/badges/images/north/x.png" alt="">' in body
    assert "<blockquote" in body
    levels = [int(level) for level in re.findall(r"<h(\d)", body)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_addresses_keep_the_path_of_the_service_and_a_chosen_language(
    settings: CredentialsSettings,
) -> None:
    request = request_of(query="share=a%26b&lang=cy")
    body = bytes(page(request, settings, "verify.html", nothing=False, megabytes=8).body).decode()
    assert 'action="/badges/verify/result?lang=cy"' in body
    assert 'href="/badges/verify?share=a%26b&amp;lang=en"' in body
    assert f'href="/badges/static/{static_files().digest}/style.css"' in body
    plain = bytes(page(request_of(), settings, "verify.html", nothing=False, megabytes=8).body)
    assert b'action="/badges/verify/result"' in plain


@pytest.mark.parametrize(
    ("status", "sentence", "detail"),
    [
        (400, "no credential that this page can read", True),
        (404, "A link may have ended", True),
        (413, "too big", True),
        (429, "too many requests", True),
        (503, "busy", False),
        (500, "Something went wrong", False),
        (418, "Something went wrong", True),
    ],
)
def test_refusals_are_said_in_words(
    settings: CredentialsSettings, status: int, sentence: str, detail: bool
) -> None:
    problem = Problem(status, "T", detail="<b>why</b>", headers={"Retry-After": "3", "X-A": "b"})
    response = refusal(request_of(), settings, problem)
    body = bytes(response.body).decode()
    assert response.status_code == status
    assert sentence in body
    assert ("&lt;b&gt;why&lt;/b&gt;" in body) is detail
    assert (response.headers.get("retry-after"), response.headers.get("x-a")) == ("3", None)


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("text/html, application/json;q=0.5", True),
        ("text/html;q=0.5, application/vc", False),
        ("text/html;q=0", False),
        ("application/ld+json, text/html;q=x", False),
    ],
)
def test_pages_are_for_who_asks_for_html(accept: str, html: bool) -> None:
    assert prefers_html(request_of(accept=accept)) is html


def test_a_qr_code_is_an_accessible_picture_without_style() -> None:
    drawn = str(qr_svg("openid4vp://?x=1&y=%3C", 'A "label" <b>'))
    assert 'role="img" aria-label="A &#34;label&#34; &lt;b&gt;"' in drawn
    assert "style=" not in drawn
    assert "<script" not in drawn
    assert orjson.dumps(drawn)
