"""The AsyncAPI document: it is what the code says, and valid by the project's own parser."""

from pathlib import Path
from typing import Any

from assay_schemas.asyncapi import FILE, document, text
from assay_schemas.json_schemas import event_classes
from assay_schemas.topics import COMPETENCIES, CREDENTIALS
from node_tools import run_node

ASYNCAPI = Path(__file__).parents[1] / "asyncapi"


def test_the_file_is_what_the_code_says() -> None:
    """Else: `python -m assay_schemas.asyncapi`."""
    assert FILE.read_text(encoding="utf-8") == text()


def test_every_event_is_told_of_on_its_topic() -> None:
    made = document()
    told = {
        name
        for channel in made["channels"].values()
        for name in channel["messages"]
        if name != "statements"
    }
    assert told == {
        str(one.model_fields["type"].default).replace("/", ".") for one in event_classes()
    }


def test_the_parser_of_asyncapi_finds_no_fault() -> None:
    found: Any = run_node("validate.mjs", text(), folder=ASYNCAPI)
    # 0 is an error, 1 a warning; what is left are hints (a newer version, no server named).
    assert [one for one in found["diagnostics"] if one["severity"] < 2] == []
    assert set(found["channels"]) == {COMPETENCIES, CREDENTIALS, "assay.in.{tenant}.{source}.v1"}


def test_the_parser_would_find_a_fault() -> None:
    broken = text().replace('"action": "send"', '"action": "shout"')
    found: Any = run_node("validate.mjs", broken, folder=ASYNCAPI)
    assert [one for one in found["diagnostics"] if one["severity"] == 0]
