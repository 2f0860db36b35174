"""A credential bound to its holder's key: the copy that goes into a wallet. Pure.

The copy is the same credential: the same id, the same facts, the same places in the status lists.
It says one thing more, that its subject is the DID whose key the holder has proved to hold, and is
signed for itself. So there is still one credential for one award: what suspends or revokes it
reaches every copy in the same moment, with no second row to follow, and what is said about its id
(an endorsement) is said about each copy. That two copies can be seen to be of one credential tells
a verifier nothing that the award does not say anyway.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson

from assay_credentials.did import ResolveKey
from assay_credentials.holding.errors import CopyRefused
from assay_credentials.holding.offers import Format
from assay_credentials.intake import JsonObject, parse_document
from assay_credentials.keys import Signer
from assay_credentials.proof import Cryptosuite, add_proof
from assay_credentials.verification.envelope import sign_jwt
from assay_credentials.verify import Outcome, Result, Verification, verify_credential

_SUITES: Final[Mapping[object, Cryptosuite]] = {
    "eddsa-rdfc-2022": "eddsa-rdfc-2022",
    "eddsa-jcs-2022": "eddsa-jcs-2022",
}


def unsigned_copy(document: bytes, holder: str) -> tuple[JsonObject, Cryptosuite]:
    """The credential about `holder`, without proof, and the cryptosuite that it was signed with.

    Raises CopyRefused when the credential is about somebody else, or of an unknown form.
    """
    signed = parse_document(document)
    subject = signed.get("credentialSubject")
    proofs = signed.get("proof")
    proof = proofs[0] if isinstance(proofs, list) and proofs else proofs
    if not isinstance(subject, dict) or not isinstance(proof, dict):
        raise CopyRefused("the credential has no one subject or no proof")
    if subject.get("id", holder) != holder:
        raise CopyRefused("the credential is bound to another holder")
    suite = _SUITES.get(proof.get("cryptosuite"))
    if suite is None:
        raise CopyRefused("the credential is signed in a way that copies are not made in")
    copy = {name: value for name, value in signed.items() if name != "proof"}
    copy["credentialSubject"] = {"id": holder, **subject}
    return copy, suite


def signed_copy(
    document: bytes,
    holder: str,
    format_: Format,
    *,
    signer: Signer,
    method: str,
    now: datetime,
) -> bytes:
    """The copy for a wallet, signed anew: JSON with a proof, or a VC-JWT.

    Raises CopyRefused and what signing raises.
    """
    copy, suite = unsigned_copy(document, holder)
    if format_ == "jwt_vc_json":
        return sign_jwt(copy, signer, kid=method).encode()
    return orjson.dumps(
        add_proof(copy, signer, verification_method=method, created=now, cryptosuite=suite)
    )


def check_copy(
    copy: bytes,
    *,
    now: datetime,
    trusted_issuers: Mapping[str, str],
    resolve_key: ResolveKey,
) -> None:
    """Return when a stranger would find the copy good. Raises CopyRefused.

    All but the status, which is that of the credential, and was looked at before.
    """
    found = verify_credential(
        copy,
        now=now,
        resolve_status=lambda _: None,
        trusted_issuers=trusted_issuers,
        resolve_key=resolve_key,
    )
    _require_good(found)


def _require_good(found: Verification) -> None:
    for one in found.checks:
        if one.result is not Result.PASSED and one.name != "status":
            raise CopyRefused(f"{one.name}: {one.detail}")
    if found.outcome not in (Outcome.VALID, Outcome.COULD_NOT_CHECK):
        raise CopyRefused(f"the signed copy is {found.outcome}")
