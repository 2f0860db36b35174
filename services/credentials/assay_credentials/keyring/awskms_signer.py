"""Keys in AWS KMS: key spec `ECC_NIST_EDWARDS25519`, algorithm `ED25519_SHA_512` over the message
itself, which is pure Ed25519 (AWS KMS API Reference, Sign). They never leave it.

Credentials come as boto3 finds them (environment, profile, role of the machine). They need
kms:GetPublicKey and kms:Sign, and for making keys kms:CreateKey and kms:CreateAlias.
"""

from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from assay_credentials.errors import IssuerKeyMissing, SignerUnavailable, SigningRefused
from assay_credentials.keyring.settings import KeyringSettings

KEY_SPEC: Final = "ECC_NIST_EDWARDS25519"
ALGORITHM: Final = "ED25519_SHA_512"
MESSAGE_BYTES_MAX: Final = 4096
"""Of `Sign` with MessageType RAW. An embedded proof signs 64 bytes; a VC-JWT may be longer."""

ATTEMPTS: Final = 3

_GONE: Final = frozenset({"NotFoundException", "DisabledException", "KMSInvalidStateException"})
"""The key is not there, or somebody has switched it off: asking again does not help."""


class KeyService:
    """AWS KMS of one region. boto3's client is safe to share between threads."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def of(cls, settings: KeyringSettings) -> "KeyService":
        """Asks nothing yet. Raises SignerUnavailable when it is not set up."""
        if settings.awskms_region is None:
            raise SignerUnavailable("ASSAY_AWSKMS_REGION is not set, and a key is in AWS KMS")
        config = Config(
            connect_timeout=settings.awskms_seconds,
            read_timeout=settings.awskms_seconds,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        )
        try:
            client = boto3.client(
                "kms",
                region_name=settings.awskms_region,
                endpoint_url=settings.awskms_endpoint_url,
                config=config,
            )
        except BotoCoreError as error:
            raise SignerUnavailable(f"AWS KMS: {error}") from error
        return cls(client)

    def open(self, reference: str) -> "KmsSigner":
        """As `signers.Box`. Signatures are asked of the key itself: an alias may be moved."""
        found = self._asked(reference, "get_public_key", KeyId=reference)
        if found["KeySpec"] != KEY_SPEC:
            raise IssuerKeyMissing(f"{reference} in AWS KMS is not a key of {KEY_SPEC}")
        key = load_der_public_key(found["PublicKey"])
        if not isinstance(key, Ed25519PublicKey):
            raise IssuerKeyMissing(f"{reference} in AWS KMS is not an Ed25519 key")
        return KmsSigner(self, found["KeyId"], key.public_bytes_raw())

    def make(self, reference: str) -> "KmsSigner":
        """As `signers.Box`. Killed between key and alias, a key without an alias is left over."""
        try:
            return self.open(reference)
        except IssuerKeyMissing:
            made = self._asked(
                reference,
                "create_key",
                KeySpec=KEY_SPEC,
                KeyUsage="SIGN_VERIFY",
                Description=f"Assay: signs credentials ({reference})",
            )
        key = made["KeyMetadata"]["KeyId"]
        self._asked(reference, "create_alias", AliasName=reference, TargetKeyId=key)
        return self.open(reference)

    def sign(self, key: str, data: bytes) -> bytes:
        """The signature by a key. Raises SigningRefused, SignerUnavailable, IssuerKeyMissing."""
        if len(data) > MESSAGE_BYTES_MAX:
            raise SigningRefused(f"AWS KMS signs no more than {MESSAGE_BYTES_MAX} bytes")
        answer = self._asked(
            key, "sign", KeyId=key, Message=data, MessageType="RAW", SigningAlgorithm=ALGORITHM
        )
        signature: bytes = answer["Signature"]
        return signature

    def _asked(self, key: str, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "an error")
            if code in _GONE:
                raise IssuerKeyMissing(f"AWS KMS does not sign with {key}: {code}") from error
            raise SignerUnavailable(f"AWS KMS: {operation}: {code}") from error
        except BotoCoreError as error:
            raise SignerUnavailable(f"AWS KMS: {type(error).__name__}") from error
        return answer


class KmsSigner:
    """One key in KMS, as `keys.Signer`."""

    def __init__(self, service: KeyService, key: str, public_key: bytes) -> None:
        self._service = service
        self._key = key
        self._public_key = public_key

    @property
    def public_key(self) -> bytes:
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        return self._service.sign(self._key, data)
