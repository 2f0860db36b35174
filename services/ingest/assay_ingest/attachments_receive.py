"""The life of a request with attachments: multipart/mixed in, statements accepted.

Contents stream to the store while they are hashed, so memory does not grow with them; only
signatures, which are short, are held. Everything of the request is kept, or nothing is referenced:
contents of a refused request stay for a time as orphans, and are collected (`attachments_collect`).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography import x509
from starlette.requests import ClientDisconnect

from assay_ingest.attachments import (
    Declared,
    PartRefused,
    check_first_part,
    fault,
    new_hash,
    not_taken,
    sha2_of_part,
)
from assay_ingest.attachments_contents import Contents, Upload
from assay_ingest.attachments_store import AttachmentStore
from assay_ingest.errors import (
    AttachmentTooLarge,
    MultipartInvalid,
    StatementsInvalid,
    StoreNotAvailable,
    TooBusy,
    TooSlow,
)
from assay_ingest.exchange import Exchange
from assay_ingest.handle import Ingest
from assay_ingest.metrics import IngestMetrics
from assay_ingest.multipart import (
    Event,
    MixedParser,
    MultipartFault,
    PartBegins,
    PartEnds,
    boundary_of,
)
from assay_ingest.settings import IngestSettings
from assay_ingest.signatures import (
    Outcome,
    Signature,
    SignatureInvalid,
    chosen,
    judge,
    read_signature,
)
from assay_ingest.submission import Submission

# So much of a content goes to the store at once: the network's pieces may be small.
_WRITE_BYTES: Final = 256 * 1024


@dataclass(slots=True)
class _Received:
    """What has come of a request. `signatures` are the contents of signatures by their SHA-2."""

    announced: Collection[str] = ()
    signature_names: Collection[str] = ()
    uploads: dict[str, Upload] = field(default_factory=dict)
    contents: set[str] = field(default_factory=set)
    signatures: dict[str, bytes] = field(default_factory=dict)


def read_anchors(file: Path | None) -> Sequence[x509.Certificate]:
    """The trust anchors of signatures, from a file of certificates as PEM. Raises ValueError."""
    return () if file is None else x509.load_pem_x509_certificates(file.read_bytes())


class Receiver:
    """Takes multipart requests. `contents` is None where no store of attachments is configured."""

    def __init__(
        self,
        *,
        settings: IngestSettings,
        ingest: Ingest,
        contents: Contents | None,
        store: AttachmentStore,
        metrics: IngestMetrics,
        anchors: Sequence[x509.Certificate] = (),
    ) -> None:
        self._settings = settings
        self._limits = settings.limits(1)
        self._types = [one.strip() for one in settings.attachment_types.split(",")]
        self._ingest = ingest
        self._contents = contents
        self._store = store
        self._metrics = metrics
        self._anchors = anchors
        self._running = 0

    async def accept(self, exchange: Exchange, *, put_id: UUID | None = None) -> list[UUID]:
        """Accept a multipart request; the ids as `Ingest.accept` gives them. Raises IngestError."""
        if self._running >= self._settings.uploads_max:
            raise TooBusy("too many requests with attachments are worked on")
        self._running += 1
        received = _Received()
        try:
            try:
                async with asyncio.timeout(self._settings.upload_seconds_max):
                    async with aclosing(self._events(exchange)) as events:
                        sent, signed_by = await self._receive(exchange, events, put_id, received)
            except TimeoutError:
                raise TooSlow("the body did not come in time") from None
            # Not within the time of the body: who is interrupted here, does not know what is kept.
            return await self._accept(sent, signed_by, received)
        except (MultipartFault, PartRefused) as error:
            raise MultipartInvalid(str(error)) from None
        except ClientDisconnect:
            raise MultipartInvalid("the connection ended before the body did") from None
        finally:
            self._running -= 1
            # Whatever got its own name is not among them any more.
            for upload in received.uploads.values():
                await upload.discard()

    async def _receive(
        self,
        exchange: Exchange,
        events: AsyncIterator[Event],
        put_id: UUID | None,
        received: _Received,
    ) -> tuple[Submission, Mapping[int, str]]:
        """Everything that can refuse the request; the statements, and who signed which."""
        # 1. The first part: all statements, checked before anything else is read.
        body = await self._statements(events)
        sent = await self._ingest.check(
            exchange.client, body, version=exchange.version, put_id=put_id
        )
        # 2. What they announce; from now on nobody collects it as an orphan.
        declarations = self._declarations(sent)
        received.announced = {one.sha2 for one in declarations}
        received.signature_names = {one.sha2 for one in declarations if one.is_signature}
        if received.announced:
            await self._store.announce(sent.client.tenant, received.announced)
        # 3. Every other part: one of the announced contents, to the store while it is hashed.
        async for event in events:
            await self._content(sent.client.tenant, event, events, received)
        # 4. Every content that must be there is.
        sent.require(received.contents)
        # 5. Signatures are good, and perhaps somebody's.
        return sent, await self._signers(sent, declarations, received.signatures)

    async def _accept(
        self, sent: Submission, signed_by: Mapping[int, str], received: _Received
    ) -> list[UUID]:
        # 6. Contents get their own names, durably, before the log is told.
        for sha2 in list(received.uploads):
            await self._kept().keep(received.uploads[sha2], sent.client.tenant, sha2)
            del received.uploads[sha2]
        # 7. The statements, as any others; what the network took is no part of their time.
        timed = replace(sent, began=time.perf_counter())
        ids = await self._ingest.accept_checked(timed, signed_by)
        self._metrics.attachments.inc(len(received.contents))
        return ids

    def _kept(self) -> Contents:
        if self._contents is None:
            raise StoreNotAvailable("no store of attachments is configured")
        return self._contents

    async def _events(self, exchange: Exchange) -> AsyncGenerator[Event, None]:
        """The events of the body, to its end; never more than a piece of it in memory."""
        settings = self._settings
        parser = MixedParser(boundary_of(exchange.headers.get("content-type", "")))
        size = 0
        stream = exchange.stream()
        while True:
            try:
                async with asyncio.timeout(settings.upload_idle_seconds):
                    piece = await anext(stream, None)
            except TimeoutError:
                raise TooSlow("the body stopped coming") from None
            if piece is None:
                break
            size += len(piece)
            if size > settings.multipart_bytes_max:
                raise AttachmentTooLarge(
                    "the request is over the limit", settings.multipart_bytes_max
                )
            for event in parser.feed(piece):
                yield event
        parser.close()

    async def _statements(self, events: AsyncIterator[Event]) -> bytes:
        limit = self._settings.body_bytes_max
        parts: list[bytes] = []
        size = 0
        async for event in events:
            if isinstance(event, PartBegins):
                check_first_part(event.headers)
            elif isinstance(event, PartEnds):
                return b"".join(parts)
            else:
                size += len(event)
                if size > limit:
                    raise AttachmentTooLarge("part 1, the statements, is over the limit", limit)
                parts.append(event)
        raise MultipartFault("the body has no part; the first one must be the statements")

    def _declarations(self, sent: Submission) -> Sequence[Declared]:
        """What the statements declare. Raises StatementsInvalid."""
        declarations = sent.declarations()
        faults = not_taken(
            [one for one in declarations if not one.is_signature],
            sent.statements,
            self._types,
            sent.version,
        )
        if faults:
            raise StatementsInvalid(faults)
        return declarations

    async def _content(
        self, tenant: str, begin: Event, events: AsyncIterator[Event], received: _Received
    ) -> None:
        """One part after the first, from its header to its end."""
        settings = self._settings
        if not isinstance(begin, PartBegins):
            raise MultipartFault("a part must begin with its header")
        if begin.number > settings.attachments_per_request_max + 1:
            raise AttachmentTooLarge(
                "the request has too many parts", settings.attachments_per_request_max
            )
        sha2 = sha2_of_part(begin.number, begin.headers, received.announced)
        is_signature = sha2 in received.signature_names
        limit = settings.signature_bytes_max if is_signature else settings.attachment_bytes_max
        # Known contents are only hashed. They stay, as they have been announced.
        upload: Upload | None = None
        if sha2 not in received.contents and await self._kept().size(tenant, sha2) is None:
            received.uploads[sha2] = upload = self._kept().begin()
        computed, size, held = new_hash(sha2), 0, bytearray()
        async for event in events:
            if isinstance(event, PartEnds):
                break
            if isinstance(event, PartBegins):
                raise MultipartFault(f"part {begin.number} does not end")
            size += len(event)
            if size > limit:
                raise AttachmentTooLarge(f"part {begin.number} is over the limit", limit)
            computed.update(event)
            held += event
            if upload is not None and not is_signature and len(held) >= _WRITE_BYTES:
                await upload.write(bytes(held))
                held.clear()
            elif upload is None and not is_signature:
                held.clear()
        if computed.hexdigest() != sha2:
            raise PartRefused(
                f"the content of part {begin.number} does not have the SHA-2 that its "
                "X-Experience-API-Hash says"
            )
        if upload is not None:
            await upload.write(bytes(held))
            await upload.finish()
        if is_signature:
            received.signatures[sha2] = bytes(held)
        received.contents.add(sha2)

    async def _signers(
        self,
        sent: Submission,
        declarations: Sequence[Declared],
        contents: Mapping[str, bytes],
    ) -> dict[int, str]:
        """By index of the statement: whose registered key signed it. Raises StatementsInvalid."""
        if not contents:
            return {}
        now = datetime.now(UTC)
        places = [one for one in declarations if one.is_signature]
        signatures = [self._read(sent, one, contents, places, now) for one in places]
        names = {name for one in signatures for name in (one.key_id, one.leaf) if name is not None}
        agents = {agent for one in signatures for agent in one.agents}
        keys = await self._store.signing_keys(sent.client.tenant, names, agents)
        outcomes: dict[int, list[Outcome]] = {}
        for place, signature in zip(places, signatures, strict=True):
            try:
                outcome = judge(signature, keys, now)
            except SignatureInvalid as error:
                raise self._refused(sent, place, error) from None
            self._metrics.signatures.labels(outcome.verdict).inc()
            outcomes.setdefault(place.index, []).append(outcome)
        signers = {index: chosen(some, sent.statements[index]) for index, some in outcomes.items()}
        return {index: agent for index, agent in signers.items() if agent is not None}

    def _read(
        self,
        sent: Submission,
        place: Declared,
        contents: Mapping[str, bytes],
        places: Sequence[Declared],
        now: datetime,
    ) -> Signature:
        statement = sent.statements[place.index]
        try:
            return read_signature(
                contents[place.sha2],
                statement,
                own_sha2=place.sha2,
                is_signature=frozenset(one.sha2 for one in places if one.index == place.index),
                statement_id=statement.id or sent.put_id,
                version=sent.version,
                limits=self._limits,
                anchors=self._anchors,
                now=now,
            )
        except SignatureInvalid as error:
            raise self._refused(sent, place, error) from None

    def _refused(self, sent: Submission, place: Declared, error: Exception) -> StatementsInvalid:
        self._metrics.signatures.labels("refused").inc()
        return StatementsInvalid(
            [fault("signature-invalid", place, sent.statements, sent.version, str(error))]
        )
