"""A book that is moved along equals a book that is filled anew; the policies at their edges."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator_worlds import POLICIES, SEEDS, START, clause_document
from assay_aggregator.attempts import Book, written
from assay_aggregator.clause import Item, Reason
from assay_aggregator.rule import Clause, parse_rule
from assay_aggregator.vocabulary import expand


def clause_of(document: dict[str, Any]) -> Clause:
    rule = {
        "schema": "assay.rule/v1",
        "id": "r",
        "version": 1,
        "status": "effective",
        "effective_from": "2024-01-01",
        "competency": "urn:c",
        "timezone": "UTC",
        "evidence": {"e": document},
        "requires": "e",
    }
    return parse_rule(rule).initial.evidence["e"]


def item(index: int, day: int, registration: str, **keys: Any) -> Item:
    defaults: dict[str, Any] = {"verb": expand("verb", "passed"), "last_day": 10**9}
    return Item(
        id=f"{index:02}",
        time=START + timedelta(days=day),
        day=day,
        key=("registration", registration, None),
        **{**defaults, **keys},
    )


def random_items(random: Random, count: int) -> list[Item]:
    """Few instants and few registrations: attempts share both."""
    items = [
        item(
            random.randrange(1000) * 100 + index,
            random.randrange(6),
            random.choice(["r1", "r2", "r3", f"own {index}"]),
            verb=expand("verb", random.choice(["passed", "failed", "completed", "waived"])),
            failure=random.choice([None, None, Reason.SUCCESS_FALSE]),
            score=random.choice([None, Decimal("0.5"), Decimal("0.9"), Fraction(2, 3)]),
            assessors=frozenset(random.sample(["ben", "cai"], random.randint(0, 2))),
        )
        for index in range(count)
    ]
    return sorted(items, key=lambda one: (one.time, one.id))


def content(book: Book) -> list[object]:
    chosen = book.chosen()
    return [
        [([one.id for one in a.items], a.order, a.passes, a.score) for a in book.all],
        [a.order for a in book.passing],
        [a.order for a in book.scored],
        book.ranked,
        book.total,
        book.reaching,
        book.value() if book.scored else None,
        None if chosen is None else [a.order for a in chosen],
        [a.order for a in book.helping()],
    ]


@settings(max_examples=400, deadline=None)
@given(SEEDS, st.integers(1, 16))
def test_a_book_moved_along_equals_one_filled_anew(random: Random, count: int) -> None:
    clause = clause_of(clause_document(random, "a"))
    items = random_items(random, count)
    book, first = Book(clause), 0
    for last in range(count):
        book.add(items[last])
        while first <= last and random.random() < 0.4:
            book.drop(items[first])
            first += 1
        anew = Book(clause)
        for one in items[first : last + 1]:
            anew.add(one)
        assert content(book) == content(anew)


def filled(policy: dict[str, Any], *scores: str | None) -> Book:
    document = {"modality": ["vr"], "match": {"verb": ["passed"]}, "attempts": policy}
    book = Book(clause_of(document))
    for index, score in enumerate(scores):
        number = None if score is None else Decimal(score)
        book.add(item(index, index, f"r{index}", score=number))
    return book


@pytest.mark.parametrize(
    ("policy", "scores", "value"),
    [
        ({"policy": "average", "gte": "0"}, ["0.60", "0.70", "0.90"], Fraction(22, 30)),
        ({"policy": "highest", "gte": "0"}, ["0.60", "0.90", "0.70"], Fraction(9, 10)),
        (
            {"policy": "decaying", "gte": "0", "weight": "0.65"},
            ["1", "2", "3", "4", "5"],
            Fraction("4.46961875"),
        ),
        (
            {"policy": "weighted_recent", "gte": "0", "weight": "0.65"},
            ["1", "2", "3", "4", "5"],
            Fraction("4.125"),
        ),
        ({"policy": "weighted_recent", "gte": "0", "weight": "0.65"}, ["0.8"], Fraction(4, 5)),
        ({"policy": "average", "gte": "0"}, [None, "0.5", None], Fraction(1, 2)),
        ({"policy": "average", "gte": "0"}, [None], None),
    ],
)
def test_the_value_of_a_policy_over_scores(
    policy: dict[str, Any], scores: list[str | None], value: Fraction | None
) -> None:
    book = filled(policy, *scores)
    assert book.value() == value
    # Without any score the clause is not satisfied, whatever its limit.
    assert (book.chosen() is not None) is (value is not None)


def test_a_decaying_value_near_its_limit_is_compared_exactly() -> None:
    scores = ["0.6", "0.7", "0.9"]  # 0.81775
    for gte, reached in [
        ("0.81775", True),
        ("0.8177500000000000000000000000000000000001", False),
        ("0.8177499999999999999999999999999999999999", True),
    ]:
        policy = {"policy": "decaying", "gte": gte, "weight": "0.65"}
        assert (filled(policy, *scores).chosen() is not None) is reached


def test_attempts_without_a_score_are_left_out_of_the_mean_but_used() -> None:
    used = filled({"policy": "average", "gte": "0.5"}, None, "0.5", None).chosen()
    assert used is not None
    assert len(used) == 3


def test_a_value_is_written_with_28_digits_half_even() -> None:
    assert written(Fraction(2, 3)) == "0.6666666666666666666666666667"
    assert written(Fraction(8, 10)) == "0.8"
    assert written(Fraction(10)) == "10"
    half = Fraction("0.12345678901234567890123456785")
    assert written(half) == "0.1234567890123456789012345678"


def test_every_policy_is_among_the_random_ones() -> None:
    names = {policy["policy"] for policy in POLICIES}
    assert len(names) == 12
