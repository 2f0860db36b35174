"""The JSON Schemas of events and statements, as they are checked in under `json/`.

`python -m assay_schemas.json_schemas` writes them anew; a test holds the files to the classes. Who
does not write Python validates against the files: one for each type of event, and one for the
statements of each version of xAPI.
"""

import json
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from assay_schemas.events import CompetencyEvent, CredentialChanged, PersonEvent
from assay_schemas.statement_schemas import VERSIONS, statement_schema

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent / "json"


def event_classes() -> tuple[type[BaseModel], ...]:
    """Every class of event, in the order in which `events` declares them."""
    union, *_ = get_args(CompetencyEvent)
    return (*get_args(union), *get_args(PersonEvent), CredentialChanged)


def schema_texts() -> dict[str, str]:
    """File name to the text that the file must hold."""
    texts = {}
    for event in event_classes():
        kind, _, version = str(event.model_fields["type"].default).partition("/")
        schema: dict[str, Any] = {"$schema": DRAFT, "$id": f"urn:assay:event:{kind}:{version}"}
        schema |= event.model_json_schema(mode="serialization")
        # A default is for the writer's code. On the wire the type is what tells events apart.
        schema["required"] = [*schema["required"], "type"]
        texts[f"{kind}.{version}.schema.json"] = _text(schema)
    for number in VERSIONS:
        schema = {"$schema": DRAFT, "$id": f"urn:assay:xapi-statement:{number}"}
        texts[f"statement.{number}.schema.json"] = _text(schema | statement_schema(number))
    return texts


def _text(schema: dict[str, Any]) -> str:
    return f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n"


def main() -> None:
    """Write the files; those of what is no more are taken away."""
    texts = schema_texts()
    for stale in FOLDER.glob("*.schema.json"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
