"""Signed statements: what a signature must be, and whose it is. Pure: keys and times are arguments.

A signature is an attachment of the statement: a JWS in compact form over the JSON of the statement
before that attachment was added. One that is wrong refuses the statement. One that is right, but of
a key that nobody registered, is let in and counts for nothing. It counts as the signature of an
agent (`Outcome.agent`) only when all of this holds:

- the key that verifies it is registered for that agent, is not revoked now, and was valid at the
  statement's timestamp;
- it covers id and timestamp: otherwise whoever has it could send it again under other ids, or date
  it anew;
- the object's definition is the signed one. The comparison of statements leaves definitions out,
  but rules may look at an activity's type.

A certificate (x5c) must verify the signature, and its chain must lead to a trust anchor where some
are configured. It never says who somebody is; only the registered keys do.

Sources: xAPI 1.0.3 Data 2.6, IEEE 9274.1.1 4.2.6; RFC 7515, RFC 7518 3.3 (RSA keys of at least 2048
bits), RFC 7638 (thumbprints).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from cryptography.x509.verification import (
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from assay_schemas.agents import agent_key
from assay_schemas.comparison import comparison_hash
from assay_schemas.limits import Limits
from assay_schemas.statement import (
    CheckedStatement,
    StatementsRefused,
    Version,
    check_statements,
)
from assay_schemas.xapi_types import parse_timestamp

ALGORITHMS: Final = ("RS256", "RS384", "RS512")
KEY_BITS_MIN: Final = 2048
CERTIFICATES_MAX: Final = 8
KEYS_TRIED_MAX: Final = 50
_SEGMENTS: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class SignatureInvalid(ValueError):
    """The signature refuses its statement. One sentence."""


class KeyUnusable(ValueError):
    """It is no public key for signatures of statements. One sentence."""


class Verdict(StrEnum):
    """What a signature that is not wrong is worth."""

    VERIFIED = "verified"
    KEY_UNKNOWN = "key_unknown"
    KEY_NOT_VALID = "key_not_valid"
    NOT_COVERED = "not_covered"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`agent` is the key of the agent who signed, None unless the verdict is VERIFIED."""

    verdict: Verdict
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A registered key: whose it is (`agent` is an agent key), and when it counts."""

    key_id: str
    thumbprint: str
    public_key: str
    agent: str
    valid_from: datetime
    valid_to: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that is well formed and fits its statement, of whichever key.

    `leaf` is the thumbprint of the certificate's key; `agents` are those whom the statement names.
    """

    jws: jws.CompactSignature
    covers: bool
    signed_at: datetime | None
    key_id: str | None = None
    leaf: str | None = None
    agents: frozenset[str] = field(default_factory=frozenset)


class _Registry(jws.JWSRegistry):
    """The library's limits are for tokens: a statement is longer, and so is a chain. The size of a
    signature's attachment is limited before it comes here."""

    max_header_length = 256 * 1024
    max_payload_length = 1 << 40
    max_signature_length = 4096


_registry: Final = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


