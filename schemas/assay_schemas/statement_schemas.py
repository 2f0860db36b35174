"""JSON Schemas of statements, made out of the tables that the product itself validates by.

What a JSON Schema cannot say of the rules stands in `NOT_IN_THE_SCHEMAS`; for those there is
`assay validate`. Everything else is said, under the default `Limits`.
"""

from collections.abc import Callable
from typing import Any

from assay_schemas import xapi_checks as checks
from assay_schemas.limits import Limits
from assay_schemas.xapi_model import Tables
from assay_schemas.xapi_rules import PROPERTY_SECTIONS, Rule, Version
from assay_schemas.xapi_types import (
    MAX_TIMESTAMP_CHARACTERS,
    SIGNATURE_CONTENT_TYPE,
    SIGNATURE_USAGE_TYPE,
    TIMESTAMP_PATTERN,
    VOIDED_VERB,
)

Schema = dict[str, Any]

VERSIONS: tuple[Version, ...] = ("1.0.3", "2.0.0")

# Rules of which a JSON Schema says nothing, or not all, and what it leaves out.
NOT_IN_THE_SCHEMAS: dict[str, str] = {
    "json-malformed": "a schema judges a value, not the text",
    "json-number-range": "a schema judges a value, not the text",
    "duplicate-key": "the parser has dropped all but one of them",
    "nul-character": "strings anywhere in extensions cannot be reached by one pattern",
    "lone-surrogate": "a schema judges characters, which half a pair is not",
    "body-shape": "the schema is that of one statement",
    "repeated-id": "the schema is that of one statement",
    "limit-statements": "the schema is that of one statement",
    "limit-json-values": "no keyword counts values",
    "limit-json-depth": "no keyword counts levels",
    "limit-score-digits": "no keyword counts digits",
    "too-many-faults": "a validator counts its own faults",
    "timestamp-format": "the form is held, the calendar (31 April, 25 o'clock) is not",
    "component-ids-distinct": "uniqueItems compares whole items",
    "score-min-max": "no keyword compares two properties",
    "score-raw-range": "no keyword compares two properties",
    "wrong-type": "1.0 is an integer for a JSON Schema, and is refused by us",
}

_IDENTIFIERS = [{"required": [name]} for name in ("mbox", "mbox_sha1sum", "openid", "account")]
# The tables of agents and groups are named like properties of contextAgents and contextGroups.
_SECTIONS = PROPERTY_SECTIONS | {
    "agent": ("2.4.2.1", PROPERTY_SECTIONS["actor"][1]),
    "group": ("2.4.2.2", PROPERTY_SECTIONS["actor"][1]),
    "attachment": PROPERTY_SECTIONS["attachments"],
}
_DEFINITIONS = {
    "sub_statement": "SubStatement",
    "statement_ref": "StatementRef",
    "language_tag": "languageTag",
    "language_map": "languageMap",
}


def statement_schema(version: Version) -> Schema:
    """The JSON Schema (2020-12) of one statement of `version`, without `$schema` and `$id`."""
    writer = _Writer(Tables(version, Limits()))
    schema = writer.write(writer.tables.statement)
    return {"title": f"xAPI {version} statement", **schema, "$defs": writer.sorted_definitions()}


