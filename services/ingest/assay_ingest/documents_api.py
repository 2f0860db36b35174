"""State, Agent Profile and Activity Profile over HTTP. What may be done is in `documents`.

Source: xAPI 1.0.3 Communication 2.2, 2.3, 2.6, 2.7, 3.1; IEEE 9274.1.1 4.1.4, 4.1.6.2, 4.1.6.5,
4.1.6.6.
"""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import Enum
from functools import partial
from typing import Final

import msgspec
from starlette.responses import Response

from assay_ingest.documents import (
    RESOURCES,
    Address,
    Condition,
    Content,
    Resource,
    content_of,
    etag_of,
    parse_address,
    parse_condition,
)
from assay_ingest.documents_store import DocumentStore
from assay_ingest.errors import (
    DocumentConflict,
    DocumentInvalid,
    DocumentNotFound,
    DocumentTooLarge,
    IngestError,
    PreconditionFailed,
    RequestInvalid,
    TooBusy,
    TooManyDocuments,
    WrongContentType,
)
from assay_ingest.exchange import Exchange, Handler, Routes
from assay_ingest.settings import IngestSettings

_JSON: Final = "application/json"
# A document is the bytes of a client under a type that it chose: no browser may run them as ours.
_INERT: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}


class Expect(Enum):
    """What a change must find for its preconditions to hold."""

    WHATEVER = "no preconditions were sent"
    NOTHING = "no document"
    A_DOCUMENT = "a document, of the fingerprint beside this where there is one"


@dataclass(frozen=True, slots=True)
class Change:
    """A request that changes one document."""

    tenant: str
    address: Address
    condition: Condition


