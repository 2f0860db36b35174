"""The JSON Schema of `assay.rule/v1`, as it is checked in for who writes rules elsewhere.

`python -m assay_aggregator.rule_schema` writes it anew; a test holds the file to the code. It says
what one document can say: names of clauses, levels that cannot be reached and parameters of
policies are judged by `rule_parse` alone.
"""

import json
from pathlib import Path
from typing import Any, Final

from assay_aggregator.rule_document import ClauseDocument, RollupRuleDocument, RuleDocument
from assay_aggregator.rule_words import PARTIAL_CLAUSE_SCHEMA, TREE_SCHEMA

FILE_NAME: Final = "assay.rule.v1.schema.json"
FOLDER: Final = Path(__file__).parents[3] / "schemas" / "assay_schemas" / "rules"
_REF: Final = "#/$defs/"

_TREE: Final[dict[str, Any]] = {
    "description": "The name of a clause, or how many of which parts must be satisfied.",
    "oneOf": [
        {"type": "string", "minLength": 1},
        *(
            {
                "type": "object",
                "properties": {op: {"$ref": f"{_REF}Trees"}},
                "required": [op],
                "additionalProperties": False,
            }
            for op in ("all", "any")
        ),
        {
            "type": "object",
            "properties": {
                "at_least": {
                    "type": "object",
                    "properties": {
                        "n": {"type": "integer", "minimum": 1},
                        "of": {"$ref": f"{_REF}Trees"},
                    },
                    "required": ["n", "of"],
                    "additionalProperties": False,
                }
            },
            "required": ["at_least"],
            "additionalProperties": False,
        },
    ],
}
_TREES: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "items": {"$ref": _REF + TREE_SCHEMA},
}


def rule_schema() -> dict[str, Any]:
    """The schema: a rule of evidence or a roll-up, told apart by the key `rollup`."""
    definitions: dict[str, Any] = {}
    for model in (RuleDocument, RollupRuleDocument):
        schema = model.model_json_schema(ref_template=_REF + "{model}")
        definitions |= schema.pop("$defs", {})
        definitions[model.__name__] = schema
    clause = definitions[ClauseDocument.__name__]
    definitions[PARTIAL_CLAUSE_SCHEMA] = {
        "description": "Keys laid over those of a clause; null is a key's default again.",
        "type": "object",
        "properties": {
            key: {"anyOf": [value, {"type": "null"}]} for key, value in clause["properties"].items()
        },
        "additionalProperties": False,
    }
    definitions[TREE_SCHEMA], definitions["Trees"] = _TREE, _TREES
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:assay:rule:v1",
        "title": "assay.rule/v1",
        "if": {"type": "object", "required": ["rollup"]},
        "then": {"$ref": _REF + RollupRuleDocument.__name__},
        "else": {"$ref": _REF + RuleDocument.__name__},
        "$defs": {name: _resolved(definitions[name]) for name in sorted(definitions)},
    }


def schema_text() -> str:
    """What the file must hold."""
    return f"{json.dumps(rule_schema(), indent=2, ensure_ascii=False)}\n"


def _resolved(schema: Any) -> Any:
    """Our marks become references, and titles made from names of Python are left out."""
    if isinstance(schema, list):
        return [_resolved(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "x-definition" in schema:
        return {"$ref": _REF + schema["x-definition"]}
    return {
        key: {name: _resolved(one) for name, one in value.items()}
        if key == "properties"
        else _resolved(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def main() -> None:
    """Write the file."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / FILE_NAME).write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
