"""An award as an Open Badges 3.0 `OpenBadgeCredential` on W3C VC Data Model 2.0.

Pure and deterministic: ids, salt and status indexes are arguments, and the same arguments give the
same document. Personal data stays out: the subject is a salted hash of an identifier, evidence is
a digest.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assay_credentials.contexts import BADGE_CONTEXT
from assay_credentials.errors import BadgeRefused
from assay_credentials.intake import JsonObject
from assay_credentials.moments import end_of_day, write_moment
from assay_credentials.multibase import encode_base64url
from assay_credentials.status_list import StatusEntry

MIN_SALT_BYTES: Final = 16
"""Against a guess of the identifier by trying: with a short or shared salt one table serves for
everybody.
"""

IdentityType = Literal["emailAddress", "systemId", "userName", "accountId", "sourcedId"]

_MULTIHASH_SHA256 = b"\x12\x20"


@dataclass(frozen=True)
class Issuer:
    """Who awards: a DID whose key signs, and what is shown of it."""

    id: str
    name: str
    url: str | None = None


@dataclass(frozen=True)
class Alignment:
    """A competency of a CASE framework that the achievement stands for."""

    name: str
    url: str
    """The CASE URI of the item, verbatim."""
    code: str | None = None
    framework: str | None = None


@dataclass(frozen=True)
class Level:
    """One level of the scale that the achievement is graded on."""

    id: str
    name: str
    level: str
    description: str | None = None


@dataclass(frozen=True)
class Edition:
    """The same achievement in another language: where it can be read, and in which."""

    url: str
    language: str


@dataclass(frozen=True)
class Image:
    """A picture of the achievement."""

    url: str
    caption: str | None = None
    """For who does not see it."""


@dataclass(frozen=True)
class Achievement:
    """What can be earned; the same for everybody who earns it."""

    id: str
    name: str
    description: str
    criteria: str
    """What had to be shown, in plain words (Markdown)."""
    alignments: tuple[Alignment, ...] = ()
    levels: tuple[Level, ...] = ()
    """From low to high. Empty when the achievement is not graded."""
    type: str = "Competency"
    """An `AchievementType` of Open Badges 3.0."""
    language: str | None = None
    """Of all texts here. The vocabularies know no language maps: other languages are editions."""
    version: str | None = None
    editions: tuple[Edition, ...] = ()
    image: Image | None = None


@dataclass(frozen=True)
class AwardFacts:
    """One person's award, from the decision."""

    credential_id: str
    """`urn:uuid:...` or an https URL; names no person."""
    achievement: Achievement
    awarded_at: datetime
    expires_on: date | None
    """The last valid local day; None: does not expire."""
    timezone: str
    """IANA name; in it `expires_on` ends."""
    identity: str = field(repr=False)
    """The person's identifier as the verifier will know it. It is hashed, not stored. For an
    e-mail address: lower case.
    """
    identity_type: IdentityType
    salt: bytes = field(repr=False)
    """Random, of at least 16 bytes, another one for each credential."""
    level_id: str | None = None
    """The `Level.id` reached; None when the achievement is not graded."""
    evidence_sha256: tuple[bytes, ...] = ()
    """SHA-256 of each piece of evidence."""


def build_badge(award: AwardFacts, issuer: Issuer, status: tuple[StatusEntry, ...]) -> JsonObject:
    """The unsigned credential; sign it with `proof.add_proof`.

    `status` holds at most one entry per purpose. One entry is written as an object, several as an
    array, which VC 2.0 allows and the Open Badges 3.0 schema does not yet (its multiplicity is
    0..1). Raises BadgeRefused when the facts contradict each other or are not of the form needed.
    """
    valid_until = _check(award, issuer, status)
    document: JsonObject = {
        "@context": list(BADGE_CONTEXT),
        "id": award.credential_id,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": award.achievement.name,
        "issuer": issuer_document(issuer),
        "validFrom": write_moment(award.awarded_at),
    }
    if valid_until is not None:
        document["validUntil"] = write_moment(valid_until)
    document["awardedDate"] = write_moment(award.awarded_at)
    document["credentialSubject"] = _subject(award)
    if award.evidence_sha256:
        # Sorted: the order of evidence carries no meaning, and must not make another document.
        document["evidence"] = [
            {"type": ["Evidence"], "digestMultibase": encode_base64url(_MULTIHASH_SHA256 + digest)}
            for digest in sorted(set(award.evidence_sha256))
        ]
    entries = [status_document(entry) for entry in status]
    if entries:
        document["credentialStatus"] = entries[0] if len(entries) == 1 else entries
    return document


def identity_hash(identity: str, salt: bytes) -> str:
    """`identityHash` of Open Badges 3.0: SHA-256 of the identifier followed by the salt's text."""
    return "sha256$" + hashlib.sha256((identity + salt.hex()).encode()).hexdigest()


def identity_document(identity: str, identity_type: IdentityType, salt: bytes) -> JsonObject:
    """The `IdentityObject` of a person: the identifier hashed, with its salt beside it."""
    return {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": identity_hash(identity, salt),
        "identityType": identity_type,
        "salt": salt.hex(),
    }


def issuer_document(issuer: Issuer) -> JsonObject:
    """What a credential shows of its issuer."""
    profile: JsonObject = {"id": issuer.id, "type": ["Profile"], "name": issuer.name}
    if issuer.url is not None:
        profile["url"] = issuer.url
    return profile


