"""One record of an input topic: which of its statements are taken, and why others are not. Pure.

Unlike a request over HTTP, a record is not all or nothing: each statement stands for itself.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from assay_ingest.attachments import declared, has_attachments, missing
from assay_schemas.limits import Limits
from assay_schemas.refusals import StatementError
from assay_schemas.statement import (
    CheckedStatement,
    RefusedStatement,
    StatementsRefused,
    Version,
    check_each_statement,
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
        outcomes = check_each_statement(value, version=version, limits=limits)
    except StatementsRefused as refusal:
        return Intake(
            refused=[Refused(WHOLE_RECORD, None, "record_unreadable", refusal.errors, value)]
        )
    intake = Intake()
    hashes: dict[UUID, bytes] = {}
    for index, one in enumerate(outcomes):
        if isinstance(one, RefusedStatement):
            intake.refused.append(_refused(index, one))
            continue
        statement_id = one.id or derived_id(origin, index)
        if has_attachments(one):
            # A topic brings no contents, and a signature that nobody can check is none.
            faults = missing(declared([one], single=True), (), [one], version)
            if faults:
                intake.refused.append(
                    Refused(index, statement_id, "statement_invalid", tuple(faults), one.raw)
                )
                continue
        before = hashes.get(statement_id)
        if before is None:
            hashes[statement_id] = one.comparison_hash
            intake.taken.append(Taken(index, statement_id, one))
        elif before != one.comparison_hash:
            intake.refused.append(Refused(index, statement_id, "id_conflict", (), one.raw))
    return intake


def _refused(index: int, one: RefusedStatement) -> Refused:
    sent = next((error.statement_id for error in one.errors if error.statement_id), None)
    statement_id = None if sent is None else UUID(sent)
    return Refused(index, statement_id, "statement_invalid", one.errors, one.raw)
