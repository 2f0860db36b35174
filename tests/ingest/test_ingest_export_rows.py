"""Files of statements: the cells of a row, the three formats, and lines that are read back."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.export import ARROW_SCHEMA, COLUMNS, Csv, JsonLines, Parquet, row_of
from assay_ingest.importing import (
    Candidate,
    Line,
    Rejected,
    batches,
    body_of,
    candidate_of,
    faults_of,
    named_in,
    read_lines,
)
from assay_schemas.limits import Limits
from ingest_samples import AUTHORITY, statement

NAMES = [one.name for one in COLUMNS]


def answered(**more: Any) -> bytes:
    """A statement as GET /statements answers it."""
    whole = {
        "stored": "2026-03-01T09:30:00.125Z",
        "timestamp": "2026-03-01T10:29:59.123456+01:00",
        "version": "2.0.0",
        "authority": AUTHORITY,
        **statement(uuid4()),
        **more,
    }
    return json.dumps(whole, ensure_ascii=False).encode()


def cells(raw: bytes) -> dict[str, Any]:
    return dict(zip(NAMES, row_of(raw), strict=True))


def test_a_row_holds_what_its_columns_say() -> None:
    raw = answered(
        actor={"name": "Ada", "account": {"homePage": "https://p.example", "name": "a 1"}},
        context={
            "registration": "6f9c1c1e-30f5-4b2f-9b5f-5a3f0d1c2b3a",
            "instructor": {"mbox": "mailto:i@example.org"},
            "platform": "rig",
        },
        result={
            "success": True,
            "completion": False,
            "duration": "PT5M",
            "score": {"scaled": 0.8, "raw": 80, "min": 0, "max": 100},
        },
    )
    found = cells(raw)
    assert found["stored"] == datetime(2026, 3, 1, 9, 30, 0, 125_000, UTC)
    assert found["timestamp"] == datetime(2026, 3, 1, 9, 29, 59, 123_456, UTC)
    assert (found["actor"], found["actor_name"]) == ("account:https://p.example a 1", "Ada")
    assert (found["success"], found["completion"], found["duration"]) == (True, False, "PT5M")
    assert (found["score_scaled"], found["score_raw"], found["score_max"]) == (0.8, 80.0, 100.0)
    assert found["instructor"] == "mbox:mailto:i@example.org"
    assert found["raw"] == raw.decode()
    assert all(cell is not None for cell in found.values())


@pytest.mark.parametrize(
    ("of", "kind", "target"),
    [
        ({"id": "http://e.org/a"}, "Activity", "http://e.org/a"),
        ({"objectType": "Agent", "mbox": "mailto:b@e.org"}, "Agent", "mbox:mailto:b@e.org"),
        ({"objectType": "Group", "member": [{"mbox": "mailto:b@e.org"}]}, "Group", None),
        ({"objectType": "StatementRef", "id": "x"}, "StatementRef", "x"),
        (
            {
                "objectType": "SubStatement",
                "actor": {"mbox": "mailto:b@e.org"},
                "verb": {"id": "http://e.org/v"},
                "object": {"id": "http://e.org/a"},
            },
            "SubStatement",
            None,
        ),
    ],
)
def test_every_kind_of_object_has_its_cell(of: Any, kind: str, target: str | None) -> None:
    found = cells(answered(object=of))
    assert (found["object_type"], found["object"]) == (kind, target)


def test_a_number_beyond_a_double_is_no_error() -> None:
    score = {"raw": "BIG", "min": "LONG"}
    raw = answered(result={"score": score})
    raw = raw.replace(b'"BIG"', b"1e400").replace(b'"LONG"', b"0.79999999999999999999")
    assert cells(raw)["score_raw"] == float("inf")
    assert cells(raw)["score_min"] == 0.8


def test_json_lines_keep_the_bytes_but_for_line_breaks_between_tokens() -> None:
    raw = b'{ "id":"1",\r\n  "name" : "a\\nb\xc3\xa4" }'
    file = io.BytesIO()
    JsonLines(file).write([raw, b"{}"])
    first, second = file.getvalue().splitlines()
    assert first == b'{ "id":"1",    "name" : "a\\nb\xc3\xa4" }'
    assert second == b"{}"


def test_csv_is_read_back_and_no_name_becomes_a_formula() -> None:
    name = '=1+1;"quoted",\nin two lines'
    file = io.BytesIO()
    writer = Csv(file)
    writer.write([answered(actor={"name": name, "mbox": "mailto:a@e.org"})])
    writer.write([answered(result={"score": {"scaled": -0.5}, "success": False})])
    writer.close()
    first, second = csv.DictReader(io.StringIO(file.getvalue().decode(), newline=""))
    assert list(first) == NAMES
    assert first["actor_name"] == "'" + name
    assert (first["stored"], first["timestamp"]) == (
        "2026-03-01T09:30:00.125Z",
        "2026-03-01T09:29:59.123456Z",
    )
    assert (second["score_scaled"], second["success"], second["completion"]) == (
        "-0.5",
        "false",
        "",
    )
    assert json.loads(first["raw"])["actor"]["name"] == name


def test_an_empty_csv_still_has_its_head() -> None:
    file = io.BytesIO()
    Csv(file).close()
    assert file.getvalue().decode().split("\r\n")[0].split(",") == NAMES


class Pipe(io.RawIOBase):
    """Cannot be asked where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(self.parts[-1])