def _subject(award: AwardFacts) -> JsonObject:
    subject: JsonObject = {
        "type": ["AchievementSubject"],
        "identifier": [
            identity_document(award.identity, award.identity_type, award.salt),
        ],
        "achievement": achievement_document(award.achievement),
    }
    if award.level_id is not None:
        subject["result"] = [
            {
                "type": ["Result"],
                "resultDescription": _scale_id(award.achievement),
                "achievedLevel": award.level_id,
            }
        ]
    return subject


def achievement_document(achievement: Achievement) -> JsonObject:
    """The achievement alone, as it stands in a credential."""
    result: JsonObject = {
        "id": achievement.id,
        "type": ["Achievement"],
        "achievementType": achievement.type,
        "name": achievement.name,
        "description": achievement.description,
        "criteria": {"narrative": achievement.criteria},
    }
    if achievement.language is not None:
        result["inLanguage"] = achievement.language
    if achievement.version is not None:
        result["version"] = achievement.version
    if achievement.image is not None:
        result["image"] = _image(achievement.image)
    if achievement.alignments:
        result["alignment"] = [_alignment(alignment) for alignment in achievement.alignments]
    if achievement.levels:
        result["resultDescription"] = [
            {
                "id": _scale_id(achievement),
                "type": ["ResultDescription"],
                "name": "Level",
                "resultType": "RubricCriterionLevel",
                "rubricCriterionLevel": [_level(level) for level in achievement.levels],
            }
        ]
    if achievement.editions:
        result["related"] = [
            {"id": edition.url, "type": ["Related"], "inLanguage": edition.language}
            for edition in achievement.editions
        ]
    return result


def _image(image: Image) -> JsonObject:
    result: JsonObject = {"id": image.url, "type": "Image"}
    if image.caption is not None:
        result["caption"] = image.caption
    return result


def _level(level: Level) -> JsonObject:
    result: JsonObject = {
        "id": level.id,
        "type": ["RubricCriterionLevel"],
        "name": level.name,
        "level": level.level,
    }
    if level.description is not None:
        result["description"] = level.description
    return result


def _alignment(alignment: Alignment) -> JsonObject:
    result: JsonObject = {
        "type": ["Alignment"],
        "targetName": alignment.name,
        "targetUrl": alignment.url,
        "targetType": "CFItem",
    }
    if alignment.code is not None:
        result["targetCode"] = alignment.code
    if alignment.framework is not None:
        result["targetFramework"] = alignment.framework
    return result


def status_document(entry: StatusEntry) -> JsonObject:
    """Where it is told whether a credential still holds."""
    return {
        "id": f"{entry.list_url}#{entry.index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": entry.purpose,
        "statusListIndex": str(entry.index),
        "statusListCredential": entry.list_url,
    }


def _scale_id(achievement: Achievement) -> str:
    return f"{achievement.id}#level"


def _check(award: AwardFacts, issuer: Issuer, status: tuple[StatusEntry, ...]) -> datetime | None:
    """The end of validity, once all facts are found sound. Raises BadgeRefused."""
    achievement = award.achievement
    names = {
        "issuer.name": issuer.name,
        "achievement.name": achievement.name,
        "achievement.description": achievement.description,
        "achievement.criteria": achievement.criteria,
        "identity": award.identity,
        **{f"alignment {a.url}: name": a.name for a in achievement.alignments},
    }
    for name, text in names.items():
        if not text.strip():
            raise BadgeRefused(f"{name}: must not be empty")
    iris = {
        "credential_id": award.credential_id,
        "issuer.id": issuer.id,
        "achievement.id": achievement.id,
        **{f"alignments[{n}].url": a.url for n, a in enumerate(achievement.alignments)},
        **{f"levels[{n}].id": level.id for n, level in enumerate(achievement.levels)},
        **{f"editions[{n}].url": one.url for n, one in enumerate(achievement.editions)},
        **({} if achievement.image is None else {"image.url": achievement.image.url}),
        **{f"status[{n}].list_url": entry.list_url for n, entry in enumerate(status)},
    }
    for name, iri in iris.items():
        if not urlsplit(iri).scheme:
            raise BadgeRefused(f"{name}: must be an absolute IRI")
    if len(award.salt) < MIN_SALT_BYTES:
        raise BadgeRefused(f"salt: must have at least {MIN_SALT_BYTES} random bytes")
    if any(len(digest) != 32 for digest in award.evidence_sha256):
        raise BadgeRefused("evidence_sha256: a SHA-256 digest has 32 bytes")
    if len({entry.purpose for entry in status}) != len(status):
        raise BadgeRefused("status: more than one entry of one purpose")
    if award.level_id is not None and award.level_id not in {lv.id for lv in achievement.levels}:
        raise BadgeRefused("level_id: not a level of this achievement")
    return _valid_until(award)


def _valid_until(award: AwardFacts) -> datetime | None:
    if award.awarded_at.tzinfo is None:
        raise BadgeRefused("awarded_at: a moment needs an offset from UTC")
    try:
        timezone = ZoneInfo(award.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadgeRefused("timezone: not the IANA name of a time zone") from error
    if award.expires_on is None:
        return None
    until = end_of_day(award.expires_on, timezone)
    if until < award.awarded_at:
        raise BadgeRefused("expires_on: lies before awarded_at")
    return until