class DocumentResources:
    """GET, PUT, POST and DELETE of the three resources."""

    def __init__(self, *, settings: IngestSettings, store: DocumentStore) -> None:
        self._settings = settings
        self._store = store

    def routes(self) -> Routes:
        return {one.path: self._methods(one) for one in RESOURCES}

    def _methods(self, resource: Resource) -> dict[str, Handler]:
        return {
            "GET": partial(self._get, resource),
            "PUT": partial(self._put, resource),
            "POST": partial(self._post, resource),
            "DELETE": partial(self._delete, resource),
        }

    async def _get(self, resource: Resource, exchange: Exchange) -> Response:
        exchange.client.require(f"{resource.scope}/read")
        address = self._address(resource, exchange)
        tenant = exchange.client.tenant
        if address.name is None:
            found = await self._store.names(tenant, address)
            changed = {} if found.updated_at is None else _last_modified(found.updated_at)
            return Response(msgspec.json.encode(found.names), media_type=_JSON, headers=changed)
        condition = parse_condition(exchange.headers)
        document = await self._store.find(tenant, address)
        if document is None:
            raise DocumentNotFound("there is no such document")
        body = document.content.body
        etag = etag_of(body)
        if condition.match_fails(etag):
            raise PreconditionFailed("If-Match names another content")
        headers = {"ETag": etag, **_last_modified(document.updated_at), **_INERT}
        if condition.none_match_fails(etag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers={"Content-Type": document.content.content_type, **headers})

    async def _put(self, resource: Resource, exchange: Exchange) -> Response:
        change = self._change(resource, exchange)
        content = await self._content(exchange, is_posted=False)
        store, where = self._store, (change.tenant, change.address)
        expect, seen = await self._expected(change)
        if expect is Expect.A_DOCUMENT:
            done = await store.replace(*where, content, seen)
        elif expect is Expect.WHATEVER and not resource.guards_put(exchange.version):
            done = await store.put(*where, content)
        elif expect is Expect.WHATEVER and exchange.version == "1.0.3":
            # Unlike in 2.0, a client must say so also of a document that it believes is new.
            if await store.find(*where) is None:
                raise RequestInvalid("a PUT needs the header If-Match or If-None-Match")
            done = False
        else:
            done = await store.create(*where, content)
        if not done:
            raise await self._refusal(change, content, is_posted=False)
        return Response(status_code=204, headers={"ETag": etag_of(content.body)})

    async def _post(self, resource: Resource, exchange: Exchange) -> Response:
        change = self._change(resource, exchange)
        content = await self._content(exchange, is_posted=True)
        store, where = self._store, (change.tenant, change.address)
        expect, seen = await self._expected(change)
        if expect is Expect.A_DOCUMENT:
            done = content.is_mergeable and await store.merge_into(*where, content, seen)
        elif expect is Expect.WHATEVER and content.is_mergeable:
            done = await store.merge(*where, content)
        else:
            done = await store.create(*where, content)
        if not done:
            raise await self._refusal(change, content, is_posted=True)
        return Response(status_code=204)

    async def _delete(self, resource: Resource, exchange: Exchange) -> Response:
        change = self._change(resource, exchange)
        store, where = self._store, (change.tenant, change.address)
        if change.address.name is None:
            if change.condition.is_there:
                raise RequestInvalid(
                    f"If-Match and If-None-Match need a {resource.name}", parameter=resource.name
                )
            await store.clear(*where)
            return Response(status_code=204)
        expect, seen = await self._expected(change)
        if expect is Expect.NOTHING:
            done = await store.find(*where) is None
        else:
            done = await store.delete(*where, seen) or expect is Expect.WHATEVER
        if not done:
            raise PreconditionFailed("the document is not what the preconditions say")
        return Response(status_code=204)

    async def _expected(self, change: Change) -> tuple[Expect, bytes | None]:
        """What the statement that makes the change must find. Raises PreconditionFailed.

        An ETag is a SHA-1, which the database cannot compute: the content is read here, and the
        statement finds its SHA-256 again or changes nothing.
        """
        condition = change.condition
        if not condition.is_there:
            return Expect.WHATEVER, None
        if not condition.names_tags and condition.if_none_match is None:
            return Expect.A_DOCUMENT, None
        if not condition.names_tags and condition.if_match is None:
            return Expect.NOTHING, None
        document = await self._store.find(change.tenant, change.address)
        etag = None if document is None else etag_of(document.content.body)
        _check(condition, etag)
        if document is None:
            return Expect.NOTHING, None
        return Expect.A_DOCUMENT, document.fingerprint

    async def _refusal(self, change: Change, content: Content, *, is_posted: bool) -> IngestError:
        """Why a write did nothing, as far as it can still be seen."""
        document = await self._store.find(change.tenant, change.address)
        if change.condition.is_there:
            _check(change.condition, None if document is None else etag_of(document.content.body))
        if document is None:
            if await self._store.is_full(change.tenant, change.address):
                count = self._settings.documents_per_place_max
                return TooManyDocuments(f"there are {count} documents already; delete some first")
        elif is_posted:
            if not (content.is_mergeable and document.content.is_mergeable):
                return DocumentInvalid(
                    "only JSON objects sent as application/json can be merged, and the "
                    + ("document" if content.is_mergeable else "body")
                    + " is none (or has duplicate keys or the character U+0000)"
                )
            limit = self._settings.document_bytes_max
            if len(document.content.body) + len(content.body) > limit:
                return DocumentTooLarge(f"the merged document is over the limit of {limit} bytes")
        elif not change.condition.is_there:
            return DocumentConflict(
                "the document exists: read it, then send its ETag as If-Match to replace it"
            )
        if change.condition.is_there:
            return PreconditionFailed("the document was changed meanwhile")
        return TooBusy("the document was changed meanwhile; send the request again")

    def _address(self, resource: Resource, exchange: Exchange) -> Address:
        return parse_address(
            resource,
            "GET" if exchange.method == "HEAD" else exchange.method,
            exchange.each_once(),
            version=exchange.version,
            name_characters_max=self._settings.document_name_characters_max,
        )

    def _change(self, resource: Resource, exchange: Exchange) -> Change:
        exchange.client.require(resource.scope)
        return Change(
            tenant=exchange.client.tenant,
            address=self._address(resource, exchange),
            condition=parse_condition(exchange.headers),
        )

    async def _content(self, exchange: Exchange, *, is_posted: bool) -> Content:
        body = await exchange.body(self._settings.document_bytes_max)
        if exchange.headers.get("content-encoding", "identity").lower() != "identity":
            raise WrongContentType("the body must not be encoded")
        return content_of(body, exchange.headers.get("content-type"), is_posted=is_posted)


def _check(condition: Condition, etag: str | None) -> None:
    """Raise PreconditionFailed unless the condition holds for what has `etag` (None: nothing)."""
    if condition.match_fails(etag):
        raise PreconditionFailed(
            "If-Match asks for a document, and there is none"
            if etag is None
            else "If-Match names another content than the document has"
        )
    if condition.none_match_fails(etag):
        raise PreconditionFailed("If-None-Match forbids to change the document that is there")


def _last_modified(moment: datetime) -> dict[str, str]:
    return {"Last-Modified": format_datetime(moment, usegmt=True)}
