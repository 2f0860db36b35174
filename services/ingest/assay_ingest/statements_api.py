"""The statements resource: what a request asks for, and the answer's form. `handle` does the work.

Source: xAPI 1.0.3 Communication 2.1, IEEE 9274.1.1 4.2.1 (statements resource).
"""

from dataclasses import replace
from email.utils import formatdate
from uuid import UUID

import msgspec
from starlette.responses import Response

from assay_ingest.attachments import referenced
from assay_ingest.attachments_answer import with_contents
from assay_ingest.attachments_contents import Contents
from assay_ingest.attachments_receive import Receiver
from assay_ingest.errors import RequestInvalid, WrongContentType
from assay_ingest.exchange import Exchange, Routes
from assay_ingest.handle import Ingest
from assay_ingest.languages import Languages
from assay_ingest.reading import Reading, View
from assay_ingest.records import authority_term
from assay_ingest.search import ById, parse_parameters
from assay_ingest.settings import IngestSettings
from assay_ingest.sources import Sources

STATEMENTS_PATH = "/xapi/statements"
SCOPE_WRITE = "statements/write"
SCOPE_READ = "statements/read"
SCOPE_READ_MINE = "statements/read/mine"
_JSON = "application/json"
_MIXED = "multipart/mixed"


class StatementResource:
    """POST, PUT and GET of statements."""

    def __init__(
        self,
        *,
        settings: IngestSettings,
        ingest: Ingest,
        reading: Reading,
        sources: Sources,
        receiver: Receiver,
        contents: Contents | None,
    ) -> None:
        self._settings = settings
        self._ingest = ingest
        self._reading = reading
        self._sources = sources
        self._receiver = receiver
        self._contents = contents

    def routes(self) -> Routes:
        return {STATEMENTS_PATH: {"GET": self._get, "POST": self._post, "PUT": self._put}}

    async def _post(self, exchange: Exchange) -> Response:
        exchange.client.require(SCOPE_WRITE)
        if exchange.parameters:
            raise RequestInvalid("POST takes no parameters")
        ids = await self._accept(exchange)
        return Response(msgspec.json.encode(ids), media_type=_JSON)

    async def _put(self, exchange: Exchange) -> Response:
        exchange.client.require(SCOPE_WRITE)
        version = exchange.version
        if [name for name, _ in exchange.parameters] != ["statementId"]:
            raise RequestInvalid(
                "PUT takes exactly one parameter, statementId", parameter="statementId"
            )
        wanted = parse_parameters(exchange.parameters, version=version)
        if not isinstance(wanted, ById):
            raise RequestInvalid("PUT needs a statementId", parameter="statementId")
        await self._accept(exchange, put_id=wanted.id)
        return Response(status_code=204)

    async def _get(self, exchange: Exchange) -> Response:
        client = exchange.client
        client.require(SCOPE_READ, SCOPE_READ_MINE)
        tenant = client.tenant
        wanted = parse_parameters(exchange.parameters, version=exchange.version)
        if not client.may(SCOPE_READ):
            # Only what this client would have stated itself (Communication 4.2).
            authority = await self._sources.authority(client, self._settings.public_url)
            wanted = replace(wanted, mine=authority_term(authority))
        view = View(exchange.version, Languages(exchange.headers.get("accept-language")))
        if isinstance(wanted, ById):
            answer = await self._reading.read(tenant, wanted, view)
        else:
            answer = await self._reading.list(tenant, wanted, STATEMENTS_PATH, view)
        headers: dict[str, str] = {}
        if answer.stored_ms is not None:
            headers["Last-Modified"] = formatdate(answer.stored_ms // 1000, usegmt=True)
        if wanted.format == "canonical":
            headers["Vary"] = "Accept-Language"
        if wanted.attachments:
            return await with_contents(
                answer.body,
                referenced(answer.statements),
                contents=self._contents,
                tenant=tenant,
                is_head=exchange.method == "HEAD",
                headers=headers,
            )
        return Response(answer.body, media_type=_JSON, headers=headers)

    async def _accept(self, exchange: Exchange, put_id: UUID | None = None) -> list[UUID]:
        if exchange.media_type == _MIXED:
            _check_not_encoded(exchange)
            return await self._receiver.accept(exchange, put_id=put_id)
        body = await self._statements(exchange)
        return await self._ingest.accept(
            exchange.client, body, version=exchange.version, put_id=put_id
        )

    async def _statements(self, exchange: Exchange) -> bytes:
        # The limit comes first: an oversized body is refused whatever it claims to be.
        body = await exchange.body(self._settings.body_bytes_max)
        if exchange.media_type != _JSON:
            raise WrongContentType(f"the body must be {_JSON} or {_MIXED}")
        _check_not_encoded(exchange)
        return body


def _check_not_encoded(exchange: Exchange) -> None:
    if exchange.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongContentType("the body must not be encoded")
