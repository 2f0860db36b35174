"""What the service refuses, and the one table of its HTTP answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from assay_runtime.problem import Problem, not_available
from assay_schemas.refusals import StatementError


class IngestError(Exception):
    """Base of the errors of this service. The text is one sentence without personal data."""


class RequestInvalid(IngestError):
    """A parameter or a header is wrong."""

    def __init__(self, detail: str, *, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.parameter = parameter


class VersionNotKnown(IngestError):
    """X-Experience-API-Version is missing or names a version that is not served."""


class MultipartInvalid(IngestError):
    """A multipart body, or one of its parts, breaks a rule."""


class AttachmentTooLarge(IngestError):
    """A part, their number, or the whole request is over a limit."""

    def __init__(self, detail: str, limit: int) -> None:
        super().__init__(detail)
        self.limit = limit


class TooSlow(IngestError):
    """A body did not come in time."""


class WrongContentType(IngestError):
    """The body is of a kind that is not taken."""


class StatementsInvalid(IngestError):
    """One or more statements break a rule."""

    def __init__(self, errors: Sequence[StatementError]) -> None:
        super().__init__("the statements are refused; nothing of the request is kept")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class At:
    """Which statement of a request: `index` counts from 0."""

    index: int
    statement_id: UUID


class IdConflict(IngestError):
    """A statement with that id and another content is there."""

    def __init__(self, places: Sequence[At]) -> None:
        super().__init__("a statement with the same id and another content is there already")
        self.places = places


class VoidNotAuthorised(IngestError):
    """The client may not void a statement of that source."""

    def __init__(self, places: Sequence[At]) -> None:
        super().__init__("voiding this statement needs the scope statements/void")
        self.places = places


class RecordOverLimit(IngestError):
    """The accepted statements do not fit into one record of the log."""


class NotAcknowledged(IngestError):
    """The log did not acknowledge in time: the request is in it whole, or not at all."""

    def __init__(self, detail: str, ids: Sequence[UUID]) -> None:
        super().__init__(detail)
        self.ids = ids


class TooBusy(IngestError):
    """A limit is reached; nothing was done."""


class StoreNotAvailable(IngestError):
    """Postgres is away; nothing was done."""


class NoSource(IngestError):
    """The client belongs to no source that is known."""


class ClientInvalid(RequestInvalid):
    """What was asked of a client breaks a rule; `parameter` names the member."""


class ClientTaken(IngestError):
    """The name was used before, or the tokens have a client already."""


class ClientNotFound(IngestError):
    """The tenant has no such client that is not revoked."""


class ClientElsewhere(IngestError):
    """Other services know the client too, and only an operator reaches them all."""


class GrantTooWide(IngestError):
    """Nobody gives away, or takes over, what they do not hold themselves."""


class StatementNotFound(IngestError):
    """There is no such statement for the reader."""


class DocumentNotFound(IngestError):
    """There is no such document."""


class DocumentInvalid(IngestError):
    """The content of a document, or of the one it is to be merged with, does not allow it."""


class DocumentConflict(IngestError):
    """A document is there already, and the request does not say that it knows it."""


class PreconditionFailed(IngestError):
    """If-Match or If-None-Match does not hold; nothing was changed."""


class DocumentTooLarge(IngestError):
    """A merged document would be over the limit."""


class TooManyDocuments(IngestError):
    """As many documents as are allowed are kept for one activity, agent, or both."""


def _invalid(error: StatementsInvalid) -> Problem:
    return Problem(
        400,
        "Statements refused",
        slug="statement-invalid",
        detail=str(error),
        errors=[described(one) for one in error.errors],
    )


def described(error: StatementError) -> dict[str, Any]:
    """A fault of a statement as JSON: for answers, and for the rejected table."""
    return {
        "index": error.index,
        "statement_id": error.statement_id,
        "pointer": error.pointer,
        "rule": error.rule,
        "section": error.section,
        "message": error.message,
    }


def _places(places: Sequence[At]) -> list[dict[str, Any]]:
    return [{"index": one.index, "statement_id": str(one.statement_id)} for one in places]


def _parameter(error: RequestInvalid) -> Problem:
    if error.parameter is None:
        return Problem(400, "Bad request", detail=str(error))
    return Problem(400, "Bad request", detail=str(error), parameter=error.parameter)


# Subclasses stand before their base.
_ANSWERS: tuple[tuple[type[IngestError], Callable[[Any], Problem]], ...] = (
    (RequestInvalid, _parameter),
    (StatementsInvalid, _invalid),
    (
        VersionNotKnown,
        lambda e: Problem(400, "Version not known", slug="version-not-known", detail=str(e)),
    ),
    (
        MultipartInvalid,
        lambda e: Problem(400, "Multipart refused", slug="multipart-invalid", detail=str(e)),
    ),
    (
        AttachmentTooLarge,
        lambda e: Problem(
            413, "Too large", detail=f"{e}, which is {e.limit}", slug="too-large", limit=e.limit
        ),
    ),
    (TooSlow, lambda e: Problem(408, "Too slow", slug="too-slow", detail=str(e))),
    # Not 415: the xAPI conformance requirements (XAPI-00127) want 400.
    (
        WrongContentType,
        lambda e: Problem(400, "Wrong content type", slug="wrong-content-type", detail=str(e)),
    ),
    (
        IdConflict,
        lambda e: Problem(
            409, "Id conflict", slug="id-conflict", detail=str(e), errors=_places(e.places)
        ),
    ),
    (
        VoidNotAuthorised,
        lambda e: Problem(
            403,
            "Not allowed",
            slug="void-not-authorised",
            detail=str(e),
            scope="statements/void",
            errors=_places(e.places),
        ),
    ),
    (RecordOverLimit, lambda e: Problem(413, "Record too large", detail=str(e))),
    (
        NotAcknowledged,
        lambda e: not_available(str(e), ids=[str(one) for one in e.ids]),
    ),
    (TooBusy, lambda e: not_available(str(e), retry_seconds=1)),
    (StoreNotAvailable, lambda e: not_available(str(e))),
    (NoSource, lambda e: Problem(403, "Not allowed", slug="no-source", detail=str(e))),
    (ClientTaken, lambda e: Problem(409, "Client taken", slug="client-taken", detail=str(e))),
    (ClientNotFound, lambda e: Problem(404, "Not found", detail=str(e))),
    (
        ClientElsewhere,
        lambda e: Problem(409, "Known elsewhere too", slug="client-elsewhere", detail=str(e)),
    ),
    (GrantTooWide, lambda e: Problem(403, "Not allowed", slug="grant-too-wide", detail=str(e))),
    (StatementNotFound, lambda e: Problem(404, "Not found", detail=str(e))),
    (DocumentNotFound, lambda e: Problem(404, "Not found", detail=str(e))),
    (
        DocumentInvalid,
        lambda e: Problem(400, "Document refused", slug="document-invalid", detail=str(e)),
    ),
    (
        DocumentConflict,
        lambda e: Problem(409, "Document exists", slug="document-exists", detail=str(e)),
    ),
    (
        PreconditionFailed,
        lambda e: Problem(412, "Precondition failed", slug="precondition-failed", detail=str(e)),
    ),
    (DocumentTooLarge, lambda e: Problem(413, "Document too large", detail=str(e))),
    (
        TooManyDocuments,
        lambda e: Problem(403, "Too many documents", slug="too-many-documents", detail=str(e)),
    ),
)


def problem_of(error: IngestError) -> Problem:
    """The HTTP answer to `error`."""
    for kind, answer in _ANSWERS:
        if isinstance(error, kind):
            return answer(error)
    raise TypeError(f"no answer is written down for {type(error).__name__}")
