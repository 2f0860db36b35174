"""Postgres password verifiers (RFC 5802, RFC 7677), so that no password stands in an SQL text."""

import base64
import hashlib
import hmac
import os

ITERATIONS = 4096
SALT_BYTES = 16


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """What `pg_authid.rolpassword` holds for an ASCII password; the salt is random if not given."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def matches(password: str, stored: str) -> bool:
    """Whether a stored verifier belongs to the password."""
    scheme, _, rest = stored.partition("$")
    iterations, _, rest = rest.partition(":")
    salt, _, _ = rest.partition("$")
    if scheme != "SCRAM-SHA-256" or not iterations.isdigit():
        return False
    again = verifier(password, base64.b64decode(salt), int(iterations))
    return hmac.compare_digest(again, stored)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
