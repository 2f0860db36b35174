"""Making a credential: built, signed in both forms, and checked as a stranger would. Pure.

The intention holds everything that it says, so that what is made from it again is the same.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from assay_credentials.awards import Credential, Cryptosuite, Described, Place, facts_of
from assay_credentials.badge import Issuer, build_badge
from assay_credentials.contexts import BADGE_CONTEXT, pinned_contexts
from assay_credentials.errors import SelfCheckFailed, SigningRefused
from assay_credentials.intake import JsonObject
from assay_credentials.issuers import IssuerKey
from assay_credentials.proof import add_proof
from assay_credentials.status_list import Purpose, StatusEntry
from assay_credentials.statuses import list_url
from assay_credentials.store import Published
from assay_credentials.template import template_jsonld
from assay_credentials.verification.envelope import is_token_of, sign_jwt
from assay_credentials.verify import Outcome, Result, Verification, verify_credential


@dataclass(frozen=True, slots=True)
class Making:
    """Everything that a credential is made of."""

    intention: Credential
    described: Described
    key: IssuerKey
    issuer: Issuer
    public_url: str


def credential_url(public_url: str, credential: UUID) -> str:
    return f"{public_url}/credentials/{credential}"


def places_of(credential: Credential) -> dict[Purpose, Place]:
    """Its places in status lists, by purpose."""
    if credential.suspension is None:
        return {"revocation": credential.revocation}
    return {"revocation": credential.revocation, "suspension": credential.suspension}


def build(making: Making) -> JsonObject:
    """Line 2. Raises BadgeRefused."""
    intention = making.intention
    return build_badge(
        facts_of(intention, making.described, credential_url(making.public_url, intention.id)),
        making.issuer,
        tuple(
            StatusEntry(purpose, list_url(making.public_url, place.list), place.index)
            for purpose, place in places_of(intention).items()
        ),
    )


def sign(making: Making, badge: JsonObject) -> bytes:
    """Line 3. The time of the proof is that of the intention: made again, it is the same."""
    require_key(making)
    suite = making.described.cryptosuite
    return signed(badge, making.key, created=making.intention.intended_at, cryptosuite=suite)


def sign_as_jwt(making: Making, badge: JsonObject) -> str | None:
    """Line 4. The VC-JWT twin: the same document, signed as a whole. None where it is longer than
    what holds the key can sign.
    """
    require_key(making)
    try:
        return signed_as_jwt(badge, making.key)
    except SigningRefused:
        return None


def require_key(making: Making) -> None:
    """Raises SelfCheckFailed when the intention is not for this key."""
    intention, key = making.intention, making.key
    if (key.did, key.method) != (intention.did, intention.method):
        raise SelfCheckFailed("the intention was written for another key of the issuer")


def signed(
    document: JsonObject, key: IssuerKey, *, created: datetime, cryptosuite: Cryptosuite
) -> bytes:
    """An unsigned credential with the issuer's embedded proof."""
    return orjson.dumps(
        add_proof(
            document,
            key.signer,
            verification_method=key.method,
            created=created,
            cryptosuite=cryptosuite,
            jsonld=template_jsonld(),
        )
    )


def signed_as_jwt(document: JsonObject, key: IssuerKey) -> str:
    """An unsigned credential as the issuer's VC-JWT."""
    return sign_jwt(document, key.signer, kid=key.method)


# What is known only once it is published, or is not of the document's making.
_LATER: Final = {"status": Result.COULD_NOT_CHECK, "dates": Result.FAILED}


def check(making: Making, document: bytes, jwt: str | None, now: datetime) -> Published:
    """Line 5. Raises SelfCheckFailed.

    Everything but the status lists: the bits were taken clear in the transaction of line 1, and
    the lists are other documents, checked by whoever fetches them.
    """
    found = verify_credential(
        document,
        now=now,
        resolve_status=lambda _: None,
        trusted_issuers={making.issuer.id: making.issuer.name},
        resolve_key=making.key.resolve,
        jsonld=template_jsonld(),
    )
    _require_good(making.intention, found)
    if jwt is not None:
        _require_twin(making.key, found, jwt)
    digests = pinned_contexts().digests
    return Published(
        tenant=making.intention.key[0],
        credential=making.intention.id,
        document=document,
        contexts=orjson.dumps({url: digests[url] for url in BADGE_CONTEXT}).decode(),
        valid_from=found.valid_from,
        valid_until=found.valid_until,
        jwt=jwt,
    )


def _require_good(intention: Credential, found: Verification) -> None:
    for one in found.checks:
        if one.result is not Result.PASSED and _LATER.get(one.name) is not one.result:
            raise SelfCheckFailed(f"{one.name}: {one.detail}")
    statuses = sum(one.name == "status" for one in found.checks)
    wanted = 1 if intention.suspension is None else 2
    if found.outcome is Outcome.NOT_GENUINE or statuses != wanted or found.issuer is None:
        raise SelfCheckFailed(f"the signed document is not a credential with {wanted} entries")


def _require_twin(key: IssuerKey, found: Verification, jwt: str) -> None:
    """The signature is good, and what is signed is exactly the document that was just checked: so
    every rule that it was held to holds for the twin.
    """
    document = {name: value for name, value in (found.document or {}).items() if name != "proof"}
    if not is_token_of(jwt, document, kid=key.method, public_key=key.signer.public_key):
        raise SelfCheckFailed("the VC-JWT is not one of the document")
