"""What a wallet is asked: a request of OpenID for Verifiable Presentations 1.0. Pure.

The client identifier has the prefix `redirect_uri` (section 5.9.3): the wallet shows the host that
it will answer to, and no request is signed. It is given by value, as parameters of the URI, which
every wallet that knows the prefix reads; or by reference (section 5.10), as a JWT with `alg` none,
which is what that prefix asks for (openid/OpenID4VP, pull request 788).
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import orjson

QUERY_ID: Final = "badge"
REQUEST_OBJECT: Final = "application/oauth-authz-req+jwt"

# Each is one alternative: a credential has it when it has all types of the inner list. Expanded,
# as Annex B.1.1 wants them.
_TYPES: Final = (
    ["https://purl.imsglobal.org/spec/vc/ob/vocab.html#OpenBadgeCredential"],
    ["https://purl.imsglobal.org/spec/vc/ob/vocab.html#AchievementCredential"],
    ["https://purl.imsglobal.org/spec/vc/clr/vocab.html#ClrCredential"],
)
_QUERY: Final = {
    "credentials": [{"id": QUERY_ID, "format": "ldp_vc", "meta": {"type_values": list(_TYPES)}}]
}
_FORMATS: Final = {
    "ldp_vc": {
        "proof_type_values": ["DataIntegrityProof"],
        "cryptosuite_values": ["eddsa-rdfc-2022", "eddsa-jcs-2022"],
    }
}
# What a wallet that issues to itself is called (RFC 9101 section 4; OpenID4VP section 5.8).
_AUDIENCE: Final = "https://self-issued.me/v2"


@dataclass(frozen=True, slots=True)
class PresentationRequest:
    """One request, to one wallet."""

    request: str
    """Unguessable; comes back as `state`."""
    nonce: str
    """Unguessable; must be the challenge of the presentation."""
    made_at: datetime
    expires_at: datetime


def response_uri(public_url: str) -> str:
    """Where the wallet posts its answer."""
    return f"{public_url}/oid4vp/response"


def client_id(public_url: str) -> str:
    """Who asks; must be the domain of the presentation (Annex B.1.3.2)."""
    return f"redirect_uri:{response_uri(public_url)}"


def parameters(asked: PresentationRequest, public_url: str) -> dict[str, object]:
    """The parameters of the request, by name."""
    return {
        "client_id": client_id(public_url),
        "response_type": "vp_token",
        "response_mode": "direct_post",
        "response_uri": response_uri(public_url),
        "nonce": asked.nonce,
        "state": asked.request,
        "dcql_query": _QUERY,
        "client_metadata": {"vp_formats_supported": _FORMATS},
    }


def uri_by_value(asked: PresentationRequest, public_url: str) -> str:
    """The request as one URI, for a QR code or a link."""
    texts = {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in parameters(asked, public_url).items()
    }
    return f"openid4vp://?{urlencode(texts)}"


def uri_by_reference(asked: PresentationRequest, public_url: str) -> str:
    """A shorter URI, from which the wallet fetches the request."""
    values = {
        "client_id": client_id(public_url),
        "request_uri": f"{public_url}/oid4vp/request/{asked.request}",
    }
    return f"openid4vp://?{urlencode(values)}"


def request_object(asked: PresentationRequest, public_url: str) -> bytes:
    """What `request_uri` answers."""
    header = {"alg": "none", "typ": "oauth-authz-req+jwt"}
    claims = {
        **parameters(asked, public_url),
        "aud": _AUDIENCE,
        "iat": int(asked.made_at.timestamp()),
        "exp": int(asked.expires_at.timestamp()),
    }
    return b".".join((_part(header), _part(claims), b""))


def _part(value: dict[str, object] | dict[str, str]) -> bytes:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=")
