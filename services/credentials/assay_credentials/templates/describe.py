"""What a version of a template says of a credential. Pure."""

from assay_credentials.awards import Described
from assay_credentials.badge import Alignment, Edition, Image
from assay_credentials.templates.document import TemplateDocument


def described_by(
    document: TemplateDocument,
    *,
    tenant: str,
    template: str,
    version: int,
    public_url: str,
    language: str | None = None,
) -> Described:
    """The description that a credential is built from, in `language` or in the main one."""
    chosen = language if language in document.texts else document.language
    text = document.text(chosen)
    levels = document.level_texts(chosen)
    return Described(
        name=text.name,
        description=text.description,
        criteria=text.criteria,
        code=document.code,
        framework=document.framework,
        levels=tuple(one.name for one in levels),
        level_descriptions=tuple(one.description for one in levels),
        alignments=tuple(
            Alignment(one.name, one.url, one.code, one.framework) for one in document.alignments
        ),
        achievement=achievement_url(public_url, tenant, template),
        type=document.achievement_type,
        language=chosen,
        editions=tuple(
            Edition(edition_url(public_url, tenant, template, version, one), one)
            for one in document.languages
            if one != chosen
        ),
        image=_image(document, public_url, tenant, text.image_description or text.name),
        valid_months=document.valid_months,
        issuer=document.issuer,
        cryptosuite=document.proof,
        has_suspension=document.status == "two",
        template=(template, version),
    )


def achievement_url(public_url: str, tenant: str, template: str) -> str:
    """The achievement's id: the same in every version and language."""
    return f"{public_url}/achievements/{tenant}/{template}"


def edition_url(public_url: str, tenant: str, template: str, version: int, language: str) -> str:
    """Where one version can be read in one language; what is there never changes."""
    return f"{achievement_url(public_url, tenant, template)}/{version}/{language}"


def image_url(public_url: str, tenant: str, name: str) -> str:
    """`name` is `<SHA-256>.png` or `.svg`."""
    return f"{public_url}/images/{tenant}/{name}"


def _image(document: TemplateDocument, public_url: str, tenant: str, caption: str) -> Image | None:
    if document.image is None:
        return None
    return Image(image_url(public_url, tenant, document.image), caption)
