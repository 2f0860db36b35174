"""Where the issuers' keys are; each field is a variable ASSAY_<FIELD>."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from assay_runtime.settings import Settings


class KeyringSettings(Settings):
    """What opening and making keys needs: the service has it, and `assay issuer`."""

    public_url: str = Field(
        default="http://127.0.0.1:8402",
        pattern=r"^https?://[^\s/]+(/[^\s]*[^\s/])?$",
        description="without a slash at the end; begins the ids of credentials and status lists",
    )
    signing_key_dir: Path = Field(
        description="folder of the issuers' keys that are files, of mode 600"
    )
    did_document_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=300, description="how long others may keep an issuer's DID document"
    )
    pkcs11_module: Path | None = Field(
        default=None, description="library (.so) of the hardware module that holds keys"
    )
    pkcs11_token: str | None = Field(
        default=None, description="label of the token in it; required with a module"
    )
    pkcs11_pin_file: Path | None = Field(
        default=None, description="file that holds the user's PIN; required with a module"
    )
    awskms_region: str | None = Field(
        default=None, description="where AWS KMS holds keys; credentials come as boto3 finds them"
    )
    awskms_endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+$",
        description="another address of KMS, as of an interface endpoint",
    )
    awskms_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=2.0, description="how long one answer of KMS may take; it is asked three times"
    )

    @model_validator(mode="after")
    def _whole_token(self) -> Self:
        parts = (self.pkcs11_module, self.pkcs11_token, self.pkcs11_pin_file)
        if any(parts) and not all(parts):
            raise ValueError("pkcs11_module, pkcs11_token and pkcs11_pin_file belong together")
        return self
