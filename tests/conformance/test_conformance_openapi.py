"""The OpenAPI document says what the front does: no answer that is not in it, and no 500."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from assay_ingest.openapi import with_xapi
from assay_ingest.versions import SERVED
from statement_examples import example, example_names
from xapi_lrs import Endpoint, complete_statement

SECONDS = 45
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)
RESOURCES = (
    "about",
    "statements",
    "agents",
    "activities",
    "activities/state",
    "activities/profile",
    "agents/profile",
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return with_xapi({"info": {"title": "x", "version": version("assay-records")}, "paths": {}})


def test_the_document_is_served_and_describes_every_resource(endpoint: Endpoint) -> None:
    base = endpoint.url.removesuffix("/xapi")
    served = httpx.get(f"{base}/openapi.json").json()
    assert served["openapi"].startswith("3.1.")
    for resource in RESOURCES:
        methods = served["paths"][f"/xapi/{resource}"]
        # The front itself says which methods a resource has.
        allowed = httpx.options(f"{endpoint.url}/{resource}").headers["allow"]
        assert set(methods) == {one.strip().lower() for one in allowed.split(",")}, resource


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(_references(document))
    assert len(found) > 100
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [one for held in part.values() for one in _references(held)]
    return [one for held in part for one in _references(held)] if isinstance(part, list) else []


@pytest.mark.parametrize("spoken", SERVED)
def test_statements_are_valid_by_the_schemas_of_the_document(
    document: dict[str, Any], spoken: str
) -> None:
    root = {**document, "$ref": f"#/components/schemas/Statement-{spoken}"}
    validator = jsonschema.Draft202012Validator(root)
    good = [example(name) for name in example_names(spoken)]  # type: ignore[arg-type]
    for statement in [*good, complete_statement()]:
        validator.validate(statement)
    wrong = {**complete_statement(), "verb": {"id": "no IRI"}}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(wrong)


def test_schemathesis_finds_no_500_and_no_undocumented_answer(
    endpoint: Endpoint, tmp_path: Path, project: Path
) -> None:
    base = endpoint.url.removesuffix("/xapi")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{base}/openapi.json",
        "--include-path-regex=^/xapi/",
        f"--auth={endpoint.user}:{endpoint.password}",
        f"--checks={','.join(CHECKS)}",
        "--phases=fuzzing",
        f"--max-time={SECONDS}",
        "--max-examples=50",
        "--workers=2",
        "--request-timeout=30",
        "--generation-database=none",
        "--warnings=off",
        "--no-color",
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "xapi_schemathesis"}
    path = {"PYTHONPATH": str(project / "tests" / "support")}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **hooks, **path},
        capture_output=True,
        text=True,
        timeout=4 * SECONDS,
        check=False,
    )
    # What it tells of a request can be very long.
    told = "\n".join(line[:300] for line in done.stdout.splitlines())
    assert done.returncode == 0, told + done.stderr
    assert "25 selected" in told, told
