"""Records of `assay.statements.v1` read into rows. Pure.

Whatever is wrong with a record raises: the consumer then sets that one record aside.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

import jiter
import msgspec

from assay_ingest.first import Coordinates, Copy, Key
from assay_runtime.consume import Record
from assay_schemas.envelope import open_envelope
from assay_schemas.terms import statement_terms


class RecordInvalid(ValueError):
    """A record is not one that `ingest` or `mover` could have written."""


class Row(Copy, frozen=True, gc=False):
    """One copy of a statement with all that the projection writes of it."""

    version: str
    verb: UUID
    actor: UUID | None
    activity: UUID | None
    registration: UUID | None
    timestamp: datetime | None
    agents: tuple[UUID, ...]
    voids: UUID | None
    may_void: bool
    learner_controlled: bool


_split = msgspec.json.Decoder(list[msgspec.Raw])


@lru_cache(maxsize=65_536)
def term(text: str) -> UUID:
    """The first 16 bytes of the SHA-256 of `text`: how an IRI or an agent key is indexed."""
    return UUID(bytes=sha256(text.encode()).digest()[:16])


def rows_of(batch: Sequence[Record]) -> Iterator[Row]:
    """The copies in `batch`, in its order; a tick holds none.

    Raises EnvelopeError, RecordInvalid, or what the parsers raise.
    """
    for record in batch:
        opened = open_envelope(record.headers)
        envelope = opened.envelope
        if envelope.kind == "tick":
            continue
        if record.value is None:
            raise RecordInvalid("a record of statements has no value")
        raws = _split.decode(record.value)
        if len(raws) != len(opened.ids):
            raise RecordInvalid("the envelope counts other statements than the record holds")
        for index, (raw, statement_id, body_hash) in enumerate(
            zip(raws, opened.ids, opened.hashes, strict=True)
        ):
            text = bytes(raw)
            document = jiter.from_json(text)
            if document.get("id", "").lower() != str(statement_id):
                raise RecordInvalid("the envelope names another id than the statement")
            terms = statement_terms(document)
            keys = dict.fromkeys((*terms.actor_keys, *terms.object_agent_keys))
            yield Row(
                key=Key(envelope.tenant, statement_id),
                at=Coordinates(record.append_ms, record.partition, record.offset, index),
                stored_ms=record.stored_ms,
                body_hash=body_hash,
                source=envelope.source,
                client=envelope.client,
                raw=text,
                version=envelope.xapi_version,
                verb=term(terms.verb_id),
                actor=None if terms.actor_key is None else term(terms.actor_key),
                activity=None if terms.activity_id is None else term(terms.activity_id),
                registration=terms.registration,
                timestamp=terms.timestamp,
                agents=tuple(term(key) for key in keys),
                voids=terms.voids,
                may_void=envelope.may_void,
                learner_controlled=envelope.learner_controlled,
            )


def agents_of(raw: bytes) -> tuple[UUID, ...]:
    """The agents under which a recorded statement was indexed."""
    terms = statement_terms(jiter.from_json(raw))
    keys = dict.fromkeys((*terms.actor_keys, *terms.object_agent_keys))
    return tuple(term(key) for key in keys)
