"""Settings of `ingest`, `store`, `mover` and `forward`; each field is a variable ASSAY_<FIELD>."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from assay_runtime.settings import AuthSettings, ServiceSettings
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


class IngestSettings(RuleSettings, AuthSettings):
    """Settings of the HTTP front."""

    body_bytes_max: Annotated[int, Field(ge=1024)] = Field(
        default=4 * MEBIBYTE,
        description="below the record limit of 8 MiB, since id, authority and version are added",
    )
    form_bytes_max: Annotated[int, Field(ge=1024)] = Field(
        default=MEBIBYTE,
        description="a request inside a form (alternate syntax), read before its key is known",
    )
    cors_origins: Annotated[
        str, Field(pattern=r"^(\*|(https?://[^\s,/]+(,https?://[^\s,/]+)*)?)$")
    ] = Field(
        default="*",
        description="web pages that may use the xAPI: * for any, or origins with commas; each "
        "request needs a key all the same",
    )
    cors_preflight_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=7200, description="how long a browser may remember what a page may send"
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
    usage_flush_seconds: Seconds = Field(
        default=5.0, description="between two times that what clients did is added up for quotas"
    )
    page_statements: Positive = Field(default=100, description="page length without `limit`")
    page_statements_max: Positive = 1000
    page_bytes_max: Positive = Field(
        default=8 * MEBIBYTE, description="a page ends with the statement that reaches it"
    )
    search_scan_rows_max: Annotated[int, Field(ge=10, le=100_000)] = Field(
        default=2_000, description="rows of an index that one query of a search reads"
    )
    search_seconds_max: Seconds = Field(
        default=0.3,
        description="a page that is not full by then is answered as it is, with `more`",
    )
    attachments_url: str | None = Field(
        default=None,
        description="where the contents of attachments are kept: file:///directory, or "
        "s3://bucket/prefix; without it, requests that bring some are answered 503",
    )
    attachments_credentials_file: Path | None = Field(
        default=None,
        description="JSON file with the options of an s3:// store (aws_access_key_id, "
        "aws_secret_access_key, aws_region, aws_endpoint); else they come from AWS_* variables",
    )
    attachment_bytes_max: Positive = Field(
        default=256 * MEBIBYTE, description="of the content of one attachment"
    )
    multipart_bytes_max: Positive = Field(
        default=512 * MEBIBYTE, description="of a whole request with attachments"
    )
    attachments_per_request_max: Positive = Field(
        default=100, description="parts of a request beside the statements"
    )
    attachment_types: str = Field(
        default="*/*",
        description="media types that attachments may have, with commas, as image/*,text/plain",
    )
    uploads_max: Positive = Field(
        default=16,
        description="requests with attachments at the same time; each holds one or two pieces of "
        "a content (512 KiB, in a bucket 5 MiB) in memory",
    )
    upload_idle_seconds: Seconds = Field(
        default=30.0, description="silence within the body of such a request, then it is refused"
    )
    upload_seconds_max: Annotated[float, Field(gt=0, le=7200)] = Field(
        default=3600.0,
        description="such a request as a whole; contents that no statement holds stay longer",
    )
    signature_bytes_max: Positive = Field(
        default=MEBIBYTE, description="of the signature of a statement, which is held in memory"
    )
    signature_trust_file: Path | None = Field(
        default=None,
        description="certificates (PEM) that those in signatures (x5c) must lead to; without it "
        "only the signature itself is checked against them",
    )
    document_bytes_max: Annotated[int, Field(ge=1024, le=64 * MEBIBYTE)] = Field(
        default=MEBIBYTE, description="of a State or profile document, merged ones included"
    )
    documents_per_place_max: Positive = Field(
        default=10_000,
        description="documents that one activity, agent, or both may have; a list holds them all",
    )
    document_name_characters_max: Positive = Field(
        default=1024, description="of a stateId or profileId"
    )
    directory_wait_seconds: Annotated[float, Field(ge=0, le=10)] = Field(
        default=5.0,
        description="how long Agents and Activities wait for what was acknowledged before them; "
        "longer than a list, since their answers do not say how far they are complete",
    )
    person_names_max: Positive = Field(
        default=100, description="names of an agent that the Agents resource answers"
    )


class StoreSettings(ServiceSettings):
    """Settings of the projection of statements."""

    tick_seconds: Seconds = Field(
        default=1.0, description="an idle partition tells the time so often"
    )
    apply_delay_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        default=0.0, description="for trials of a store that lags: nothing is applied any younger"
    )
    reference_steps_max: Positive = Field(
        default=16,
        description="so far filters look from a StatementRef to what its target refers to",
    )
    definitions_per_activity_max: Positive = Field(
        default=50, description="different definitions of an activity that are merged, the latest"
    )
    names_per_agent_max: Positive = Field(
        default=20, description="names of an agent that are kept, the first"
    )
    recent_entries_max: Positive = Field(
        default=20_000, description="definitions and names that the process knows to be written"
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


class ForwardSettings(ServiceSettings):
    """Settings of the process that forwards statements to other record stores and webhooks."""

    forward_secrets: Path = Field(
        description="folder of the targets' secrets, forward-<tenant>-<target>.password each"
    )
    forward_http_allowed: bool = Field(
        default=False, description="targets may be http:// (tests, closed networks)"
    )
    forward_private_allowed: bool = Field(
        default=False, description="targets may stand in private networks, or be this machine"
    )
    forward_ca_file: Path | None = Field(
        default=None, description="certificates (PEM) trusted in stead of the system's"
    )
    forward_targets_seconds: Seconds = Field(
        default=2.0, description="how long a changed target may still be seen as it was"
    )
    forward_look_seconds: Seconds = Field(
        default=1.0, description="between looks for targets whose pause is over"
    )
    forward_parallel_max: Positive = Field(
        default=8, description="targets that are served at the same time"
    )
    forward_batch_statements: Positive = 50
    forward_batch_bytes: Positive = Field(
        default=MEBIBYTE, description="a request ends with the statement that reaches it"
    )
    forward_request_seconds: Seconds = Field(
        default=20.0, description="for one request with its answer"
    )
    forward_answer_bytes_max: Positive = Field(
        default=16 * KIBIBYTE, description="so much of an answer is read"
    )
    forward_pause_seconds_max: Seconds = Field(
        default=900.0, description="longest pause of a target that fails; it doubles from 1 s"
    )
    forward_tries_max: Positive = Field(
        default=20, description="then a statement is a dead letter: after about 2.5 hours"
    )
    forward_waiting_max: Positive = Field(
        default=250_000, description="statements that may wait for one target; counted per batch"
    )
