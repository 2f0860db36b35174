"""What is forwarded to whom, what an answer means, how a webhook is signed, what is asked."""

import base64
import hashlib
import hmac
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.forward_rules import (
    Kind,
    Target,
    Verdict,
    delivery_id,
    judge,
    pause_seconds,
    version_to_send,
    webhook_body,
    webhook_headers,
)
from assay_runtime.outgoing import AddressRefused, Guard, Outgoing, check_url, is_public

GUARD = Guard(request_seconds=1, answer_bytes_max=10)


def target(
    own_source: str | None = None,
    sources: tuple[str, ...] = (),
    verbs: tuple[str, ...] = (),
    activity_prefixes: tuple[str, ...] = (),
) -> Target:
    return Target(
        "t",
        "n",
        Kind.LRS,
        "https://lrs.example/xapi",
        own_source=own_source,
        sources=frozenset(sources),
        verbs=frozenset(verbs),
        activity_prefixes=activity_prefixes,
    )


def test_without_filters_everything_passes_but_what_came_from_there() -> None:
    assert target().wants("s", "v", None)
    assert target(own_source="other").wants("s", "v", "a")
    assert not target(own_source="s").wants("s", "v", "a")
    # Also where it is named as wanted.
    assert not target(own_source="s", sources=("s",)).wants("s", "v", "a")


def test_every_filter_must_match() -> None:
    one = target(sources=("s",), verbs=("v", "w"), activity_prefixes=("http://a/", "http://b/"))
    assert one.wants("s", "w", "http://b/1")
    assert not one.wants("x", "w", "http://b/1")
    assert not one.wants("s", "x", "http://b/1")
    assert not one.wants("s", "w", "http://c/1")
    assert not one.wants("s", "w", None)


def test_only_what_the_content_can_be_blamed_for_is_refused() -> None:
    assert {judge(one) for one in (200, 204)} == {Verdict.DONE}
    assert {judge(one) for one in (400, 409, 413, 422)} == {Verdict.REFUSED}
    for status in (301, 302, 401, 403, 404, 408, 429, 500, 503):
        assert judge(status) is Verdict.NOT_NOW, status


@given(
    st.integers(1, 10_000),
    st.floats(1, 1000),
    st.none() | st.floats(0, 1e9),
    st.floats(0, 1),
)
def test_pauses_grow_and_are_bounded(
    failures: int, longest: float, wished: float | None, jitter: float
) -> None:
    pause = pause_seconds(failures, longest=longest, wished=wished, jitter=jitter)
    assert 0.5 <= pause <= longest
    if wished is not None:
        assert pause >= min(wished, longest)
    later = pause_seconds(failures + 1, longest=longest, wished=wished, jitter=jitter)
    assert later >= pause


def test_all_tries_take_hours_and_not_days() -> None:
    whole = sum(pause_seconds(one, longest=900, wished=None, jitter=1) for one in range(1, 20))
    assert 2 * 3600 < whole < 4 * 3600


def test_a_webhook_is_signed_as_the_standard_says() -> None:
    body = webhook_body("t", "n", [b'{"id":"1"}', b'{ "x": 1.50 }'])
    assert b'{ "x": 1.50 }' in body
    assert json.loads(body) == {
        "type": "statements.stored",
        "version": 1,
        "tenant": "t",
        "to": "n",
        "statements": [{"id": "1"}, {"x": 1.5}],
    }
    headers = webhook_headers("secret", "msg_1", 1_700_000_000, body)
    signed = f"msg_1.1700000000.{body.decode()}".encode()
    wanted = base64.b64encode(hmac.new(b"secret", signed, hashlib.sha256).digest()).decode()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{wanted}",
    }


def test_a_delivery_has_the_same_name_when_it_is_repeated() -> None:
    ids = [UUID(int=1), UUID(int=2)]
    assert delivery_id("t", "n", ids) == delivery_id("t", "n", ids)
    assert delivery_id("t", "n", ids) != delivery_id("t", "n", ids[:1])
    assert delivery_id("t", "n", ids) != delivery_id("u", "n", ids)


def test_statements_go_under_the_version_that_they_have() -> None:
    assert version_to_send("1.0.0") == "1.0.3"
    assert version_to_send("2.0.0") == "2.0.0"


@pytest.mark.parametrize(
    "url",
    [
        "http://lrs.example/xapi",
        "ftp://lrs.example",
        "https://",
        "https://user:secret@lrs.example/",
        "lrs.example",
        "file:///etc/passwd",
    ],
)
def test_addresses_that_are_no_https_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, GUARD)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("172.16.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - what is refused
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_only_addresses_of_the_public_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_name_that_leads_to_this_machine_is_not_asked() -> None:
    outgoing = Outgoing(GUARD)
    try:
        for host in ("localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressRefused, match="public"):
                await outgoing.post(f"https://{host}:1/", headers={}, body=b"")
    finally:
        await outgoing.close()
