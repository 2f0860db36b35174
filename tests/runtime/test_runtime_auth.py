"""API clients: who comes in, who does not, and for how long a verified key is remembered."""

import base64

import pytest

from assay_runtime.auth import Authenticator, hash_secret, new_secret
from assay_runtime.problem import Problem
from assay_runtime.settings import AuthSettings
from runtime_probe import Probe

SCOPES = ["statements/write", "statements/read"]


def _basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


async def _add(probe: Probe, name: str, secret: str) -> None:
    await probe.pool.execute(
        "insert into probe.api_client (name, tenant, secret_hash, source, scopes) "
        "values ($1, 'demo', $2, 'lms', $3)",
        name,
        hash_secret(secret),
        SCOPES,
    )


async def _refused(authenticator: Authenticator, header: str | None) -> Problem:
    with pytest.raises(Problem) as caught:
        await authenticator.client(header)
    return caught.value


async def test_a_known_key_names_its_client(probe: Probe) -> None:
    secret = new_secret() + ":with:colons"
    await _add(probe, "online", secret)
    client = await Authenticator(probe.pool, "probe").client(_basic("online", secret))
    assert (client.tenant, client.name, client.source) == ("demo", "online", "lms")
    assert client.scopes == frozenset(SCOPES)


async def test_a_secret_is_not_kept_as_it_is(probe: Probe) -> None:
    secret = new_secret()
    await _add(probe, "online", secret)
    stored = await probe.pool.fetchval("select secret_hash from probe.api_client")
    assert stored.startswith("$argon2id$")
    assert secret not in stored
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32


async def test_whoever_is_not_known_gets_a_401_that_says_how_to_come_in(probe: Probe) -> None:
    secret = new_secret()
    await _add(probe, "online", secret)
    authenticator = Authenticator(probe.pool, "probe")
    not_base64, no_colon = "Basic ä!", "Basic " + base64.b64encode(b"online").decode()
    for header in (
        None,
        "",
        "Bearer x",
        not_base64,
        no_colon,
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        _basic("online", "wrong"),
        _basic("online", ""),
        _basic("nobody", secret),
        _basic("on\0line", secret),
    ):
        problem = await _refused(authenticator, header)
        assert problem.status == 401, header
        assert problem.headers["WWW-Authenticate"].startswith("Basic ")
        assert secret not in str(problem.detail)


async def test_a_revoked_key_is_refused_when_its_time_in_the_cache_is_over(probe: Probe) -> None:
    secret = new_secret()
    await _add(probe, "online", secret)
    remembers = Authenticator(probe.pool, "probe", AuthSettings(auth_cache_seconds=600))
    forgets = Authenticator(probe.pool, "probe", AuthSettings(auth_cache_seconds=0))
    for authenticator in (remembers, forgets):
        await authenticator.client(_basic("online", secret))
    await probe.pool.execute("update probe.api_client set revoked_at = now()")
    assert (await remembers.client(_basic("online", secret))).name == "online"
    assert (await _refused(forgets, _basic("online", secret))).status == 401


async def test_a_remembered_key_does_not_open_the_door_for_another_secret(probe: Probe) -> None:
    secret = new_secret()
    await _add(probe, "online", secret)
    authenticator = Authenticator(probe.pool, "probe")
    await authenticator.client(_basic("online", secret))
    assert (await _refused(authenticator, _basic("online", secret + "x"))).status == 401


async def test_a_missing_scope_is_a_403_that_names_it(probe: Probe) -> None:
    secret = new_secret()
    await _add(probe, "online", secret)
    client = await Authenticator(probe.pool, "probe").client(_basic("online", secret))
    client.require("statements/read")
    client.require("all", "statements/write")
    with pytest.raises(Problem) as caught:
        client.require("competencies/read", "all")
    assert caught.value.status == 403
    assert caught.value.members["scope"] == "competencies/read"
