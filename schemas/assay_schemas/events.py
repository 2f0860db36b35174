"""The events of `assay.competencies.v1` and `assay.credentials.v1`: past tense, frozen, versioned.

Within a version only additions are made. The JSON Schemas stand in `json/` and a test compares.
No event holds personal data: a person is a random id, a piece of evidence is a statement's id.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Sequence = Annotated[int, Field(ge=1, description="per (tenant, person, competency), by ones")]
Status = Literal[
    "not_started", "in_progress", "achieved", "expired", "suspended", "under_review", "revoked"
]


class _Event(BaseModel):
    # A reader lets pass what a later writer added; types hold our own writers to the fields.
    model_config = ConfigDict(frozen=True, extra="ignore")


class _CompetencyEvent(_Event):
    event_id: UUID
    tenant: str
    person: UUID
    competency: str = Field(description="IRI of the competency")
    sequence: Sequence
    decision: UUID = Field(description="id of the decision row that this follows from")
    rule: str = Field(description="rule id")
    rule_version: int
    rule_hash: str = Field(description="SHA-256, hex, of the rule's canonical JSON")
    status: Status
    level: int | None = None
    as_of: datetime = Field(description="greatest append or tick time applied when it was decided")
    achieved_on: date | None = Field(default=None, description="local date in `timezone`")
    expires_on: date | None = Field(default=None, description="last valid local date")
    timezone: str
    evidence: tuple[UUID, ...] = Field(default=(), description="statements that carry the award")
    reason: str | None = Field(default=None, description="code, why it was lost or changed")


class CompetencyAchieved(_CompetencyEvent):
    """A person came to hold a competency (first, or again after it was withdrawn or had lapsed)."""

    type: Literal["competency.achieved/v1"] = "competency.achieved/v1"


class CompetencyRenewed(_CompetencyEvent):
    """A new award carries a held competency: it was achieved later, or expires later."""

    type: Literal["competency.renewed/v1"] = "competency.renewed/v1"


class CompetencyWithdrawn(_CompetencyEvent):
    """The award stands no longer on its evidence: voided, unlinked, or judged otherwise."""

    type: Literal["competency.withdrawn/v1"] = "competency.withdrawn/v1"


class CompetencyExpired(_CompetencyEvent):
    """The last valid day has passed."""

    type: Literal["competency.expired/v1"] = "competency.expired/v1"


class CompetencySuspended(_CompetencyEvent):
    """A disqualifying event; the award is kept, but must not be relied on."""

    type: Literal["competency.suspended/v1"] = "competency.suspended/v1"


class CompetencyUnderReview(_CompetencyEvent):
    """A later failure, a person or a contest put the award under review."""

    type: Literal["competency.under_review/v1"] = "competency.under_review/v1"


class CompetencyRevoked(_CompetencyEvent):
    """The award was taken away, by a rule that says so of a later failure."""

    type: Literal["competency.revoked/v1"] = "competency.revoked/v1"


class CompetencyReinstated(_CompetencyEvent):
    """The award that was suspended, under review or revoked holds again."""

    type: Literal["competency.reinstated/v1"] = "competency.reinstated/v1"


class CompetencyLevelChanged(_CompetencyEvent):
    """A held competency is held at another level, which `level` tells."""

    type: Literal["competency.level_changed/v1"] = "competency.level_changed/v1"


class CompetencyCorrected(_CompetencyEvent):
    """What was told of an award was not so: other dates or evidence, without a new award."""

    type: Literal["competency.corrected/v1"] = "competency.corrected/v1"


class CompetencyExpiring(_CompetencyEvent):
    """A held competency expires soon. Told once for each threshold of an award."""

    type: Literal["competency.expiring/v1"] = "competency.expiring/v1"
    within_days: int = Field(ge=1, description="the threshold in days that has been passed")


CompetencyEvent = Annotated[
    CompetencyAchieved
    | CompetencyRenewed
    | CompetencyWithdrawn
    | CompetencyExpired
    | CompetencySuspended
    | CompetencyUnderReview
    | CompetencyRevoked
    | CompetencyReinstated
    | CompetencyLevelChanged
    | CompetencyCorrected
    | CompetencyExpiring,
    Field(discriminator="type"),
]


class _PersonEvent(_Event):
    event_id: UUID
    tenant: str
    merge: UUID = Field(description="id of the merge")
    person: UUID = Field(description="who was found to be another; the record's key names them")
    kept: UUID = Field(description="who they are")
    sequence: Annotated[int, Field(ge=1, description="per (tenant, merge), by ones")]
    at: datetime = Field(description="the time of the log that the change of records is dated by")


class PersonMerged(_PersonEvent):
    """Two people were found to be one. What follows for competencies is told by their events."""

    type: Literal["person.merged/v1"] = "person.merged/v1"


class PersonUnmerged(_PersonEvent):
    """They are two after all: a merge was taken back."""

    type: Literal["person.unmerged/v1"] = "person.unmerged/v1"


PersonEvent = PersonMerged | PersonUnmerged

CredentialStatus = Literal["issued", "suspended", "reinstated", "expired", "superseded", "revoked"]


class CredentialChanged(_Event):
    """A credential was issued, or its status changed."""

    type: Literal["credential.changed/v1"] = "credential.changed/v1"
    event_id: UUID
    tenant: str
    credential: UUID
    person: UUID
    competency: str
    status: CredentialStatus
    sequence: Sequence
    at: datetime


competency_event: TypeAdapter[CompetencyEvent] = TypeAdapter(CompetencyEvent)

competencies_record: TypeAdapter[CompetencyEvent | PersonEvent] = TypeAdapter(
    Annotated[CompetencyEvent | PersonMerged | PersonUnmerged, Field(discriminator="type")]
)
"""Whatever stands on `assay.competencies.v1`."""
