"""did:jwk (did:jwk Method Specification): the identifier is a JSON Web Key. No network."""

import base64
import binascii
import json
from typing import Final

from assay_credentials.did import VerificationKey
from assay_credentials.resolving.public_keys import key_of_jwk

METHOD: Final = "did:jwk:"
FRAGMENT: Final = "0"
IDENTIFIER_CHARACTERS_MAX: Final = 2_000
"""A P-256 key with every member that one meets takes about 400."""


def resolve_did_jwk(method: str) -> VerificationKey | None:
    """The key of a did:jwk verification method; None for any other DID method.

    Raises ValueError when it is no method of it (there is one, `#0`), or a key of another kind.
    """
    if not method.startswith(METHOD):
        return None
    did, _, fragment = method.partition("#")
    if fragment != FRAGMENT:
        raise ValueError(f"the one method of a did:jwk is #{FRAGMENT}")
    encoded = did.removeprefix(METHOD)
    if len(encoded) > IDENTIFIER_CHARACTERS_MAX:
        raise ValueError(f"a did:jwk of more than {IDENTIFIER_CHARACTERS_MAX} characters")
    try:
        jwk = json.loads(
            base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        )
    except (binascii.Error, ValueError, RecursionError) as error:
        raise ValueError("a did:jwk that is no JSON in base64url") from error
    if not isinstance(jwk, dict):
        raise ValueError("a did:jwk that is no JSON object")
    kind, public_key = key_of_jwk(jwk)
    # A key that says that it is for encryption verifies nothing.
    if jwk.get("use", "sig") != "sig":
        raise ValueError("a did:jwk whose key is not for signatures")
    return VerificationKey(did, public_key, kind)
