"""HTTP of templates: proposed, approved, previewed and listed by clients of the tenant; images and
achievements are read by anybody who has a credential that names them.
"""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_credentials.awards import achievement_of
from assay_credentials.badge import achievement_document
from assay_credentials.callers import READ_COST
from assay_credentials.contexts import BADGE_CONTEXT
from assay_credentials.downloads.picture import Image, Look, badge_picture
from assay_credentials.downloads.typeset import TypesettingFailed
from assay_credentials.errors import BadgeRefused, ImageRefused, TemplateRefused
from assay_credentials.intake import JsonObject
from assay_credentials.records import Records
from assay_credentials.templates import approval
from assay_credentials.templates.describe import described_by, image_url
from assay_credentials.templates.document import IMAGE, TemplateDocument
from assay_credentials.templates.images import BYTES_MAX, EXTENSIONS, kind_of
from assay_credentials.templates.preview import Sample, sample
from assay_credentials.templates.proving import prove
from assay_credentials.templates.store import TemplateStore, Version
from assay_runtime.auth import Client
from assay_runtime.problem import Problem, not_found
from assay_runtime.refusals import Refused
from assay_runtime.serve import read_body
from assay_runtime.signing import SignatureBody
from assay_schemas.topics import is_slug

if TYPE_CHECKING:
    from assay_credentials.api import Api

ADMIN: Final = "credentials/admin"
READ: Final = "credentials/read"
AUTHOR: Final = "template_author"
APPROVER: Final = "template_approver"

PAGE_MAX: Final = 200
REASON_CHARACTERS_MAX: Final = 1_000
VERSION_MAX: Final = 1_000_000
CURRENT_SECONDS: Final = 300
"""How long others may keep what an achievement says now; one version of it never changes."""

_IMMUTABLE: Final = "public, max-age=31536000, immutable"
# A picture that is opened by itself runs nothing and loads nothing, whatever it holds.
_PICTURE: Final = {
    "Cache-Control": _IMMUTABLE,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
}
_PRIVATE: Final = {"Cache-Control": "private, no-store"}

