"""What an event means for a credential, without a database."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_credentials.awards import (
    ACTIONS,
    STEPS,
    Action,
    Award,
    Credential,
    Live,
    Place,
    Standing,
    Terms,
    action_for,
    evidence_digest,
    facts_of,
    newest,
    plain_description,
)
from assay_credentials.badge import Issuer, build_badge
from assay_credentials.errors import NoSuchStep
from assay_credentials.lifecycle import LIVE, State, take
from credentials_service import event

TERMS = Terms(2, date(2026, 3, 2), date(2027, 3, 2), "Europe/London")
KEY = ("north", UUID(int=1), "https://example.org/competencies/gowning")


def award(standing: Standing, terms: Terms = TERMS) -> Award:
    return Award(KEY, 2, standing, terms, datetime.now(UTC), uuid4(), bytes(32), 0, 1)


CREDENTIAL = Credential(
    key=KEY,
    id=UUID(int=2),
    state="issued",
    sequence=1,
    decision=UUID(int=3),
    terms=TERMS,
    as_of=datetime(2026, 3, 2, 10, tzinfo=UTC),
    evidence_digest=bytes(32),
    did="did:key:z6Mk",
    salt=bytes(16),
    revocation=Place(UUID(int=4), 1),
    suspension=Place(UUID(int=5), 2),
    intended_at=datetime(2026, 3, 2, 11, tzinfo=UTC),
)


def test_every_standing_meets_every_state() -> None:
    pairs = set(itertools.product(get_args(Live), get_args(Standing)))
    assert set(ACTIONS) == pairs


def test_every_step_of_the_table_is_a_step_of_the_life() -> None:
    for (state, _), actions in ACTIONS.items():
        for action in actions:
            if action in STEPS:
                assert state in LIVE
                take(state, STEPS[action])
            if action is Action.REPLACE:
                take(state, "superseded")  # type: ignore[arg-type]  # a live one


@pytest.mark.parametrize("state", ["intended", "expired", "superseded", "revoked"])
def test_a_credential_that_does_not_count_is_no_step(state: State) -> None:
    gone = replace(CREDENTIAL, state=state)
    with pytest.raises(NoSuchStep, match=state):
        action_for(gone, award("held"))


@pytest.mark.parametrize(
    "changed",
    [
        {"level": 3},
        {"level": None},
        {"achieved_on": date(2026, 3, 3)},
        {"expires_on": None},
        {"timezone": "UTC"},
    ],
)
def test_each_term_makes_another_credential(changed: dict[str, Any]) -> None:
    other = TERMS._replace(**changed)
    assert action_for(CREDENTIAL, award("held", other)) is Action.REPLACE
    assert action_for(CREDENTIAL, award("held")) is Action.NOTHING


def test_the_digest_is_of_the_decision_and_the_set_of_statements() -> None:
    evidence = [str(uuid4()), str(uuid4())]
    one = event("achieved", uuid4(), 1, evidence=evidence)
    same = one.model_copy(update={"evidence": tuple(reversed(one.evidence)), "sequence": 2})
    assert evidence_digest(one) == evidence_digest(same)
    assert evidence_digest(one) != evidence_digest(one.model_copy(update={"decision": uuid4()}))
    assert evidence_digest(one) != evidence_digest(one.model_copy(update={"evidence": ()}))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), max_size=12), st.randoms())
def test_the_newest_event_of_each_person_does_not_depend_on_the_order(
    drawn: list[tuple[int, int]], random: object
) -> None:
    template = event("achieved", UUID(int=0), 1)
    events = [
        (template.model_copy(update={"person": UUID(int=person), "sequence": sequence}), 0)
        for person, sequence in drawn
    ]
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives random.Random
    found = {(one.person.int, one.sequence) for one, _ in newest(shuffled)}
    highest = {person: max(s for p, s in drawn if p == person) for person, _ in drawn}
    assert found == set(highest.items())


def badge(credential: Credential = CREDENTIAL) -> dict[str, object]:
    described = plain_description(credential.key[2])
    facts = facts_of(credential, described, "https://credentials.example/credentials/1")
    return build_badge(facts, Issuer("did:key:z6Mk", "North"), ())


def test_the_badge_holds_no_identifier_of_the_person() -> None:
    assert str(KEY[1]) not in str(badge())
    assert badge(replace(CREDENTIAL, key=("north", UUID(int=9), KEY[2]))) != badge()


def test_the_award_begins_on_its_local_day_and_ends_with_the_last() -> None:
    summer = Terms(2, date(2026, 6, 2), date(2027, 6, 2), "Europe/London")
    found = badge(replace(CREDENTIAL, terms=summer))
    assert found["validFrom"] == "2026-06-01T23:00:00Z"
    assert found["validUntil"] == "2027-06-02T22:59:59Z"


@pytest.mark.parametrize("level", [None, 0, 1, 7])
def test_a_level_without_a_name_is_shown_by_its_number(level: int | None) -> None:
    subject = badge(replace(CREDENTIAL, terms=TERMS._replace(level=level)))["credentialSubject"]
    assert isinstance(subject, dict)
    assert ("result" in subject) is bool(level)


@pytest.mark.parametrize(
    ("iri", "name"),
    [
        ("https://e.org/c/aseptic-gowning", "aseptic gowning"),
        ("https://e.org/c#grade_B", "grade B"),
        ("https://e.org/c/caf%C3%A9/", "café"),
        ("https://e.org", "https://e.org"),
    ],
)
def test_a_plain_name_comes_from_the_iri(iri: str, name: str) -> None:
    assert plain_description(iri).name == name
