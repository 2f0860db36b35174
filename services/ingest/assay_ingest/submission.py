"""What one request sends, once its statements are checked, and what the log is told of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from assay_ingest.attachments import Declared, declared, missing
from assay_ingest.errors import StatementsInvalid
from assay_ingest.store import Source
from assay_runtime.auth import Client
from assay_schemas.envelope import Envelope
from assay_schemas.statement import CheckedStatement, Version

SCOPE_VOID = "statements/void"
SCOPE_DEFINE = "define"


@dataclass(frozen=True, slots=True)
class Submission:
    """The checked statements of one request. `single`: they came as one object, not as a list."""

    client: Client
    source: Source
    version: Version
    put_id: UUID | None
    statements: Sequence[CheckedStatement]
    single: bool
    size: int
    began: float

    def declarations(self) -> Sequence[Declared]:
        """What the statements say of attachments."""
        return declared(self.statements, single=self.single)

    def require(self, contents: Collection[str]) -> None:
        """Raises StatementsInvalid where a content that must be there is not among `contents`."""
        faults = missing(self.declarations(), contents, self.statements, self.version)
        if faults:
            raise StatementsInvalid(faults)


def envelope_of(
    client: Client, source: Source, version: Version, signed_by: Sequence[str | None] = ()
) -> Envelope:
    """What the log is told of the sender (law 7: from the credential, never from the body).

    `signed_by`: for each statement the agent whose registered key verified its signature.
    """
    return Envelope(
        tenant=client.tenant,
        source=client.source or "",
        modality=source.modality,
        client=client.name,
        xapi_version=version,
        vouches_for_assessors=source.vouches_for_assessors,
        learner_controlled=source.learner_controlled,
        may_void=SCOPE_VOID in client.scopes,
        may_define=client.may(SCOPE_DEFINE),
        signed_by=tuple(signed_by) if any(signed_by) else (),
    )