class _Writer:
    """Turns pydantic's core schema of the tables into JSON Schema; shared parts become $defs."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.definitions: dict[str, Schema] = {}
        parts = {name: part for name, part in vars(tables).items() if isinstance(part, dict)}
        self.names = {
            id(part): _DEFINITIONS.get(name, name)
            for name, part in parts.items()
            if name not in ("text", "flag", "statement")
        }

    def sorted_definitions(self) -> dict[str, Schema]:
        return dict(sorted(self.definitions.items()))

    def refer(self, core: Any) -> Schema:
        """A reference to the definition of `core` where it has a name, else itself."""
        name = self.names.get(id(core))
        if name is None:
            return self.write(core)
        if name not in self.definitions:
            self.definitions[name] = {}
            sections = _SECTIONS.get(name)
            if sections is not None:
                section = Rule("", *sections).section(self.tables.version)
                self.definitions[name]["$comment"] = section
            self.definitions[name] |= self.write(core)
        return {"$ref": f"#/$defs/{name}"}

    def write(self, core: Any) -> Schema:
        writers: dict[str, Callable[[Any], Schema]] = {
            "any": lambda _: {},
            "bool": lambda _: {"type": "boolean"},
            "str": _string,
            "int": lambda core: {"type": "integer", "minimum": core["ge"]},
            "literal": _literal,
            "list": self._list,
            "dict": self._dict,
            "typed-dict": self._table,
            "tagged-union": self._union,
            "custom-error": lambda core: self.write(core["schema"]),
            "function-after": self._checked,
        }
        return writers[core["type"]](core)

    def _list(self, core: Any) -> Schema:
        schema: Schema = {"type": "array", "items": self.refer(core["items_schema"])}
        for ours, theirs in (("min_length", "minItems"), ("max_length", "maxItems")):
            if core.get(ours) is not None:
                schema[theirs] = core[ours]
        return schema

    def _dict(self, core: Any) -> Schema:
        return {
            "type": "object",
            "propertyNames": self.refer(core["keys_schema"]),
            "additionalProperties": self.refer(core["values_schema"]),
        }

    def _table(self, core: Any) -> Schema:
        fields = core["fields"]
        schema: Schema = {
            "type": "object",
            "properties": {name: self.refer(field["schema"]) for name, field in fields.items()},
            "additionalProperties": False,
        }
        required = [name for name, field in fields.items() if field["required"]]
        return schema | ({"required": required} if required else {})

    def _union(self, core: Any) -> Schema:
        default = {checks.agent_or_group: "Agent", checks.object_kind: "Activity"}.get(
            core["discriminator"]
        )
        branches = []
        for kind, choice in core["choices"].items():
            branch = self.refer(choice)
            # Only the kind that an absent objectType means may leave it out.
            if default not in (None, kind) and not _requires_type(choice):
                branch = branch | {"required": ["objectType"]}
            branches.append(branch)
        return {"anyOf": branches}

    def _checked(self, core: Any) -> Schema:
        schema = self.refer(core["schema"])
        check = core["function"]["function"]
        if check.__qualname__.startswith(checks.score_checker.__name__):
            schema["properties"] = {
                name: {"type": "number"}
                | ({"minimum": -1, "maximum": 1} if name == "scaled" else {})
                for name in schema["properties"]
            }
            return schema
        return schema | _SAID_OF_CHECK[check]


def _string(core: Any) -> Schema:
    schema: Schema = {"type": "string"}
    pattern = core.get("pattern")
    if pattern == "(?s)^.":  # no flags within a pattern of ECMA-262
        schema["minLength"] = 1
    elif pattern is not None:
        schema["pattern"] = pattern
    if core.get("max_length") is not None:
        schema["maxLength"] = core["max_length"]
    return schema


def _literal(core: Any) -> Schema:
    expected = core["expected"]
    return {"const": expected[0]} if len(expected) == 1 else {"enum": expected}


def _requires_type(choice: Any) -> bool:
    table = choice["schema"] if choice["type"] == "function-after" else choice
    return bool(table["fields"]["objectType"]["required"])


def _when(condition: Schema, then: Schema, otherwise: Schema | None = None) -> Schema:
    return {"if": condition, "then": then} | ({} if otherwise is None else {"else": otherwise})


def _of(name: str, schema: Schema) -> Schema:
    """An object that has the property `name`, of this schema."""
    return {"properties": {name: schema}, "required": [name]}


def _components() -> list[Schema]:
    """For each list of components, that no other type of interaction has it."""
    return [
        _when(
            _of(
                "interactionType",
                {"enum": [k for k, lists in checks.COMPONENT_LISTS.items() if name not in lists]},
            ),
            {"properties": {name: False}},
        )
        for name in checks.COMPONENT_PROPERTIES
    ]


_SAID_OF_CHECK: dict[Callable[..., Any], Schema] = {
    checks.check_agent: {"oneOf": _IDENTIFIERS},
    checks.check_group: _when(
        {"anyOf": _IDENTIFIERS}, {"oneOf": _IDENTIFIERS}, _of("member", {"minItems": 1})
    ),
    checks.check_authority: _when(
        _of("objectType", {"const": "Group"}),
        {"not": {"anyOf": _IDENTIFIERS}, **_of("member", {"minItems": 2, "maxItems": 2})},
    ),
    checks.check_definition: {
        "dependentRequired": {
            name: ["interactionType"]
            for name in (*checks.COMPONENT_PROPERTIES, "correctResponsesPattern")
        },
        "allOf": _components(),
    },
    checks.check_timestamp: {
        "pattern": TIMESTAMP_PATTERN,
        "maxLength": MAX_TIMESTAMP_CHARACTERS,
    },
    checks.check_attachment: _when(
        _of("usageType", {"const": SIGNATURE_USAGE_TYPE}),
        _of("contentType", {"const": SIGNATURE_CONTENT_TYPE}),
    ),
    checks.check_statement: {
        "allOf": [
            _when(
                _of("verb", _of("id", {"const": VOIDED_VERB})),
                _of("object", _of("objectType", {"const": "StatementRef"})),
            ),
            _when(
                _of("object", _of("objectType", {"not": {"const": "Activity"}})),
                {"properties": {"context": {"properties": {"revision": False, "platform": False}}}},
            ),
        ]
    },
}
