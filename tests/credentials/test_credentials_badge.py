"""The badge: valid by the official schema, deterministic, true about time, and without names."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

from assay_credentials.badge import AwardFacts, build_badge, identity_hash
from assay_credentials.errors import BadgeRefused
from assay_credentials.jsonld import pinned_jsonld
from assay_credentials.moments import end_of_day
from assay_credentials.status_list import StatusEntry
from credential_samples import (
    AWARD,
    CENTRE,
    IDENTITY,
    REVOCATION,
    SALT,
    SUSPENSION,
    SUSPENSION_URL,
)

SCHEMA = json.loads(
    files("assay_credentials")
    .joinpath("schemas_pinned", "ob_v3p0_achievementcredential_schema.json")
    .read_text("utf-8")
)
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=40
).filter(lambda text: bool(text.strip()))


def _errors(document: object) -> list[str]:
    validator = Draft201909Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize(
    "award",
    [
        AWARD,
        replace(AWARD, expires_on=None, level_id=None, evidence_sha256=()),
        replace(AWARD, achievement=replace(AWARD.achievement, alignments=())),
        replace(AWARD, achievement=replace(AWARD.achievement, levels=()), level_id=None),
    ],
)
def test_a_signed_badge_is_valid_by_the_official_schema(award: AwardFacts) -> None:
    assert _errors(CENTRE.badge(award, (SUSPENSION,))) == []
    assert _errors(CENTRE.badge(award, ())) == []


def test_the_official_schema_finds_faults() -> None:
    badge: Any = CENTRE.badge(AWARD, (SUSPENSION,))
    del badge["credentialSubject"]["achievement"]["criteria"]
    assert _errors(badge) != []


def test_two_status_entries_are_the_one_thing_the_official_schema_does_not_know() -> None:
    """VC 2.0 allows several `credentialStatus`; Open Badges 3.0 says 0..1 (its issue 623)."""
    errors = _errors(CENTRE.badge(AWARD, (REVOCATION, SUSPENSION)))
    assert len(errors) == 1
    assert errors[0].startswith("$.credentialStatus: ")


@settings(max_examples=25, deadline=None)
@given(TEXT, TEXT, TEXT, st.integers(0, 3), st.lists(st.binary(min_size=32, max_size=32)))
def test_any_texts_make_a_badge_that_is_valid_and_signable(
    name: str, description: str, criteria: str, levels: int, evidence: list[bytes]
) -> None:
    scale = AWARD.achievement.levels[:levels]
    award = replace(
        AWARD,
        achievement=replace(
            AWARD.achievement,
            name=name,
            description=description,
            criteria=criteria,
            levels=scale,
        ),
        level_id=scale[-1].id if scale else None,
        evidence_sha256=tuple(evidence),
    )
    badge = build_badge(award, CENTRE.issuer, (SUSPENSION,))
    assert _errors(badge) == []
    assert pinned_jsonld().quads(badge)


def test_the_same_facts_make_the_same_document() -> None:
    one = build_badge(AWARD, CENTRE.issuer, (REVOCATION, SUSPENSION))
    reordered = replace(AWARD, evidence_sha256=AWARD.evidence_sha256[::-1] * 2)
    other = build_badge(reordered, CENTRE.issuer, (REVOCATION, SUSPENSION))
    assert json.dumps(one) == json.dumps(other)


def test_the_badge_says_what_was_decided() -> None:
    badge: Any = build_badge(AWARD, CENTRE.issuer, (REVOCATION, SUSPENSION))
    assert badge["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert badge["validFrom"] == badge["awardedDate"] == "2026-03-02T14:00:00Z"
    assert badge["validUntil"] == "2027-03-02T23:59:59Z"
    assert badge["issuer"]["id"] == CENTRE.did
    achievement = badge["credentialSubject"]["achievement"]
    assert achievement["alignment"][0] == {
        "type": ["Alignment"],
        "targetName": "Gown aseptically for grade B",
        "targetUrl": "https://example.org/uri/0d6f2c1e-0000-4000-8000-0000000000a2",
        "targetType": "CFItem",
        "targetCode": "ASP2",
        "targetFramework": "ATMP practice",
    }
    (result,) = badge["credentialSubject"]["result"]
    assert result["resultDescription"] == achievement["resultDescription"][0]["id"]
    assert result["achievedLevel"] == "https://example.org/levels/3"
    assert badge["credentialStatus"][1] == {
        "id": f"{SUSPENSION_URL}#4711",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "suspension",
        "statusListIndex": "4711",
        "statusListCredential": SUSPENSION_URL,
    }


@pytest.mark.parametrize(
    ("timezone", "day", "until"),
    [
        ("Europe/London", date(2026, 7, 1), "2026-07-01T22:59:59Z"),
        ("Europe/London", date(2026, 12, 1), "2026-12-01T23:59:59Z"),
        ("Pacific/Auckland", date(2026, 7, 1), "2026-07-01T11:59:59Z"),
        ("America/Havana", date(2026, 10, 31), "2026-11-01T03:59:59Z"),
    ],
)
def test_the_last_day_ends_where_the_person_is(timezone: str, day: date, until: str) -> None:
    award = replace(AWARD, timezone=timezone, expires_on=day)
    assert build_badge(award, CENTRE.issuer, ())["validUntil"] == until


def test_a_moment_with_another_offset_is_written_in_utc() -> None:
    award = replace(AWARD, awarded_at=AWARD.awarded_at.astimezone().replace(microsecond=7))
    assert build_badge(award, CENTRE.issuer, ())["validFrom"] == "2026-03-02T14:00:00Z"


def test_the_person_is_a_salted_hash_and_evidence_a_digest() -> None:
    badge: Any = build_badge(AWARD, CENTRE.issuer, ())
    text = json.dumps(badge)
    assert IDENTITY not in text
    assert "ada" not in text.lower()
    assert IDENTITY not in repr(AWARD)
    (identifier,) = badge["credentialSubject"]["identifier"]
    assert "id" not in badge["credentialSubject"]
    assert identifier["identityHash"] == identity_hash(IDENTITY, SALT)
    assert identifier["salt"] == SALT.hex()
    assert identity_hash(IDENTITY, bytes(16)) != identifier["identityHash"]
    assert {tuple(sorted(item)) for item in badge["evidence"]} == {("digestMultibase", "type")}


def test_the_identity_hash_is_sha256_of_identifier_and_salt() -> None:
    # printf 'a@example.org00000000000000000000000000000000' | sha256sum
    assert identity_hash("a@example.org", bytes(16)) == (
        "sha256$497ed8648dc680d93c43096573c17acddd628660b343a2eb77b26f0778c9a23c"
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"salt": bytes(15)}, "salt"),
        ({"evidence_sha256": (bytes(31),)}, "evidence_sha256"),
        ({"level_id": "https://example.org/levels/9"}, "level_id"),
        ({"awarded_at": datetime(2026, 3, 2, 14, 0)}, "awarded_at"),
        ({"expires_on": date(2026, 3, 1)}, "expires_on"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"credential_id": "7a1f1a0e"}, "credential_id"),
        ({"identity": " "}, "identity"),
    ],
)
def test_facts_that_make_no_truthful_badge_are_refused(changes: Any, field: str) -> None:
    with pytest.raises(BadgeRefused, match=field):
        build_badge(replace(AWARD, **changes), CENTRE.issuer, ())


def test_one_purpose_has_one_place() -> None:
    entries = (SUSPENSION, StatusEntry("suspension", SUSPENSION_URL, 4712))
    with pytest.raises(BadgeRefused, match="status"):
        build_badge(AWARD, CENTRE.issuer, entries)


def test_an_award_may_expire_on_the_day_it_is_made() -> None:
    award = replace(AWARD, expires_on=AWARD.awarded_at.date())
    until = datetime.fromisoformat(str(build_badge(award, CENTRE.issuer, ())["validUntil"]))
    assert until - AWARD.awarded_at.astimezone(UTC) < timedelta(hours=10)


def test_the_last_second_is_the_later_one_where_midnight_comes_twice() -> None:
    # Brazil set its clocks back at midnight on 2018-02-18, so 23:59:59 of the 17th came twice.
    end = end_of_day(date(2018, 2, 17), ZoneInfo("America/Sao_Paulo"))
    assert end == datetime(2018, 2, 18, 2, 59, 59, tzinfo=UTC)