def test_parquet_goes_through_a_pipe_in_row_groups_with_the_stable_schema() -> None:
    pipe = Pipe()
    file: BinaryIO = pipe  # type: ignore[assignment] # what standard output is, as far as it is used
    writer = Parquet(file, group_rows=2)
    raws = [answered() for _ in range(5)]
    writer.write(raws[:3])
    writer.write(raws[3:])
    writer.close()
    found = pq.ParquetFile(io.BytesIO(b"".join(pipe.parts)))
    assert found.num_row_groups == 3
    assert found.schema_arrow.equals(ARROW_SCHEMA, check_metadata=True)
    table = found.read()
    assert [raw.encode() for raw in table.column("raw").to_pylist()] == raws
    assert table.column("stored").to_pylist()[0] == datetime(2026, 3, 1, 9, 30, 0, 125_000, UTC)


# --- reading back


def lines_of(data: bytes, *, bytes_max: int = 1000, offset: int = 0, number: int = 0) -> list[Line]:
    return list(read_lines(io.BytesIO(data), offset=offset, number=number, bytes_max=bytes_max))


def test_lines_are_numbered_as_an_editor_does_and_blank_ones_are_passed_over() -> None:
    found = lines_of(b"{}\n\n  \r\n[1]\nlast")
    assert [(one.number, one.text) for one in found] == [(1, b"{}\n"), (4, b"[1]\n"), (5, b"last")]


@given(st.lists(st.binary(max_size=40).map(lambda one: one.replace(b"\n", b"")), max_size=12))
def test_an_import_goes_on_behind_any_line(texts: list[bytes]) -> None:
    data = b"\n".join(texts)
    whole = lines_of(data, bytes_max=16)
    for index, line in enumerate(whole):
        rest = lines_of(data, bytes_max=16, offset=line.end, number=line.number)
        assert rest == whole[index + 1 :]
    assert [one.text is None for one in whole] == [
        len(text) > 16 for text in texts if len(text) > 16 or text.strip(b" \t\r\n")
    ]


def test_a_line_without_id_gets_the_same_one_each_time_and_equal_lines_differ() -> None:
    text = b'{"actor":{"mbox":"mailto:a@e.org"}}'
    one, again, other = (candidate_of(Line(number, text, 0), "2.0.0") for number in (1, 1, 2))
    assert isinstance(one, Candidate)
    assert isinstance(other, Candidate)
    assert one == again
    assert one.id != other.id
    assert json.loads(one.text) == {"id": one.id, "actor": {"mbox": "mailto:a@e.org"}}


def test_the_version_of_a_line_is_the_one_it_states() -> None:
    def version(text: bytes) -> str:
        found = candidate_of(Line(1, text, 0), "2.0.0")
        assert isinstance(found, Candidate)
        return found.version

    assert version(b'{"version":"1.0.0"}') == "1.0.3"
    assert version(b'{"version":"2.0.0"}') == "2.0.0"
    assert version(b"{}") == "2.0.0"


def test_a_time_that_a_store_added_can_be_taken_away_again() -> None:
    added = candidate_of(Line(1, b'{"id":"A","timestamp":"t1","stored":"t1","x":1}', 0), "2.0.0")
    own = candidate_of(Line(1, b'{"id":"A","timestamp":"t0","stored":"t1"}', 0), "2.0.0")
    assert isinstance(added, Candidate)
    assert isinstance(own, Candidate)
    assert added.bare == b'{"id":"A","stored":"t1","x":1}'
    assert own.bare is None


