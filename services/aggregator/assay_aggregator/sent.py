"""Accepted statements, read as far as a fact needs them: everything else is skipped over.

Numbers are Decimal, so that each keeps its own digits: a float would round 0.79999999999999999999
to 0.8. Agents stay as they were sent, because `assay_schemas.agents` reads their identifiers.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

# An agent or group as sent; what it may hold is the specification's business.
Agent = dict[str, Any]


class Verb(msgspec.Struct, gc=False):
    id: str


class Definition(msgspec.Struct, gc=False):
    type: str | None = None


class Target(msgspec.Struct, gc=False, rename={"object_type": "objectType"}):
    """The object of a statement; a SubStatement has no id."""

    id: str | None = None
    object_type: str = "Activity"
    definition: Definition | None = None


class Score(msgspec.Struct, gc=False):
    scaled: Decimal | None = None
    raw: Decimal | None = None
    min: Decimal | None = None
    max: Decimal | None = None


class Result(msgspec.Struct, gc=False):
    success: bool | None = None
    score: Score | None = None
    extensions: dict[str, msgspec.Raw] = {}


class Activity(msgspec.Struct, gc=False):
    id: str


# xAPI 1.0.0 allowed one object in place of the list.
Activities = list[Activity] | Activity


class ContextActivities(msgspec.Struct, gc=False):
    parent: Activities | None = None
    grouping: Activities | None = None
    category: Activities | None = None
    other: Activities | None = None


class ContextAgent(msgspec.Struct, gc=False, rename={"relevant_types": "relevantTypes"}):
    agent: Agent
    relevant_types: list[str] = []


class Context(
    msgspec.Struct,
    gc=False,
    rename={"context_agents": "contextAgents", "context_activities": "contextActivities"},
):
    registration: str | None = None
    instructor: Agent | None = None
    context_agents: list[ContextAgent] = []
    context_activities: ContextActivities | None = None
    extensions: dict[str, msgspec.Raw] = {}


class Sent(msgspec.Struct, gc=False):
    """One statement that passed ingest's checks and has an id."""

    id: str
    actor: Agent
    verb: Verb
    object: Target
    result: Result | None = None
    context: Context | None = None
    timestamp: str | None = None


_statements: Final = msgspec.json.Decoder(list[Sent])
_statement: Final = msgspec.json.Decoder(Sent)
_encoder: Final = msgspec.json.Encoder(
    decimal_format="number", enc_hook=lambda number: msgspec.Raw(str(number).encode())
)


def read_statements(value: bytes) -> list[Sent]:
    """The statements of a record's value. Raises ValueError for what ingest never wrote."""
    return _statements.decode(value)


def as_sent(statement: Mapping[str, Any]) -> Sent:
    """A statement that is already parsed.

    Its numbers are int, Decimal, or objects whose str() is the number's text.
    """
    return _statement.decode(_encoder.encode(statement))
