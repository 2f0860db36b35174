"""What of a record is taken in and what is refused, without a broker."""

from uuid import UUID, uuid4

import orjson
import pytest

from assay_ingest.intake import WHOLE_RECORD, Intake, Origin, take_in
from assay_schemas.statement import Limits
from ingest_samples import statement

ORIGIN = Origin("cluster", "topic-id", "topic", 0, 7)


def taken_in(*statements: object) -> Intake:
    return take_in(orjson.dumps(statements), ORIGIN, version="2.0.0", limits=Limits())


def test_each_statement_stands_for_itself() -> None:
    intake = taken_in(statement(), {"bad": 1}, [], 5, statement())
    assert [one.index for one in intake.taken] == [0, 4]
    assert [(one.index, one.reason) for one in intake.refused] == [
        (1, "statement_invalid"), (2, "statement_invalid"), (3, "statement_invalid"),
    ]  # fmt: skip
    assert [one.body for one in intake.refused] == [b'{"bad":1}', b"[]", b"5"]
    assert all(one.errors for one in intake.refused)


def test_the_same_statement_twice_is_taken_once_and_another_of_its_id_is_refused() -> None:
    given = uuid4()
    one, other = statement(given), statement(given, verb="http://e.org/other")
    intake = taken_in(one, one, other, one)
    assert [taken.index for taken in intake.taken] == [0]
    assert [(refused.index, refused.reason) for refused in intake.refused] == [(2, "id_conflict")]


@pytest.mark.parametrize("sent", ["x" * 36, 5, None, "", "{" + str(uuid4()) + "}"])
def test_an_id_that_is_none_is_refused_without_one(sent: object) -> None:
    (refused,) = taken_in({**statement(), "id": sent}).refused
    assert refused.statement_id is None
    assert refused.errors[0].pointer == "/id"


def test_a_refused_statement_keeps_the_id_that_it_was_sent_with() -> None:
    given = uuid4()
    (refused,) = taken_in({**statement(given), "extra": 1}).refused
    assert refused.statement_id == given
    assert isinstance(refused.statement_id, UUID)
    assert [error.pointer for error in refused.errors] == ["/extra"]


@pytest.mark.parametrize("value", [b"", b"no json", b"5", b"[]", b"[{}", b"[{},]"])
def test_a_record_that_cannot_be_split_is_refused_whole(value: bytes) -> None:
    intake = take_in(value, ORIGIN, version="2.0.0", limits=Limits())
    assert [(one.index, one.reason) for one in intake.refused] == [
        (WHOLE_RECORD, "record_unreadable")
    ]
    assert intake.refused[0].errors
