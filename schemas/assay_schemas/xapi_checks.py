"""The rules of xAPI that a table of properties cannot say: each is a function of one object.

Each is called by the model with an object whose properties are already of the right type, gives it
back unchanged, and raises `broken(...)` naming the rule and the place within the object.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticCustomError

from assay_schemas.xapi_types import (
    SIGNATURE_CONTENT_TYPE,
    SIGNATURE_USAGE_TYPE,
    VOIDED_VERB,
    parse_timestamp,
)


def broken(rule: str, *path: str | int) -> PydanticCustomError:
    """The error of `rule` at `path`, relative to the object being checked."""
    return PydanticCustomError(rule, "{rule}", {"rule": rule, "path": path})


def agent_or_group(value: object) -> str | None:
    """Which kind of actor an object is; an absent objectType means Agent (Data 2.4.2.1)."""
    if type(value) is dict:
        kind = value.get("objectType", "Agent")
        return kind if type(kind) is str else None
    return None


def object_kind(value: object) -> str | None:
    """Which kind of statement object it is; an absent objectType means Activity (Data 2.4.4)."""
    if type(value) is dict:
        kind = value.get("objectType", "Activity")
        return kind if type(kind) is str else None
    return None


def one_or_list(value: object) -> str:
    """A context activity may come alone or in a list (Data 2.4.6.2)."""
    return "one" if type(value) is dict else "list"


def _count_identifiers(agent: Mapping[str, Any]) -> int:
    return (
        ("mbox" in agent) + ("account" in agent) + ("mbox_sha1sum" in agent) + ("openid" in agent)
    )


def check_agent(agent: dict[str, Any]) -> dict[str, Any]:
    if _count_identifiers(agent) != 1:
        raise broken("agent-one-identifier")
    return agent


def check_group(group: dict[str, Any]) -> dict[str, Any]:
    identifiers = _count_identifiers(group)
    if identifiers > 1:
        raise broken("group-one-identifier")
    if identifiers == 0 and not group.get("member"):
        raise broken("anonymous-group-members", "member")
    return group


def check_authority(authority: dict[str, Any]) -> dict[str, Any]:
    if authority.get("objectType") == "Group" and (
        _count_identifiers(authority) or len(authority["member"]) != 2
    ):
        raise broken("authority-group")
    return authority


# Which lists of components belong to which interactions (Data 2.4.4.1, "Interaction Components").
COMPONENT_LISTS: dict[str, tuple[str, ...]] = {
    "choice": ("choices",),
    "sequencing": ("choices",),
    "likert": ("scale",),
    "matching": ("source", "target"),
    "performance": ("steps",),
    "true-false": (),
    "fill-in": (),
    "long-fill-in": (),
    "numeric": (),
    "other": (),
}
COMPONENT_PROPERTIES = ("choices", "scale", "source", "target", "steps")


def check_definition(definition: dict[str, Any]) -> dict[str, Any]:
    """The properties of interactions: only with their type, only its lists, no id twice in one."""
    kind = definition.get("interactionType")
    if kind is None:
        for name in (*COMPONENT_PROPERTIES, "correctResponsesPattern"):
            if name in definition:
                raise broken("interaction-type-required", name)
        return definition
    for name in COMPONENT_PROPERTIES:
        components = definition.get(name)
        if components is None:
            continue
        if name not in COMPONENT_LISTS[kind]:
            raise broken("interaction-components", name)
        seen: set[str] = set()
        for index, component in enumerate(components):
            if component["id"] in seen:
                raise broken("component-ids-distinct", name, index, "id")
            seen.add(component["id"])
    return definition


def score_checker(max_digits: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The check of score objects, whose numbers may have `max_digits` digits around the point."""

    bound = 10**max_digits

    def check_score(score: dict[str, Any]) -> dict[str, Any]:
        for name, number in score.items():
            kind = type(number)
            if kind is Decimal:
                _, digits, exponent = number.as_tuple()
                after = max(0, -exponent)
                if max(len(digits) + max(0, exponent), after) > max_digits:
                    raise broken("limit-score-digits", name)
            elif kind is not int:
                raise broken("null-value" if number is None else "score-number", name)
            elif not -bound < number < bound:
                raise broken("limit-score-digits", name)
        return check_score_order(score)

    return check_score


def check_score_order(score: dict[str, Any]) -> dict[str, Any]:
    scaled = score.get("scaled")
    if scaled is not None and not -1 <= scaled <= 1:
        raise broken("score-scaled-range", "scaled")
    lowest, highest, raw = score.get("min"), score.get("max"), score.get("raw")
    if lowest is not None and highest is not None and lowest >= highest:
        raise broken("score-min-max", "min")
    if raw is not None and (
        (lowest is not None and raw < lowest) or (highest is not None and raw > highest)
    ):
        raise broken("score-raw-range", "raw")
    return score


def check_timestamp(text: str) -> str:
    try:
        parse_timestamp(text)
    except ValueError:
        raise broken("timestamp-format") from None
    return text


def check_attachment(attachment: dict[str, Any]) -> dict[str, Any]:
    """The media type of a signature (Data 2.6)."""
    if (
        attachment["usageType"] == SIGNATURE_USAGE_TYPE
        and attachment["contentType"] != SIGNATURE_CONTENT_TYPE
    ):
        raise broken("signature-content-type", "contentType")
    return attachment


def check_statement(statement: dict[str, Any]) -> dict[str, Any]:
    """What ties verb and context to the kind of the object; for SubStatements too."""
    kind = statement["object"].get("objectType", "Activity")
    if kind != "StatementRef" and statement["verb"]["id"] == VOIDED_VERB:
        raise broken("voiding-object", "object")
    if kind != "Activity":
        context = statement.get("context")
        if context is not None:
            for name in ("revision", "platform"):
                if name in context:
                    raise broken("activity-object-only", "context", name)
    return statement
