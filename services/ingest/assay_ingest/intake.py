"""One record of an input topic: which of its statements are taken, and why others are not. Pure.

Unlike a request over HTTP, a record is not all or nothing: each statement stands for itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from assay_schemas.jsontext import TextFault, split_statements
from assay_schemas.limits import Limits
from assay_schemas.refusals import StatementError
from assay_schemas.statement import (
    CheckedStatement,
    StatementsRefused,
    Version,
    check_statements,
)

WHOLE_RECORD = -1


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an input record stands. Names alone would not do: a topic can be made anew."""

    cluster_id: str
    topic_id: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A statement that goes on, with the id that it has or gets."""

    index: int
    id: UUID
    checked: CheckedStatement


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement, or the whole record, that does not go on."""

    index: int
    statement_id: UUID | None
    reason: str
    errors: tuple[StatementError, ...]
    body: bytes | None


@dataclass(slots=True)
class Intake:
    """What became of the statements of one record."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def derived_id(origin: Origin, index: int) -> UUID:
    """The id of a statement that came without one: always the same for the same place.

    Shaped as a version 4 UUID, since old clients refuse others.
    """
    place = (
        origin.cluster_id,
        origin.topic_id,
        origin.topic,
        str(origin.partition),
        str(origin.offset),
        str(index),
    )
    return UUID(bytes=sha256("\0".join(place).encode()).digest()[:16], version=4)


def take_in(value: bytes | None, origin: Origin, *, version: Version, limits: Limits) -> Intake:
    """Check the statements of one record, each for itself."""
    if value is None:
        return Intake(refused=[Refused(WHOLE_RECORD, None, "record_empty", (), None)])
    try:
        checked, _ = check_statements(value, version=version, limits=limits)
    except StatementsRefused as refusal:
        return _one_by_one(value, origin, refusal, version=version, limits=limits)
    return Intake(
        taken=[
            Taken(index, one.id or derived_id(origin, index), one)
            for index, one in enumerate(checked)
        ]
    )


def _one_by_one(
    value: bytes, origin: Origin, refusal: StatementsRefused, *, version: Version, limits: Limits
) -> Intake:
    """Something in the record is wrong: find out what is not."""
    try:
        texts, _ = split_statements(value, limits)
    except TextFault:
        return Intake(
            refused=[Refused(WHOLE_RECORD, None, "record_unreadable", refusal.errors, value)]
        )
    intake = Intake()
    hashes: dict[UUID, bytes] = {}
    for index, text in enumerate(texts):
        try:
            (one,), single = check_statements(text, version=version, limits=limits)
        except StatementsRefused as refused:
            intake.refused.append(_refused(index, refused.errors, text))
            continue
        except ValueError:
            # A list within the list, of other than one statement.
            single = False
        if not single:
            intake.refused.append(Refused(index, None, "statement_invalid", (), text))
            continue
        statement_id = one.id or derived_id(origin, index)
        before = hashes.setdefault(statement_id, one.comparison_hash)
        if before != one.comparison_hash:
            intake.refused.append(Refused(index, statement_id, "id_conflict", (), text))
        elif all(taken.id != statement_id for taken in intake.taken):
            intake.taken.append(Taken(index, statement_id, one))
    return intake


def _refused(index: int, errors: Sequence[StatementError], text: bytes) -> Refused:
    sent = next((error.statement_id for error in errors if error.statement_id is not None), None)
    return Refused(
        index, None if sent is None else UUID(sent), "statement_invalid", tuple(errors), text
    )
