"""What the projections index of a statement: identifiers, references and times, pulled out once.

A recorded statement is read by a typed decoder that skips over everything that is not indexed. It
has passed `check_statements`, so nothing is checked again.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from assay_schemas.agents import authority_key
from assay_schemas.xapi_types import VOIDED_VERB, parse_timestamp


class StatementTerms(msgspec.Struct, frozen=True, gc=False):
    """The terms of one checked statement.

    `actor_key` is the actor's own key (None for an anonymous group), `member_keys` those of its
    members when it is a group; `object_agent_keys` are those of an object that is an Agent or a
    Group, its own first, then its members'. All keys are of `agents.agent_key`. `activity_id` is
    set when the object is an Activity, `statement_ref` when it is a StatementRef, and `voids` when
    that reference voids. `timestamp` is in UTC, None when the sender gave none: it is then the time
    of storing. `authority` is the key of `agents.authority_key`, empty where there is none.

    Beyond these, `related_agent_keys` and `related_activity_ids` are what the filters
    `related_agents` and `related_activities` find in addition (1.0.3 Communication 2.1.3, IEEE
    9274.1.1 4.1.6.1): context and SubStatement, and the members of an authority that is a group.
    `attachments` are the SHA-2 of all attachments in lower case; `definitions` are pairs of an
    activity's id and the JSON of its definition; `names` pairs of an agent's key and a name of it.
    """

    id: UUID | None
    actor_key: str | None
    member_keys: tuple[str, ...]
    verb_id: str
    activity_id: str | None
    object_agent_keys: tuple[str, ...]
    statement_ref: UUID | None
    voids: UUID | None
    registration: UUID | None
    timestamp: datetime | None
    authority: str
    related_agent_keys: tuple[str, ...] = ()
    related_activity_ids: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    definitions: tuple[tuple[str, bytes], ...] = ()
    names: tuple[tuple[str, str], ...] = ()

    @property
    def actor_keys(self) -> tuple[str, ...]:
        """The keys by which a filter on the agent finds the statement as its actor."""
        return self.member_keys if self.actor_key is None else (self.actor_key, *self.member_keys)


# Stands for a definition that is not there; it is empty, and so it is false.
_NONE = msgspec.Raw()


class _Account(msgspec.Struct, gc=False):
    homePage: str
    name: str


class _Agent(msgspec.Struct, gc=False):
    """An Agent or a Group; a member is an Agent."""

    mbox: str | None = None
    mbox_sha1sum: str | None = None
    openid: str | None = None
    account: _Account | None = None
    name: str | None = None
    member: "list[_Agent] | None" = None

    def key(self) -> str | None:
        """As `agents.agent_key`; a test compares them."""
        account = self.account
        if account is not None:
            return f"account:{account.homePage} {account.name}"
        if self.mbox is not None:
            return f"mbox:{self.mbox}"
        if self.mbox_sha1sum is not None:
            return f"mbox_sha1sum:{self.mbox_sha1sum.lower()}"
        return None if self.openid is None else f"openid:{self.openid}"


class _Activity(msgspec.Struct, gc=False):
    id: str
    definition: msgspec.Raw = _NONE


_Activities = list[_Activity] | _Activity | None


class _ContextActivities(msgspec.Struct, gc=False):
    parent: _Activities = None
    grouping: _Activities = None
    category: _Activities = None
    other: _Activities = None


class _ContextAgent(msgspec.Struct, gc=False):
    agent: _Agent


class _ContextGroup(msgspec.Struct, gc=False):
    group: _Agent


class _Context(msgspec.Struct, gc=False):
    registration: UUID | None = None
    instructor: _Agent | None = None
    team: _Agent | None = None
    contextActivities: _ContextActivities | None = None
    contextAgents: list[_ContextAgent] | None = None
    contextGroups: list[_ContextGroup] | None = None


class _Attachment(msgspec.Struct, gc=False):
    sha2: str


class _Verb(msgspec.Struct, gc=False):
    id: str


class _Target(_Agent, gc=False):
    """Any object of a statement, a SubStatement with its parts among them."""

    objectType: str = "Activity"
    id: str = ""
    definition: msgspec.Raw = _NONE
    actor: _Agent | None = None
    object: "_Target | None" = None
    context: _Context | None = None
    attachments: list[_Attachment] | None = None


class _Statement(msgspec.Struct, gc=False):
    actor: _Agent
    verb: _Verb
    object: _Target
    id: UUID | None = None
    context: _Context | None = None
    authority: _Agent | None = None
    timestamp: str | None = None
    attachments: list[_Attachment] | None = None


_decoder = msgspec.json.Decoder(_Statement)


def statement_terms(raw: bytes | msgspec.Raw) -> StatementTerms:
    """The terms of a statement that `check_statements` has accepted.

    Raises msgspec.MsgspecError for anything that is no statement.
    """
    one = _decoder.decode(raw)
    actor, target, context = one.actor, one.object, one.context
    kind = target.objectType
    verb_id = one.verb.id
    actor_key = actor.key()
    members = _member_keys(actor) if actor.member else ()
    activity_id: str | None = None
    statement_ref: UUID | None = None
    object_keys: tuple[str, ...] = ()
    inner: _Target | None = None
    if kind == "Activity":
        activity_id = target.id
    elif kind == "StatementRef":
        statement_ref = UUID(target.id)
    elif kind == "SubStatement":
        inner = target
    else:
        object_keys = tuple(_keys(target))
    authority = one.authority
    authority_members = _member_keys(authority) if authority and authority.member else ()
    registration = None if context is None else context.registration
    related_agents: tuple[str, ...] = ()
    related_activities: tuple[str, ...] = ()
    agents = _related_agents(context, inner)
    if agents or authority_members:
        found = dict.fromkeys(key for agent in agents for key in _keys(agent))
        found |= dict.fromkeys(authority_members)
        direct = {actor_key, *members, *object_keys}
        related_agents = tuple(key for key in found if key not in direct)
    activities = _context_activities(context)
    if inner is not None:
        if inner.object is not None and inner.object.objectType == "Activity":
            activities.append(_Activity(inner.object.id, inner.object.definition))
        activities += _context_activities(inner.context)
    definitions: tuple[tuple[str, bytes], ...] = ()
    if activities:
        ids = {each.id: None for each in activities}
        if activity_id is not None:
            ids.pop(activity_id, None)
        related_activities = tuple(ids)
        definitions = tuple(
            [(each.id, bytes(each.definition)) for each in activities if each.definition]
        )
    if activity_id is not None and target.definition:
        definitions = ((activity_id, bytes(target.definition)), *definitions)
    agents.append(actor)
    if object_keys:
        agents.append(target)
    if authority is not None:
        agents.append(authority)
    return StatementTerms(
        one.id,
        actor_key,
        members,
        verb_id,
        activity_id,
        object_keys,
        statement_ref,
        statement_ref if verb_id == VOIDED_VERB else None,
        registration,
        None if one.timestamp is None else parse_timestamp(one.timestamp),
        "" if authority is None else authority_key(authority.key(), authority_members),
        related_agents,
        related_activities,
        _attachments(one) if one.attachments is not None or inner is not None else (),
        definitions,
        _names(agents),
    )


def _keys(agent: _Agent) -> Iterator[str]:
    """An agent's own key, and those of its members."""
    own = agent.key()
    if own is not None:
        yield own
    if agent.member:
        yield from _member_keys(agent)


