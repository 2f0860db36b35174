"""What makes a valid statement invalid: one change at one place, and the rule that it breaks.

    for broken in mutations_of(statement, "2.0.0"): ...

`places_of` knows what each value of a valid statement is (an IRI, an agent, a score ...), by tables
of its own and not by those of the product; `MUTATIONS` holds what spoils each kind of value.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from assay_schemas.statement import Version

Path = tuple[str | int, ...]
IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")
LISTS = ("choices", "scale", "source", "target", "steps")
VOIDED = "http://adlnet.gov/expapi/verbs/voided"

# What stands in each property. "[x]" is a list of x.
_AGENT = {
    "name": "text", "mbox": "mbox", "mbox_sha1sum": "sha1", "openid": "iri", "account": "account",
}  # fmt: skip
_BODY = {
    "actor": "actor", "verb": "verb", "object": "object", "result": "result", "context": "context",
    "timestamp": "timestamp", "attachments": "[attachment]",
}  # fmt: skip
_SHAPES: dict[str, dict[str, str]] = {
    "statement": {
        **_BODY, "id": "uuid", "stored": "timestamp", "version": "version",
        "authority": "authority",
    },
    "SubStatement": _BODY,
    "Agent": _AGENT,
    "Group": {**_AGENT, "member": "[Agent]"},
    "account": {"homePage": "iri", "name": "account name"},
    "verb": {"id": "iri", "display": "language map"},
    "Activity": {"id": "iri", "definition": "definition"},
    "StatementRef": {"id": "uuid"},
    "definition": {
        "name": "language map", "description": "language map", "type": "iri", "moreInfo": "iri",
        "extensions": "extensions", "interactionType": "choice",
        "correctResponsesPattern": "[text]", **dict.fromkeys(LISTS, "[component]"),
    },
    "component": {"id": "text", "description": "language map"},
    "result": {
        "score": "score", "success": "flag", "completion": "flag", "response": "text",
        "duration": "duration", "extensions": "extensions",
    },
    "score": dict.fromkeys(("scaled", "raw", "min", "max"), "number"),
    "context": {
        "registration": "uuid", "instructor": "actor", "team": "Group", "revision": "text",
        "contextActivities": "context activities", "platform": "text", "language": "language tag",
        "statement": "StatementRef", "extensions": "extensions",
        "contextAgents": "[contextAgent]", "contextGroups": "[contextGroup]",
    },
    "context activities": dict.fromkeys(("parent", "grouping", "category", "other"), "activities"),
    "contextAgent": {"agent": "Agent", "relevantTypes": "[iri]"},
    "contextGroup": {"group": "Group", "relevantTypes": "[iri]"},
    "attachment": {
        "usageType": "iri", "display": "language map", "description": "language map",
        "contentType": "media type", "length": "octets", "sha2": "sha2", "fileUrl": "iri",
    },
}  # fmt: skip
_CHOSEN_BY_TYPE = {"actor": "Agent", "authority": "Agent", "object": "Activity"}


@dataclass(frozen=True)
class Place:
    """A value of a statement: where it stands and what it is."""

    path: Path
    kind: str
    value: Any


def places_of(value: Any, kind: str = "statement", path: Path = ()) -> Iterator[Place]:
    """Every value of a valid statement that has a kind, from outside to inside."""
    if kind == "activities":
        kind = "Activity" if isinstance(value, dict) else "[Activity]"
    yield Place(path, kind, value)
    if kind in _CHOSEN_BY_TYPE:
        yield from places_of(value, value.get("objectType", _CHOSEN_BY_TYPE[kind]), path)
    elif kind.startswith("["):
        for index, item in enumerate(value):
            yield from places_of(item, kind[1:-1], (*path, index))
    else:
        for name, part in _SHAPES.get(kind, {}).items():
            if name in value:
                yield from places_of(value[name], part, (*path, name))


@dataclass(frozen=True)
class Mutation:
    """A change of a value of some kind. `change` gets a copy and gives the new value.

    `rule` is broken at the place itself, or at `at` below it.
    """

    kind: str
    name: str
    rule: str
    change: Callable[[Any], Any]
    at: Path = ()
    when: Callable[[Any], bool] = lambda _: True
    versions: tuple[Version, ...] = ("1.0.3", "2.0.0")


def _put(**properties: Any) -> Callable[[Any], Any]:
    return lambda value: {**value, **properties}


def _drop(*names: str) -> Callable[[Any], Any]:
    return lambda value: {name: part for name, part in value.items() if name not in names}


def _to(new: Any) -> Callable[[Any], Any]:
    return lambda _: copy.deepcopy(new)


def _values(kind: str, rule: str, *new: Any) -> list[Mutation]:
    return [Mutation(kind, f"{kind} {value!r:.40}", rule, _to(value)) for value in new]


def _lacks(kind: str, *names: str) -> list[Mutation]:
    return [
        Mutation(
            kind, f"{kind} without {name}", "missing-property", _drop(name), (name,),
            lambda value, name=name: name in value,  # type: ignore[misc]
        )
        for name in names
    ]  # fmt: skip


def _relations_of_statement(kind: str) -> list[Mutation]:
    agent = {"objectType": "Agent", "mbox": "mailto:a@example.org"}
    return [
        Mutation(
            kind, f"{kind} voids what is no StatementRef", "voiding-object",
            lambda value: {**value, "verb": {"id": VOIDED}}, ("object",),
            lambda value: value["object"].get("objectType") != "StatementRef",
        ),
        *(
            Mutation(
                kind, f"{kind} with a {name} for what is no Activity", "activity-object-only",
                _put(object=agent, context={name: "1"}),
                ("context", name), lambda value: value["verb"]["id"] != VOIDED,
            )
            for name in ("platform", "revision")
        ),
    ]  # fmt: skip


_OTHER_PERSON = {"mbox": "mailto:other@example.org"}
_OBJECTS = (
    "statement", "SubStatement", "Agent", "Group", "account", "verb", "Activity", "StatementRef",
    "definition", "component", "result", "score", "context", "context activities", "contextAgent",
    "contextGroup", "attachment",
)  # fmt: skip

MUTATIONS: tuple[Mutation, ...] = (
    # Formats.
    *_values("iri", "iri-format", "example", "example.org/x", "http://a b", "", "//x", "1a:b",
             "http://a/<b>", "http://a/%zz", "a:", "é:x"),
    *_values("uuid", "uuid-format", "6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a1", "",
             "{6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10}", "6f1b6c4e1f0c4f3e9a2b0d6f4c6f7a10",
             "g f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10"),
    *_values("timestamp", "timestamp-format", "yesterday", "2026-03-04", "2026-13-04T00:00:00Z",
             "2026-03-04T10:15:30-00:00", "2026-03-04T10:15:30-0000", "2026-02-30T00:00:00Z",
             "2026-03-04T25:00:00Z", "2026-03-04T10:15:30+01:00Z", "", "1772619330",
             "2026-03-04T10", "2026-03-04T10Z", "2026-03-04T10:15:30.Z", "2026-03-04T10:15:30.5 Z"),
    *_values("duration", "duration-format", "P", "PT", "P4W1D", "1 hour", "PT1.5H30M", "P1H", "",
             "-PT1H", "PT1", "P1Y2W", "p1d", "PT1S1M"),
    *_values("mbox", "mbox-format", "a@example.org", "mailto:a", "mailto:a b@example.org", "",
             "mailto:a@b@example.org", "MAILTO:a@example.org", "mailto:a@example.org "),
    *_values("sha1", "mbox-sha1sum-format", "ab" * 19, "zz" * 20, "", "ab" * 21),
    *_values("sha2", "sha2-format", "ab" * 20, "z" * 64, "", "ab" * 31),
    *_values("media type", "media-type-format", "text", "", "text/", "text/a b", "text/plain;x"),
    *_values("language tag", "language-tag-format", "", "e", "en_GB", "en-", "english language"),
    *_values("version", "version-format", "3.0.0", "1.1", "", "1", "v1.0.3", "0.9"),
    Mutation("version", "version 2.0.0", "version-format", _to("2.0.0"), versions=("1.0.3",)),
    *_values("choice", "enumerated-value", "Choice", "", "multiple-choice"),
    *_values("octets", "attachment-length-range", -1),
    *_values("octets", "wrong-type", 1.5, 27.0, "27", True),
    *_values("account name", "account-name-empty", ""),
    *_values("number", "score-number", "0.5", True, [], {}),
    # Types.
    *[m for kind in ("iri", "uuid", "timestamp", "duration", "mbox", "sha1", "sha2", "media type",
                     "language tag", "version", "choice", "account name", "text", "flag", "number",
                     "octets", "language map", "extensions", "[text]", "[Agent]", "[attachment]",
                     "[component]", "[Activity]", "[iri]", "[contextAgent]",
                     *(one for one in _OBJECTS if one != "statement"))
      for m in _values(kind, "null-value", None)],
    *[m for kind in ("iri", "uuid", "timestamp", "duration", "mbox", "text", "account name")
      for m in _values(kind, "wrong-type", 5, ["a"], {})],
    *_values("flag", "wrong-type", "true", 1, 0),
    *[m for kind in ("result", "context", "score", "verb", "definition", "account", "attachment",
                     "component", "context activities", "language map", "extensions")
      for m in _values(kind, "wrong-type", "text", 5, [])],
    *[m for kind in ("[Agent]", "[attachment]", "[component]", "[text]")
      for m in _values(kind, "wrong-type", {}, "text")],
    # Properties.
    *[Mutation(kind, f"{kind} with an unknown property", "unknown-property",
               _put(extra="x"), ("extra",)) for kind in _OBJECTS],
    *_lacks("statement", "actor", "verb", "object"),
    *_lacks("SubStatement", "actor", "verb", "object"),
    *_lacks("verb", "id"),
    *_lacks("Activity", "id"),
    *_lacks("StatementRef", "id"),
    *_lacks("account", "homePage", "name"),
    *_lacks("component", "id"),
    *_lacks("attachment", "usageType", "display", "contentType", "length", "sha2"),
    *_lacks("contextAgent", "objectType", "agent"),
    *_lacks("contextGroup", "objectType", "group"),
    # Maps.
    Mutation("language map", "language map with a bad tag", "language-tag-format",
             _put(en_GB="x"), ("en_GB",)),
    Mutation("language map", "language map with a number", "wrong-type", _put(en=5), ("en",)),
    Mutation("language map", "language map with null", "null-value", _put(en=None), ("en",)),
    Mutation("extensions", "extensions with a bad key", "iri-format", _put(key="x"), ("key",)),
    # Agents and groups.
    Mutation("Agent", "Agent without identifier", "agent-one-identifier", _drop(*IDENTIFIERS)),
    Mutation("Agent", "Agent with two identifiers", "agent-one-identifier",
             lambda value: {"openid": "https://a.example/x", **_OTHER_PERSON, **value}),
    Mutation("Agent", "Agent with members", "unknown-property", _put(member=[]), ("member",)),
    Mutation("Group", "Group without identifier or members", "anonymous-group-members",
             _drop(*IDENTIFIERS, "member"), ("member",)),
    Mutation("Group", "Group without identifier, with no member", "anonymous-group-members",
             lambda value: {**_drop(*IDENTIFIERS)(value), "member": []}, ("member",)),
    Mutation("Group", "Group with two identifiers", "group-one-identifier",
             lambda value: {"openid": "https://a.example/x", **_OTHER_PERSON, **value}),
    Mutation("Group", "Group within a group", "enumerated-value",
             _put(member=[{"objectType": "Group", **_OTHER_PERSON}]), ("member", 0, "objectType")),
    Mutation("actor", "actor of an unknown type", "object-type", _put(objectType="agent")),
    Mutation("actor", "actor that is an Activity", "object-type",
             _to({"objectType": "Activity", "id": "https://a.example/x"})),
    Mutation("actor", "actor that is no object", "wrong-type", _to(["a"])),
    Mutation("object", "object of an unknown type", "object-type", _put(objectType="activity")),
    Mutation("object", "object whose type is no text", "object-type", _put(objectType=5)),
    Mutation("object", "object that is no object", "wrong-type", _to(["a"])),
    Mutation("authority", "authority of three", "authority-group",
             _to({"objectType": "Group", "member": [_OTHER_PERSON] * 3})),
    Mutation("authority", "authority that is an identified group", "authority-group",
             _to({"objectType": "Group", **_OTHER_PERSON, "member": [_OTHER_PERSON] * 2})),
    # Interactions.
    Mutation("definition", "responses without interactionType", "interaction-type-required",
             lambda value: {**_drop("interactionType")(value), "correctResponsesPattern": []},
             ("correctResponsesPattern",), lambda value: not any(map(value.get, LISTS))
             and not any(name in value for name in LISTS)),
    Mutation("definition", "components without interactionType", "interaction-type-required",
             lambda value: {**_drop("interactionType", *LISTS)(value), "scale": []}, ("scale",)),
    Mutation("definition", "components of another interactionType", "interaction-components",
             lambda value: {**_drop(*LISTS)(value), "interactionType": "likert", "steps": []},
             ("steps",)),
    Mutation("definition", "a component's id twice", "component-ids-distinct",
             lambda value: {**_drop(*LISTS)(value), "interactionType": "choice",
                            "choices": [{"id": "a"}, {"id": "a"}]}, ("choices", 1, "id")),
    # Results.
    Mutation("score", "scaled above 1", "score-scaled-range", _put(scaled=1.01), ("scaled",)),
    Mutation("score", "scaled below -1", "score-scaled-range", _put(scaled=-2), ("scaled",)),
    Mutation("score", "min above max", "score-min-max", _put(min=2, max=1), ("min",)),
    Mutation("score", "min that is max", "score-min-max", _put(min=1, max=1), ("min",)),
    Mutation("score", "raw below min", "score-raw-range",
             lambda value: {**_drop("max")(value), "min": 2, "raw": 1}, ("raw",)),
    Mutation("score", "raw above max", "score-raw-range",
             lambda value: {**_drop("min")(value), "max": 1, "raw": 2}, ("raw",)),
    # Statements.
    *_relations_of_statement("statement"),
    *_relations_of_statement("SubStatement"),
    Mutation("statement", "property in another case", "unknown-property",
             lambda value: {**_drop("verb")(value), "Verb": value["verb"]}, ("Verb",)),
    *[Mutation("SubStatement", f"SubStatement with {name}", "unknown-property",
               _put(**{name: value}), (name,))
      for name, value in {"id": "6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10", "version": "1.0.3",
                          "stored": "2026-03-04T10:15:30Z", "authority": _OTHER_PERSON}.items()],
    Mutation("SubStatement", "SubStatement within a SubStatement", "object-type",
             lambda value: {**value, "object": value}, ("object",)),
    # Context and attachments.
    Mutation("context", "contextAgents before 2.0", "unknown-property", _put(contextAgents=[]),
             ("contextAgents",), versions=("1.0.3",)),
    Mutation("contextAgent", "no relevant type", "relevant-types-empty", _put(relevantTypes=[]),
             ("relevantTypes",)),
    Mutation("contextGroup", "contextGroup of another type", "enumerated-value",
             _put(objectType="contextAgent"), ("objectType",)),
    Mutation("attachment", "signature of another media type", "signature-content-type",
             _put(usageType="http://adlnet.gov/expapi/attachments/signature",
                  contentType="text/plain"), ("contentType",)),
)  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """A valid statement that one mutation makes invalid; it is made when it is asked for."""

    mutation: Mutation
    statement: Any
    place: Place

    @property
    def path(self) -> Path:
        """Where the rule is broken."""
        return self.place.path + self.mutation.at

    @property
    def document(self) -> Any:
        changed = self.mutation.change(copy.deepcopy(self.place.value))
        return _replaced(self.statement, self.place.path, changed)


def mutations_of(statement: Any, version: Version) -> Iterator[Broken]:
    """Every mutation at every place of a valid `statement` that it can spoil."""
    for place in places_of(statement):
        for mutation in _BY_KIND.get(place.kind, ()):
            if version in mutation.versions and mutation.when(place.value):
                yield Broken(mutation, statement, place)


_BY_KIND: dict[str, list[Mutation]] = {}
for _one in MUTATIONS:
    _BY_KIND.setdefault(_one.kind, []).append(_one)


def _replaced(document: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    result = copy.deepcopy(document)
    inner = result
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = new
    return result
