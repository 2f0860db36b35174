"""Statements as they are answered: exact, canonical, or by their identifiers alone. Pure.

Source: xAPI 1.0.3 Communication 2.1.3 (`format`), Data 2.4.6.2 (contextActivities are answered as
arrays, whatever came); IEEE 9274.1.1 4.1.6.1 and 4.2.2.

Only the objects that change are opened; everything else keeps the bytes of its sender, so numbers
stay as they were written.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from assay_ingest.languages import Languages
from assay_schemas.xapi_types import parse_timestamp

Format = Literal["ids", "exact", "canonical"]
FORMATS: tuple[Format, ...] = ("ids", "exact", "canonical")

_Object = dict[str, msgspec.Raw]
_object = msgspec.json.Decoder(_Object)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode

_FRACTION = re.compile(r"[.,]([0-9]+)")
_IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")
_LISTS = ("parent", "grouping", "category", "other")
# Data 2.4.4.1, interaction activities: lists of components that each have a description.
_COMPONENTS = ("choices", "scale", "source", "target", "steps")
# The definitions that the store has merged, by the activity's IRI.
Definitions = Mapping[str, bytes]


def exact(raw: bytes, *, in_utc: bool = False) -> bytes:
    """The statement as it was received, but for contextActivities, which are always arrays.

    `in_utc` converts timestamps with another offset, as 2.0 has it (IEEE 9274.1.1 4.2.7).
    """
    top = _top.decode(raw)
    if in_utc and (_is_local(top.timestamp) or _is_local(top.object.timestamp)):
        timed = {"timestamp": _utc}
        raw = bytes(
            _changed(msgspec.Raw(raw), {**timed, "object": lambda one: _changed(one, timed)})
        )
    if any(bytes(one)[:1] == b"{" for one in _lists(top.context, top.object.context)):
        raw = _Walk(_same, _same, _same).statement(raw)
    return raw


def ids(raw: bytes) -> bytes:
    """The statement with no more of agents, groups, activities and verbs than identifies them."""
    return _Walk(_agent_id, _only_id, _activity_id).statement(raw)


def canonical(raw: bytes, languages: Languages, definitions: Definitions) -> bytes:
    """The statement with one language in each map of its verbs and activities.

    An activity has the definition of `definitions` where it is there, else its own.
    """

    def one_of(value: msgspec.Raw) -> msgspec.Raw:
        texts = _object.decode(value)
        if len(texts) < 2:
            return value
        tag = languages.choose(texts)
        return msgspec.Raw(_encode({tag: texts[tag]}))

    def verb(value: msgspec.Raw) -> msgspec.Raw:
        return _changed(value, {"display": one_of})

    def definition(value: msgspec.Raw) -> msgspec.Raw:
        def component(one: msgspec.Raw) -> msgspec.Raw:
            return _changed(one, {"description": one_of})

        lists = dict.fromkeys(_COMPONENTS, lambda many: _each(many, component))
        return _changed(value, {"name": one_of, "description": one_of, **lists})

    def activity(value: msgspec.Raw) -> msgspec.Raw:
        parts = _object.decode(value)
        known = definitions.get(_text.decode(parts["id"]))
        stated = parts.get("definition") if known is None else msgspec.Raw(known)
        if stated is None:
            return value
        parts["definition"] = definition(stated)
        return msgspec.Raw(_encode(parts))

    return _Walk(_same, verb, activity).statement(raw)


def activities_of(statements: Iterable[bytes]) -> set[str]:
    """The IRIs of all activities that stand in these statements."""
    found: set[str] = set()

    def activity(value: msgspec.Raw) -> msgspec.Raw:
        found.add(_text.decode(_object.decode(value)["id"]))
        return value

    walk = _Walk(_same, _same, activity)
    for raw in statements:
        walk.statement(raw)
    return found


_Change = Callable[[msgspec.Raw], msgspec.Raw]


class _Walk:
    """Opens a statement and puts what `agent`, `verb` and `activity` make in place of each."""

    def __init__(self, agent: _Change, verb: _Change, activity: _Change) -> None:
        self._agent = agent
        self._verb = verb
        self._activity = activity

    def statement(self, raw: bytes) -> bytes:
        return bytes(self._part(msgspec.Raw(raw)))

    def _part(self, value: msgspec.Raw) -> msgspec.Raw:
        """A statement or a SubStatement."""
        return _changed(
            value,
            {
                "actor": self._agent,
                "verb": self._verb,
                "object": self._target,
                "context": self._context,
                "authority": self._agent,
            },
        )

    def _target(self, value: msgspec.Raw) -> msgspec.Raw:
        kind = _kind(_object.decode(value))
        if kind == "SubStatement":
            return self._part(value)
        if kind == "StatementRef":
            return value
        if kind in ("Agent", "Group"):
            return self._agent(value)
        return self._activity(value)

    def _context(self, value: msgspec.Raw) -> msgspec.Raw:
        return _changed(
            value,
            {
                "instructor": self._agent,
                "team": self._agent,
                "contextActivities": self._context_activities,
                "contextAgents": lambda many: _each(
                    many, lambda one: _changed(one, {"agent": self._agent})
                ),
                "contextGroups": lambda many: _each(
                    many, lambda one: _changed(one, {"group": self._agent})
                ),
            },
        )

    def _context_activities(self, value: msgspec.Raw) -> msgspec.Raw:
        return _changed(value, dict.fromkeys(_LISTS, self._activities))

    def _activities(self, value: msgspec.Raw) -> msgspec.Raw:
        if bytes(value)[:1] == b"{":
            return msgspec.Raw(_encode([self._activity(value)]))
        return _each(value, self._activity)


def _same(value: msgspec.Raw) -> msgspec.Raw:
    return value


def _changed(value: msgspec.Raw, changes: Mapping[str, _Change]) -> msgspec.Raw:
    """An object whose properties named in `changes` are changed; the same bytes if none is."""
    parts = _object.decode(value)
    is_changed = False
    for name, change in changes.items():
        before = parts.get(name)
        if before is not None:
            parts[name] = change(before)
            is_changed = is_changed or parts[name] is not before
    return msgspec.Raw(_encode(parts)) if is_changed else value


def _each(value: msgspec.Raw, change: _Change) -> msgspec.Raw:
    before = _list.decode(value)
    after = [change(one) for one in before]
    if all(one is other for one, other in zip(before, after, strict=True)):
        return value
    return msgspec.Raw(_encode(after))


def _kind(parts: _Object) -> str:
    kind = parts.get("objectType")
    return "Activity" if kind is None else _text.decode(kind)


def _only_id(value: msgspec.Raw) -> msgspec.Raw:
    parts = _object.decode(value)
    return msgspec.Raw(_encode({"id": parts["id"]}))


_activity_id = _only_id


def _agent_id(value: msgspec.Raw) -> msgspec.Raw:
    """An agent or group by its identifier; an anonymous group by those of its members.

    `objectType` stays where it was sent: it tells a group from an agent, and an agent that is an
    object from an activity.
    """
    parts = _object.decode(value)
    kept = {name: parts[name] for name in ("objectType", *_IDENTIFIERS) if name in parts}
    if kept.keys().isdisjoint(_IDENTIFIERS) and "member" in parts:
        kept["member"] = _each(parts["member"], _agent_id)
    return msgspec.Raw(_encode(kept))


class _Activities(msgspec.Struct):
    parent: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    grouping: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    category: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    other: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Context(msgspec.Struct):
    activities: _Activities | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name="contextActivities"
    )


class _Sub(msgspec.Struct):
    timestamp: str | msgspec.UnsetType = msgspec.UNSET
    context: _Context | msgspec.UnsetType = msgspec.UNSET


class _Top(msgspec.Struct):
    """What `exact` may have to change; everything else is skipped over."""

    object: _Sub
    timestamp: str | msgspec.UnsetType = msgspec.UNSET
    context: _Context | msgspec.UnsetType = msgspec.UNSET


_top = msgspec.json.Decoder(_Top)


def _is_local(timestamp: str | msgspec.UnsetType) -> bool:
    return timestamp is not msgspec.UNSET and timestamp[-1] not in "Zz"


def _utc(value: msgspec.Raw) -> msgspec.Raw:
    """A timestamp in UTC, with the fraction of a second as it was written."""
    text = _text.decode(value)
    if not _is_local(text):
        return value
    moment = parse_timestamp(text).replace(microsecond=0, tzinfo=None)
    fraction = _FRACTION.search(text)
    digits = "" if fraction is None else f".{fraction[1]}"
    return msgspec.Raw(_encode(f"{moment.isoformat()}{digits}Z"))


def _lists(*contexts: _Context | msgspec.UnsetType) -> Iterator[msgspec.Raw]:
    for context in contexts:
        if context is msgspec.UNSET or context.activities is msgspec.UNSET:
            continue
        found = context.activities
        for one in (found.parent, found.grouping, found.category, found.other):
            if one is not msgspec.UNSET:
                yield one
