"""Settings of the process `credentials`; each field is a variable ASSAY_<FIELD>."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from assay_credentials.status_list import ENTRIES
from assay_runtime.settings import AuthSettings, ServiceSettings

KIBIBYTE: Final = 1024

Seconds = Annotated[float, Field(gt=0)]
Positive = Annotated[int, Field(ge=1)]


class CredentialsSettings(ServiceSettings, AuthSettings):
    """HTTP, the consumer of competency events, the issuing workers, status lists, the outbox."""

    public_url: str = Field(
        default="http://127.0.0.1:8402",
        pattern=r"^https?://[^\s/]+(/[^\s]*[^\s/])?$",
        description="without a slash at the end; begins the ids of credentials and status lists",
    )
    signing_key_dir: Path = Field(
        description="folder of the issuers' keys, one file of mode 600 per tenant"
    )
    issuer_tasks: Annotated[int, Field(ge=1, le=16)] = Field(
        default=2, description="one signs while another waits for the database"
    )
    issuer_batch_awards: Annotated[int, Field(ge=1, le=500)] = Field(
        default=8, description="published together; about 8 ms of signing and checking each"
    )
    issuer_lease_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        default=5.0, description="after it, work that a killed process had taken is taken again"
    )
    status_list_entries: Annotated[int, Field(ge=ENTRIES, multiple_of=8)] = ENTRIES
    status_list_valid_seconds: Annotated[float, Field(ge=60)] = Field(
        default=3600.0, description="how long an old list can pass for new; signed again at half"
    )
    status_settle_seconds: Seconds = Field(
        default=0.02, description="between two rounds of signing, so that changes come together"
    )
    status_cache_seconds: Annotated[int, Field(ge=0)] = Field(
        default=5, description="how long others may keep a status list"
    )
    verify_bytes_max: Annotated[int, Field(ge=KIBIBYTE, le=512 * KIBIBYTE)] = 256 * KIBIBYTE
    verify_tasks: Positive = Field(default=2, description="verified at the same time")
    verify_waiting_max: Positive = Field(
        default=64, description="verified or waiting for it; more are answered 503"
    )
    acknowledge_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
