"""What is shown of a credential to people: its texts in their language, and days in words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from assay_credentials.downloads.typeset import language_of
from assay_credentials.intake import JsonObject
from assay_credentials.templates.document import TemplateDocument

MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "cy": (
        *("Ionawr", "Chwefror", "Mawrth", "Ebrill", "Mai", "Mehefin"),
        *("Gorffennaf", "Awst", "Medi", "Hydref", "Tachwedd", "Rhagfyr"),
    ),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A signed badge in the words of one language; dates are those of its own time zone."""

    id: str
    name: str
    description: str
    criteria: str
    level: str | None
    issuer: str
    issuer_url: str | None
    awarded_on: date
    valid_until: date | None
    alignments: tuple[Mapping[str, str | None], ...]


def shown(
    document: JsonObject, *, timezone: str, lang: str, template: TemplateDocument | None
) -> Shown:
    """The badge as its template says it in this language; where it does not, as it is signed.

    `document` is one of ours (`badge.build_badge`).
    """
    subject = _object(document["credentialSubject"])
    achievement = _object(subject["achievement"])
    text = None if template is None else template.text(lang)
    issuer = _object(document["issuer"])
    zone = ZoneInfo(timezone)
    until = document.get("validUntil")
    return Shown(
        id=str(document["id"]),
        name=str(achievement["name"]) if text is None else text.name,
        description=str(achievement["description"]) if text is None else text.description,
        criteria=(
            str(_object(achievement["criteria"])["narrative"]) if text is None else text.criteria
        ),
        level=_level(subject, achievement, template, lang),
        issuer=str(issuer["name"]),
        issuer_url=None if issuer.get("url") is None else str(issuer["url"]),
        awarded_on=_day(document["validFrom"], zone),
        valid_until=None if until is None else _day(until, zone),
        alignments=tuple(
            {
                "name": _text(one, "targetName"),
                "code": _text(one, "targetCode"),
                "framework": _text(one, "targetFramework"),
                "url": _text(one, "targetUrl"),
            }
            for one in map(_object, _list(achievement.get("alignment")))
        ),
    )


def in_words(day: date, lang: str) -> str:
    """2 March 2026, 2 Mawrth 2026."""
    return f"{day.day} {MONTHS[language_of(lang)][day.month - 1]} {day.year}"


def _level(
    subject: JsonObject, achievement: JsonObject, template: TemplateDocument | None, lang: str
) -> str | None:
    reached = [_text(_object(one), "achievedLevel") for one in _list(subject.get("result"))]
    for scale in map(_object, _list(achievement.get("resultDescription"))):
        levels = [_object(one) for one in _list(scale.get("rubricCriterionLevel"))]
        for number, level in enumerate(levels):
            if level["id"] in reached:
                texts = () if template is None else template.level_texts(lang)
                return texts[number].name if number < len(texts) else str(level["name"])
    return None


def _day(moment: object, zone: ZoneInfo) -> date:
    return datetime.fromisoformat(str(moment)).astimezone(zone).date()


def _text(value: JsonObject, name: str) -> str | None:
    found = value.get(name)
    return None if found is None else str(found)


def _object(value: object) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError("a badge of ours has an object there")
    return value


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
