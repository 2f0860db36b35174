"""Bitstring status lists and the states of a credential."""

import base64
import gzip
import itertools
import secrets
import time
import zlib
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_credentials.lifecycle import (
    LIVE,
    STATUS_BITS,
    IllegalStep,
    State,
    Step,
    bits,
    take,
)
from assay_credentials.multibase import encode_base64url
from assay_credentials.status_list import (
    ENTRIES,
    MAX_BITSTRING_BYTES,
    build_status_list,
    candidate_indexes,
    decode_bits,
    encode_bits,
    status_at,
    status_bits,
)
from credential_samples import CENTRE, NOW, REVOCATION_URL

INDEXES = st.sets(st.integers(0, ENTRIES - 1), max_size=50)


@settings(max_examples=30, deadline=None)
@given(INDEXES)
def test_exactly_the_given_indexes_are_set_after_a_round_trip(indexes: set[int]) -> None:
    bits = decode_bits(encode_bits(status_bits(indexes)))
    assert len(bits) * 8 == ENTRIES
    assert {i for i in {0, 1, 8, ENTRIES - 1, *indexes} if status_at(bits, i)} == indexes
    assert sum(byte.bit_count() for byte in bits) == len(indexes)


def test_index_zero_is_the_leftmost_bit() -> None:
    bits = status_bits([0, 9])
    assert bits[:2] == b"\x80\x40"


def test_the_encoded_list_of_the_specification_reads_as_all_zero() -> None:
    # Bitstring Status List v1.0, example 3.
    encoded = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
    assert decode_bits(encoded) == bytes(ENTRIES // 8)


def test_any_gzip_reads_what_we_encode_and_the_text_never_changes() -> None:
    bits = status_bits([5, 77_777])
    encoded = encode_bits(bits)
    body = base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4))
    assert encoded[0] == "u"
    assert "=" not in encoded
    assert gzip.decompress(body) == bits
    assert encode_bits(status_bits([77_777, 5])) == encoded


@pytest.mark.parametrize("index", [-1, ENTRIES])
def test_an_index_outside_the_list_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        status_bits([index])
    with pytest.raises(ValueError, match="outside"):
        status_at(status_bits([]), index)


def test_a_gzip_bomb_is_stopped_at_the_cap() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(200)) + compressor.flush()
    assert len(bomb) < 300_000
    started = time.process_time()
    with pytest.raises(ValueError, match=str(MAX_BITSTRING_BYTES)):
        decode_bits(encode_base64url(bomb))
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "encoded",
    [
        "H4sIAAAAAAAAA",
        "u",
        "u!!!!",
        "uAAAA",
        encode_base64url(gzip.compress(bytes(ENTRIES // 8), mtime=0)[:-4]),
        encode_base64url(gzip.compress(bytes(ENTRIES // 8), mtime=0) + b"more"),
        encode_base64url(gzip.compress(bytes(ENTRIES // 8 - 1), mtime=0)),
        encode_base64url(zlib.compress(bytes(ENTRIES // 8))),
    ],
)
def test_a_damaged_or_short_list_says_nothing(encoded: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_bits(encoded)


def test_candidates_are_inside_the_list_and_spread_over_it() -> None:
    drawn = list(itertools.islice(candidate_indexes(secrets.token_bytes), 8000))
    assert all(0 <= index < ENTRIES for index in drawn)
    eighths = Counter(index * 8 // ENTRIES for index in drawn)
    # 1000 expected in each; a fair source leaves 800..1200 once in 10^9 runs.
    assert all(800 < eighths[part] < 1200 for part in range(8))


def test_candidates_are_drawn_again_where_the_remainder_would_favour_low_indexes() -> None:
    # 3 bytes hold 16,777,216 numbers: 167 whole rounds of 100,000 entries, the rest is drawn again.
    numbers = iter([16_777_215, 16_700_000, 16_699_999])
    candidates = candidate_indexes(lambda width: next(numbers).to_bytes(width, "big"), 100_000)
    assert next(candidates) == 99_999


def test_a_list_needs_an_end_after_its_beginning_and_enough_entries() -> None:
    with pytest.raises(ValueError, match="valid_until"):
        build_status_list(
            url=REVOCATION_URL,
            issuer=CENTRE.did,
            purpose="revocation",
            bits=status_bits([]),
            valid_from=NOW,
            valid_until=NOW,
        )
    with pytest.raises(ValueError, match="entries"):
        build_status_list(
            url=REVOCATION_URL,
            issuer=CENTRE.did,
            purpose="revocation",
            bits=bytes(16),
            valid_from=NOW,
            valid_until=NOW + timedelta(hours=1),
        )


@pytest.mark.parametrize(
    ("state", "step", "after", "lists"),
    [
        ("intended", "published", "issued", set()),
        ("issued", "suspended", "suspended", {"suspension"}),
        ("suspended", "reinstated", "issued", {"suspension"}),
        ("issued", "revoked", "revoked", {"revocation"}),
        ("suspended", "revoked", "revoked", {"revocation", "suspension"}),
        ("issued", "expired", "expired", set()),
        ("suspended", "superseded", "superseded", {"revocation", "suspension"}),
    ],
)
def test_a_step_names_the_state_after_and_the_lists_to_publish(
    state: State, step: Step, after: State, lists: set[str]
) -> None:
    change = take(state, step)
    assert change.state == after
    assert change.lists == lists


def test_with_one_status_entry_a_bit_once_set_stays_and_nothing_is_reinstated() -> None:
    suspended = take("issued", "suspended", has_suspension=False)
    assert suspended.state == "suspended"
    assert suspended.lists == {"revocation"}
    assert bits("suspended", has_suspension=False) == {"revocation"}
    with pytest.raises(IllegalStep):
        take("suspended", "reinstated", has_suspension=False)
    for step in ("expired", "superseded", "revoked"):
        change = take("suspended", step, has_suspension=False)
        assert change.lists == set()
    assert take("expired", "revoked", has_suspension=False).lists == {"revocation"}


def test_every_step_is_in_the_table_or_illegal_and_the_dead_never_live_again() -> None:
    states: list[State] = [
        "intended",
        "issued",
        "suspended",
        "expired",
        "superseded",
        "revoked",
    ]
    steps: list[Step] = [
        "published",
        "suspended",
        "reinstated",
        "expired",
        "superseded",
        "revoked",
    ]
    assert set(STATUS_BITS) == set(states)
    legal = 0
    for state, step in itertools.product(states, steps):
        try:
            change = take(state, step)
        except IllegalStep:
            continue
        legal += 1
        assert not (state not in LIVE and change.state in LIVE), (state, step)
        assert change.lists == STATUS_BITS[state] ^ STATUS_BITS[change.state]
    assert legal == 11
    with pytest.raises(IllegalStep):
        take("intended", "suspended")
