"""Signatures of statements and multipart bodies, as a client makes them: with no code of ours."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
BOUNDARY = "a-boundary-of-tests"
MIXED = f"multipart/mixed; boundary={BOUNDARY}"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}


def new_key(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(key: RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(
    key: RSAPrivateKey,
    name: str = "leaf",
    *,
    issuer: tuple[str, RSAPrivateKey] | None = None,
    is_authority: bool = False,
    days: int = 30,
) -> x509.Certificate:
    """A certificate for `key`, of itself or of `issuer`; negative `days`: it has ended."""
    signer_name, signer = issuer or (name, key)
    start = datetime.now(UTC) - timedelta(days=90)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if is_authority:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        made = made.add_extension(usage, critical=True)
    return made.sign(signer, hashes.SHA256())


def x5c(*chain: x509.Certificate) -> list[str]:
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain]


def sign(payload: object, key: RSAPrivateKey, algorithm: str = "RS256", **header: object) -> bytes:
    """A JWS in compact form (RFC 7515)."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = json.dumps({"alg": algorithm, **header}).encode()
    signed = f"{_base64(head)}.{_base64(text)}"
    raw = key.sign(signed.encode(), padding.PKCS1v15(), _HASHES.get(algorithm, hashes.SHA256()))
    return f"{signed}.{_base64(raw)}".encode()


def described(content: bytes, **more: object) -> dict[str, Any]:
    """The attachment object of a content."""
    return {
        "usageType": "http://example.org/usage/evidence",
        "display": {"en": "Evidence"},
        "contentType": "text/plain",
        "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
        **more,
    }


def signature_of(content: bytes, **more: object) -> dict[str, Any]:
    """The attachment object of a signature."""
    return described(
        content, **{"usageType": SIGNATURE, "contentType": "application/octet-stream", **more}
    )


def part(content: bytes, **headers: str | None) -> bytes:
    """A part with a content; headers by name with underscores, None leaves one out."""
    fields: dict[str, str | None] = {
        "Content-Type": "text/plain",
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": hashlib.sha256(content).hexdigest(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return head.encode() + b"\r\n" + content


def mixed(
    statements: object, contents: Sequence[bytes] = (), *, parts: Sequence[bytes] = ()
) -> bytes:
    """A multipart body: the statements, a part for each content, and `parts` as they are."""
    first = b"Content-Type: application/json\r\n\r\n" + json.dumps(statements).encode()
    pieces = [first, *map(part, contents), *parts]
    line = f"--{BOUNDARY}".encode()
    return b"".join(b"%b\r\n%b\r\n" % (line, one) for one in pieces) + line + b"--\r\n"


def signed(statement: Mapping[str, Any], key: RSAPrivateKey, **header: object) -> bytes:
    """The multipart body of a statement with its signature."""
    signature = sign(statement, key, **header)  # type: ignore[arg-type] # names of header fields
    return mixed({**statement, "attachments": [signature_of(signature)]}, [signature])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
