"""Settings from the environment, read once into frozen classes and checked at start.

A service's settings class extends `ServiceSettings`; each field is one variable `ASSAY_<FIELD>`.
Secrets are given by the path of a file, never by value.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "ASSAY_"

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
