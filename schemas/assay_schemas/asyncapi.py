"""The AsyncAPI 3 document of the topics that others read and write, as it is checked in.

`python -m assay_schemas.asyncapi` writes it anew; a test holds the file to the classes and topics,
and the parser of AsyncAPI's own project judges it.
"""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from assay_schemas.events import CredentialChanged
from assay_schemas.json_schemas import event_classes
from assay_schemas.topics import COMPETENCIES, CREDENTIALS, TOPICS, Topic, input_topic

FILE: Final = Path(__file__).parent / "asyncapi.json"
EXAMPLES: Final = Path(__file__).parent / "examples"
VERSION: Final = "1.0.0"

_ABOUT: Final = (
    "What a person became able to do, or lost, and what became of their credentials. Events are "
    "past tense; within a version only members are added, and readers let pass what they do not "
    "know. No event holds personal data: a person is a random id. Delivery is at least once: a "
    "reader ignores an event whose `sequence` is not above the last one of its subject."
)


def document() -> dict[str, Any]:
    """The document, as JSON values."""
    by_name = {topic.name: topic for topic in TOPICS}
    competency = [one for one in event_classes() if one is not CredentialChanged]
    channels = {
        "competencies": _channel(by_name[COMPETENCIES], competency),
        "credentials": _channel(by_name[CREDENTIALS], [CredentialChanged]),
        "inputs": _inputs(),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Assay",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            "tellCompetencies": _operation("send", "competencies"),
            "tellCredentials": _operation("send", "credentials"),
            "takeStatements": _operation("receive", "inputs"),
        },
        "components": {
            "messages": {
                **{_name(one): _message(one) for one in event_classes()},
                "statements": _statements(),
            }
        },
    }


def text() -> str:
    """What the file must hold."""
    return f"{json.dumps(document(), indent=2, ensure_ascii=False)}\n"


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _channel(topic: Topic, events: list[type[BaseModel]]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"{topic.about}. The key of a record is {topic.key}.",
        "messages": {_name(one): {"$ref": f"#/components/messages/{_name(one)}"} for one in events},
        "bindings": _kafka(topic.name, topic.partitions),
    }


def _inputs() -> dict[str, Any]:
    topic = input_topic("tenant", "source")
    return {
        "address": topic.name.replace("tenant", "{tenant}").replace("source", "{source}"),
        "description": f"{topic.about}; by access rule, only that source writes it.",
        "parameters": {
            "tenant": {"description": "whose statements"},
            "source": {"description": "the registered source, which modality comes from"},
        },
        "messages": {"statements": {"$ref": "#/components/messages/statements"}},
        "bindings": {"kafka": {"partitions": topic.partitions, "bindingVersion": "0.5.0"}},
    }


def _kafka(name: str, partitions: int) -> dict[str, Any]:
    return {"kafka": {"topic": name, "partitions": partitions, "bindingVersion": "0.5.0"}}


def _name(event: type[BaseModel]) -> str:
    return str(event.model_fields["type"].default).replace("/", ".")


def _message(event: type[BaseModel]) -> dict[str, Any]:
    name = _name(event)
    schema = event.model_json_schema(mode="serialization")
    # A default is for the writer's code. On the wire the type is what tells events apart.
    schema["required"] = [*schema["required"], "type"]
    example = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return {
        "name": str(event.model_fields["type"].default),
        "title": name,
        "summary": (event.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": schema,
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "examples": [{"payload": example}],
    }


def _statements() -> dict[str, Any]:
    return {
        "name": "statements",
        "title": "xAPI statements",
        "summary": "One statement, or an array of them.",
        "description": (
            "Each is checked for itself, by the schemas `json/statement.1.0.3.schema.json` and "
            "`json/statement.2.0.0.schema.json` and by what no schema can say."
        ),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {
                "xapi-version": {"type": "string", "description": "1.0.x or 2.0.x; else 2.0.0"}
            },
        },
        "payload": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
    }


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
