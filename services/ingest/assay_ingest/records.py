"""Records of `assay.statements.v1` read into rows. Pure.

Whatever is wrong with a record raises: the consumer then sets that one record aside.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from assay_ingest.first import Coordinates, Copy, Key
from assay_runtime.consume import Record
from assay_schemas.agents import agent_key, authority_key
from assay_schemas.envelope import Envelope, open_envelope
from assay_schemas.terms import StatementTerms, statement_terms


class RecordInvalid(ValueError):
    """A record is not one that `ingest` or `mover` could have written."""


# What `statement_related` and `statement_via` hold a term as.
AGENT = "a"
RELATED_AGENT = "r"
ACTIVITY = "o"
RELATED_ACTIVITY = "c"
VERB = "v"
REGISTRATION = "g"


class Row(Copy, frozen=True, gc=False):
    """One copy of a statement with all that the projection writes of it.

    `related` are pairs of RELATED_AGENT or RELATED_ACTIVITY and a term; `target` is the statement
    that it refers to; `definitions`, `names` and `attachments` are those of `StatementTerms`.
    """

    version: str
    verb: UUID
    actor: UUID | None
    activity: UUID | None
    registration: UUID | None
    timestamp: datetime | None
    authority: UUID
    agents: tuple[UUID, ...]
    related: tuple[tuple[str, UUID], ...]
    target: UUID | None
    voids: UUID | None
    may_void: bool
    learner_controlled: bool
    attachments: tuple[str, ...]
    definitions: tuple[tuple[str, bytes], ...]
    names: tuple[tuple[str, str], ...]


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
            terms = statement_terms(text)
            if terms.id != statement_id:
                raise RecordInvalid("the envelope names another id than the statement")
            yield row_of(
                terms,
                Key(envelope.tenant, statement_id),
                Coordinates(record.append_ms, record.partition, record.offset, index),
                record.stored_ms,
                body_hash,
                text,
                envelope,
            )


def row_of(
    terms: StatementTerms,
    key: Key,
    at: Coordinates,
    stored_ms: int,
    body_hash: bytes,
    raw: bytes,
    envelope: Envelope,
) -> Row:
    """The row of one copy, whose `terms` are those of its bytes."""
    return Row(
        key=key,
        at=at,
        stored_ms=stored_ms,
        body_hash=body_hash,
        source=envelope.source,
        client=envelope.client,
        raw=raw,
        version=envelope.xapi_version,
        verb=term(terms.verb_id),
        actor=None if terms.actor_key is None else term(terms.actor_key),
        activity=None if terms.activity_id is None else term(terms.activity_id),
        registration=terms.registration,
        timestamp=terms.timestamp,
        authority=term(terms.authority),
        agents=agents_of(terms),
        related=related_of(terms),
        target=terms.statement_ref,
        voids=terms.voids,
        may_void=envelope.may_void,
        learner_controlled=envelope.learner_controlled,
        attachments=terms.attachments,
        # Without the right to define, a statement is kept as it is, but teaches us no names
        # (1.0.3 Communication 4.2, scope `define`).
        definitions=terms.definitions if envelope.may_define else (),
        names=terms.names if envelope.may_define else (),
    )


def agents_of(terms: StatementTerms) -> tuple[UUID, ...]:
    """Whom a statement is about: the terms of its actor and object, and of their members."""
    keys = terms.actor_keys
    if len(keys) > 1 or terms.object_agent_keys:
        keys = tuple(dict.fromkeys((*keys, *terms.object_agent_keys)))
    return tuple([term(key) for key in keys])


def related_of(terms: StatementTerms) -> tuple[tuple[str, UUID], ...]:
    """What only `related_agents` and `related_activities` find. The authority has a column."""
    found = [(RELATED_ACTIVITY, term(iri)) for iri in terms.related_activity_ids]
    if terms.related_agent_keys:
        authority = terms.authority
        found += [
            (RELATED_AGENT, term(key)) for key in terms.related_agent_keys if key != authority
        ]
    return tuple(found)


def terms_via(terms: StatementTerms) -> Iterator[tuple[str, UUID]]:
    """All that a statement which leads to this one is found by: pairs of a kind and a term."""
    yield VERB, term(terms.verb_id)
    if terms.activity_id is not None:
        yield ACTIVITY, term(terms.activity_id)
    if terms.registration is not None:
        yield REGISTRATION, terms.registration
    agents = agents_of(terms)
    for agent in agents:
        yield AGENT, agent
    authority = term(terms.authority)
    if authority not in agents:
        yield RELATED_AGENT, authority
    yield from related_of(terms)


def authority_term(authority: Mapping[str, Any]) -> UUID:
    """How the authority of a statement is indexed: an agent, or a group of two."""
    members = (agent_key(member) for member in authority.get("member", ()))
    return term(authority_key(agent_key(authority), [key for key in members if key is not None]))
