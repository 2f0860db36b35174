"""Which parts a request must bring: the pure rules, and the same for input topics."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from assay_ingest.attachments import (
    PartRefused,
    check_first_part,
    declared,
    has_attachments,
    missing,
    not_taken,
    referenced,
    sha2_of_part,
)
from assay_ingest.attachments_contents import Contents, StoreUnusable
from assay_ingest.intake import Origin, take_in
from assay_schemas.statement import CheckedStatement, Limits, Version, check_statements
from ingest_samples import statement
from xapi_signing import described, signature_of

LIMITS = Limits()
SHA2 = described(b"x")["sha2"]


def checked(*sent: dict[str, Any], version: Version = "2.0.0") -> list[CheckedStatement]:
    found, _ = check_statements(json.dumps(sent).encode(), version=version, limits=LIMITS)
    return found


def test_what_is_declared_is_found_with_its_place() -> None:
    sub = {"objectType": "SubStatement", **statement(attachments=[described(b"c")])}
    batch = checked(
        statement(),
        statement(attachments=[described(b"a"), signature_of(b"b")]),
        statement(object=sub),
    )
    assert [has_attachments(one) for one in batch] == [False, True, True]
    found = declared(batch, single=False)
    assert [(one.index, one.pointer, one.is_signature) for one in found] == [
        (1, "/1/attachments/0", False),
        (1, "/1/attachments/1", True),
        (2, "/2/object/attachments/0", False),
    ]
    (one,) = declared(batch[2:], single=True)
    assert one.pointer == "/object/attachments/0"


@pytest.mark.parametrize(
    ("version", "section"),
    [("1.0.3", "xAPI 1.0.3 Communication 1.5.2"), ("2.0.0", "IEEE 9274.1.1 4.1.3")],
)
def test_what_is_missing_is_named_by_place_rule_and_section(version: Version, section: str) -> None:
    by_url = described(b"b", fileUrl="http://example.org/b")
    batch = checked(statement(attachments=[described(b"a"), by_url]), version=version)
    (fault,) = missing(declared(batch, single=False), (), batch, version)
    assert (fault.index, fault.pointer, fault.rule, fault.section) == (
        0,
        "/0/attachments/0",
        "attachment-part-missing",
        section,
    )
    assert missing(declared(batch, single=False), {described(b"a")["sha2"]}, batch, version) == []


def test_a_sha2_is_the_same_in_upper_case() -> None:
    batch = checked(statement(attachments=[described(b"x", sha2=SHA2.upper())]))
    assert missing(declared(batch, single=True), {SHA2}, batch, "2.0.0") == []
    headers = {"x-experience-api-hash": SHA2.upper(), "content-transfer-encoding": "Binary"}
    assert sha2_of_part(2, headers, {SHA2}) == SHA2


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        (["*/*"], True),
        (["text/*"], True),
        (["image/*", "text/plain"], True),
        (["image/*"], False),
        (["text/pla"], False),
        ([""], False),
    ],
)
def test_media_types_are_let_in_by_pattern(patterns: list[str], taken: bool) -> None:
    batch = checked(statement(attachments=[described(b"x", contentType="Text/Plain; a=b")]))
    faults = not_taken(declared(batch, single=True), batch, patterns, "2.0.0")
    assert (faults == []) is taken


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json", "content-transfer-encoding": "base64"},
    ],
)
def test_the_first_part_must_be_json_as_it_is(headers: dict[str, str]) -> None:
    with pytest.raises(PartRefused, match="part 1"):
        check_first_part(headers)


def test_an_answer_s_contents_are_each_named_once_in_order() -> None:
    sub = {"objectType": "SubStatement", **statement(attachments=[described(b"c")])}
    answers = [
        orjson.dumps(statement(attachments=[described(b"b"), described(b"a")])),
        orjson.dumps(statement(object=sub, attachments=[described(b"a", contentType="x/y")])),
        orjson.dumps(statement()),
    ]
    assert list(referenced(answers).items()) == [
        (described(content)["sha2"], "text/plain") for content in (b"b", b"a", b"c")
    ]


def test_from_an_input_topic_contents_must_stand_elsewhere_and_signatures_cannot_come() -> None:
    """A topic brings no parts: what could never be read or verified is named, not swallowed."""
    by_url = statement(attachments=[described(b"a", fileUrl="http://example.org/a")])
    nowhere = statement(attachments=[described(b"a")])
    signed = statement(attachments=[signature_of(b"a", fileUrl="http://example.org/a")])
    intake = take_in(
        orjson.dumps([by_url, nowhere, statement(), signed]),
        Origin("cluster", "topic-id", "assay.in.t.s.v1", 0, 7),
        version="2.0.0",
        limits=LIMITS,
    )
    assert [one.index for one in intake.taken] == [0, 2]
    assert [(one.index, one.reason, one.errors[0].rule) for one in intake.refused] == [
        (1, "statement_invalid", "attachment-part-missing"),
        (3, "statement_invalid", "attachment-part-missing"),
    ]


# The store of contents


async def test_a_content_gets_its_name_once_and_is_read_in_pieces(tmp_path: Path) -> None:
    contents = Contents.open((tmp_path / "a folder").as_uri())
    body = b"0123456789" * 100_000
    for _ in range(2):
        upload = contents.begin()
        for begin in range(0, len(body), 70_000):
            await upload.write(body[begin : begin + 70_000])
        await upload.finish()
        await contents.keep(upload, "t", SHA2)
    assert await contents.size("t", SHA2) == len(body)
    pieces = [piece async for piece in contents.read("t", SHA2)]
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= 256 * 1024
    assert [one.name for one in (tmp_path / "a folder" / "t").iterdir()] == [SHA2]
    assert list((tmp_path / "a folder" / ".uploads").iterdir()) == []
    await contents.delete("t", SHA2)
    await contents.delete("t", SHA2)
    assert await contents.size("t", SHA2) is None


async def test_an_upload_that_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    contents = Contents.open(tmp_path.as_uri())
    for is_finished in (True, False):
        upload = contents.begin()
        await upload.write(b"x" * 2_000_000)
        if is_finished:
            await upload.finish()
        await upload.discard()
        await upload.discard()
    assert list((tmp_path / ".uploads").iterdir()) == []


@pytest.mark.parametrize("url", ["", "attachments", "http://example.org/x", "ftp://x/y"])
def test_a_store_must_be_a_directory_or_a_bucket(url: str) -> None:
    with pytest.raises(StoreUnusable, match="file://"):
        Contents.open(url)


def test_credentials_of_a_bucket_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bucket.json"
    options = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region": "eu-west-2"}
    file.write_text(json.dumps(options), encoding="utf-8")
    Contents.open("s3://bucket/prefix", file)
    for text in ("{", "[]", '{"aws_unheard_of": "x"}', '{"aws_region": 5}'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(StoreUnusable, match="cannot be opened"):
            Contents.open("s3://bucket/prefix", file)
    with pytest.raises(StoreUnusable):
        Contents.open("s3://bucket/prefix", tmp_path / "none.json")
