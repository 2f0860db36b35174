"""Settings of `ingest`, `store` and `mover`; each field is a variable ASSAY_<FIELD>."""

from typing import Annotated

from pydantic import Field

from assay_runtime.settings import ServiceSettings
from assay_schemas.limits import PARSER_MAX_JSON_DEPTH, Limits

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE

Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class RuleSettings(ServiceSettings):
    """What `ingest` and `mover` share: the rules by which statements are accepted."""

    public_url: str = Field(
        default="http://127.0.0.1:8400",
        description="home page of the account that is the authority of a client's statements",
    )
    json_depth_max: Annotated[int, Field(ge=8, le=PARSER_MAX_JSON_DEPTH)] = 64
    iri_characters_max: Annotated[int, Field(ge=256)] = 2048
    acknowledge_seconds: Annotated[float, Field(gt=0, le=120)] = Field(
        default=10.0, description="how long the broker may take before the answer is 503"
    )
    source_cache_seconds: Seconds = Field(
        default=5.0, description="how long a changed source may still be seen as it was"
    )

    def limits(self, statements_max: int) -> Limits:
        return Limits(
            max_statements_per_request=statements_max,
            max_json_depth=self.json_depth_max,
            max_iri_characters=self.iri_characters_max,
        )


class IngestSettings(RuleSettings):
    """Settings of the HTTP front."""

    body_bytes_max: Annotated[int, Field(ge=1024)] = Field(
        default=4 * MEBIBYTE,
        description="below the record limit of 8 MiB, since id, authority and version are added",
    )
    statements_per_request_max: Positive = Field(
        default=1000, description="a request is checked in one go: about 50 ms for so many"
    )
    requests_max: Positive = Field(
        default=256, description="requests worked on at the same time; more are answered 503"
    )
    window_statements_max: Positive = Field(
        default=100_000, description="acknowledged, but not applied by the store"
    )
    window_bytes_max: Positive = Field(
        default=128 * MEBIBYTE, description="memory of the in-flight window"
    )
    follow_seconds: Seconds = Field(
        default=0.05, description="between looks at what the store has applied, while waiting"
    )
    list_wait_seconds: Annotated[float, Field(ge=0, le=10)] = Field(
        default=1.0, description="how long a list waits for what was acknowledged before it"
    )
    page_statements: Positive = Field(default=100, description="page length without `limit`")
    page_statements_max: Positive = 1000
    page_bytes_max: Positive = Field(
        default=8 * MEBIBYTE, description="a page ends with the statement that reaches it"
    )


class StoreSettings(ServiceSettings):
    """Settings of the projection of statements."""

    tick_seconds: Seconds = Field(
        default=1.0, description="an idle partition tells the time so often"
    )
    nudge_seconds: Seconds = Field(
        default=0.05, description="least time between two ticks that follow a statement"
    )
    acknowledge_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0


class MoverSettings(RuleSettings):
    """Settings of the process that moves input topics into the log."""

    move_batch_records: Annotated[int, Field(ge=1, le=10_000)] = 200
    statements_per_record_max: Positive = 10_000
    new_topics_seconds: Seconds = Field(
        default=5.0, description="between looks for input topics that are new"
    )
