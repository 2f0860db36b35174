"""When two statements are the same statement: one hash, equal exactly when they are.

xAPI 1.0.3 Data 2.3.1 ("Statement Immutability" and "Statement Comparison Requirements"; IEEE
9274.1.1 4.2.3 says the same in other words) lists what a record store may set or send back
differently. Those differences must be ignored, all others must not. The choices:

- id, authority, stored, version: not compared (2.3.1, "assignments during LRS processing").
- timestamp: compared as an instant, cut to milliseconds (2.3.1 "serialization of timestamp data",
  4.5 "at least milliseconds"). Absent is the same as absent only: two statements that say when it
  happened differ when they say different times.
- Definitions of activities and display of verbs: not compared (2.3.1).
- Members of a group: compared as a bag (2.3.1 "un-ordered lists"). Attachments, too, are compared
  in any order, as the multipart form does not tie them to one.
- A context activity alone is the same as a list of that one (2.4.6.2: the answer is always a list).
- objectType Agent of an actor and Activity of an object: the same when absent (2.4.2.1, 2.4.4).
- UUIDs, hexadecimal hashes, language tags, "mailto:" domains: compared in lower case (2.3.1 "case
  sensitivity", RFC 4122 3, RFC 5646 2.1.1).
- Numbers: by value, whatever their text (0.80, 8e-1), exactly (0.8 is not 0.79999999999999999999).
  JSON knows no difference between 1 and 1.0.
- duration: a string (2.3.1), without precision beyond 0.01 s (4.6).
"""

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from assay_schemas.xapi_types import comparable_duration, parse_timestamp

_encode = msgspec.json.Encoder(order="deterministic").encode

# Whole numbers of up to so many digits are written plainly; others, by digits and exponent.
_PLAIN_DIGITS = 18
_PLAIN_INTEGER_LIMIT = 10**_PLAIN_DIGITS


def comparison_hash(document: Mapping[str, Any]) -> bytes:
    """SHA-256 (32 bytes) of the comparison form of a checked statement, as parsed by `jsontext`."""
    return hashlib.sha256(_encode(_statement_form(document))).digest()


def _statement_form(statement: Mapping[str, Any]) -> list[Any]:
    timestamp = statement.get("timestamp")
    result = statement.get("result")
    context = statement.get("context")
    attachments = statement.get("attachments")
    return [
        _actor_form(statement["actor"]),
        statement["verb"]["id"],
        _object_form(statement["object"]),
        None if result is None else _result_form(result),
        None if context is None else _context_form(context),
        None if timestamp is None else parse_timestamp(timestamp).isoformat(" ", "milliseconds"),
        None if attachments is None else _bag([_attachment_form(one) for one in attachments]),
    ]


def _bag(forms: list[Any]) -> list[msgspec.Raw]:
    return [msgspec.Raw(text) for text in sorted(map(_encode, forms))]


def _actor_form(actor: Mapping[str, Any]) -> dict[str, Any]:
    form = dict(actor)
    if form.get("objectType") == "Agent":
        del form["objectType"]
    mbox = actor.get("mbox")
    if mbox is not None:
        user, _, domain = mbox.rpartition("@")
        form["mbox"] = f"{user}@{domain.lower()}"
    if "mbox_sha1sum" in actor:
        form["mbox_sha1sum"] = actor["mbox_sha1sum"].lower()
    if "member" in actor:
        form["member"] = _bag([_actor_form(member) for member in actor["member"]])
    return form


def _object_form(value: Mapping[str, Any]) -> list[Any]:
    """The kind first, so that an activity and a reference of the same id differ."""
    kind = value.get("objectType", "Activity")
    if kind == "Activity":
        return [kind, value["id"]]
    if kind == "StatementRef":
        return [kind, value["id"].lower()]
    if kind == "SubStatement":
        return [kind, _statement_form(value)]
    return [kind, _actor_form(value)]


def _result_form(result: Mapping[str, Any]) -> dict[str, Any]:
    form = dict(result)
    if "score" in form:
        form["score"] = _exact(form["score"])
    if "duration" in form:
        form["duration"] = comparable_duration(form["duration"])
    if "extensions" in form:
        form["extensions"] = _exact(form["extensions"])
    return form


def _context_form(context: Mapping[str, Any]) -> dict[str, Any]:
    form = dict(context)
    for name, value in context.items():
        part_form = _CONTEXT_FORMS.get(name)
        if part_form is not None:
            form[name] = part_form(value)
    return form


def _context_activities_form(activities: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: _activity_ids(some) for kind, some in activities.items()}


def _activity_ids(activities: dict[str, Any] | list[dict[str, Any]]) -> list[str]:
    if isinstance(activities, dict):
        return [activities["id"]]
    return [activity["id"] for activity in activities]


def _context_agents_form(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "agent": _actor_form(entry["agent"])} for entry in entries]


def _context_groups_form(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "group": _actor_form(entry["group"])} for entry in entries]


def _reference_form(reference: Mapping[str, Any]) -> str:
    statement_id: str = reference["id"]
    return statement_id.lower()


def _attachment_form(attachment: Mapping[str, Any]) -> dict[str, Any]:
    form = dict(attachment)
    form["sha2"] = form["sha2"].lower()
    for name in ("display", "description"):
        if name in form:
            form[name] = {tag.lower(): text for tag, text in form[name].items()}
    return form


def _exact(value: Any) -> Any:
    """`value` with every number in one form, whatever its text was."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is int:
        return value if -_PLAIN_INTEGER_LIMIT < value < _PLAIN_INTEGER_LIMIT else _number(value)
    if kind is Decimal:
        return _number(value)
    if kind is dict:
        return {name: part if type(part) is str else _exact(part) for name, part in value.items()}
    return [_exact(part) for part in value]


def _number(value: int | Decimal) -> int | msgspec.Raw:
    """The one form of a number: a small whole one as it is, others as digits and exponent.

    A huge exponent stays an exponent: writing it out would cost memory without bound.
    """
    text = str(value)
    mantissa, _, power = text.lstrip("-").partition("E")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    short = digits.rstrip("0")
    if not short:
        return 0
    sign = "-" if text[0] == "-" else ""
    exponent = int(power or 0) - len(fraction) + len(digits) - len(short)
    if exponent >= 0 and len(short) + exponent <= _PLAIN_DIGITS:
        return int(sign + short + "0" * exponent)
    return msgspec.Raw(f"{sign}{short}E{exponent}".encode())


# What is not compared as it stands; each after its own function.
_CONTEXT_FORMS: dict[str, Callable[[Any], Any]] = {
    "contextActivities": _context_activities_form,
    "extensions": _exact,
    "registration": str.lower,
    "language": str.lower,
    "instructor": _actor_form,
    "team": _actor_form,
    "statement": _reference_form,
    "contextAgents": _context_agents_form,
    "contextGroups": _context_groups_form,
}
