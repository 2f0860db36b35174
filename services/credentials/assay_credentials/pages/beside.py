"""What stands beside a credential of ours: its words in the reader's language, and endorsements.

Only for what this service has issued itself, by an issuer of its own: otherwise anybody could sign
a credential that points at texts and praise that belong to another.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson

from assay_credentials.awards import achievement_of
from assay_credentials.badge import achievement_document
from assay_credentials.downloads.endorsing import endorsements_of
from assay_credentials.downloads.store import DownloadStore
from assay_credentials.intake import JsonObject
from assay_credentials.pages.language import Language
from assay_credentials.pages.view import Shown, editions_of, shown
from assay_credentials.templates.describe import described_by
from assay_credentials.templates.store import TemplateStore
from assay_credentials.verify import Verification
from assay_schemas.topics import is_slug

if TYPE_CHECKING:
    from assay_credentials.api import Api

ENDORSEMENTS_MAX: Final = 10
"""Shown with a credential; each is verified again, which takes some 10 ms."""

VERSION_DIGITS_MAX: Final = 7


@dataclass(frozen=True, slots=True)
class ShownEndorsement:
    """What somebody said of it, and whether that is genuine."""

    shown: Shown
    comment: str


@dataclass(frozen=True, slots=True)
class Beside:
    edition: JsonObject | None = None
    endorsements: tuple[ShownEndorsement, ...] = ()


async def beside(api: "Api", found: Verification, language: Language) -> Beside:
    """What stands beside a verified credential.

    Problem: 503 when too many wait to be verified.
    """
    document = found.document
    if document is None or found.issuer is None or found.issuer_name is None:
        return Beside()
    tenant = await _own_tenant(api, document, found.issuer)
    if tenant is None:
        return Beside()
    async with api.connected() as connection:
        endorsements = await endorsements_of(DownloadStore(connection), tenant, document)
    verified = []
    for one in endorsements[:ENDORSEMENTS_MAX]:
        given = await api.verifier.verify_given(one.document)
        verified.append(
            ShownEndorsement(
                shown(given.verification, public_url=api.settings.public_url, language=language),
                one.comment,
            )
        )
    return Beside(await _edition(api, tenant, document, language), tuple(verified))


async def _own_tenant(api: "Api", document: JsonObject, issuer: str) -> str | None:
    """The tenant whose credential this is; None when it is not one that we issued."""
    url = document.get("id")
    prefix = f"{api.settings.public_url}/credentials/"
    if not isinstance(url, str) or not url.startswith(prefix):
        return None
    try:
        credential = UUID(url.removeprefix(prefix))
    except ValueError:
        return None
    async with api.store() as store:
        row = await store.find_credential(credential)
    if row is None or orjson.loads(row["document"])["issuer"]["id"] != issuer:
        return None
    tenant: str = row["tenant"]
    return tenant


async def _edition(
    api: "Api", tenant: str, document: JsonObject, language: Language
) -> JsonObject | None:
    """The achievement in the reader's language, as its template has it."""
    url = editions_of(document).get(language, "")
    prefix = f"{api.settings.public_url}/achievements/{tenant}/"
    if not url.startswith(prefix):
        return None
    match url.removeprefix(prefix).split("/"):
        case [template, number, tag] if (
            is_slug(template)
            and number.isascii()
            and number.isdigit()
            and len(number) <= VERSION_DIGITS_MAX
            and tag == language
        ):
            version = int(number)
        case _:
            return None
    async with api.connected() as connection:
        found = await TemplateStore(connection).published(tenant, template, version)
    if found is None or language not in found.document.texts:
        return None
    described = described_by(
        found.document,
        tenant=tenant,
        template=template,
        version=found.version,
        public_url=api.settings.public_url,
        language=language,
    )
    return achievement_document(achievement_of(tenant, found.document.competency, described))
