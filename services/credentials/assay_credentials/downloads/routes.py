"""HTTP of downloads, transcripts and endorsements."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from assay_credentials.callers import VERIFY_COST
from assay_credentials.downloads import files
from assay_credentials.downloads.certificate import verify_url
from assay_credentials.downloads.endorsing import Asked, Endorser, endorsements_of, withdraw
from assay_credentials.downloads.files import MEDIA_TYPES, Form, Held
from assay_credentials.downloads.gate import Gate
from assay_credentials.downloads.store import DownloadStore, Endorsement, Kind
from assay_credentials.downloads.transcripts import TranscriptMaker, Wanted
from assay_credentials.downloads.typeset import language_of
from assay_credentials.endorsement import COMMENT_CHARACTERS_MAX
from assay_credentials.errors import (
    BadgeRefused,
    IssuerKeyMissing,
    IssuerUnknown,
    SignerUnavailable,
)
from assay_credentials.holding.shares import certificate_share, shared
from assay_credentials.store import Store
from assay_runtime.auth import Client
from assay_runtime.problem import Problem, not_available, not_found
from assay_schemas.topics import is_slug

if TYPE_CHECKING:
    from assay_credentials.api import Api

ADMIN: Final = "credentials/admin"
READ: Final = "credentials/read"
PAGE_MAX: Final = 500
REASON_CHARACTERS_MAX: Final = 1_000
SHARE_CHARACTERS_MAX: Final = 100
NAME_CHARACTERS_MAX: Final = 200
IRI_CHARACTERS_MAX: Final = 2_000

FILES_AT_ONCE: Final = 2
TRANSCRIPTS_AT_ONCE: Final = 2
WAITING_MAX: Final = 32
"""Requests that wait for one of these; more are answered 503."""

_FIRST: Final = UUID(int=0)
_PRIVATE: Final = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # A badge that is opened by itself runs nothing and loads nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}

Share = Annotated[str | None, Query(max_length=SHARE_CHARACTERS_MAX)]
Lang = Annotated[str, Query(max_length=20)]
Text = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=r"\S")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EndorsementBody(_Body):
    """What one of the tenant's issuers vouches for."""

    issuer: Annotated[str, Field(max_length=64)]
    kind: Kind
    endorsed: Annotated[str, Field(min_length=1, max_length=IRI_CHARACTERS_MAX)]
    name: Text = "Endorsement"
    comment: Annotated[str, Field(min_length=1, max_length=COMMENT_CHARACTERS_MAX, pattern=r"\S")]
    valid_until: AwareDatetime | None = None
    reason: Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]


class WithdrawalBody(_Body):
    """Why it is taken back. For the audit trail, never public."""

    reason: Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]


def download_routes(api: "Api") -> APIRouter:
    """Everything that can be taken away."""
    router = APIRouter()
    router.include_router(_files(api))
    router.include_router(_transcripts(api))
    router.include_router(_endorsements(api))
    return router


def _files(api: "Api") -> APIRouter:
    router = APIRouter()
    gate = Gate(at_once=FILES_AT_ONCE, waiting_max=WAITING_MAX)
    limited = api.limited(VERIFY_COST)

    async def answer(held: Held, form: Form, lang: str, share: str | None) -> Response:
        files.require_form(held, form)
        lang = language_of(lang)
        address = await _address(api, held, lang, share) if files.needs_address(form) else ""
        # In a thread: it draws.
        async with gate():
            content = await asyncio.to_thread(
                files.make_file, held, form, lang=lang, address=address
            )
        name = files.file_name(held, form)
        return Response(
            content,
            media_type=MEDIA_TYPES[form],
            headers={**_PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'},
        )

    @router.get("/credentials/{credential}/download.{form}")
    async def download(
        request: Request, credential: UUID, form: str, share: Share = None, lang: Lang = "en"
    ) -> Response:
        held = await _by_id(api, request, credential, share, limited)
        return await answer(held, _form(form), lang, share)

    @router.get("/share/{share_id}/download.{form}")
    async def shared_download(
        request: Request, share_id: str, form: str, lang: Lang = "en"
    ) -> Response:
        await limited(request)
        return await answer(await _shared(api, share_id), _form(form), lang, share_id)

    @router.get("/credentials/{credential}/linkedin")
    async def linkedin(
        request: Request, credential: UUID, share: Share = None, lang: Lang = "en"
    ) -> Response:
        held = await _by_id(api, request, credential, share, limited)
        lang = language_of(lang)
        address = await _address(api, held, lang, share)
        return _json({"url": files.linkedin(held, lang=lang, address=address)})

    @router.get("/share/{share_id}/linkedin")
    async def shared_linkedin(request: Request, share_id: str, lang: Lang = "en") -> Response:
        await limited(request)
        held, lang = await _shared(api, share_id), language_of(lang)
        address = verify_url(api.settings.public_url, share_id, lang)
        location = files.linkedin(held, lang=lang, address=address)
        return Response(status_code=302, headers={**_PRIVATE, "Location": location})

    return router


def _transcripts(api: "Api") -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.holder_of(READ))]
    maker = TranscriptMaker.new(api.issuers, secrets.token_bytes, api.now)
    most = api.settings.transcript_credentials_max
    # One holds a connection for a second or more.
    gate = Gate(at_once=TRANSCRIPTS_AT_ONCE, waiting_max=WAITING_MAX)

    @router.get("/people/{person}/clr")
    async def transcript(
        client: reader,
        person: UUID,
        issuer: Annotated[str, Query(max_length=64)] = "main",
        lang: Lang = "en",
        after: UUID = _FIRST,
        limit: Annotated[int | None, Query(ge=1, le=most)] = None,
    ) -> Response:
        if not is_slug(issuer):
            raise Problem(400, "Bad request", detail="issuer: not the short name of an issuer")
        wanted = Wanted(
            tenant=client.tenant,
            person=person,
            issuer=issuer,
            lang=lang,
            after=after,
            limit=limit or most,
            is_part=limit is not None,
            asked_by=client.name,
        )
        with _signing_problems():
            async with gate(), api.connected() as connection, connection.transaction():
                made = await maker.make(connection, wanted)
        headers = {**_PRIVATE, "Content-Disposition": 'attachment; filename="record.json"'}
        if made.next is not None:
            rest = f"/people/{person}/clr?issuer={issuer}&limit={limit}&after={made.next}"
            headers["Link"] = f'<{rest}>; rel="next"'
        return Response(made.document, media_type="application/vc", headers=headers)

    return router


