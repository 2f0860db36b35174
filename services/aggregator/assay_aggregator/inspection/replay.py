"""What a decision was made from, in a file of its own: a pack can be decided again from itself.

Pure. `as_known` leaves nothing in that came to be known later, so that the file is the same
whenever it is written.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from assay_aggregator.copies import milliseconds_up
from assay_aggregator.fact import Fact
from assay_aggregator.known import Known
from assay_aggregator.people import Link, Recorded, effective_links
from assay_aggregator.rulebook import Version

_decoder: Final = msgspec.json.Decoder(Known)
_encoder: Final = msgspec.json.Encoder(order="deterministic")


def as_known(known: Known, versions: Sequence[Version], known_at_ms: int) -> Known:
    """What was known at `known_at_ms`, and one of `versions` can look at; in a fixed order."""
    facts = _facts(known, versions, known_at_ms)
    competencies = {one.rule.competency for one in versions}
    assessing = {key for fact in facts for key in assessor_keys(fact)}
    # Whom the other members of a group are, is read only when a later link asks for it.
    keys = assessing | (
        _own(known, known_at_ms) & {key for fact in facts for key in fact.actor_keys}
    )
    kept: dict[str, Any] = {"facts": facts}
    for field in dataclasses.fields(known):
        value = getattr(known, field.name)
        if field.name in ("person", "facts") or not isinstance(value, tuple):
            continue
        records = [
            one
            for one in _records(value, known_at_ms)
            if getattr(one, "competency", None) in (None, *competencies)
        ]
        if field.name == "links":
            holding = {(one.key, one.person) for one in effective_links(records, known_at_ms)}
            records = [
                one
                for one in records
                if one.key in keys
                # An automatic link bears no time: one that held on no day may be of later.
                and (
                    not one.automatic
                    or (
                        (one.key, str(one.person)) in holding
                        and (one.person == known.person or one.key in assessing)
                    )
                )
            ]
        elif field.name in ("authorities", "interests"):
            # Not of whom only a later link names as one who assessed.
            assessors = set(people_of(kept["links"], assessing))
            records = [one for one in records if one.assessor in assessors]
        kept[field.name] = tuple(sorted(records, key=_encoder.encode))
    return dataclasses.replace(known, **kept)


def encode_known(known: Known) -> bytes:
    """As JSON. Equal values are equal bytes."""
    return _encoder.encode(known)


def decode_known(data: bytes) -> Known:
    """The value of `encode_known`. Raises msgspec.MsgspecError for anything else."""
    return _decoder.decode(data)


def assessor_keys(fact: Fact) -> tuple[str, ...]:
    """The agent keys of whoever assessed, by name or by signature."""
    signed = () if fact.signed_assessor is None else (fact.signed_assessor,)
    return (*fact.instructors, *signed)


def people_of(links: Iterable[Link], keys: Iterable[str]) -> list[UUID]:
    """Whom agent keys name, on any day, by links that nobody has taken back."""
    wanted = set(keys)
    return sorted(
        {link.person for link in links if link.key in wanted and link.period.retracted_ms is None}
    )


def _own(known: Known, known_at_ms: int) -> set[str]:
    """The person's agents, without those that only a later link makes theirs."""
    return {
        link.key
        for link in known.links
        if link.person == known.person and link.period.known(known_at_ms)
    }


def _facts(known: Known, versions: Sequence[Version], known_at_ms: int) -> tuple[Fact, ...]:
    """What the person was known to have done, every copy of it, and the voids of that."""
    stored = [fact for fact in known.facts if milliseconds_up(fact.stored) <= known_at_ms]
    own = _own(known, known_at_ms)
    acted = [fact for fact in stored if fact.voids is None]
    # One copy has to be both, as it has to be when evidence is read.
    ids = {
        fact.id
        for fact in acted
        if not own.isdisjoint(fact.actor_keys) and any(one.looks_at(fact) for one in versions)
    }
    kept = {
        (fact.id, fact.body_hash): fact for fact in stored if fact.id in ids or fact.voids in ids
    }
    return tuple(
        sorted(kept.values(), key=lambda one: (one.timestamp, one.id, one.place, one.body_hash))
    )


def _records(records: Iterable[Any], known_at_ms: int) -> list[Any]:
    """The records (of any kind, hence Any) that had been recorded, as they were known then."""
    found = []
    for one in records:
        period = getattr(one, "period", None)
        if not isinstance(period, Recorded):
            found.append(one)
        elif (period.recorded_ms or 0) <= known_at_ms:
            if (period.retracted_ms or 0) > known_at_ms:
                # Taken back later: nobody knew it then.
                one = dataclasses.replace(
                    one, period=dataclasses.replace(period, retracted_ms=None)
                )
            found.append(one)
    return found
