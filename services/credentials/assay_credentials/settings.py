"""Settings of the process `credentials`; each field is a variable ASSAY_<FIELD>."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator

from assay_credentials.addresses import networks_of
from assay_credentials.keyring.settings import KeyringSettings
from assay_credentials.status_list import ENTRIES
from assay_runtime.settings import AuthSettings, ServiceSettings

KIBIBYTE: Final = 1024

Seconds = Annotated[float, Field(gt=0)]
Positive = Annotated[int, Field(ge=1)]


class CredentialsSettings(ServiceSettings, AuthSettings, KeyringSettings):
    """HTTP, the consumer of competency events, the issuing workers, status lists, the outbox."""

    password_characters_min: Annotated[int, Field(ge=8, le=64)] = Field(
        default=12, description="shortest password of an account that signs"
    )
    signature_failures_max: Annotated[int, Field(ge=1, le=100)] = Field(
        default=5, description="wrong passwords in a row, after which an account is locked"
    )
    signature_lock_seconds: Seconds = Field(
        default=900.0, description="how long an account is locked then"
    )
    records_bytes_max: Annotated[int, Field(ge=KIBIBYTE, le=16 * 1024 * KIBIBYTE)] = Field(
        default=1024 * KIBIBYTE, description="body that changes records; 10,000 people are 400 KiB"
    )
    issuer_tasks: Annotated[int, Field(ge=1, le=16)] = Field(
        default=2, description="one signs while another waits for the database"
    )
    issuer_batch_awards: Annotated[int, Field(ge=1, le=500)] = Field(
        default=64, description="published together; 1 or 2 ms of signing and checking each"
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
    verify_bytes_max: Annotated[int, Field(ge=KIBIBYTE, le=512 * KIBIBYTE)] = Field(
        default=512 * KIBIBYTE, description="a transcript of a hundred credentials has 400 KiB"
    )
    transcript_credentials_max: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100, description="in one transcript (CLR 2.0); longer records come in parts"
    )
    verify_tasks: Positive = Field(default=2, description="verified at the same time")
    verify_waiting_max: Positive = Field(
        default=64, description="verified or waiting for it; more are answered 503"
    )
    vc_api_test_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+$",
        description="only to run the W3C suites: where they reach this service. It then has an "
        "issuer that signs what it is given, and laxer rules for `/credentials/verify`",
    )
    fetch_hosts: str = Field(
        default="*",
        max_length=10_000,
        description="whom we ask for keys and status lists of others: `*` any public host, nothing "
        "for none, or names (name:port) with commas",
    )
    fetch_private_hosts: str = Field(
        default="",
        max_length=10_000,
        description="host:port with commas that may be private and without TLS: in closed networks",
    )
    fetch_ca_file: Path | None = Field(
        default=None, description="certificates (PEM) that are trusted in stead of the system's"
    )
    fetch_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0, description="one answer of another host"
    )
    fetch_bytes_max: Annotated[int, Field(ge=KIBIBYTE, le=512 * KIBIBYTE)] = 512 * KIBIBYTE
    fetch_parallel_max: Positive = Field(default=8, description="other hosts asked at once")
    fetch_waiting_max: Positive = Field(
        default=32, description="asked or waiting for it; what is more could not be checked"
    )
    fetch_cache_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=300.0, description="how long an answer is kept; a status list may say less"
    )
    fetch_cache_entries_max: Positive = 1_000
    fetch_cache_bytes_max: Annotated[int, Field(ge=512 * KIBIBYTE)] = 64 * 1024 * KIBIBYTE
    upload_bytes_max: Annotated[int, Field(ge=KIBIBYTE, le=32 * 1024 * KIBIBYTE)] = Field(
        default=8 * 1024 * KIBIBYTE, description="a picture or PDF that is given to be verified"
    )
    public_requests_per_second_max: Annotated[float, Field(gt=0)] = Field(
        default=20.0,
        description="of one address without a key; a verification is 1, what is only read 0.1",
    )
    public_burst_seconds: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="an address may use what its rate gives in so long at once"
    )
    public_addresses_max: Positive = Field(
        default=20_000, description="addresses that are counted; the longest unseen is forgotten"
    )
    trusted_proxies: str = Field(
        default="",
        max_length=10_000,
        description="networks (10.0.0.0/8) with commas whose X-Forwarded-For is believed",
    )
    presentation_seconds: Annotated[float, Field(ge=10, le=3600)] = Field(
        default=300.0, description="how long a wallet may take to show what it was asked for"
    )
    presentation_kept_seconds: Annotated[float, Field(ge=10, le=3600)] = Field(
        default=600.0, description="how long what a wallet showed can be read; then it is deleted"
    )
    presentations_waiting_max: Positive = Field(
        default=10_000, description="requests that wait for a wallet; more are answered 503"
    )
    offer_seconds_max: Annotated[float, Field(ge=30, le=86_400)] = Field(
        default=600.0, description="how long a wallet may take to answer an offer"
    )
    exchange_seconds_max: Annotated[float, Field(ge=30, le=3600)] = Field(
        default=120.0,
        description="the same of an offer by exchange (VC-API), which has no transaction code",
    )
    offer_wrong_codes_max: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5, description="wrong transaction codes, after which an offer is closed"
    )
    offer_token_seconds: Annotated[float, Field(ge=30, le=3600)] = Field(
        default=300.0, description="how long a wallet may fetch what it was offered"
    )
    nonce_seconds: Annotated[float, Field(ge=10, le=600)] = Field(
        default=120.0, description="how long a wallet may take to sign a nonce"
    )
    acknowledge_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: str) -> str:
        networks_of(given)
        return given
