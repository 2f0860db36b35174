"""Settings of the processes `aggregator` and `relay`."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from assay_runtime.settings import AuthSettings, ServiceSettings


class AggregatorSettings(ServiceSettings, AuthSettings):
    """Of `aggregator`: HTTP, the consumer of statements, and the evaluators."""

    evaluator_tasks: Annotated[int, Field(ge=1, le=32)] = Field(
        default=1, description="evaluators in this process; more processes use more cores"
    )
    evaluator_batch_marks: Annotated[int, Field(ge=1, le=5_000)] = Field(
        default=100, description="marks that one transaction of an evaluator takes and holds"
    )
    body_limit_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=1024 * 1024, description="largest body of an administrative request"
    )
    framework_body_limit_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=8 * 1024 * 1024,
        description="largest CFPackage that is imported over HTTP; the command takes larger ones",
    )
    case_public_url: str | None = Field(
        default=None,
        description="where the routes of CASE 1.1 are reached from outside, without their path; "
        "by default as the request came",
    )
    password_characters_min: Annotated[int, Field(ge=8, le=64)] = Field(
        default=12, description="shortest password of an account that signs"
    )
    signature_failures_max: Annotated[int, Field(ge=1, le=100)] = Field(
        default=5, description="wrong passwords in a row, after which an account is locked"
    )
    signature_lock_seconds: Annotated[float, Field(gt=0)] = Field(
        default=900.0, description="how long an account is locked then"
    )
    rule_approvals_min: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1, description="people beside its authors who must approve a rule"
    )
    rule_preview_hours_max: Annotated[float, Field(gt=0)] = Field(
        default=24.0, description="how old the preview of a rule may be when it is approved"
    )
    recomputed_cells_max: Annotated[int, Field(ge=1)] = Field(
        default=12_000,
        description="cells of a matrix that one request decides anew, for a day that is not today",
    )
    measured_people_max: Annotated[int, Field(ge=1)] = Field(
        default=5_000, description="people whose evidence one measure is taken of"
    )
    exports_parallel_max: Annotated[int, Field(ge=1, le=16)] = Field(
        default=2, description="CSV and XLSX files made at one time; more are told to wait"
    )
    export_cells_max: Annotated[int, Field(ge=1)] = Field(
        default=6_000_000, description="cells of one CSV or XLSX file"
    )

    inspection_people_max: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="people that one inspection pack may be about"
    )
    inspection_packs_parallel_max: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1, description="inspection packs that are made at one time; more are told to wait"
    )
    local_timezone: str = Field(
        default="Europe/London",
        description="IANA name; where the time of a record becomes the day it was recorded on",
    )

    @field_validator("local_timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not the name of a time zone") from None
        return name

    @property
    def local_zone(self) -> ZoneInfo:
        """The time zone named by `local_timezone`."""
        return ZoneInfo(self.local_timezone)


class RelaySettings(ServiceSettings):
    """Of `relay`: the outbox to Kafka."""

    acknowledge_seconds: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="how long the broker may take to acknowledge"
    )