def read_public_key(pem: str) -> tuple[str, str]:
    """The thumbprint (RFC 7638) and the plain PEM of an RSA public key. Raises KeyUnusable."""
    try:
        key = load_pem_public_key(pem.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("the file must hold a public key as PEM") from None
    if not isinstance(key, RSAPublicKey):
        raise KeyUnusable("the key must be of RSA: signatures of statements are RS256 to RS512")
    if key.key_size < KEY_BITS_MIN:
        raise KeyUnusable(f"the key must have at least {KEY_BITS_MIN} bits")
    plain = _pem(key)
    return RSAKey.import_key(plain).thumbprint(), plain


def read_signature(
    content: bytes,
    statement: CheckedStatement,
    *,
    own_sha2: str,
    is_signature: frozenset[str],
    statement_id: UUID | None,
    version: Version,
    limits: Limits,
    anchors: Sequence[x509.Certificate] = (),
    now: datetime,
) -> Signature:
    """Check everything of a signature that needs no registered key. Raises SignatureInvalid.

    `own_sha2` names its attachment, `is_signature` those of all signatures of the statement;
    `statement_id` is the id that the statement is recorded under, None when one is yet to be given.
    """
    # 1. The form: JWS compact, one of three algorithms.
    opened = _opened(content)
    header = opened.headers()
    # 2. The payload: the statement, before this signature.
    covers, signed_at = _covered(
        opened.payload or b"", statement, own_sha2, is_signature, statement_id, version, limits
    )
    # 3. The certificate, where there is one.
    leaf = _check_certificates(opened, header["x5c"], anchors, now) if "x5c" in header else None
    key_id = header.get("kid")
    return Signature(
        jws=opened,
        covers=covers,
        signed_at=signed_at,
        key_id=key_id if isinstance(key_id, str) else None,
        leaf=leaf,
        agents=frozenset(_named(statement.document)),
    )


def judge(signature: Signature, keys: Sequence[SigningKey], now: datetime) -> Outcome:
    """Whose signature it is, by the registered keys of the tenant.

    By the certificate's key; else by the key id, and then the signature must be of that key; else
    by trying the keys of the agents whom the statement names. Raises SignatureInvalid.
    """
    key = _key_of(signature, keys)
    if key is None:
        return Outcome(Verdict.KEY_UNKNOWN)
    if not signature.covers or signature.signed_at is None:
        return Outcome(Verdict.NOT_COVERED)
    is_valid = (
        (key.revoked_at is None or key.revoked_at > now)
        and key.valid_from <= signature.signed_at
        and (key.valid_to is None or signature.signed_at < key.valid_to)
    )
    return Outcome(Verdict.VERIFIED, key.agent) if is_valid else Outcome(Verdict.KEY_NOT_VALID)


def chosen(outcomes: Sequence[Outcome], statement: CheckedStatement) -> str | None:
    """The one agent who is said to have signed: an assessor before anybody else."""
    signers = [one.agent for one in outcomes if one.agent is not None]
    assessors = set(_assessors(statement.document))
    return next((one for one in signers if one in assessors), signers[0] if signers else None)


def _key_of(signature: Signature, keys: Sequence[SigningKey]) -> SigningKey | None:
    if signature.leaf is not None:
        # Its key has verified the signature already.
        return next((one for one in keys if one.thumbprint == signature.leaf), None)
    if signature.key_id is not None:
        for key in keys:
            if signature.key_id in (key.key_id, key.thumbprint):
                if not _verifies(signature.jws, key.public_key):
                    raise SignatureInvalid(
                        "The signature must be of the registered key that its kid names."
                    )
                return key
    fitting = [one for one in keys if one.agent in signature.agents]
    for key in fitting[:KEYS_TRIED_MAX]:
        if _verifies(signature.jws, key.public_key):
            return key
    return None


def _opened(content: bytes) -> jws.CompactSignature:
    if _SEGMENTS.fullmatch(content) is None:
        raise SignatureInvalid("The signature must be a JSON web signature in compact form.")
    try:
        opened = jws.extract_compact(content, registry=_registry)
        header = opened.headers()
        _registry.check_header(header)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise SignatureInvalid(
            "The signature must be a JSON web signature with a good header."
        ) from None
    if header.get("alg") not in ALGORITHMS:
        raise SignatureInvalid("The algorithm must be RS256, RS384 or RS512.")
    if header.get("b64", True) is not True:
        raise SignatureInvalid("The payload must be encoded: b64 must not be false.")
    return opened


def _covered(
    payload: bytes,
    statement: CheckedStatement,
    own_sha2: str,
    is_signature: frozenset[str],
    statement_id: UUID | None,
    version: Version,
    limits: Limits,
) -> tuple[bool, datetime | None]:
    """Whether the payload pins id, timestamp and definition, and the timestamp that it says."""
    signed = _payload_statement(payload, version, limits)
    if signed.id is not None and signed.id != statement_id:
        raise SignatureInvalid("The signed statement must have the id of the statement.")
    said = dict(signed.document)
    inside = {one["sha2"].lower() for one in said.get("attachments", ())}
    got = dict(statement.document)
    # A signature that was there before is signed, too; those added later are not.
    got["attachments"] = [
        one
        for one in got.get("attachments", ())
        if one["sha2"].lower() not in is_signature
        or (one["sha2"].lower() in inside and one["sha2"].lower() != own_sha2)
    ]
    for one in (said, got):
        if not one.get("attachments"):
            one.pop("attachments", None)
    timestamp = said.get("timestamp")
    if timestamp is None:
        # The record store may have set it (Data 2.6: such differences are ignored).
        got.pop("timestamp", None)
    if comparison_hash(said) != comparison_hash(got):
        raise SignatureInvalid(
            "The signed statement must be the statement as it was before it was signed."
        )
    covers = (
        signed.id is not None
        and timestamp is not None
        and said["object"].get("definition") == got["object"].get("definition")
    )
    return covers, None if timestamp is None else parse_timestamp(timestamp)


def _payload_statement(payload: bytes, version: Version, limits: Limits) -> CheckedStatement:
    # `version` may differ from that of the request: a record store may have set it.
    other: Version = "2.0.0" if version == "1.0.3" else "1.0.3"
    for one in (version, other):
        try:
            checked, single = check_statements(payload, version=one, limits=limits)
        except StatementsRefused:
            continue
        if single:
            return checked[0]
    raise SignatureInvalid("The payload must be the JSON of one valid statement.")


def _check_certificates(
    opened: jws.CompactSignature,
    sent: object,
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> str:
    """The thumbprint of the leaf's key, which verifies the signature."""
    if not isinstance(sent, list) or not 1 <= len(sent) <= CERTIFICATES_MAX:
        raise SignatureInvalid(f"x5c must be a list of 1 to {CERTIFICATES_MAX} certificates.")
    try:
        chain = [
            x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in sent
        ]
        key = chain[0].public_key()
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        raise SignatureInvalid("x5c must hold certificates as base64 of DER.") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS_MIN:
        raise SignatureInvalid(
            f"The certificate's key must be of RSA, with {KEY_BITS_MIN} bits at least."
        )
    plain = _pem(key)
    if not _verifies(opened, plain):
        raise SignatureInvalid("The signature must be of the certificate's key.")
    if anchors:
        _check_chain(chain, anchors, now)
    return RSAKey.import_key(plain).thumbprint()


def _check_chain(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: datetime
) -> None:
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(now)
        .max_chain_depth(CERTIFICATES_MAX)
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(),
            # The web's demands on servers, as a name of a host, are not those on assessors.
            ee_policy=ExtensionPolicy.permit_all(),
        )
        .build_client_verifier()
    )
    try:
        verifier.verify(chain[0], list(chain[1:]))
    except VerificationError:
        raise SignatureInvalid(
            "The certificate must lead to one of the configured trust anchors."
        ) from None


def _verifies(opened: jws.CompactSignature, public_key: str) -> bool:
    try:
        return jws.validate_compact(opened, RSAKey.import_key(public_key), registry=_registry)
    except (JoseError, ValueError, TypeError):
        return False


def _pem(key: RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _assessors(document: Mapping[str, Any]) -> Iterator[str]:
    context = document.get("context", {})
    yield from _keys_of(context.get("instructor"))
    for one in context.get("contextAgents", ()):
        yield from _keys_of(one["agent"])


def _named(document: Mapping[str, Any]) -> Iterator[str]:
    yield from _keys_of(document["actor"])
    yield from _assessors(document)


def _keys_of(agent: Mapping[str, Any] | None) -> Iterator[str]:
    if agent is None:
        return
    for one in (agent, *agent.get("member", ())):
        key = agent_key(one)
        if key is not None:
            yield key