def _member_keys(group: _Agent) -> tuple[str, ...]:
    """The keys of a group's members in the order sent, each once."""
    keys = (member.key() for member in group.member or ())
    return tuple(dict.fromkeys(key for key in keys if key is not None))


def _related_agents(context: _Context | None, inner: _Target | None) -> list[_Agent]:
    """Agents and groups beside actor and object, and all of a SubStatement."""
    found: list[_Agent] = []
    if context is not None:
        if context.instructor is not None:
            found.append(context.instructor)
        if context.team is not None:
            found.append(context.team)
        if context.contextAgents is not None:
            found += [one.agent for one in context.contextAgents]
        if context.contextGroups is not None:
            found += [one.group for one in context.contextGroups]
    if inner is not None:
        if inner.actor is not None:
            found.append(inner.actor)
        if inner.object is not None and inner.object.objectType in ("Agent", "Group"):
            found.append(inner.object)
        found += _related_agents(inner.context, None)
    return found


def _context_activities(context: _Context | None) -> list[_Activity]:
    found: list[_Activity] = []
    if context is not None and context.contextActivities is not None:
        groups = context.contextActivities
        for some in (groups.parent, groups.grouping, groups.category, groups.other):
            if isinstance(some, list):
                found += some
            elif some is not None:
                found.append(some)
    return found


def _attachments(one: _Statement) -> tuple[str, ...]:
    listed = [*(one.attachments or ()), *(one.object.attachments or ())]
    return tuple(dict.fromkeys(each.sha2.lower() for each in listed))


def _names(agents: list[_Agent]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for agent in agents:
        if agent.name is None and not agent.member:
            continue
        for one in (agent, *(agent.member or ())):
            key = one.key()
            if one.name is not None and key is not None:
                found.append((key, one.name))
    return tuple(found)
