"""The rules of xAPI statements by name: what each expects, and where the specification says so.

Adding a rule means a line here and the place in `xapi_model` (or `xapi_checks`) that raises it.
Sections are those of xAPI 1.0.3 part two ("Data") and of IEEE 9274.1.1 (xAPI 2.0).

Stricter than the text of the specification, by choice: the rules that begin with "limit-",
"too-many-faults", "nul-character" (databases do not hold it), "account-name-empty" (all whose name
is empty would be one person), "interaction-components" (the receiver may choose),
and "repeated-id" in 1.0.3 (2.0 demands it).
"""

from dataclasses import dataclass
from typing import Literal

Version = Literal["1.0.3", "2.0.0"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`expected` completes the sentence "<field> ..."; a section lacks its document's name."""

    expected: str
    section_1: str
    section_2: str

    def section(self, version: Version) -> str:
        if version == "1.0.3":
            return f"xAPI 1.0.3 Data {self.section_1}"
        return f"IEEE 9274.1.1 {self.section_2}"


_TYPES = "4.2.7"
_ACTOR, _VERB, _OBJECT, _RESULT, _CONTEXT, _ATTACHMENT = (
    f"4.2.2.{number}" for number in range(1, 7)
)
_PROPERTIES = "4.2.4.2"

RULES: dict[str, Rule] = {
    # The text of the request.
    "json-malformed": Rule("must be JSON as RFC 8259 defines it", "2.2", _TYPES),
    "json-number-range": Rule("must not hold a number beyond what is computable", "2.2", _TYPES),
    "duplicate-key": Rule("must not occur twice in one object", "2.2", _TYPES),
    "nul-character": Rule("must not contain the character U+0000", "2.2", _TYPES),
    "lone-surrogate": Rule("must not contain half of a surrogate pair", "2.2", _TYPES),
    "body-shape": Rule(
        "must be one statement or a non-empty array of statements", "2.2", "4.1.6.1"
    ),
    "limit-statements": Rule("is beyond the limit of statements in one request", "2.2", "4.1.6.1"),
    "limit-json-values": Rule("holds more JSON values than it may", "2.2", _TYPES),
    "too-many-faults": Rule("has too many faults to list them", "2.2", _TYPES),
    "limit-json-depth": Rule("is nested deeper than the limit", "2.2", _TYPES),
    "limit-iri-characters": Rule("is longer than an IRI may be here", "4.3", _TYPES),
    "limit-account-name-characters": Rule(
        "is longer than an account name may be here", "2.4.2.4", _ACTOR
    ),
    "limit-list-items": Rule("has more items than a list may have here", "2.2", _TYPES),
    "limit-score-digits": Rule("has more digits than a score may have here", "2.4.5.1", _RESULT),
    # Any property.
    "null-value": Rule("must not be null", "2.2", _TYPES),
    "wrong-type": Rule("must be {expects}", "2.2", _TYPES),
    "missing-property": Rule("is required", "2.4", "4.2.2"),
    "unknown-property": Rule("is not a property that the specification allows here", "2.2", _TYPES),
    "object-type": Rule(
        "must have an objectType that the specification allows here", "2.4.4", _OBJECT
    ),
    "enumerated-value": Rule(
        "must be one of the values that the specification lists", "2.2", _TYPES
    ),
    # Formats of values.
    "uuid-format": Rule("must be a UUID in standard string form", "4.4", _TYPES),
    "iri-format": Rule("must be an IRI with a scheme", "4.3", _TYPES),
    "timestamp-format": Rule(
        "must be an ISO 8601 date and time whose offset is not -00:00", "4.5", _TYPES
    ),
    "duration-format": Rule("must be an ISO 8601 duration such as PT1H30M or P4W", "4.6", _TYPES),
    "language-tag-format": Rule("must be a language tag by RFC 5646", "4.2", _TYPES),
    "media-type-format": Rule("must be an internet media type", "2.4.11", _ATTACHMENT),
    "sha2-format": Rule("must be a SHA-2 hash in hexadecimal", "2.4.11", _ATTACHMENT),
    "attachment-length-range": Rule("must be a number of octets, 0 or more", "2.4.11", _ATTACHMENT),
    "signature-content-type": Rule(
        "must be application/octet-stream, as the attachment is a signature", "2.6", "4.2.6"
    ),
    "mbox-format": Rule("must have the form mailto:address", "2.4.2.3", _ACTOR),
    "mbox-sha1sum-format": Rule("must be a SHA-1 hash in hexadecimal", "2.4.2.3", _ACTOR),
    "version-format": Rule("must be a version that this interface accepts", "2.4.10", "4.2.4.3"),
    # Agents and groups.
    "agent-one-identifier": Rule(
        "must have exactly one of mbox, mbox_sha1sum, openid and account", "2.4.2.1", _ACTOR
    ),
    "group-one-identifier": Rule(
        "must have at most one of mbox, mbox_sha1sum, openid and account", "2.4.2.2", _ACTOR
    ),
    "anonymous-group-members": Rule(
        "must list its members, at least one, as it has no identifier", "2.4.2.2", _ACTOR
    ),
    "account-name-empty": Rule("must not be empty, as it identifies somebody", "2.4.2.4", _ACTOR),
    "authority-group": Rule(
        "must be an agent, or a group of exactly two agents without identifier",
        "2.4.9",
        _PROPERTIES,
    ),
    # Objects.
    "interaction-type-required": Rule(
        "must have an interactionType, as it has a property of interactions", "2.4.4.1", _OBJECT
    ),
    "interaction-components": Rule(
        "is not a list of components that this interactionType has", "2.4.4.1", _OBJECT
    ),
    "component-ids-distinct": Rule("must not repeat the id of a component", "2.4.4.1", _OBJECT),
    "voiding-object": Rule("must be a StatementRef, as the verb is voided", "2.3.2", "4.2.5"),
    # Result.
    "score-number": Rule("must be a number", "2.4.5.1", _RESULT),
    "score-scaled-range": Rule("must be between -1 and 1", "2.4.5.1", _RESULT),
    "score-min-max": Rule("must be less than max", "2.4.5.1", _RESULT),
    "score-raw-range": Rule("must be between min and max", "2.4.5.1", _RESULT),
    # Context.
    "activity-object-only": Rule(
        "may be used only when the object is an Activity", "2.4.6", _CONTEXT
    ),
    "relevant-types-empty": Rule("must hold at least one activity type", "2.4.6", _CONTEXT),
    # The batch.
    "repeated-id": Rule(
        "must not be the id of an earlier statement of the same request", "2.4.1", "4.1.6.1"
    ),
}

# Where the property itself is described, for what is missing from it: 1.0.3, then 2.0.
PROPERTY_SECTIONS: dict[str, tuple[str, str]] = {
    "actor": ("2.4.2", _ACTOR),
    "member": ("2.4.2.2", _ACTOR),
    "agent": ("2.4.6", _CONTEXT),
    "group": ("2.4.6", _CONTEXT),
    "account": ("2.4.2.4", _ACTOR),
    "homePage": ("2.4.2.4", _ACTOR),
    "name": ("2.4.2.4", _ACTOR),
    "verb": ("2.4.3", _VERB),
    "object": ("2.4.4", _OBJECT),
    "definition": ("2.4.4.1", _OBJECT),
    "result": ("2.4.5", _RESULT),
    "score": ("2.4.5.1", _RESULT),
    "context": ("2.4.6", _CONTEXT),
    "contextActivities": ("2.4.6.2", _CONTEXT),
    "contextAgents": ("2.4.6", _CONTEXT),
    "contextGroups": ("2.4.6", _CONTEXT),
    "attachments": ("2.4.11", _ATTACHMENT),
    "authority": ("2.4.9", _PROPERTIES),
}
