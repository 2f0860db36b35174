"""What is valid is accepted: the examples of the schemas, and values at the edge of each format."""

import pytest

from assay_schemas.statement import Limits, Version, check_statements
from statement_examples import EXAMPLES, VERSIONS, example, example_names, faults, mutated


@pytest.mark.parametrize(
    ("version", "name"),
    [(version, name) for version in VERSIONS for name in example_names(version)],
)
def test_example_is_accepted(version: Version, name: str) -> None:
    body = (EXAMPLES / name).read_bytes()
    checked, single = check_statements(body, version=version, limits=Limits())
    assert single
    assert [one.raw for one in checked] == [body.strip()]


ACCEPTED: list[tuple[str, str, object]] = [
    ("minimal.json", "timestamp", value)
    for value in (
        "2008-09-15T15:53:00.601+00:00", "2008-09-15 15:53:00.601+00:00", "2008-09-15T15:53:00",
        "20080915T155300Z", "2008-09-15t15:53z", "2008-09-15T15:53:00,5+0100",
        "2016-12-31T23:59:60Z", "2008-09-15T15:53:00.123456789012Z",
    )
] + [
    ("every-property.json", "result|duration", value)
    for value in (
        "PT4H35M59.14S", "PT16559.14S", "P3Y1M29DT4H35M59.14S", "P3Y", "P4W", "PT0S",
        "PT1H0M0.123456S", "P1.5D", "PT1,5S",
    )
] + [
    ("every-property.json", "context|language", value)
    for value in ("en", "cmn-Hans-CN", "de-CH-1996", "x-internal", "i-klingon", "sl-rozaj-biske",
                  "en-a-bbb-x-a-ccc", "es-419")
] + [
    ("every-property.json", "object|id", value)
    for value in ("urn:uuid:6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10", "http://example.com/فعل/خواندن",
                  "act:course", "https://[2001:db8::1]/a?b=c#d", "https://e.org/%20")
] + [
    ("every-property.json", "version", value) for value in ("1.0", "1.0.0", "1.0.9", "1.0.3")
] + [
    ("every-property.json", "attachments|0|contentType", value)
    for value in ("text/plain; charset=ascii", "application/vnd.a+json", 'a/b; c="d;\\"e"')
] + [
    ("every-property.json", "result|score|scaled", -1),
    ("every-property.json", "result|score|scaled", 1),
    ("every-property.json", "result|score", {"raw": 150.5}),
    ("every-property.json", "result|score", {}),
    ("every-property.json", "result|extensions", {"https://e.org/x": None}),
    ("every-property.json", "context|extensions", {"https://e.org/x": {"": [None, {"a": "b"}]}}),
    ("every-property.json", "id", "12345678-1234-5678-1234-567812345678"),
    ("every-property.json", "id", "B3A5C0A2-5B7E-4F0C-8F5A-1C2D3E4F5A6B"),
    ("every-property.json", "object|definition|correctResponsesPattern", ["x" * 300] * 5_000),
    ("every-property.json", "verb|display", {}),
    ("minimal.json", "attachments", []),
]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "path", "value"), ACCEPTED)
def test_unusual_but_valid_value_is_accepted(
    version: Version, name: str, path: str, value: object
) -> None:
    assert faults(mutated(example(name), path, value), version) == ()
