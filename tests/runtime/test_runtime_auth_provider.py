"""The provider's keys: fetched when needed and no oftener, changed, withdrawn, strange or away."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from assay_runtime.auth_oidc import Provider
from assay_runtime.problem import Problem
from assay_runtime.settings import AuthSettings, SettingsError
from oidc_provider import (
    AUDIENCE,
    OidcProvider,
    oidc_provider,
    rsa_key,
    settings_of,
    signed,
)

RSA = rsa_key("rsa-1")


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with oidc_provider(RSA) as running:
        yield running


async def refused(provider: Provider, token: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await provider.token(token)
    return caught.value


async def test_the_keys_are_fetched_once(provider: OidcProvider) -> None:
    known = Provider(settings_of(provider))
    await asyncio.gather(*(known.token(signed(provider, RSA)) for _ in range(50)))
    assert known.fetches == 1


async def test_unknown_keys_do_not_make_us_ask_again_and_again(provider: OidcProvider) -> None:
    known = Provider(settings_of(provider, oidc_refetch_seconds=600))
    stranger = rsa_key("stranger")
    await known.token(signed(provider, RSA))
    for _ in range(20):
        assert (await refused(known, signed(provider, stranger))).status == 401
    assert known.fetches == 1
    eager = Provider(settings_of(provider, oidc_refetch_seconds=0))
    await refused(eager, signed(provider, stranger))
    assert eager.fetches == 2


async def test_a_new_key_of_the_provider_is_taken_and_a_withdrawn_one_is_not() -> None:
    first, second = rsa_key("first"), rsa_key("second")
    with oidc_provider(first) as provider:
        known = Provider(settings_of(provider, oidc_refetch_seconds=0))
        old = provider.token("lms", "state")
        await known.token(old)
        await asyncio.to_thread(provider.change_keys, second, first)
        new = provider.token("lms", "state")
        await known.token(new)
        assert known.fetches == 2
        # Both are published: tokens of before are good until they end. Which is meant must be said.
        await known.token(old)
        assert (await refused(known, signed(provider, first, header={"kid": None}))).status == 401
        await asyncio.to_thread(provider.change_keys, second)
        await refused(known, signed(provider, rsa_key("third")))
        assert (await refused(known, old)).status == 401
        await known.token(new)
    # The provider is away: what is known of its keys still serves, for a time.
    await known.token(new)
    gone = Provider(settings_of(provider))
    with pytest.raises(Problem) as caught:
        await gone.token(new)
    assert caught.value.status == 503
    assert int(caught.value.headers["Retry-After"]) >= 1


async def test_keys_that_are_too_old_are_used_no_more() -> None:
    key = rsa_key("first")
    with oidc_provider(key) as provider:
        known = Provider(
            settings_of(
                provider,
                oidc_keys_seconds=0.01,
                oidc_keys_stale_seconds_max=0.5,
                oidc_refetch_seconds=0,
            )
        )
        token = signed(provider, key)
        await known.token(token)
    await asyncio.sleep(0.6)
    with pytest.raises(Problem) as caught:
        await known.token(token)
    assert caught.value.status == 503


def test_a_provider_is_named_with_its_audience_and_by_a_guarded_address() -> None:
    for wrong, variable in (
        ({"ASSAY_OIDC_ISSUER_URL": "https://id.example"}, "ASSAY_OIDC_AUDIENCE"),
        ({"ASSAY_OIDC_ISSUER_URL": "http://id.example"}, "ASSAY_OIDC_ISSUER_URL"),
        ({"ASSAY_OIDC_ALGORITHMS": "RS256,HS256"}, "ASSAY_OIDC_ALGORITHMS"),
        ({"ASSAY_OIDC_ALGORITHMS": ""}, "ASSAY_OIDC_ALGORITHMS"),
    ):
        with pytest.raises(SettingsError, match=variable):
            AuthSettings.from_environment(wrong)
    known = AuthSettings.from_environment(
        {"ASSAY_OIDC_ISSUER_URL": "https://id.example", "ASSAY_OIDC_AUDIENCE": "lrs"}
    )
    assert known.algorithms[0] == "RS256"


class _Strange(http.server.BaseHTTPRequestHandler):
    """Answers as the test says; never what a provider should."""

    answers: ClassVar[dict[str, tuple[int, bytes, dict[str, str]]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body, headers = self.answers.get(self.path, (404, b"", {}))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def strange() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Strange)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _Strange.asked.clear()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


CONFIGURATION = "/.well-known/openid-configuration"
SHARED_KEY = {"kty": "oct", "kid": "rsa-1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
SHORT_KEY = {"kty": "RSA", "kid": "rsa-1", "n": "w" * 171, "e": "AQAB"}


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("nothing", "answered 404"),
        ("moved", "answered 302"),
        ("not-json", "not JSON"),
        ("deep", "not JSON"),
        ("a-list", "no JSON object"),
        ("other-issuer", "another issuer"),
        ("open-address", "no https address"),
        ("too-long", "too long"),
        ("no-keys", "no list of keys"),
        ("shared-key", "no key for signatures"),
        ("short-key", "no key for signatures"),
        ("encryption-key", "no key for signatures"),
    ],
)
async def test_a_provider_that_answers_strangely_is_not_used(
    strange: str, caplog: pytest.LogCaptureFixture, case: str, why: str
) -> None:
    public = RSA.as_dict(private=False)
    right = {"issuer": strange, "jwks_uri": f"{strange}/keys"}
    documents: dict[str, tuple[object, object]] = {
        "not-json": (b"<html>", None),
        "deep": (b"[" * 4000, None),
        "a-list": ([right], None),
        "other-issuer": ({**right, "issuer": "https://other.example"}, {"keys": [public]}),
        "open-address": ({**right, "jwks_uri": "http://id.example/keys"}, None),
        "too-long": (right, {"keys": [public], "more": "x" * 5000}),
        "no-keys": (right, {"keys": {}}),
        "shared-key": (right, {"keys": [SHARED_KEY]}),
        "short-key": (right, {"keys": [SHORT_KEY, 7]}),
        "encryption-key": (right, {"keys": [{**public, "use": "enc"}]}),
    }
    _Strange.answers.clear()
    for path, content in zip((CONFIGURATION, "/keys"), documents.get(case, ()), strict=False):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        _Strange.answers[path] = (200, body, {})
    if case == "moved":
        _Strange.answers[CONFIGURATION] = (302, b"", {"Location": f"{strange}/elsewhere"})
    known = Provider(
        AuthSettings(oidc_issuer_url=strange, oidc_audience=AUDIENCE, oidc_fetch_bytes_max=4096)
    )
    with pytest.raises(Problem) as caught:
        await known.token(signed(strange, RSA))
    assert caught.value.status == 503
    assert "/elsewhere" not in _Strange.asked
    (record,) = caplog.records
    assert why in record.__dict__["fields"]["why"]
