"""Keys under load and over time: what a remembered key costs, floods, rotation, use, limits."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay_runtime.auth import Authenticator, hash_secret, new_secret
from assay_runtime.auth_clients import Allowance, Bound, ClientRows, NewClient
from assay_runtime.problem import Problem
from assay_runtime.settings import AuthSettings
from runtime_probe import Probe

FORGETS = AuthSettings(auth_cache_seconds=0)


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


async def add(probe: Probe, name: str, secret: str | None, **more: Any) -> None:
    new = NewClient(
        tenant="demo",
        name=name,
        source="lms",
        scopes=("statements/write",),
        secret_hash=None if secret is None else hash_secret(secret),
        bound=more.pop("bound", None),
        allowance=Allowance(**more),
    )
    async with probe.pool.acquire() as connection:
        assert await ClientRows(connection, "probe").add(new)


async def refused(authenticator: Authenticator, header: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await authenticator.client(header)
    return caught.value


async def test_a_remembered_key_costs_no_query_and_no_hash(probe: Probe) -> None:
    secret = new_secret()
    await add(probe, "online", secret)
    authenticator = Authenticator(probe.pool, "probe")
    first = await authenticator.client(basic("online", secret))
    hashed = authenticator.comparer.compared
    assert hashed == 1
    # Whatever asked the database now would fail.
    await probe.pool.close()
    for _ in range(1000):
        assert await authenticator.client(basic("online", secret)) is first
    assert authenticator.comparer.compared == hashed


async def test_a_key_whose_time_is_over_is_looked_up_and_not_hashed_again(probe: Probe) -> None:
    secret = new_secret()
    await add(probe, "online", secret)
    authenticator = Authenticator(probe.pool, "probe", FORGETS)
    for _ in range(20):
        await authenticator.client(basic("online", secret))
    assert authenticator.comparer.compared == 1
    await probe.pool.execute("update probe.api_client set scopes = '{all}'")
    client = await authenticator.client(basic("online", secret))
    assert client.scopes == {"all"}
    await probe.pool.execute("update probe.api_client set revoked_at = now()")
    assert (await refused(authenticator, basic("online", secret))).status == 401
    # Nothing of it is remembered either.
    assert len(authenticator) == 0


async def test_ten_thousand_wrong_keys_push_out_no_good_one(probe: Probe) -> None:
    secrets = {f"good-{number}": new_secret() for number in range(5)}
    for name, secret in secrets.items():
        await add(probe, name, secret)
    authenticator = Authenticator(
        probe.pool, "probe", AuthSettings(auth_hashes_waiting_max=20, auth_cache_seconds=600)
    )
    known = [await authenticator.client(basic(*one)) for one in secrets.items()]
    before = authenticator.comparer.compared

    async def wrong(number: int) -> int:
        name = "good-0" if number % 2 else f"nobody-{number}"
        return (await refused(authenticator, basic(name, f"wrong-{number}"))).status

    async def flood() -> list[int]:
        return await asyncio.gather(*(wrong(number) for number in range(10_000)))

    flooding = asyncio.create_task(flood())
    # Who is known comes in all the while, without waiting for the others.
    good = 0
    while not flooding.done():
        for client, one in zip(known, secrets.items(), strict=True):
            assert await authenticator.client(basic(*one)) is client
        good += 1
        await asyncio.wait({flooding}, timeout=0.01)
    assert good > 5
    answered = await flooding
    assert set(answered) == {401, 503}
    assert authenticator.comparer.parallel_peak == 2
    # A wrong key costs two comparisons, and few of those that came at once were let in at all.
    assert authenticator.comparer.compared - before == 2 * answered.count(401) <= 200
    assert len(authenticator) == len(secrets)


async def test_one_wrong_key_that_is_sent_at_once_many_times_is_compared_once(
    probe: Probe,
) -> None:
    await add(probe, "online", new_secret())
    authenticator = Authenticator(probe.pool, "probe")
    header = basic("online", "wrong")
    problems = await asyncio.gather(*(refused(authenticator, header) for _ in range(500)))
    assert {problem.status for problem in problems} == {401}
    assert authenticator.comparer.compared == 2


@pytest.mark.parametrize("name", ["online", "rotating", "by-token", "nobody"])
async def test_a_wrong_key_costs_the_same_whoever_it_is_for(probe: Probe, name: str) -> None:
    await add(probe, "online", new_secret())
    await add(probe, "rotating", new_secret())
    await add(probe, "by-token", None, bound=Bound("https://id.example", "sub", "x"))
    async with probe.pool.acquire() as connection:
        assert await ClientRows(connection, "probe").rotate(
            "demo", "rotating", hash_secret(new_secret()), 60
        )
    authenticator = Authenticator(probe.pool, "probe")
    problem = await refused(authenticator, basic(name, "wrong"))
    assert (problem.status, problem.detail) == (401, "the key is not known")
    assert authenticator.comparer.compared == 2


async def test_whoever_goes_away_does_not_take_the_answer_from_the_others(probe: Probe) -> None:
    secret = new_secret()
    await add(probe, "online", secret)
    authenticator = Authenticator(probe.pool, "probe")
    asking = [asyncio.create_task(authenticator.client(basic("online", secret))) for _ in range(10)]
    await asyncio.sleep(0)
    asking[0].cancel()
    answered = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answered[0], asyncio.CancelledError)
    assert all(one is answered[1] for one in answered[1:])
    assert authenticator.comparer.compared == 1


async def test_both_secrets_work_until_the_overlap_is_over(probe: Probe) -> None:
    old, new = new_secret(), new_secret()
    await add(probe, "online", old)
    remembers = Authenticator(probe.pool, "probe", AuthSettings(auth_cache_seconds=600))
    await remembers.client(basic("online", old))
    async with probe.pool.acquire() as connection:
        rows = ClientRows(connection, "probe")
        assert await rows.rotate("demo", "online", hash_secret(new), 3600)
        known = await rows.find("demo", "online")
    assert known is not None
    assert known.previous_secret_until is not None
    assert timedelta(minutes=59) < known.previous_secret_until - datetime.now(UTC)
    authenticator = Authenticator(probe.pool, "probe", FORGETS)
    for secret in (old, new):
        assert (await authenticator.client(basic("online", secret))).name == "online"
    await probe.pool.execute("update probe.api_client set previous_secret_until = now()")
    assert (await refused(authenticator, basic("online", old))).status == 401
    assert (await authenticator.client(basic("online", new))).name == "online"


async def test_a_replaced_secret_is_not_remembered_longer_than_it_works(probe: Probe) -> None:
    old = new_secret()
    await add(probe, "online", old)
    authenticator = Authenticator(probe.pool, "probe", AuthSettings(auth_cache_seconds=600))
    async with probe.pool.acquire() as connection:
        await ClientRows(connection, "probe").rotate(
            "demo", "online", hash_secret(new_secret()), 0.5
        )
    assert (await authenticator.client(basic("online", old))).name == "online"
    await probe.pool.execute("select pg_sleep(0.6)")
    assert (await refused(authenticator, basic("online", old))).status == 401


async def test_a_rotation_without_overlap_ends_the_old_secret(probe: Probe) -> None:
    old, new = new_secret(), new_secret()
    await add(probe, "online", old)
    async with probe.pool.acquire() as connection:
        await ClientRows(connection, "probe").rotate("demo", "online", hash_secret(new), 0)
    authenticator = Authenticator(probe.pool, "probe")
    assert (await refused(authenticator, basic("online", old))).status == 401
    assert (await authenticator.client(basic("online", new))).name == "online"


async def test_rotations_that_race_leave_one_current_and_one_previous_secret(probe: Probe) -> None:
    await add(probe, "online", new_secret())
    secrets = [new_secret() for _ in range(8)]

    async def rotate(secret: str) -> bool:
        async with probe.pool.acquire() as connection:
            return await ClientRows(connection, "probe").rotate(
                "demo", "online", hash_secret(secret), 60
            )

    assert all(await asyncio.gather(*(rotate(secret) for secret in secrets)))
    authenticator = Authenticator(probe.pool, "probe")
    working = 0
    for secret in secrets:
        try:
            await authenticator.client(basic("online", secret))
        except Problem:
            continue
        working += 1
    assert working == 2


async def test_the_last_use_is_noted_once_a_minute_by_all_processes(probe: Probe) -> None:
    secret = new_secret()
    await add(probe, "online", secret)

    async def last() -> datetime | None:
        found: datetime | None = await probe.pool.fetchval(
            "select last_used_at from probe.api_client"
        )
        return found

    assert await last() is None
    with pytest.raises(Problem):
        await Authenticator(probe.pool, "probe").client(basic("online", "wrong"))
    assert await last() is None, "a wrong key is no use"
    await Authenticator(probe.pool, "probe", FORGETS).client(basic("online", secret))
    first = await last()
    assert first is not None
    # Another process, and the same one again and again.
    authenticator = Authenticator(probe.pool, "probe", FORGETS)
    for _ in range(5):
        await authenticator.client(basic("online", secret))
    assert await last() == first
    await probe.pool.execute(
        "update probe.api_client set last_used_at = now() - interval '2 minutes'"
    )
    await Authenticator(probe.pool, "probe").client(basic("online", secret))
    later = await last()
    assert later is not None
    assert later > first


async def test_a_client_that_is_being_changed_comes_in_all_the_same(probe: Probe) -> None:
    secret = new_secret()
    await add(probe, "online", secret)
    async with probe.pool.acquire() as connection, connection.transaction():
        await connection.execute("select from probe.api_client for update")
        async with asyncio.timeout(5):
            await Authenticator(probe.pool, "probe").client(basic("online", secret))


async def test_a_limit_of_its_own_goes_before_that_of_the_settings(probe: Probe) -> None:
    secret = new_secret()
    await add(probe, "own", secret, requests_per_second_max=0.001)
    await add(probe, "plain", secret)
    settings = AuthSettings(client_requests_per_second_max=0.002, client_burst_seconds=1)
    authenticator = Authenticator(probe.pool, "probe", settings)
    for name, rate in (("own", "0.001"), ("plain", "0.002")):
        await authenticator.client(basic(name, secret))
        problem = await refused(authenticator, basic(name, secret))
        assert (problem.status, problem.slug) == (429, "rate-limited")
        assert f"the limit is {rate} requests a second" in str(problem.detail)
        assert int(problem.headers["Retry-After"]) > 100


async def test_a_new_look_up_does_not_fill_the_bucket_again(probe: Probe) -> None:
    secret = new_secret()
    await add(probe, "online", secret, requests_per_second_max=0.001)
    authenticator = Authenticator(
        probe.pool, "probe", AuthSettings(auth_cache_seconds=0, client_burst_seconds=1)
    )
    await authenticator.client(basic("online", secret))
    assert (await refused(authenticator, basic("online", secret))).status == 429
    await probe.pool.execute("update probe.api_client set requests_per_second_max = 1000000")
    await authenticator.client(basic("online", secret))


async def test_nothing_shows_a_secret(probe: Probe, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = new_secret()
    await add(probe, "online", secret)
    authenticator = Authenticator(probe.pool, "probe")
    client = await authenticator.client(basic("online", secret))
    wrong = secret + "x"
    problem = await refused(authenticator, basic("online", wrong))
    encoded = basic("online", secret).removeprefix("Basic ")
    shown = [
        repr(client),
        repr(authenticator),
        repr(vars(authenticator)),
        str(problem.response().body),
    ]
    shown += [str(problem.detail), repr(problem), caplog.text]
    for text in shown:
        assert secret not in text
        assert encoded not in text
        assert "argon2" not in text
