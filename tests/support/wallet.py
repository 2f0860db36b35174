"""A wallet by hand: keys, and proofs of them, good and bad (OpenID4VCI 1.0, appendix F.1)."""

import base64
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assay_credentials.did import did_key, did_key_method
from assay_credentials.keys import Ed25519Signer


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_token(header: dict[str, Any], claims: dict[str, Any], key: Ed25519PrivateKey) -> str:
    """A compact JWS, whatever its header says."""
    data = f"{base64url(orjson.dumps(header))}.{base64url(orjson.dumps(claims))}"
    return f"{data}.{base64url(key.sign(data.encode()))}"


@dataclass
class WalletKey:
    """An Ed25519 key of a holder."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def signer(self) -> Ed25519Signer:
        return Ed25519Signer(self.private)

    @property
    def did(self) -> str:
        return did_key(self.signer.public_key)

    @property
    def method(self) -> str:
        return did_key_method(self.signer.public_key)

    @property
    def jwk(self) -> dict[str, str]:
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url(self.signer.public_key)}

    def proof(
        self,
        audience: str,
        nonce: str | None,
        *,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A proof of the key; members given replace those of a good one, None takes one out."""
        whole_header = {"typ": "openid4vci-proof+jwt", "alg": "EdDSA", "kid": self.method}
        whole_claims = {"aud": audience, "iat": int(time.time()), "nonce": nonce, **claims}
        return signed_token(
            {k: v for k, v in {**whole_header, **(header or {})}.items() if v is not None},
            {k: v for k, v in whole_claims.items() if v is not None},
            self.private,
        )
