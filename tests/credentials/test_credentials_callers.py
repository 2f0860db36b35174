"""Who asks, behind which proxies, and how fast."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from assay_credentials.addresses import UNKNOWN, caller_of, networks_of
from assay_credentials.callers import Callers
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.settings import CredentialsSettings
from assay_runtime.problem import Problem
from assay_runtime.settings import SettingsError

PROXIES = networks_of("10.0.0.0/8, fd00::/8")
ENVIRONMENT = {
    "ASSAY_POSTGRES_DSN": "postgresql://127.0.0.1/x",
    "ASSAY_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "ASSAY_KAFKA_USER": "x",
    "ASSAY_KAFKA_PASSWORD_FILE": "x",
    "ASSAY_HTTP_PORT": "8402",
    "ASSAY_SIGNING_KEY_DIR": "keys",
    "ASSAY_PUBLIC_REQUESTS_PER_SECOND_MAX": "2",
    "ASSAY_PUBLIC_BURST_SECONDS": "2",
    "ASSAY_PUBLIC_ADDRESSES_MAX": "3",
}


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        # Who is no proxy of ours may write what he likes.
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::/64"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("::ffff:10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("fd00::1", ["192.0.2.7"], "192.0.2.7"),
        (None, [], UNKNOWN),
        ("", ["192.0.2.7"], UNKNOWN),
    ],
)
def test_who_asks(peer: str | None, forwarded: list[str], caller: str) -> None:
    assert caller_of(peer, forwarded, PROXIES) == caller


@given(st.lists(st.text(max_size=20), max_size=5))
def test_whoever_is_no_proxy_is_himself_whatever_he_writes(forwarded: list[str]) -> None:
    assert caller_of("192.0.2.7", forwarded, PROXIES) == "192.0.2.7"


def callers(now: list[float], **changed: str) -> Callers:
    settings = CredentialsSettings.from_environment({**ENVIRONMENT, **changed})
    metrics = CredentialsMetrics.register(CollectorRegistry())
    return Callers(settings, metrics, lambda: now[-1])


def taken(some: Callers, peer: str, cost: float = 1.0) -> bool:
    try:
        some.take(peer, [], cost)
    except Problem:
        return False
    return True


def test_who_is_too_fast_is_told_when_to_come_again() -> None:
    some = callers([0.0])
    some.take("192.0.2.1", [], 10)
    with pytest.raises(Problem) as refused:
        some.take("192.0.2.1", [], 1)
    assert refused.value.status == 429
    # Six too many, at two a second.
    assert refused.value.headers["Retry-After"] == "3"


def test_an_address_has_its_rate_and_others_have_theirs() -> None:
    now = [0.0]
    some = callers(now)
    # A burst of two seconds, and the one that empties it.
    assert [taken(some, "192.0.2.1") for _ in range(7)] == [True] * 5 + [False] * 2
    assert taken(some, "192.0.2.2")
    now.append(1.0)
    assert [taken(some, "192.0.2.1") for _ in range(3)] == [True, True, False]


def test_what_is_only_read_costs_a_tenth() -> None:
    some = callers([0.0])
    assert sum(taken(some, "192.0.2.1", 0.1) for _ in range(100)) in (40, 41)


def test_a_network_of_ipv6_is_one_caller() -> None:
    some = callers([0.0])
    assert [taken(some, f"2001:db8::{n}") for n in range(1, 8)].count(True) == 5


def test_the_table_is_bounded() -> None:
    some = callers([0.0])
    for number in range(10):
        assert taken(some, f"192.0.2.{number}")
    assert len(some) == 3


def test_a_network_that_is_none_is_named_at_the_start() -> None:
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
        callers([0.0], ASSAY_TRUSTED_PROXIES="10.0.0.0/8,everybody")