def _endorsements(api: "Api") -> APIRouter:
    router = APIRouter()
    reader = Annotated[Client, Depends(api.holder_of(READ))]
    admin = Annotated[Client, Depends(api.holder_of(ADMIN))]
    limited = api.limited(VERIFY_COST)
    endorser = Endorser(
        api.issuers,
        api.settings.public_url,
        api.settings.status_list_entries,
        secrets.token_bytes,
    )

    @router.put("/endorsements/{endorsement}")
    async def endorse(client: admin, request: Request, endorsement: UUID) -> Response:
        body = await api.parsed(request, EndorsementBody)
        if not is_slug(body.issuer):
            raise Problem(400, "Bad request", detail="issuer: not the short name of an issuer")
        asked = Asked(endorsement=endorsement, **body.model_dump(exclude={"reason"}))
        with _signing_problems():
            async with api.changing(client, body.reason) as records:
                made, is_new = await endorser.endorse(records, asked, _whole_second(api.now()))
        api.lists.wake.set()
        return _json(_endorsement(made), status=201 if is_new else 200)

    @router.post("/endorsements/{endorsement}/withdraw")
    async def take_back(client: admin, request: Request, endorsement: UUID) -> Response:
        body = await api.parsed(request, WithdrawalBody)
        async with api.changing(client, body.reason) as records:
            is_changed = await withdraw(records, endorsement)
        api.lists.wake.set()
        return _json({"endorsement": endorsement, "state": "withdrawn", "changed": is_changed})

    @router.get("/endorsements")
    async def listed(
        client: reader,
        after: UUID = _FIRST,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> Response:
        async with api.connected() as connection:
            found = await DownloadStore(connection).list_endorsements(client.tenant, after, limit)
        return _json(
            {
                "endorsements": [_endorsement(one) for one in found],
                "next": found[-1].endorsement if len(found) == limit else None,
            }
        )

    @router.get("/endorsements/{endorsement}")
    async def one(client: reader, endorsement: UUID) -> Response:
        async with api.connected() as connection:
            found = await DownloadStore(connection).endorsement(client.tenant, endorsement)
        if found is None:
            raise not_found("there is no such endorsement")
        return Response(found.document, media_type="application/vc", headers=_PRIVATE)

    @router.get("/credentials/{credential}/endorsements")
    async def of_credential(request: Request, credential: UUID, share: Share = None) -> Response:
        if share is not None:
            await limited(request)
        row = await api.reachable(request, credential, share)
        async with api.connected() as connection:
            found = await endorsements_of(
                DownloadStore(connection), row["tenant"], orjson.loads(row["document"])
            )
        shown = [
            {
                "id": one.endorsement,
                "kind": one.kind,
                "comment": one.comment,
                "made_at": one.made_at,
                "document": orjson.Fragment(one.document),
            }
            for one in found
        ]
        return _json({"endorsements": shown})

    return router


@contextmanager
def _signing_problems() -> Iterator[None]:
    try:
        yield
    except BadgeRefused as error:
        raise Problem(400, "Bad request", detail=str(error)) from None
    except IssuerUnknown as error:
        raise not_found(str(error)) from None
    except (SignerUnavailable, IssuerKeyMissing) as error:
        raise not_available(str(error)) from None


async def _by_id(
    api: "Api", request: Request, credential: UUID, share: str | None, limited: Any
) -> Held:
    if share is not None:
        await limited(request)
    row = await api.reachable(request, credential, share)
    async with api.connected() as connection:
        return await files.read_held(connection, row["tenant"], credential)


async def _shared(api: "Api", share: str) -> Held:
    async with api.store() as store:
        row = await shared(store, share)
        if row is None:
            raise not_found("there is no such credential")
        return await files.read_held(store.connection, row["tenant"], row["credential"])


async def _address(api: "Api", held: Held, lang: str, share: str | None) -> str:
    """The page that verifies it: by the link that the file was asked for with, else by the
    credential's own link for certificates.
    """
    if share is None:
        async with api.connected() as connection, connection.transaction():
            share = await certificate_share(
                Store(connection), held.tenant, held.credential, "certificate"
            )
    return verify_url(api.settings.public_url, share, lang)


def _form(form: str) -> Form:
    for one in files.FORMS:
        if one == form:
            return one
    raise not_found(f"there is no such file; there are {', '.join(files.FORMS)}")


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _endorsement(one: Endorsement) -> dict[str, Any]:
    return {
        "endorsement": one.endorsement,
        "issuer": one.issuer,
        "state": one.state,
        "kind": one.kind,
        "endorsed": one.endorsed,
        "credential": one.credential,
        "name": one.name,
        "comment": one.comment,
        "valid_until": one.valid_until,
        "made_at": one.made_at,
        "withdrawn_at": one.withdrawn_at,
        "document": orjson.Fragment(one.document),
    }


def _json(content: object, status: int = 200) -> Response:
    return Response(
        orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "private, no-store"},
    )
