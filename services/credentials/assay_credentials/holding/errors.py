"""Refusals in the forms that the wallets' protocols prescribe."""

from collections.abc import Mapping

import orjson
from fastapi import Response

from assay_credentials.errors import CredentialsError
from assay_runtime.problem import Problem

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}


class KeyProofRefused(CredentialsError):
    """A wallet's proof of its key breaks a rule; the text names it."""


class CopyRefused(CredentialsError):
    """A credential cannot be bound to a holder as it is; the text says why."""


class ProtocolRefused(Problem):
    """A refusal as OAuth 2.0 and OpenID4VCI want it: `{"error", "error_description"}`."""

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, error, detail=description, headers=headers)

    def response(self) -> Response:
        body = {"error": self.title, "error_description": self.detail}
        return Response(
            orjson.dumps(body),
            status_code=self.status,
            media_type="application/json",
            headers={**NO_STORE, **self.headers},
        )


def token_refused() -> ProtocolRefused:
    """The access token is not known, or over (RFC 6750, section 3.1)."""
    return ProtocolRefused(
        "invalid_token",
        "the access token is not known, or its time is over",
        status=401,
        headers={"WWW-Authenticate": 'Bearer realm="Assay", error="invalid_token"'},
    )
