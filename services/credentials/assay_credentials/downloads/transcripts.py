"""A learner's whole record in one signed document (CLR 2.0), made when it is asked for."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from assay_credentials.clr import TRANSCRIPT_NAMES, TranscriptFacts, build_transcript
from assay_credentials.contexts import pinned_contexts
from assay_credentials.downloads.self_check import require_signing_key, self_checked
from assay_credentials.downloads.store import DownloadStore
from assay_credentials.downloads.typeset import language_of
from assay_credentials.intake import MAX_DOCUMENT_BYTES
from assay_credentials.issuers import IssuerKey, Issuers
from assay_credentials.jsonld import JsonLd
from assay_credentials.places import RandomBytes, random_uuid
from assay_credentials.proof import add_proof
from assay_credentials.store import Store
from assay_runtime.postgres import Connection
from assay_runtime.refusals import Contradiction, Unknown

SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose record, and by which of the tenant's issuers."""

    tenant: str
    person: UUID
    issuer: str
    lang: str
    after: UUID
    """Credentials with a greater id than this one."""
    limit: int
    is_part: bool
    """More may be left over: without it, a record that is longer than `limit` is refused."""
    asked_by: str


@dataclass(frozen=True, slots=True)
class Transcript:
    document: bytes
    next: UUID | None
    """The last credential in it, when there are more."""


@dataclass(frozen=True, slots=True)
class TranscriptMaker:
    """What making transcripts stands on."""

    issuers: Issuers
    random_bytes: RandomBytes
    now: Callable[[], datetime]
    jsonld: JsonLd

    @classmethod
    def new(
        cls, issuers: Issuers, random_bytes: RandomBytes, now: Callable[[], datetime]
    ) -> "TranscriptMaker":
        # Of its own: a record of a hundred holds the lock of the shared one for a second.
        return cls(issuers, random_bytes, now, JsonLd(pinned_contexts()))

    async def make(self, connection: Connection, wanted: Wanted) -> Transcript:
        """The record, signed and checked, and noted in the same transaction.

        Raises Unknown when the person has no credentials, Contradiction when they are more, or
        longer, than one document holds, and SelfCheckFailed.
        """
        downloads = DownloadStore(connection)
        rows = await downloads.record_of(
            wanted.tenant, wanted.person, wanted.after, wanted.limit + 1
        )
        if not rows:
            raise Unknown("the person has no credentials")
        is_more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
        if is_more and not wanted.is_part:
            raise Contradiction(
                f"the record has more than {wanted.limit} credentials: ask for it in parts, with "
                "`limit` and `after`"
            )
        if sum(len(document) for _, document in rows) > MAX_DOCUMENT_BYTES * 9 // 10:
            raise Contradiction(
                f"the record is longer than {MAX_DOCUMENT_BYTES} bytes: ask for it in parts, with "
                "a smaller `limit`, and `after`"
            )
        key = await self.issuers.key(Store(connection), wanted.tenant, wanted.issuer)
        await require_signing_key(connection, key)
        transcript = random_uuid(self.random_bytes)
        facts = TranscriptFacts(
            transcript_id=transcript.urn,
            name=TRANSCRIPT_NAMES[language_of(wanted.lang)],
            made_at=self.now(),
            identity=str(wanted.person),
            salt=self.random_bytes(SALT_BYTES),
            credentials=tuple(orjson.loads(document) for _, document in rows),
        )
        # In a thread: a record of a hundred takes more than a second.
        document = await asyncio.to_thread(self._signed, facts, key)
        await downloads.insert_transcript(
            wanted.tenant,
            transcript,
            person=wanted.person,
            method=key.method,
            credentials=[credential for credential, _ in rows],
            sha256=hashlib.sha256(document).digest(),
            asked_by=wanted.asked_by,
        )
        return Transcript(document, rows[-1][0] if is_more else None)

    def _signed(self, facts: TranscriptFacts, key: IssuerKey) -> bytes:
        document = orjson.dumps(
            add_proof(
                build_transcript(facts, key.profile),
                key.signer,
                verification_method=key.method,
                created=facts.made_at,
                jsonld=self.jsonld,
            )
        )
        return self_checked(document, key, facts.made_at)