Why = Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]
Number = Annotated[int, Path(ge=1, le=VERSION_MAX)]
Picture = Literal["png", "svg"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProposalBody(_Body):
    """A template's next version, signed by its author."""

    document: TemplateDocument
    reason: Why
    signature: SignatureBody


class ApprovalBody(_Body):
    """Its approval, signed by somebody else; only of this content, when a hash is given."""

    reason: Why
    signature: SignatureBody
    content_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class EndBody(_Body):
    """Its end."""

    reason: Why
    signature: SignatureBody


class PreviewBody(_Body):
    """A content that nobody has proposed yet."""

    document: TemplateDocument
    language: Annotated[str, Field(max_length=20)] | None = None


def template_routes(api: "Api") -> APIRouter:
    """Everything about templates."""
    router = APIRouter()
    router.include_router(_changing(api))
    router.include_router(_reading(api))
    router.include_router(_public(api))
    return router


def _changing(api: "Api") -> APIRouter:
    router = APIRouter(prefix="/templates")
    admin = Annotated[Client, Depends(api.holder_of(ADMIN))]

    @router.post("/{template}/versions")
    async def propose(client: admin, request: Request, template: str) -> Response:
        _slug(template)
        body = await api.parsed(request, ProposalBody)
        made = await _sample(api, (client.tenant, template, 1), body.document, None)
        try:
            await asyncio.to_thread(prove, made, body.document.sha256())
        except TemplateRefused as error:
            raise Refused(str(error)) from error
        async with api.changing(client, body.reason) as records:
            store = TemplateStore(records.connection)
            done = await approval.propose(
                store,
                client.tenant,
                template,
                body.document,
                by=body.signature.account,
                reason=body.reason,
            )
            await _signed(records, body.signature, "propose", done, AUTHOR)
        return _json(answer(done.version), status=201 if done.is_new else 200)

    @router.post("/{template}/versions/{version}/approve")
    async def approve(client: admin, request: Request, template: str, version: Number) -> Response:
        body = await api.parsed(request, ApprovalBody)
        seen = body.content_sha256
        async with api.changing(client, body.reason) as records:
            done = await approval.approve(
                TemplateStore(records.connection),
                client.tenant,
                template,
                version,
                by=body.signature.account,
                content_sha256=None if seen is None else bytes.fromhex(seen),
            )
            await _signed(records, body.signature, "approve", done, APPROVER)
        return _json(answer(done.version))

    @router.post("/{template}/versions/{version}/end")
    async def end(client: admin, request: Request, template: str, version: Number) -> Response:
        body = await api.parsed(request, EndBody)
        async with api.changing(client, body.reason) as records:
            done = await approval.end(
                TemplateStore(records.connection),
                client.tenant,
                template,
                version,
                by=body.signature.account,
            )
            role = APPROVER if done.version.state == "retired" else AUTHOR
            await _signed(records, body.signature, "end", done, role)
        return _json(answer(done.version))

    return router


def _reading(api: "Api") -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.holder_of(READ))]
    admin = Annotated[Client, Depends(api.holder_of(ADMIN))]

    @router.get("/templates")
    async def listed(
        client: reader,
        template: Annotated[str | None, Query(max_length=60)] = None,
        after: Annotated[str, Query(max_length=60)] = "",
        after_version: Annotated[int, Query(ge=0, le=VERSION_MAX)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    ) -> Response:
        async with api.store() as store:
            rows = await TemplateStore(store.connection).versions(
                client.tenant, template, (after, after_version), limit
            )
        last = rows[-1] if len(rows) == limit else None
        return _json(
            {
                "templates": [answer(row) for row in rows],
                "next": last and {"after": last.template, "after_version": last.version},
            }
        )

    @router.get("/templates/{template}/versions/{version}")
    async def one(client: reader, template: str, version: Number) -> Response:
        return _json(answer(await _version(api, client, template, version)))

    @router.get("/templates/{template}/versions/{version}/preview")
    async def preview(
        client: reader,
        template: str,
        version: Number,
        language: Annotated[str | None, Query(max_length=20)] = None,
        picture: Picture | None = None,
    ) -> Response:
        found = await _version(api, client, template, version)
        named = (client.tenant, template, version)
        return await _previewed(api, named, found.document, language, picture)

    @router.post("/templates/{template}/preview")
    async def preview_of(
        client: admin, request: Request, template: str, picture: Picture | None = None
    ) -> Response:
        _slug(template)
        body = await api.parsed(request, PreviewBody)
        async with api.store() as store:
            summary = await TemplateStore(store.connection).summary(client.tenant, template)
        named = (client.tenant, template, summary.last + 1)
        return await _previewed(api, named, body.document, body.language, picture)

    @router.post("/images")
    async def put_image(client: admin, request: Request) -> Response:
        content = await read_body(request, BYTES_MAX)
        try:
            kind = kind_of(content)
        except ImageRefused as error:
            raise Problem(400, "Bad request", detail=str(error)) from error
        sha256 = hashlib.sha256(content).digest()
        name = f"{sha256.hex()}.{EXTENSIONS[kind]}"
        async with api.changing(client) as records:
            store = TemplateStore(records.connection)
            await store.insert_image(client.tenant, sha256, kind, content, client.name)
            await records.audit("image.put", f"image:{name}", after={"bytes": len(content)})
        url = image_url(api.settings.public_url, client.tenant, name)
        return _json({"image": name, "url": url}, status=201)

    return router


def _public(api: "Api") -> APIRouter:
    router = APIRouter(dependencies=[Depends(api.limited(READ_COST))])

    @router.get("/images/{tenant}/{name}")
    async def image(tenant: str, name: str) -> Response:
        found = None
        if is_slug(tenant) and IMAGE.fullmatch(name):
            sha256, _, extension = name.partition(".")
            async with api.store() as store:
                found = await TemplateStore(store.connection).image(tenant, bytes.fromhex(sha256))
        if found is None or not found.media_type.startswith(f"image/{extension}"):
            raise not_found("there is no such image")
        return Response(found.content, media_type=found.media_type, headers=_PICTURE)

    @router.get("/achievements/{tenant}/{template}")
    async def current(tenant: str, template: str) -> Response:
        return await _achievement(api, tenant, template, None, None)

    @router.get("/achievements/{tenant}/{template}/{version}/{language}")
    async def edition(tenant: str, template: str, version: Number, language: str) -> Response:
        return await _achievement(api, tenant, template, version, language)

    return router


async def _achievement(
    api: "Api", tenant: str, template: str, version: int | None, language: str | None
) -> Response:
    """What is or was in force, in one language."""
    found = None
    if is_slug(tenant) and is_slug(template):
        async with api.store() as store:
            found = await TemplateStore(store.connection).published(tenant, template, version)
    if found is None or (language is not None and language not in found.document.texts):
        raise not_found("there is no such achievement")
    described = described_by(
        found.document,
        tenant=tenant,
        template=template,
        version=found.version,
        public_url=api.settings.public_url,
        language=language,
    )
    content: JsonObject = {
        "@context": list(BADGE_CONTEXT),
        **achievement_document(achievement_of(tenant, found.document.competency, described)),
    }
    cache = f"public, max-age={CURRENT_SECONDS}" if version is None else _IMMUTABLE
    return Response(
        orjson.dumps(content),
        media_type="application/ld+json",
        headers={
            "Cache-Control": cache,
            "X-Content-Type-Options": "nosniff",
            "Access-Control-Allow-Origin": "*",
        },
    )


async def _version(api: "Api", client: Client, template: str, version: int) -> Version:
    async with api.store() as store:
        found = await TemplateStore(store.connection).version(client.tenant, template, version)
    if found is None:
        raise not_found(f"there is no version {version} of a template {template}")
    return found


async def _previewed(
    api: "Api",
    named: tuple[str, str, int],
    document: TemplateDocument,
    language: str | None,
    picture: Picture | None,
) -> Response:
    """The sample as JSON, or how its badge looks. `named`: tenant, template, version."""
    tenant, _, _ = named
    async with api.store() as store:
        issuer = await TemplateStore(store.connection).issuer(tenant, document.issuer)
        image = await image_of(TemplateStore(store.connection), tenant, document, language)
    if picture is not None:
        levels = document.level_texts(language)
        look = Look(
            name=document.text(language).name,
            issuer=issuer.name,
            level=levels[-1].name if levels else None,
            colours=document.colours,
            image=image,
        )
        try:
            drawn = await asyncio.to_thread(badge_picture, look, picture)
        except TypesettingFailed as error:
            raise Problem(400, "Bad request", detail="`image` cannot be drawn") from error
        kind = "image/png" if picture == "png" else "image/svg+xml"
        return Response(drawn, media_type=kind, headers={**_PICTURE, **_PRIVATE})
    return _json((await _sample(api, named, document, language)).badge())


async def _sample(
    api: "Api", named: tuple[str, str, int], document: TemplateDocument, language: str | None
) -> Sample:
    """Of today. `named`: tenant, template, version. Problem 400 when it cannot be made."""
    tenant, template, version = named
    at = datetime.now(UTC)
    async with api.store() as store:
        issuer = await TemplateStore(store.connection).issuer(tenant, document.issuer)
    try:
        return sample(
            described_by(
                document,
                tenant=tenant,
                template=template,
                version=version,
                public_url=api.settings.public_url,
                language=language,
            ),
            tenant=tenant,
            competency=document.competency,
            issuer=issuer,
            public_url=api.settings.public_url,
            awarded_on=at.date(),
            expires_on=None,
            at=at,
        )
    except BadgeRefused as error:
        raise Problem(400, "Bad request", detail=str(error)) from error


async def image_of(
    store: TemplateStore, tenant: str, document: TemplateDocument, language: str | None
) -> Image | None:
    """The template's own picture, as it is drawn."""
    if document.image is None:
        return None
    found = await store.image(tenant, bytes.fromhex(document.image.partition(".")[0]))
    if found is None:
        return None
    text = document.text(language)
    return Image(found.media_type, found.content, text.image_description or text.name)


async def _signed(
    records: Records, signature: SignatureBody, act: str, done: approval.Done, role: str
) -> None:
    """The person signs what was done, and the audit trail keeps it. Nothing done, none signed."""
    if not done.is_new:
        return
    said = {
        "act": act,
        "template": done.version.template,
        "version": done.version.version,
        "content_sha256": done.version.content_sha256.hex(),
    }
    signed = await records.sign(signature, said, role=role)
    await records.audit(
        f"template.{act}",
        f"template:{done.version.template}",
        after={**said, "signature": signed.document()},
    )


def answer(found: Version) -> dict[str, Any]:
    """A version as JSON."""
    return {
        "template": found.template,
        "version": found.version,
        "state": found.state,
        "content_sha256": found.content_sha256.hex(),
        "document": found.document.as_json(),
        "reason": found.reason,
        "proposed_by": found.proposed_by,
        "proposed_at": found.proposed_at,
        "approved_by": found.approved_by,
        "approved_at": found.approved_at,
        "ended_by": found.ended_by,
        "ended_at": found.ended_at,
    }


def _slug(template: str) -> None:
    if not is_slug(template):
        raise Problem(
            400, "Bad request", detail="the template's name: 1 to 40 of a-z, 0-9, '-' and '_'"
        )


def _json(content: object, status: int = 200) -> Response:
    return Response(
        orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z),
        status_code=status,
        media_type="application/json",
        headers=_PRIVATE,
    )
