"""Settings from the environment, read once into frozen classes and checked at start.

A service's settings class extends `ServiceSettings`; each field is one variable `ASSAY_<FIELD>`.
Secrets are given by the path of a file, never by value.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from assay_runtime.addresses import is_guarded

PREFIX = "ASSAY_"

# Only public keys are worth anything here: with a shared one, whoever checks could also sign.
TOKEN_ALGORITHMS: tuple[str, ...] = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("EdDSA", "Ed25519"),
)

Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsError(Exception):
    """A setting is missing or wrong. The text names each variable and the rule it breaks."""


class Settings(BaseModel):
    """Base of all settings classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read every field from its variable. Raises SettingsError naming what is wrong."""
        given = os.environ if environment is None else environment
        values = {
            name: given[PREFIX + name.upper()]
            for name in cls.model_fields
            if PREFIX + name.upper() in given
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [
                f"{PREFIX}{'.'.join(str(part) for part in one['loc']).upper()}: {one['msg']}"
                for one in error.errors(include_input=False, include_url=False)
            ]
            raise SettingsError("wrong settings: " + "; ".join(lines)) from None


class AuthSettings(Settings):
    """What every process needs that lets API clients in."""

    auth_cache_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=30.0, description="how long a revoked key or a taken scope may still work"
    )
    auth_cache_entries_max: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="keys and tokens that are remembered as good"
    )
    auth_hashes_parallel_max: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="secrets compared at once; each takes 15 ms of a core and 19 MiB"
    )
    auth_hashes_waiting_max: Annotated[int, Field(ge=1)] = Field(
        default=200, description="secrets that wait to be compared; more are answered 503"
    )
    auth_last_use_seconds: Annotated[float, Field(ge=1)] = Field(
        default=60.0, description="the last use of a client is written at most so often"
    )
    client_burst_seconds: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="a client may use what its rate gives in so long at once"
    )
    client_requests_per_second_max: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="of a client that has no limit of its own, in each process"
    )
    client_statements_per_second_max: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="of a client that has no limit of its own, in each process"
    )
    client_statements_per_day_max: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="of a client that has no quota of its own, over all processes"
    )
    oidc_issuer_url: str | None = Field(
        default=None, description="OpenID provider whose tokens are taken; without it, none are"
    )
    oidc_audience: str | None = Field(
        default=None,
        validate_default=True,
        description="`aud` that a token must name; required with an issuer",
    )
    oidc_algorithms: str = Field(
        default=",".join(TOKEN_ALGORITHMS), description="signatures that are taken"
    )
    oidc_scope_prefix: str = Field(
        default="", description="before our scopes in a token, where a provider needs names apart"
    )
    oidc_leeway_seconds: Annotated[int, Field(ge=0, le=600)] = Field(
        default=30, description="how far the provider's clock may be from ours"
    )
    oidc_token_bytes_max: Annotated[int, Field(ge=256)] = 16 * 1024
    oidc_keys_seconds: Annotated[float, Field(gt=0)] = Field(
        default=300.0, description="the provider's keys are fetched anew when they are older"
    )
    oidc_keys_stale_seconds_max: Annotated[float, Field(gt=0)] = Field(
        default=3600.0, description="and are not used any more when they are older than this"
    )
    oidc_refetch_seconds: Annotated[float, Field(ge=0)] = Field(
        default=10.0, description="least time between two fetches, whatever tokens are sent"
    )
    oidc_fetch_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    oidc_fetch_bytes_max: Annotated[int, Field(ge=1024)] = 1024 * 1024

    @field_validator("oidc_algorithms")
    @classmethod
    def _known_algorithms(cls, given: str) -> str:
        for name in given.split(","):
            if name not in TOKEN_ALGORITHMS:
                raise ValueError(f"{name!r} is not one of {', '.join(TOKEN_ALGORITHMS)}")
        return given

    @field_validator("oidc_issuer_url")
    @classmethod
    def _guarded_issuer(cls, given: str | None) -> str | None:
        if given is not None and not is_guarded(given):
            raise ValueError("it must be an https address (http only to this machine)")
        return given

    @field_validator("oidc_audience")
    @classmethod
    def _audience_of_issuer(cls, given: str | None, info: ValidationInfo) -> str | None:
        if not given and info.data.get("oidc_issuer_url") is not None:
            raise ValueError("it must be there with ASSAY_OIDC_ISSUER_URL")
        return given

    @property
    def algorithms(self) -> tuple[str, ...]:
        return tuple(self.oidc_algorithms.split(","))


class ServiceSettings(Settings):
    """What every process of the product needs."""

    postgres_dsn: str = Field(description="address, role and database, without a password")
    postgres_password_file: Path | None = Field(
        default=None, description="file that holds the role's password"
    )
    postgres_pool_connections: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="connections that this process may hold"
    )
    postgres_command_seconds: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="how long one statement may take"
    )
    postgres_idle_in_transaction_seconds: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="after this the server ends a stopped process's transaction"
    )
    kafka_bootstrap: str = Field(description="host:port of a broker, or several with commas")
    kafka_user: str = Field(description="SCRAM principal of this process")
    kafka_password_file: Path = Field(description="file that holds the principal's password")
    http_host: str = Field(default="127.0.0.1", description="address to listen on")
    http_port: Port = Field(description="port to listen on")
    http_head_bytes_max: Annotated[int, Field(ge=4096)] = Field(
        default=64 * 1024, description="address and headers of a request; more is answered 431"
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    consume_batch_records: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=500, description="records applied in one transaction at the most"
    )
    consume_fetch_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=16 * 1024 * 1024, description="bytes asked of the broker at once; above a record"
    )
    consume_gather_bytes: Annotated[int, Field(ge=1)] = Field(
        default=1024 * 1024, description="the broker answers a fetch as soon as it has so much"
    )
    consume_gather_seconds: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.05, description="or after so long; what an idle system adds to each step"
    )
    kafka_session_seconds: Annotated[float, Field(ge=6, le=1800)] = Field(
        default=10.0, description="silence after which the group gives partitions to others"
    )
    retry_seconds_max: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="longest pause between two tries when something is away"
    )

    def kafka_password(self) -> str:
        return self.kafka_password_file.read_text(encoding="utf-8").strip()

    def postgres_password(self) -> str | None:
        if self.postgres_password_file is None:
            return None
        return self.postgres_password_file.read_text(encoding="utf-8").strip()
