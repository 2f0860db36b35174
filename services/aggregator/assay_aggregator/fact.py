"""A fact: what the evaluator needs to know of one statement, and nothing else of it.

The statement itself is kept elsewhere as it was sent. A fact is small, frozen, and quick to write
and read as JSON. Fields are only ever added, each with a default, so that old rows stay readable.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import jiter
import msgspec

from assay_aggregator import sent
from assay_aggregator.sent import Sent
from assay_aggregator.vocabulary import (
    LAUNCH_MODE,
    MASTERY_SCORE,
    SESSION_ID,
    VOIDED,
    WAIVED_REASON,
    is_assessor,
)
from assay_schemas.agents import agent_key
from assay_schemas.xapi_types import parse_timestamp


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What the authenticated source and the log say about a statement (design.md, law 7)."""

    source: str
    stored: datetime
    body_hash: str
    modality: str | None = None
    vouches: bool = False
    learner_controlled: bool = False
    may_void: bool = False
    # The agent key of whose registered key verified the statement's signature.
    signed_assessor: str | None = None
    # The place in the log: (append time, partition, offset, index) decides which copy is first.
    append_ms: int = 0
    partition: int = 0
    offset: int = 0
    index: int = 0


class Score(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The numbers of a score, each as its own text."""

    scaled: str | None = None
    raw: str | None = None
    min: str | None = None
    max: str | None = None


class Fact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One statement as evidence. Instants are aware and in UTC, ids and registrations lower case.

    `actor` holds the key of the agent; of a group (`is_group`), its own key if it has one.
    `members` are the keys of a group's members. `instructors` are the keys of all who are named as
    assessors, by context.instructor or a contextAgents role; the members of a group one by one.
    `result_extensions` is the JSON text of that object.
    """

    id: str
    body_hash: str
    source: str
    stored: datetime
    timestamp: datetime
    verb: str
    actor: str | None = None
    is_group: bool = False
    members: tuple[str, ...] = ()
    instructors: tuple[str, ...] = ()
    modality: str | None = None
    vouches: bool = False
    learner_controlled: bool = False
    may_void: bool = False
    signed_assessor: str | None = None
    append_ms: int = 0
    partition: int = 0
    offset: int = 0
    index: int = 0
    activity: str | None = None
    activity_type: str | None = None
    grouping: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    parent: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    success: bool | None = None
    score: Score | None = None
    registration: str | None = None
    session: str | None = None
    launch_mode: str | None = None
    mastery_score: str | None = None
    waived_reason: str | None = None
    result_extensions: str | None = None
    voids: str | None = None

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Where it stands in the log; the smallest place of one id is *first*."""
        return (self.append_ms, self.partition, self.offset, self.index)

    @property
    def actor_keys(self) -> tuple[str, ...]:
        """Every key by which a person may be found as actor or as member of the acting group."""
        return self.members if self.actor is None else (self.actor, *self.members)


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Fact)
_NO_CONTEXT: Final = sent.Context()
_NO_RESULT: Final = sent.Result()
_NO_ACTIVITIES: Final = sent.ContextActivities()
_NO_SCORE: Final = sent.Score()
_extensions: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")


def encode_fact(fact: Fact) -> bytes:
    """The fact as JSON bytes."""
    return _encoder.encode(fact)


def decode_fact(data: bytes) -> Fact:
    """The fact of `encode_fact`. Raises msgspec.ValidationError for anything else."""
    return _decoder.decode(data)


def fact_of(statement: Sent, origin: Origin) -> Fact:
    """The fact of one accepted statement.

    Raises ValueError when its timestamp is no time from the years 1 to 9999.
    """
    verb, target, actor = statement.verb.id, statement.object, statement.actor
    context = statement.context or _NO_CONTEXT
    result = statement.result or _NO_RESULT
    activities = context.context_activities or _NO_ACTIVITIES
    registration, extensions = context.registration, context.extensions
    is_group = actor.get("objectType") == "Group"
    is_activity = target.object_type == "Activity"
    voids = verb == VOIDED and target.object_type == "StatementRef" and target.id is not None
    return Fact(
        id=statement.id.lower(),
        body_hash=origin.body_hash,
        source=origin.source,
        stored=origin.stored,
        timestamp=origin.stored
        if statement.timestamp is None
        else parse_timestamp(statement.timestamp),
        verb=verb,
        actor=agent_key(actor),
        is_group=is_group,
        members=_keys(actor.get("member") or ()) if is_group else (),
        instructors=_instructors(context),
        modality=origin.modality,
        vouches=origin.vouches,
        learner_controlled=origin.learner_controlled,
        may_void=origin.may_void,
        signed_assessor=origin.signed_assessor,
        append_ms=origin.append_ms,
        partition=origin.partition,
        offset=origin.offset,
        index=origin.index,
        activity=target.id if is_activity else None,
        activity_type=target.definition.type if is_activity and target.definition else None,
        grouping=_ids(activities.grouping),
        category=_ids(activities.category),
        parent=_ids(activities.parent),
        other=_ids(activities.other),
        success=result.success,
        score=_score(result.score),
        registration=None if registration is None else registration.lower(),
        session=_text(extensions.get(SESSION_ID)),
        launch_mode=_text(extensions.get(LAUNCH_MODE)),
        mastery_score=_text(extensions.get(MASTERY_SCORE)),
        waived_reason=_text(result.extensions.get(WAIVED_REASON)),
        result_extensions=_sorted(result.extensions) if result.extensions else None,
        voids=target.id.lower() if voids and target.id is not None else None,
    )


def _value(raw: msgspec.Raw) -> Any:  # any JSON, by the standard
    return jiter.from_json(bytes(raw), float_mode="decimal")


def _sorted(extensions: Mapping[str, msgspec.Raw]) -> str:
    return _extensions.encode({name: _value(raw) for name, raw in extensions.items()}).decode()


def _text(raw: msgspec.Raw | None) -> str | None:
    """An extension's value as text: of a number its own digits, of a structure its JSON."""
    if raw is None:
        return None
    value = _value(raw)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, Mapping, list)):
        return _extensions.encode(value).decode()
    return str(value)


def _score(score: sent.Score | None) -> Score | None:
    if score is None or score == _NO_SCORE:
        return None
    return Score(
        scaled=_number(score.scaled),
        raw=_number(score.raw),
        min=_number(score.min),
        max=_number(score.max),
    )


def _number(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _ids(activities: sent.Activities | None) -> tuple[str, ...]:
    if not activities:
        return ()
    if isinstance(activities, sent.Activity):
        return (activities.id,)
    if len(activities) == 1:
        return (activities[0].id,)
    return tuple(sorted({activity.id for activity in activities}))


def _keys(agents: Sequence[sent.Agent]) -> tuple[str, ...]:
    return tuple(sorted({key for agent in agents if (key := agent_key(agent)) is not None}))


def _instructors(context: sent.Context) -> tuple[str, ...]:
    named: list[sent.Agent] = []
    if context.instructor is not None:
        named.append(context.instructor)
    for entry in context.context_agents:
        if any(is_assessor(role) for role in entry.relevant_types):
            named.append(entry.agent)
    if not named:
        return ()
    agents = [*named, *(member for agent in named for member in agent.get("member") or ())]
    return _keys(agents)
