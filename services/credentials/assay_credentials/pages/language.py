"""The words of the pages, in English and Welsh, and which of them to use. Pure but for reading the
two files of words once.

A catalogue is one JSON object from a key to a text; `{name}` in a text is filled in. A test holds
that both have the same keys and names.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType


class Language(StrEnum):
    ENGLISH = "en"
    WELSH = "cy"


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """The words of a language by key."""
    file = files("assay_credentials").joinpath("pages", "texts", f"{language}.json")
    texts: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return MappingProxyType(texts)


def text(language: Language, key: str, **values: object) -> str:
    """The text of a key, filled in. Raises KeyError for a key that the catalogue does not hold."""
    return catalogue(language)[key].format_map(values)


def is_known(key: str) -> bool:
    """True when there are words for `key`."""
    return key in catalogue(Language.ENGLISH)


def asked_language(asked: str | None) -> Language | None:
    """The language that a reader chose by name, when it is one of ours."""
    return Language(asked) if asked in tuple(Language) else None


def accepted_language(accept_language: str | None) -> Language:
    """The language of ours that an Accept-Language header likes best (RFC 9110, 12.5.4); English
    when it names none.
    """
    best, best_weight = Language.ENGLISH, 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameters = part.partition(";")
        found = asked_language(tag.strip().lower().partition("-")[0])
        weight = _weight(parameters)
        if found is not None and weight > best_weight:
            best, best_weight = found, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def other(language: Language) -> Language:
    return Language.WELSH if language is Language.ENGLISH else Language.ENGLISH


def moment_text(language: Language, moment: datetime) -> str:
    """A moment in words, to the minute, in UTC."""
    utc = moment.astimezone(UTC)
    return text(
        language,
        "time.moment",
        day=utc.day,
        month=text(language, f"month.{utc.month}"),
        year=utc.year,
        clock=f"{utc:%H:%M}",
    )
