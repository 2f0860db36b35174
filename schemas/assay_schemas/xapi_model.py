"""The shape of a statement as a strict pydantic model, one table of properties per kind of object.

The tables are those of xAPI 1.0.3 Data 2.4 and IEEE 9274.1.1 4.2.2. They are written in pydantic's
core schema rather than as classes, because the two versions and the limits are arguments, the
statement stays the dictionary that was parsed, and absent is not null. Everything is strict: no
coercion, no property that is not listed. What a table cannot say stands in `xapi_checks`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, core_schema

from assay_schemas import xapi_checks as checks
from assay_schemas import xapi_types as formats
from assay_schemas.limits import Limits
from assay_schemas.xapi_rules import Version

# `custom_error_context` says what JSON type is expected, so that a wrong type is told from a wrong
# format when the error is put into words.
_TEXT = "a string"


def text_format(rule: str, pattern: str) -> CoreSchema:
    return core_schema.custom_error_schema(
        core_schema.str_schema(pattern=pattern),
        custom_error_type=rule,
        custom_error_message="{expects}",
        custom_error_context={"expects": _TEXT},
    )


def limited_format(rule: str, pattern: str, limit_rule: str, max_length: int) -> CoreSchema:
    return core_schema.custom_error_schema(
        core_schema.str_schema(pattern=pattern, max_length=max_length),
        custom_error_type=rule,
        custom_error_message="{expects}",
        custom_error_context={"expects": _TEXT, "limit": limit_rule, "max_length": max_length},
    )


def one_of(*values: str) -> CoreSchema:
    return core_schema.custom_error_schema(
        core_schema.literal_schema(list(values)),
        custom_error_type="enumerated-value",
        custom_error_message="{expects}",
        custom_error_context={"expects": _TEXT},
    )


def table(
    required: dict[str, CoreSchema],
    optional: dict[str, CoreSchema],
    check: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> CoreSchema:
    """An object with these properties and no others, then `check` of the whole."""
    fields = {
        **{
            name: core_schema.typed_dict_field(kind, required=True)
            for name, kind in required.items()
        },
        **{
            name: core_schema.typed_dict_field(kind, required=False)
            for name, kind in optional.items()
        },
    }
    schema = core_schema.typed_dict_schema(fields, extra_behavior="forbid")
    return core_schema.no_info_after_validator_function(check, schema) if check else schema


def kinds(choices: dict[str, CoreSchema], kind_of: Callable[[object], str | None]) -> CoreSchema:
    return core_schema.tagged_union_schema(
        choices,
        kind_of,
        custom_error_type="object-type",
        custom_error_message="{expects}",
        custom_error_context={"expects": "an object"},
    )


class Tables:
    """The tables of one version under one set of limits.

    With `fail_fast`, the items of a list after its first faulty one are not looked at.
    """

    def __init__(self, version: Version, limits: Limits, *, fail_fast: bool = True) -> None:
        self.version = version
        self.limits = limits
        self.fail_fast = fail_fast
        self.text = core_schema.str_schema()
        self.flag = core_schema.bool_schema()
        self.uuid = text_format("uuid-format", formats.UUID_PATTERN)
        self.iri = limited_format(
            "iri-format", formats.IRI_PATTERN, "limit-iri-characters", limits.max_iri_characters
        )
        self.language_tag = text_format("language-tag-format", formats.LANGUAGE_TAG_PATTERN)
        self.language_map = core_schema.dict_schema(self.language_tag, self.text)
        self.extensions = core_schema.dict_schema(self.iri, core_schema.any_schema())
        self.timestamp = core_schema.no_info_after_validator_function(
            checks.check_timestamp, core_schema.str_schema()
        )
        self.agent, self.group = self._agents()
        self.actor = kinds({"Agent": self.agent, "Group": self.group}, checks.agent_or_group)
        self.definition = self._definition()
        self.activity = table(
            {"id": self.iri},
            {"objectType": one_of("Activity"), "definition": self.definition},
        )
        self.statement_ref = table({"objectType": one_of("StatementRef"), "id": self.uuid}, {})
        self.verb = table({"id": self.iri}, {"display": self.language_map})
        self.result = self._result()
        self.context = self._context()
        self.attachment = self._attachment()
        self.sub_statement, self.statement = self._statements()

    def items(self, item: CoreSchema, min_length: int | None = None) -> CoreSchema:
        return core_schema.list_schema(
            item,
            min_length=min_length,
            max_length=self.limits.max_list_items,
            fail_fast=self.fail_fast,
        )

    def _agents(self) -> tuple[CoreSchema, CoreSchema]:
        account_name = limited_format(
            "account-name-empty",
            "(?s)^.",
            "limit-account-name-characters",
            self.limits.max_account_name_characters,
        )
        common = {
            "name": self.text,
            "mbox": limited_format(
                "mbox-format",
                formats.MAILTO_PATTERN,
                "limit-iri-characters",
                self.limits.max_iri_characters,
            ),
            "mbox_sha1sum": text_format("mbox-sha1sum-format", formats.SHA1_PATTERN),
            "openid": self.iri,
            "account": table({"homePage": self.iri, "name": account_name}, {}),
        }
        agent = table({}, {"objectType": one_of("Agent"), **common}, checks.check_agent)
        group = table(
            {"objectType": one_of("Group")},
            {**common, "member": self.items(agent)},
            checks.check_group,
        )
        return agent, group

    def _definition(self) -> CoreSchema:
        components = self.items(table({"id": self.text}, {"description": self.language_map}))
        return table(
            {},
            {
                "name": self.language_map,
                "description": self.language_map,
                "type": self.iri,
                "moreInfo": self.iri,
                "extensions": self.extensions,
                "interactionType": one_of(*checks.COMPONENT_LISTS),
                "correctResponsesPattern": core_schema.list_schema(
                    self.text, fail_fast=self.fail_fast
                ),
                **dict.fromkeys(checks.COMPONENT_PROPERTIES, components),
            },
            checks.check_definition,
        )

    def _result(self) -> CoreSchema:
        number = core_schema.any_schema()
        score = table(
            {},
            dict.fromkeys(("scaled", "raw", "min", "max"), number),
            checks.score_checker(self.limits.max_score_digits),
        )
        return table(
            {},
            {
                "score": score,
                "success": self.flag,
                "completion": self.flag,
                "response": self.text,
                "duration": text_format("duration-format", formats.DURATION_PATTERN),
                "extensions": self.extensions,
            },
        )

    def _context(self) -> CoreSchema:
        activities = core_schema.tagged_union_schema(
            {"one": self.activity, "list": self.items(self.activity)}, checks.one_or_list
        )
        properties = {
            "registration": self.uuid,
            "instructor": self.actor,
            "team": self.group,
            "contextActivities": table(
                {}, dict.fromkeys(("parent", "grouping", "category", "other"), activities)
            ),
            "revision": self.text,
            "platform": self.text,
            "language": self.language_tag,
            "statement": self.statement_ref,
            "extensions": self.extensions,
        }
        if self.version != "1.0.3":
            properties |= self._context_agents()
        return table({}, properties)

    def _context_agents(self) -> dict[str, CoreSchema]:
        """IEEE 9274.1.1 4.2.2.5: agents and groups with the types that make them relevant."""
        relevant = {"relevantTypes": self.items(self.iri, min_length=1)}
        agent = table({"objectType": one_of("contextAgent"), "agent": self.agent}, relevant)
        group = table({"objectType": one_of("contextGroup"), "group": self.group}, relevant)
        return {"contextAgents": self.items(agent), "contextGroups": self.items(group)}

    def _attachment(self) -> CoreSchema:
        octets = core_schema.custom_error_schema(
            core_schema.int_schema(ge=0),
            custom_error_type="attachment-length-range",
            custom_error_message="{expects}",
            custom_error_context={"expects": "a whole number"},
        )
        return table(
            {
                "usageType": self.iri,
                "display": self.language_map,
                "contentType": text_format("media-type-format", formats.MEDIA_TYPE_PATTERN),
                "length": octets,
                "sha2": text_format("sha2-format", formats.SHA2_PATTERN),
            },
            {"description": self.language_map, "fileUrl": self.iri},
            checks.check_attachment,
        )

    def _statements(self) -> tuple[CoreSchema, CoreSchema]:
        """A SubStatement, and the statement: of the same tables, and what only a statement has."""
        objects = {
            "Activity": self.activity,
            "Agent": self.agent,
            "Group": self.group,
            "StatementRef": self.statement_ref,
        }
        optional = {
            "result": self.result,
            "context": self.context,
            "timestamp": self.timestamp,
            "attachments": self.items(self.attachment),
        }
        required = {"actor": self.actor, "verb": self.verb}
        sub_statement = table(
            {
                "objectType": one_of("SubStatement"),
                **required,
                "object": kinds(objects, checks.object_kind),
            },
            optional,
            checks.check_statement,
        )
        one = self.version == "1.0.3"
        version = formats.VERSION_1_PATTERN if one else formats.VERSION_2_PATTERN
        authority = core_schema.no_info_after_validator_function(checks.check_authority, self.actor)
        statement = table(
            {
                **required,
                "object": kinds({**objects, "SubStatement": sub_statement}, checks.object_kind),
            },
            {
                **optional,
                "id": self.uuid,
                "stored": self.timestamp,
                "version": text_format("version-format", version),
                "authority": authority,
            },
            checks.check_statement,
        )
        return sub_statement, statement


@lru_cache(maxsize=16)
def statement_validator(
    version: Version, limits: Limits, *, fail_fast: bool = True
) -> SchemaValidator:
    """The validator of parsed statements; building one takes some milliseconds, so it is kept.

    Call it with `strict=True`: pydantic takes strictness from the call, not from the outer schema.
    """
    return SchemaValidator(Tables(version, limits, fail_fast=fail_fast).statement)