def test_a_batch_holds_one_version_each_id_once_and_no_more_than_fits() -> None:
    texts = [b'{"id":"a"}', b'{"id":"b"}', b"no json", b'{"id":"A"}', b'{"id":"c","version":"1.0"}']
    data = b"\n".join([*texts, *(b'{"id":"%d"}' % number for number in range(7))])
    found = list(batches(lines_of(data), default="2.0.0", statements_max=3, bytes_max=1000))
    assert [[one.line for one in batch.candidates] for batch in found] == [
        [1, 2],
        [4],
        [5],
        [6, 7, 8],
        [9, 10, 11],
        [12],
    ]
    assert [one.line for one in found[0].rejected] == [3]
    assert [batch.version for batch in found[:4]] == ["2.0.0", "2.0.0", "1.0.3", "2.0.0"]
    assert [batch.line for batch in found] == [3, 4, 5, 8, 11, 12]
    assert found[-1].end == len(data)
    small = list(batches(lines_of(data), default="2.0.0", statements_max=9, bytes_max=30))
    assert all(sum(len(one.text) for one in batch.candidates) <= 30 for batch in small)


def test_bad_lines_alone_do_not_pile_up() -> None:
    data = b"x\n" * 10
    found = list(batches(lines_of(data), default="2.0.0", statements_max=4, bytes_max=1000))
    assert [len(batch.rejected) for batch in found] == [4, 4, 2]


def test_errors_of_the_server_are_named_by_candidate_with_the_place_in_the_line() -> None:
    group = [Candidate(line, str(line), b"{}", "2.0.0", None) for line in (7, 8)]
    problem = {
        "errors": [
            {"index": 1, "pointer": "/1/actor/mbox", "rule": "r", "statement_id": None},
            {"index": 2, "pointer": "/2"},
            {"index": None, "pointer": ""},
        ]
    }
    assert named_in(problem, group) == {1: [{"pointer": "/actor/mbox", "rule": "r"}]}
    others: list[object] = [{}, None, [], {"errors": "x"}]
    for other in others:
        assert named_in(other, group) == {}
    assert body_of(group) == b"[{},{}]"


def test_a_rejected_line_keeps_its_statement_or_its_text() -> None:
    kept = Rejected(3, "statement_invalid", ({"rule": "r"},), b'{"a":\n 1.50}').as_json()
    assert kept == (
        b'{"line":3,"reason":"statement_invalid","errors":[{"rule":"r"}],'
        b'"statement":{"a":  1.50}}\n'
    )
    text = json.loads(Rejected(4, "line_unreadable", (), b"\xff{").as_json())
    assert text == {"line": 4, "reason": "line_unreadable", "text": "\ufffd{"}


@pytest.mark.parametrize("text", [b"[]", b"1", b'{"a":', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused_without_asking_the_server(text: bytes) -> None:
    found = candidate_of(Line(1, text, 0), "2.0.0")
    assert isinstance(found, Rejected)
    assert found.reason == "line_unreadable"


def test_a_dry_check_says_what_the_rules_say() -> None:
    good = json.dumps(statement()).encode()
    assert not faults_of(Line(1, good, 0), "2.0.0", Limits())
    bad = json.dumps(statement(result={"score": {"scaled": 2}})).encode()
    faults = faults_of(Line(1, bad, 0), "2.0.0", Limits())
    assert not isinstance(faults, Rejected)
    assert [(one.rule, one.pointer) for one in faults] == [
        ("score-scaled-range", "/result/score/scaled")
    ]


def test_a_statement_that_is_none_is_an_error_for_the_table() -> None:
    with pytest.raises(msgspec.ValidationError):
        row_of(b"{}")


def test_a_long_export_takes_the_memory_of_a_row_group(tmp_path: Path) -> None:
    page = [answered() for _ in range(500)]
    with (tmp_path / "long.parquet").open("wb") as file:
        writer = Parquet(file, group_bytes=256 * 1024)
        tracemalloc.start()
        try:
            for _ in range(30):
                writer.write(page)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        writer.close()
    # All of it would be 6 MB as bytes alone, and several times that as rows.
    assert sum(len(one) for one in page) * 30 > 5_000_000
    assert peak < 4_000_000
    assert pq.ParquetFile(tmp_path / "long.parquet").metadata.num_rows == 15_000
