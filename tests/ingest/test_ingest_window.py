"""The in-flight window: what is in it, what leaves it when, and that it is bounded."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.first import Key
from assay_ingest.window import Claim, Window

X, Y = Key("t", UUID(int=1)), Key("t", UUID(int=2))
A, B = b"a" * 32, b"b" * 32


def window(statements: int = 10, size: int = 1000) -> Window:
    return Window(statements_max=statements, bytes_max=size)


def claimed(of: Window, *keys: Key, body_hash: bytes = A, size: int = 10) -> Claim:
    return of.claim([(key, body_hash, "s", None) for key in keys], size)


def test_a_statement_is_found_from_its_acknowledgement_until_it_is_applied() -> None:
    one = window()
    claim = claimed(one, X)
    claim.entries[0].raw = b"{}"
    assert one.find(X) is None
    one.acknowledged(claim, partition=0, offset=5, append_ms=100)
    found = one.find(X)
    assert found is not None
    assert (found.raw, found.append_ms) == (b"{}", 100)
    one.applied(partition=0, next_offset=5)
    one.applied(partition=1, next_offset=9)
    assert one.find(X) is not None
    one.applied(partition=0, next_offset=6)
    assert one.find(X) is None
    assert (len(one), one.bytes, one.is_waiting) == (0, 0, False)


def test_a_void_before_its_target_is_told_until_it_is_applied() -> None:
    one = window()
    claim = one.claim([(X, A, "s", Y.id)], 10)
    claim.entries[0].waits = True
    assert one.early_voids(Y) == ()
    one.acknowledged(claim, partition=0, offset=5, append_ms=100)
    assert one.early_voids(Y) == (claim.entries[0],)
    assert not one.is_voided(Y)
    one.applied(partition=0, next_offset=6)
    assert one.early_voids(Y) == ()


def test_an_id_is_busy_while_a_request_works_on_it() -> None:
    one = window()
    claim = claimed(one, X)
    busy = one.busy([Y, X])
    assert busy is not None
    assert not busy.is_set()
    assert one.busy([Y]) is None
    one.release(claim)
    assert busy.is_set()
    assert one.busy([X]) is None
    assert (len(one), one.bytes) == (0, 0)


def test_what_is_in_the_log_stays_when_a_later_claim_is_given_back() -> None:
    one = window()
    one.acknowledged(claimed(one, X), 0, 0, 100)
    again = claimed(one, X, Y, body_hash=B)
    assert again.before[X].body_hash == A
    assert [entry.key for entry in again.entries] == [Y]
    one.release(again)
    assert one.find(X) is not None
    assert len(one) == 1


def test_what_was_not_acknowledged_is_remembered_until_its_moment_has_passed() -> None:
    one = window()
    one.unknown(claimed(one, X), until_ms=200)
    assert one.find(X) is None
    assert claimed(one, X, body_hash=B).entries == []
    one.passed(199)
    assert one.is_waiting
    one.passed(200)
    assert len(claimed(one, X, body_hash=B).entries) == 1


def test_the_same_content_may_be_sent_again_after_it_was_not_acknowledged() -> None:
    one = window()
    one.unknown(claimed(one, X), until_ms=200)
    again = claimed(one, X)
    one.acknowledged(again, 0, 3, 150)
    one.passed(200)
    assert one.find(X) is not None
    one.applied(0, 4)
    assert (len(one), one.bytes, one.find(X)) == (0, 0, None)


def test_what_has_left_does_not_come_back_when_a_later_claim_is_given_back() -> None:
    one = window()
    one.unknown(claimed(one, X), until_ms=200)
    again = claimed(one, X)
    one.passed(200)
    one.release(again)
    assert one.any(X) is None
    assert (len(one), one.bytes) == (0, 0)


def test_a_void_that_counts_hides_its_target_until_it_is_applied() -> None:
    one = window()
    claim = one.claim([(Y, A, "s", X.id)], 10)
    claim.entries[0].counts = True
    one.acknowledged(claim, 0, 0, 100)
    assert one.is_voided(X)
    one.applied(0, 1)
    assert not one.is_voided(X)


def test_there_is_no_room_beyond_either_limit() -> None:
    one = window(statements=2, size=100)
    assert one.room_for(2, 100)
    assert not one.room_for(3, 1)
    assert not one.room_for(1, 101)
    claimed(one, X, size=60)
    assert one.room_for(1, 40)
    assert not one.room_for(2, 40)
    assert not one.room_for(1, 41)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acknowledged", "unknown", "release", "drop"]),
        st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
        st.sampled_from([A, B]),
    ),
    max_size=12,
)


@given(STEPS)
def test_after_everything_is_applied_nothing_is_left(
    steps: list[tuple[str, list[int], bytes]],
) -> None:
    one = window(statements=1000, size=10_000)
    for offset, (step, numbers, body_hash) in enumerate(steps):
        keys = [Key("t", UUID(int=number)) for number in numbers]
        claim = claimed(one, *keys, body_hash=body_hash)
        if step == "acknowledged":
            one.acknowledged(claim, offset % 2, offset, offset)
        elif step == "unknown":
            one.unknown(claim, offset)
        elif step == "drop":
            one.drop(claim, keys[:1])
            one.acknowledged(claim, offset % 2, offset, offset)
        else:
            one.release(claim)
    for partition in (0, 1):
        one.applied(partition, len(steps))
    one.passed(len(steps))
    assert (len(one), one.bytes, one.is_waiting) == (0, 0, False)
    assert all(one.any(Key("t", UUID(int=number))) is None for number in range(6))
