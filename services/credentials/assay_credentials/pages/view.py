"""What a page shows of a verification: which words, and which parts of the credential. Pure.

Nothing of a credential is shown before its signature is found good, and of its issuer only what our
list and the register say: what a document says of itself proves nothing. Documents of others have
any shape, so each part is looked for, and left out where it is not what the standard says.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from assay_credentials.intake import JsonObject
from assay_credentials.pages.language import Language, is_known
from assay_credentials.verify import Check, Outcome, Result, Verification

LIST_ITEMS_MAX: Final = 50
"""Of anything that a document lists; the rest is not shown."""

_TONES: Final = {
    "valid": "good",
    "not_genuine": "bad",
    "revoked": "bad",
    "not_holder": "bad",
}
_MARKS: Final = {"passed": "✓", "failed": "✕", "could_not_check": "?"}
_BADNESS: Final = (Result.PASSED, Result.COULD_NOT_CHECK, Result.FAILED)
# A document whose form is broken may say one thing to one reader and another to the next.
_SAYS_NOTHING: Final = frozenset({"not_genuine", "malformed"})


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of the list of checks. `title` and `sentence` are keys of the catalogue, when it
    has words for them.
    """

    name: str
    result: str
    mark: str
    title: str | None
    sentence: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a genuine credential says."""

    name: str | None
    description: str | None
    criteria: str | None
    content_language: str | None
    level: str | None
    parts_of: tuple[tuple[str, str | None], ...]
    """Names of what it is aligned to, each with its framework."""
    image: str | None
    """Path under this service: pictures of others are not loaded."""
    image_text: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A verification, for a page."""

    outcome: str
    tone: str
    checks: tuple[CheckLine, ...]
    issuer: str | None
    issuer_name: str | None
    registry: str | None
    registry_url: str | None
    valid_from: datetime | None
    valid_until: datetime | None
    facts: Facts | None
    inside: tuple["Shown", ...]


def shown(
    found: Verification,
    *,
    public_url: str,
    language: Language,
    edition: JsonObject | None = None,
) -> Shown:
    """`edition` is the achievement in the reader's language, from its own record."""
    says = found.document
    if says is not None and (found.issuer is None or found.outcome.value in _SAYS_NOTHING):
        says = None
    return Shown(
        outcome=found.outcome.value,
        tone=_TONES.get(found.outcome.value, "warn"),
        checks=tuple(check_lines(found)),
        issuer=found.issuer,
        issuer_name=found.issuer_name,
        registry=None if found.trusted is None else found.trusted.registry,
        registry_url=None if found.trusted is None else _web_url(found.trusted.registry_url),
        valid_from=found.valid_from,
        valid_until=found.valid_until,
        facts=None if says is None else facts_of(says, public_url, language, edition),
        inside=tuple(
            shown(one, public_url=public_url, language=language)
            for one in found.credentials[:LIST_ITEMS_MAX]
        ),
    )


def tone_of(outcome: Outcome) -> str:
    """How loudly an outcome is told: good, warn or bad."""
    return _TONES.get(outcome.value, "warn")


def check_lines(found: "_Checked") -> Iterator[CheckLine]:
    """The checks of a verification, in their order.

    A credential has several status entries, each a check. They are one line here, as bad as the
    worst: "suspended" beside "not revoked" would read like a contradiction.
    """
    by_name: dict[str, list[Check]] = {}
    for check in found.checks:
        by_name.setdefault(check.name, []).append(check)
    for name, checks in by_name.items():
        result = max((one.result for one in checks), key=_BADNESS.index)
        title, sentence = f"check.{name}", f"check.{name}.{result}"
        yield CheckLine(
            name=name,
            result=result.value,
            mark=_MARKS[result.value],
            title=title if is_known(title) else None,
            sentence=sentence if is_known(sentence) else None,
            detail=" ".join(one.detail for one in checks),
        )


def facts_of(
    document: JsonObject, public_url: str, language: Language, edition: JsonObject | None = None
) -> Facts:
    """What the credential says, as far as it has the form of Open Badges 3.0, CLR 2.0 or VC 2.0."""
    subject = _first_object(document.get("credentialSubject"))
    achievement = _first_object(subject.get("achievement"))
    says = {**achievement, **edition} if edition is not None else achievement
    criteria = _first_object(says.get("criteria"))
    image = _first_object(says.get("image")) or {"id": says.get("image")}
    return Facts(
        name=_text(says.get("name"), language) or _text(document.get("name"), language),
        description=_text(says.get("description"), language)
        or _text(document.get("description"), language),
        criteria=_text(criteria.get("narrative"), language),
        content_language=_plain(says.get("inLanguage")),
        level=_level(subject, achievement, says, language),
        parts_of=tuple(_parts_of(says, language)),
        image=_own_path(image.get("id"), public_url),
        image_text=_text(image.get("caption"), language),
    )


def editions_of(document: JsonObject) -> dict[str, str]:
    """Language to the URL of the achievement in that language (`related` of Open Badges 3.0)."""
    subject = _first_object(document.get("credentialSubject"))
    achievement = _first_object(subject.get("achievement"))
    found = {}
    for one in _objects(achievement.get("related")):
        language, url = _plain(one.get("inLanguage")), _plain(one.get("id"))
        if language is not None and url is not None:
            found[language] = url
    return found


class _Checked(Protocol):
    @property
    def checks(self) -> tuple[Check, ...]: ...


def _level(
    subject: JsonObject, achievement: JsonObject, says: JsonObject, language: Language
) -> str | None:
    """The name of the level that was reached, else the value of the result."""
    for result in _objects(subject.get("result")):
        reached = result.get("achievedLevel")
        # An edition names the same levels by the same ids.
        for scale in (
            *_objects(says.get("resultDescription")),
            *_objects(achievement.get("resultDescription")),
        ):
            for level in _objects(scale.get("rubricCriterionLevel")):
                if reached is not None and level.get("id") == reached:
                    return _text(level.get("name"), language)
        value = _plain(result.get("value"))
        if value is not None:
            return value
    return None


def _parts_of(says: JsonObject, language: Language) -> Iterator[tuple[str, str | None]]:
    own_name = _text(says.get("name"), language)
    for one in _objects(says.get("alignment")):
        name = _text(one.get("targetName"), language)
        framework = _text(one.get("targetFramework"), language)
        if name is not None and (name != own_name or framework is not None):
            yield name, framework


def _objects(value: object) -> Iterator[JsonObject]:
    values: Iterable[object] = value if isinstance(value, list) else [value]
    for number, one in enumerate(values):
        if number >= LIST_ITEMS_MAX:
            return
        if isinstance(one, dict):
            yield one


def _first_object(value: object) -> JsonObject:
    return next(_objects(value), {})


def _plain(value: object) -> str | None:
    if isinstance(value, str) and value.strip():
        return value
    return None


def _text(value: object, language: Language) -> str | None:
    """A text, or of several with a language (VC 2.0, 11.1) the reader's, else the first."""
    if isinstance(value, str):
        return _plain(value)
    texts = {str(one.get("@language", "")): _plain(one.get("@value")) for one in _objects(value)}
    return texts.get(language) or next((one for one in texts.values() if one is not None), None)


def _own_path(url: object, public_url: str) -> str | None:
    """The path of a picture that this service serves itself."""
    if not isinstance(url, str) or not url.startswith(f"{public_url}/images/"):
        return None
    return url.removeprefix(public_url)


def _web_url(url: str | None) -> str | None:
    return url if url is not None and url.startswith(("https://", "http://")) else None
