"""What the projections index of a statement: identifiers, references and times, pulled out once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from assay_schemas.agents import agent_key
from assay_schemas.xapi_types import VOIDED_VERB, parse_timestamp


class StatementTerms(msgspec.Struct, frozen=True, gc=False):
    """The terms of one checked statement.

    `actor_key` is the actor's own key (None for an anonymous group), `member_keys` those of its
    members when it is a group; `object_agent_keys` are those of an object that is an Agent or a
    Group, its own first, then its members'. All keys are of `agents.agent_key`. `activity_id` is
    set when the object is an Activity, `statement_ref` when it is a StatementRef, and `voids` when
    that reference voids. `timestamp` is in UTC, None when the sender gave none: it is then the time
    of storing. Nothing is taken from inside a SubStatement.
    """

    actor_key: str | None
    member_keys: tuple[str, ...]
    verb_id: str
    activity_id: str | None
    object_agent_keys: tuple[str, ...]
    statement_ref: UUID | None
    voids: UUID | None
    registration: UUID | None
    timestamp: datetime | None

    @property
    def actor_keys(self) -> tuple[str, ...]:
        """The keys by which a filter on the agent finds the statement as its actor."""
        return self.member_keys if self.actor_key is None else (self.actor_key, *self.member_keys)


def statement_terms(document: Mapping[str, Any]) -> StatementTerms:
    """The terms of `document`, a statement that `check_statements` has accepted."""
    actor = document["actor"]
    verb_id = document["verb"]["id"]
    target = document["object"]
    kind = target.get("objectType", "Activity")
    statement_ref = UUID(target["id"]) if kind == "StatementRef" else None
    agents: tuple[str, ...] = ()
    if kind in ("Agent", "Group"):
        own = agent_key(target)
        agents = member_keys(target) if own is None else (own, *member_keys(target))
    registration = document["context"].get("registration") if "context" in document else None
    timestamp = document.get("timestamp")
    return StatementTerms(
        agent_key(actor),
        member_keys(actor) if "member" in actor else (),
        verb_id,
        target["id"] if kind == "Activity" else None,
        agents,
        statement_ref,
        statement_ref if verb_id == VOIDED_VERB else None,
        None if registration is None else UUID(registration),
        None if timestamp is None else parse_timestamp(timestamp),
    )


def member_keys(group: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a group's members in the order sent, each once; none for an agent."""
    keys = (agent_key(member) for member in group.get("member", ()))
    return tuple(dict.fromkeys(key for key in keys if key is not None))
