"""What a wallet reads before it asks: the metadata documents of OpenID4VCI 1.0, section 12, and of
RFC 8414. Pure.
"""

from typing import Final

from assay_credentials.contexts import BADGE_CONTEXT
from assay_credentials.holding.key_proof import ALGORITHMS
from assay_credentials.holding.offers import CONFIGURATIONS, PRE_AUTHORIZED_GRANT, issuer_url
from assay_credentials.intake import JsonObject

TYPES: Final = ("VerifiableCredential", "OpenBadgeCredential")

COPIES_MAX: Final = 4
"""Copies of one offer, each bound to another key of the holder: a phone, a tablet, a spare."""


def credential_issuer_metadata(public_url: str, tenant: str, issuer: str, name: str) -> JsonObject:
    """`/.well-known/openid-credential-issuer` of one issuer (section 12.2)."""
    return {
        "credential_issuer": issuer_url(public_url, tenant, issuer),
        "credential_endpoint": f"{public_url}/oid4vci/credential",
        "nonce_endpoint": f"{public_url}/oid4vci/nonce",
        "notification_endpoint": f"{public_url}/oid4vci/notification",
        "batch_credential_issuance": {"batch_size": COPIES_MAX},
        "display": [{"name": name, "locale": "en"}],
        "credential_configurations_supported": {
            identifier: _configuration(format_) for identifier, format_ in CONFIGURATIONS.items()
        },
    }


def _configuration(format_: str) -> JsonObject:
    definition: JsonObject = {"type": list(TYPES)}
    signed_with = ["EdDSA"]
    if format_ == "ldp_vc":
        definition = {"@context": list(BADGE_CONTEXT), **definition}
        signed_with = ["eddsa-rdfc-2022", "eddsa-jcs-2022"]
    return {
        "format": format_,
        "cryptographic_binding_methods_supported": ["did:key", "did:jwk", "jwk"],
        "credential_signing_alg_values_supported": signed_with,
        "proof_types_supported": {
            "jwt": {"proof_signing_alg_values_supported": sorted(ALGORITHMS)}
        },
        "credential_definition": definition,
        "credential_metadata": {"display": [{"name": "Open Badge", "locale": "en"}]},
    }


def authorization_server_metadata(public_url: str, tenant: str, issuer: str) -> JsonObject:
    """`/.well-known/oauth-authorization-server` of the issuer, who gives out tokens itself."""
    return {
        "issuer": issuer_url(public_url, tenant, issuer),
        "token_endpoint": f"{public_url}/oid4vci/token",
        "token_endpoint_auth_methods_supported": ["none"],
        # There is no authorisation endpoint, so no response type either (RFC 8414, section 2).
        "response_types_supported": [],
        "grant_types_supported": [PRE_AUTHORIZED_GRANT],
        "pre-authorized_grant_anonymous_access_supported": True,
    }
