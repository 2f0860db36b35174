"""A credential as a file: what there is of it, drawn and set in a language."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

import orjson

from assay_credentials.downloads.bake import bake_png, bake_svg
from assay_credentials.downloads.certificate import Endorsed, certificate, linkedin_url
from assay_credentials.downloads.endorsing import endorsements_of
from assay_credentials.downloads.picture import Image, Look, badge_picture
from assay_credentials.downloads.store import DownloadStore
from assay_credentials.downloads.typeset import TypesettingFailed
from assay_credentials.downloads.words import Shown, shown
from assay_credentials.intake import JsonObject
from assay_credentials.store import Store
from assay_credentials.templates.document import DEFAULT_COLOURS, TemplateDocument
from assay_credentials.templates.store import TemplateStore
from assay_runtime.postgres import Connection
from assay_runtime.refusals import Contradiction, Unknown

Form = Literal["json", "jwt", "png", "svg", "pdf"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

MEDIA_TYPES: Final[dict[Form, str]] = {
    "json": "application/vc",
    "jwt": "application/vc+jwt",
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}

_LOOKS_VALID: Final = frozenset({"png", "svg", "pdf"})
"""A picture or a certificate persuades by its looks, so there is none of what does not hold."""
_HOLDS: Final = frozenset({"issued", "expired"})
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
_NAME_CHARACTERS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Held:
    """Everything that the files of a credential are made from."""

    tenant: str
    credential: UUID
    state: str
    document: bytes
    parsed: JsonObject
    jwt: str | None
    issued_at: datetime
    timezone: str
    template: TemplateDocument | None
    image: tuple[str, bytes] | None
    """Media type and content of the template's picture."""
    endorsements: tuple[Endorsed, ...]

    def shown(self, lang: str) -> Shown:
        return shown(self.parsed, timezone=self.timezone, lang=lang, template=self.template)


async def read_held(connection: Connection, tenant: str, credential: UUID) -> Held:
    """Raises Unknown."""
    downloads = DownloadStore(connection)
    row = await downloads.credential(tenant, credential)
    if row is None:
        raise Unknown("there is no such credential")
    templates, template, image = TemplateStore(connection), None, None
    if row["template"] is not None:
        version = await templates.version(tenant, row["template"], row["template_version"])
        template = None if version is None else version.document
    if template is not None and template.image is not None:
        found = await templates.image(tenant, bytes.fromhex(template.image.partition(".")[0]))
        image = None if found is None else (found.media_type, found.content)
    parsed: JsonObject = orjson.loads(row["document"])
    endorsements = await endorsements_of(downloads, tenant, parsed)
    names = await _issuer_names(connection, tenant, {one.issuer for one in endorsements})
    return Held(
        tenant=tenant,
        credential=credential,
        state=row["state"],
        document=row["document"],
        parsed=parsed,
        jwt=row["jwt"],
        issued_at=row["issued_at"],
        timezone=row["timezone"],
        template=template,
        image=image,
        endorsements=tuple(Endorsed(names[one.issuer], one.comment) for one in endorsements),
    )


async def _issuer_names(
    connection: Connection, tenant: str, issuers: Sequence[str] | set[str]
) -> dict[str, str]:
    named = await Store(connection).issuers((tenant, one) for one in issuers)
    return {one: named[(tenant, one)][0] if (tenant, one) in named else one for one in issuers}


def needs_address(form: Form) -> bool:
    """Whether the file holds the address of the page that verifies it."""
    return form == "pdf"


def require_form(held: Held, form: Form) -> None:
    """Raises Contradiction for a certificate or picture of what does not hold, and Unknown for a
    VC-JWT of what was issued before there were any.
    """
    if form in _LOOKS_VALID and held.state not in _HOLDS:
        raise Contradiction(
            f"the credential is {held.state}: there is no certificate or picture of it, only the "
            "signed document (json, jwt)"
        )
    if form == "jwt" and held.jwt is None:
        raise Unknown("the credential was issued without a VC-JWT")


def make_file(held: Held, form: Form, *, lang: str, address: str) -> bytes:
    """The file; the same facts give the same bytes. For a thread: a PDF takes some 30 ms.

    `address` is that of the page that verifies it; only the PDF holds it. Raises TypesettingFailed
    and BakingFailed.
    """
    match form:
        case "json":
            return held.document
        case "jwt":
            return (held.jwt or "").encode()
        case "png":
            return bake_png(_picture(held, lang, "png"), held.document)
        case "svg":
            what = held.shown(lang)
            title = f"{what.name}, {what.issuer}"
            return bake_svg(_picture(held, lang, "svg"), held.document, title=title)
        case "pdf":
            return certificate(
                held.document,
                held.shown(lang),
                lang=lang,
                address=address,
                badge_svg=_picture(held, lang, "svg"),
                colours=_look(held, lang).colours,
                endorsements=held.endorsements,
                made_at=held.issued_at,
            )


def linkedin(held: Held, *, lang: str, address: str) -> str:
    """Raises Contradiction for what does not hold."""
    require_form(held, "pdf")
    return linkedin_url(held.shown(lang), address=address)


def file_name(held: Held, form: Form) -> str:
    """What the file is called; plain letters, so that any system takes it."""
    name = _NOT_IN_NAMES.sub("-", str(held.parsed.get("name", "")).lower()).strip("-")
    name = name[:_NAME_CHARACTERS_MAX].strip("-") or "credential"
    return f"{name}-{str(held.credential)[:8]}.{form}"


def _picture(held: Held, lang: str, kind: Literal["png", "svg"]) -> bytes:
    look = _look(held, lang)
    try:
        return badge_picture(look, kind)
    except TypesettingFailed:
        if look.image is None:
            raise
        # The template's own picture is one that browsers read and this renderer does not.
        return badge_picture(replace(look, image=None), kind)


def _look(held: Held, lang: str) -> Look:
    what, template = held.shown(lang), held.template
    image = None
    if held.image is not None and template is not None:
        media_type, content = held.image
        description = template.text(lang).image_description or what.name
        image = Image(media_type, content, description)
    return Look(
        name=what.name,
        issuer=what.issuer,
        level=what.level,
        colours=DEFAULT_COLOURS if template is None else template.colours,
        image=image,
    )
