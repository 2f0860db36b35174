"""Bearer tokens: JWT access tokens of the one OpenID provider that the operator names.

Sources: RFC 7519 (claims), RFC 9068 (access tokens), RFC 8725 (best practices), OpenID Connect
Discovery 1.0. The provider gives tokens out (client credentials or any other grant is its job); we
check them against its published keys. A token names its client by `sub` or by `azp`, and may do
what both it and its client may.
"""

import asyncio
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import JWTClaimsRegistry

from assay_runtime.addresses import is_guarded
from assay_runtime.logs import fields
from assay_runtime.problem import Problem, not_authenticated, not_available
from assay_runtime.settings import TOKEN_ALGORITHMS, AuthSettings

log = logging.getLogger(__name__)

RSA_BITS_MIN = 2048
_CONFIGURATION = "/.well-known/openid-configuration"
_TYPES = frozenset({None, "jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_KEY_TYPES: Mapping[str, str] = {
    name: {"RS": "RSA", "PS": "RSA", "ES": "EC"}.get(name[:2], "OKP") for name in TOKEN_ALGORITHMS
}


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """What a checked token says. `party` is its authorized party: `azp`, or else `client_id`."""

    issuer: str
    subject: str | None
    party: str | None
    scopes: frozenset[str]
    expires_at: float


class ProviderNotUsable(Exception):
    """The provider did not answer, or not as the standard says. The text names what is wrong."""


class _Registry(JWSRegistry):
    """The allowed algorithms and no others; headers that are not known are left alone."""

    max_header_length = 4096

    def __init__(self, algorithms: Sequence[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        # The base class warns of EdDSA, whose name is deprecated, not its signatures.
        if name not in (self.allowed or ()):
            raise JoseError("the algorithm is not allowed")
        return self.algorithms[name]


class Provider:
    """The provider's keys, fetched when they are needed and not more often than a setting says."""

    def __init__(self, settings: AuthSettings) -> None:
        """`settings.oidc_issuer_url` and `oidc_audience` are there."""
        self._settings = settings
        self._issuer = settings.oidc_issuer_url or ""
        self._algorithms = settings.algorithms
        self._registry = _Registry(self._algorithms)
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()
        # For metrics and tests: how often the provider was asked.
        self.fetches = 0

    async def token(self, text: str) -> Token:
        """The token in `text`, checked. Problems: 401 for a bad one, 503 without the keys."""
        settings = self._settings
        if len(text) > settings.oidc_token_bytes_max:
            raise _refused("the token is too long")
        try:
            header = extract_compact(text.encode("ascii"), registry=self._registry).headers()
            key = await self._key(header)
            found = jwt.decode(text, key, registry=self._registry)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            # What the library raises for a malformed token is of each of these kinds.
            # Which of its rules was broken, without any part of the token.
            raise _refused(f"the token is not good: {type(error).__name__}") from None
        return self._read(found.claims)

    def _read(self, claims: Mapping[str, Any]) -> Token:
        settings = self._settings
        rules = JWTClaimsRegistry(
            leeway=settings.oidc_leeway_seconds,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": settings.oidc_audience or ""},
            exp={"essential": True},
        )
        try:
            rules.validate(dict(claims))
        except JoseError as error:
            raise _refused(f"the token is not good: {error.description or error.error}") from None
        return Token(
            issuer=self._issuer,
            subject=_text(claims.get("sub")),
            party=_text(claims.get("azp")) or _text(claims.get("client_id")),
            scopes=_scopes(claims, settings.oidc_scope_prefix),
            expires_at=float(claims["exp"]) + settings.oidc_leeway_seconds,
        )

    async def _key(self, header: object) -> Key:
        if not isinstance(header, dict):
            raise _refused("the token's header is no object")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            raise _refused("the token's algorithm is not allowed")
        if "b64" in header or _lower(header.get("typ")) not in _TYPES:
            raise _refused("the token is no access token")
        await self._fresh(self._settings.oidc_keys_seconds)
        key = self._find(algorithm, kid)
        if key is None:
            # The provider may have begun to sign with a new key.
            await self._fresh(self._settings.oidc_refetch_seconds, waits=True)
            key = self._find(algorithm, kid)
        if key is None:
            raise _refused("the token's key is not one of the provider's")
        return key

    def _find(self, algorithm: str, kid: object) -> Key | None:
        fitting = [
            one
            for one in self._keys
            if one.key_type == _KEY_TYPES[algorithm]
            and one.get("alg") in (None, algorithm)
            and (kid is None or one.kid == kid)
        ]
        # Without a name, one key must be the only one it can be.
        return fitting[0] if len(fitting) == 1 else None

    async def _fresh(self, seconds_max: float, *, waits: bool = False) -> None:
        """Fetch the keys when they are older than `seconds_max`. Raises a 503 problem without.

        While somebody fetches, keys that are still usable serve the others, but for who `waits`.
        """
        age = time.monotonic() - self._fetched_at
        if age <= seconds_max:
            return
        stale_max = self._settings.oidc_keys_stale_seconds_max
        if self._fetching.locked() and not waits and age <= stale_max:
            return
        async with self._fetching:
            now = time.monotonic()
            if now - self._fetched_at > seconds_max and now >= self._next_try():
                self._tried_at = now
                self.fetches += 1
                try:
                    self._keys = await self._fetch()
                    self._fetched_at = time.monotonic()
                except ProviderNotUsable as error:
                    log.warning("The identity provider is not usable", extra=fields(why=str(error)))
        now = time.monotonic()
        if now - self._fetched_at > stale_max:
            raise not_available(
                "the identity provider's keys are not known",
                retry_seconds=max(1, math.ceil(self._next_try() - now)),
            )

    def _next_try(self) -> float:
        return self._tried_at + self._settings.oidc_refetch_seconds

    async def _fetch(self) -> tuple[Key, ...]:
        settings = self._settings
        try:
            async with (
                asyncio.timeout(settings.oidc_fetch_seconds),
                httpx.AsyncClient(timeout=settings.oidc_fetch_seconds) as http,
            ):
                configuration = await self._json(http, self._issuer.rstrip("/") + _CONFIGURATION)
                if configuration.get("issuer") != self._issuer:
                    raise ProviderNotUsable("its configuration names another issuer")
                where = configuration.get("jwks_uri")
                if not isinstance(where, str) or not is_guarded(where):
                    raise ProviderNotUsable("its jwks_uri is no https address")
                document = await self._json(http, where)
        except TimeoutError:
            raise ProviderNotUsable("it did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderNotUsable(type(error).__name__) from None
        return _public_keys(document)

    async def _json(self, http: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
        """A JSON object from `url`; redirects are not followed, a long answer is not read."""
        body = bytearray()
        async with http.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != 200:
                raise ProviderNotUsable(f"it answered {answer.status_code}")
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > self._settings.oidc_fetch_bytes_max:
                    raise ProviderNotUsable("its answer is too long")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise ProviderNotUsable("its answer is not JSON") from None
        if not isinstance(found, dict):
            raise ProviderNotUsable("its answer is no JSON object")
        return found


def _public_keys(document: Mapping[str, Any]) -> tuple[Key, ...]:
    """The keys of a JWK Set with which tokens can be checked; others in it are left out."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ProviderNotUsable("its key set has no list of keys")
    found = []
    for one in listed:
        if not isinstance(one, dict) or not _is_for_tokens(one):
            continue
        try:
            found.append(JWKRegistry.import_key(one))
        except (JoseError, ValueError, TypeError):
            log.warning("A key of the identity provider is not usable")
    if not found:
        raise ProviderNotUsable("its key set holds no key for signatures")
    return tuple(found)


def _is_for_tokens(key: Mapping[str, Any]) -> bool:
    """Whether it is a public key for signatures, and long enough."""
    if key.get("use", "sig") != "sig" or "d" in key or "k" in key:
        return False
    if key.get("kty") == "RSA":
        modulus = key.get("n")
        return isinstance(modulus, str) and len(modulus) * 6 >= RSA_BITS_MIN
    return key.get("kty") in ("EC", "OKP")


def _scopes(claims: Mapping[str, Any], prefix: str) -> frozenset[str]:
    """`scope` (RFC 9068), or `scp` where a provider says it so; those with the prefix, without."""
    said = claims.get("scope", claims.get("scp", ""))
    words = said.split() if isinstance(said, str) else said
    if not isinstance(words, list):
        raise _refused("the token's scope is not readable")
    return frozenset(
        one.removeprefix(prefix) for one in words if isinstance(one, str) and one.startswith(prefix)
    )


def _text(value: object) -> str | None:
    """A claim as text that a database can be asked for; None for anything else."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value or None


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _refused(detail: str) -> Problem:
    return not_authenticated(detail, is_token=True)
