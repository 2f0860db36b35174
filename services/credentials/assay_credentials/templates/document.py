"""A template: what the credential for one competency says and how it looks. Pure.

Its content is what two people agreed on, so it never changes: another content is another version.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from assay_credentials.errors import DocumentRefused
from assay_credentials.intake import checked_document
from assay_credentials.templates.colours import COLOUR, CONTRAST_MIN, contrast
from assay_schemas.topics import is_slug

LANGUAGES_MAX: Final = 12
LEVELS_MAX: Final = 20
ALIGNMENTS_MAX: Final = 20
VALID_MONTHS_MAX: Final = 1200

# `LanguageCode` of the Open Badges 3.0 schema.
LANGUAGE: Final = re.compile(r"[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
IMAGE: Final = re.compile(r"[0-9a-f]{64}\.(png|svg)")

ACHIEVEMENT_TYPES: Final = frozenset(
    {
        "Achievement",
        "ApprenticeshipCertificate",
        "Assessment",
        "Assignment",
        "AssociateDegree",
        "Award",
        "Badge",
        "BachelorDegree",
        "Certificate",
        "CertificateOfCompletion",
        "Certification",
        "CommunityService",
        "Competency",
        "Course",
        "CoCurricular",
        "Degree",
        "Diploma",
        "DoctoralDegree",
        "Fieldwork",
        "GeneralEducationDevelopment",
        "JourneymanCertificate",
        "LearningProgram",
        "License",
        "Membership",
        "ProfessionalDoctorate",
        "QualityAssuranceCredential",
        "MasterCertificate",
        "MasterDegree",
        "MicroCredential",
        "ResearchDoctorate",
        "SecondarySchoolDiploma",
    }
)
"""`AchievementType` of Open Badges 3.0; beside them anything that begins with `ext:`."""
_EXTENSION: Final = re.compile(r"ext:[a-zA-Z0-9._-]{1,60}")

Cryptosuite = Literal["eddsa-rdfc-2022", "eddsa-jcs-2022"]
StatusForm = Literal["two", "single"]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _language(text: str) -> str:
    if not LANGUAGE.fullmatch(text):
        raise ValueError("not a language code such as en, cy or en-GB")
    return text


def _iri(text: str) -> str:
    if not urlsplit(text).scheme or re.search(r'[\x00-\x20<>"{}|^`\\]', text):
        raise ValueError("not an absolute IRI")
    return text


def _slug(text: str) -> str:
    if not is_slug(text):
        raise ValueError("not a short name of lower-case letters, digits and -")
    return text


def _achievement_type(text: str) -> str:
    if text not in ACHIEVEMENT_TYPES and not _EXTENSION.fullmatch(text):
        raise ValueError("not a type of Open Badges 3.0, and does not begin with ext:")
    return text


def _colour(text: str) -> str:
    if not COLOUR.fullmatch(text):
        raise ValueError("not a colour such as #1a2b3c")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_not_blank)]
Prose = Annotated[str, Field(min_length=1, max_length=5000), AfterValidator(_not_blank)]
Language = Annotated[str, AfterValidator(_language)]
Iri = Annotated[str, Field(max_length=2000), AfterValidator(_iri)]
Slug = Annotated[str, AfterValidator(_slug)]
Colour = Annotated[str, AfterValidator(_colour)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Part):
    """What is said in one language."""

    name: Name
    description: Prose
    criteria: Prose
    """What had to be shown, in plain words (Markdown)."""
    image_description: Name | None = None
    """For who does not see the image."""


class LevelText(_Part):
    """One level, in one language."""

    name: Name
    description: Prose | None = None


class FurtherAlignment(_Part):
    """Another item of a CASE framework that the achievement stands for."""

    name: Name
    url: Iri
    code: Name | None = None
    framework: Name | None = None


class Colours(_Part):
    """Of the rendered badge and certificate."""

    background: Colour
    text: Colour
    accent: Colour

    @model_validator(mode="after")
    def _readable(self) -> Self:
        ratio = contrast(self.background, self.text)
        if ratio < CONTRAST_MIN:
            raise ValueError(
                f"text on background has a contrast of {ratio:.1f}, at least {CONTRAST_MIN} is "
                "needed to be read (WCAG 2.2, 1.4.3)"
            )
        return self


DEFAULT_COLOURS: Final = Colours(background="#ffffff", text="#1b1f24", accent="#0b5c7a")


class TemplateDocument(_Part):
    """The content of a version."""

    competency: Iri
    """The competency that it is for; verbatim, its CASE URI where it has one."""
    language: Language = "en"
    """Of the signed document."""
    texts: Annotated[Mapping[Language, Text], Field(min_length=1, max_length=LANGUAGES_MAX)]
    code: Name | None = None
    framework: Name | None = None
    alignments: Annotated[tuple[FurtherAlignment, ...], Field(max_length=ALIGNMENTS_MAX)] = ()
    levels: Annotated[tuple[Mapping[Language, LevelText], ...], Field(max_length=LEVELS_MAX)] = ()
    """Level 1, 2, 3 and so on, each in every language of `texts`."""
    achievement_type: Annotated[str, AfterValidator(_achievement_type)] = "Competency"
    image: Annotated[str, Field(pattern=rf"^{IMAGE.pattern}$")] | None = None
    """`<SHA-256>.png` or `.svg`, of an image that was put before."""
    colours: Colours = DEFAULT_COLOURS
    valid_months: Annotated[int, Field(ge=1, le=VALID_MONTHS_MAX)] | None = None
    """A period of its own from the day of the award, never past the end that the decision gives.
    None: the decision's end alone.
    """
    issuer: Slug = "main"
    proof: Cryptosuite = "eddsa-rdfc-2022"
    status: StatusForm = "two"
    """`single`: one entry, for revocation; strictly valid against the Open Badges 3.0 schema. What
    is suspended is then revoked, and a reinstatement is another credential.
    """

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.language not in self.texts:
            raise ValueError(f"texts: lacks the main language {self.language}")
        for number, level in enumerate(self.levels, start=1):
            if set(level) != set(self.texts):
                raise ValueError(f"levels: level {number} is not in the languages of texts")
        urls = [self.competency, *(one.url for one in self.alignments)]
        if len(set(urls)) != len(urls):
            raise ValueError("alignments: the same item twice")
        try:
            # What intake refuses could never be signed.
            checked_document(self.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
        except DocumentRefused as error:
            raise ValueError(str(error)) from error
        return self

    def text(self, language: str | None = None) -> Text:
        """In this language, else in the main one."""
        return self.texts.get(language or self.language) or self.texts[self.language]

    def level_texts(self, language: str | None = None) -> tuple[LevelText, ...]:
        """Of level 1, 2, 3 and so on, in this language, else in the main one."""
        wanted = language if language in self.texts else self.language
        return tuple(level[wanted or self.language] for level in self.levels)

    @property
    def languages(self) -> tuple[str, ...]:
        """The main one first, the others by name."""
        return (self.language, *sorted(set(self.texts) - {self.language}))

    def as_json(self) -> dict[str, object]:
        """The whole content, defaults included: what is stored, shown and hashed."""
        return self.model_dump(mode="json")

    def sha256(self) -> bytes:
        """Of the content in JCS (RFC 8785): the same content always has the same hash."""
        return hashlib.sha256(rfc8785.dumps(self.as_json())).digest()  # type: ignore[arg-type]
