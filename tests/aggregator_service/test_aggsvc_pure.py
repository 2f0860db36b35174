"""The pure parts of the service: events, copies, links."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator_service_driver import identifier
from assay_aggregator.copies import (
    Copy,
    instant,
    merge,
    milliseconds_down,
    milliseconds_up,
)
from assay_aggregator.errors import NoSuchStep
from assay_aggregator.events import (
    NOTHING,
    PHASES,
    STEPS,
    Ground,
    Phase,
    Seen,
    Standing,
    Subject,
    derived_id,
    event,
    lost_because,
    reason_of,
    step,
)
from assay_aggregator.fact import Fact, decode_fact, encode_fact
from assay_aggregator.people import Link, Recorded, effective_links, next_change_ms
from assay_schemas.events import (
    CompetencyAchieved,
    CompetencyCorrected,
    CompetencyExpiring,
    CompetencyLevelChanged,
    CompetencyReinstated,
    CompetencyRenewed,
    CompetencyWithdrawn,
    Status,
    competency_event,
)

STATUSES = tuple(PHASES)
UNKNOWN = cast("Status", "asleep")
SUBJECT = Subject("demo", UUID(int=7), "https://example.org/c")
HELD = Standing(
    "achieved", None, date(2026, 3, 2), date(2027, 1, 10), frozenset({identifier("s1")})
)


# Events


def test_every_pair_of_phases_is_in_the_table() -> None:
    assert set(STEPS) == set(itertools.product(Phase, Phase))


@pytest.mark.parametrize("status", STATUSES)
def test_the_same_standing_tells_nothing(status: Status) -> None:
    standing = replace(HELD, status=status)
    assert step(standing, standing) is None


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"expires_on": date(2027, 2, 1)}, CompetencyRenewed),
        ({"expires_on": None}, CompetencyRenewed),
        ({"achieved_on": date(2026, 3, 3)}, CompetencyRenewed),
        ({"achieved_on": date(2026, 3, 1)}, CompetencyCorrected),
        ({"expires_on": date(2027, 1, 9)}, CompetencyCorrected),
        ({"evidence": frozenset({identifier("s2")})}, CompetencyCorrected),
        ({"level": 3}, CompetencyLevelChanged),
        ({"level": 3, "achieved_on": date(2026, 3, 3)}, CompetencyLevelChanged),
        ({"expiring_days": 90}, CompetencyExpiring),
    ],
)
def test_what_is_told_of_a_held_award_that_is_another(
    changed: dict[str, Any], kind: object
) -> None:
    assert step(HELD, replace(HELD, **changed)) is kind


@pytest.mark.parametrize("status", ["suspended", "under_review", "revoked"])
def test_the_same_award_comes_back_and_a_new_one_is_achieved(status: Status) -> None:
    lost = replace(HELD, status=status)
    assert step(lost, HELD) is CompetencyReinstated
    assert step(lost, replace(HELD, achieved_on=date(2026, 5, 1))) is CompetencyAchieved


def test_each_threshold_before_the_end_is_told_once() -> None:
    near, nearer = replace(HELD, expiring_days=90), replace(HELD, expiring_days=30)
    assert step(near, near) is None
    assert step(near, nearer) is CompetencyExpiring
    # An award that is new in the last days tells its dates itself.
    renewed = replace(nearer, achieved_on=date(2026, 5, 1))
    assert step(HELD, renewed) is CompetencyRenewed
    assert step(renewed, renewed) is None


def test_an_unknown_status_is_no_step() -> None:
    with pytest.raises(NoSuchStep, match="asleep"):
        step(HELD, replace(HELD, status=UNKNOWN))


@given(
    st.lists(
        st.builds(
            Standing,
            status=st.sampled_from(STATUSES),
            level=st.sampled_from([None, 2, 3]),
            achieved_on=st.sampled_from([None, date(2026, 1, 1), date(2026, 2, 1)]),
            expires_on=st.sampled_from([None, date(2027, 1, 1), date(2027, 2, 1)]),
            expiring_days=st.sampled_from([None, 30, 90]),
            evidence=st.sampled_from([frozenset(), frozenset({identifier("s1")})]),
        ),
        max_size=8,
    )
)
def test_whoever_follows_the_events_knows_the_present_standing(walk: list[Standing]) -> None:
    before, told = NOTHING, NOTHING
    for after in walk:
        kind = step(before, after)
        if kind is not None:
            ground = Ground(uuid4(), "r", 1, "0" * 64, "Europe/London", datetime.now(UTC))
            made = event(kind, SUBJECT, 1, after, ground, None)
            assert competency_event.validate_json(made.model_dump_json()) == made
            told = Standing(
                made.status,
                made.level,
                made.achieved_on,
                made.expires_on,
                frozenset(made.evidence),
            )
        before = after
    assert PHASES[told.status] is PHASES[before.status]
    if PHASES[before.status] is not Phase.NONE:
        assert told == replace(before, expiring_days=None)


def test_ids_are_the_same_whenever_asked_and_shaped_as_version_4() -> None:
    first = derived_id(SUBJECT, "event", 1)
    assert first == derived_id(SUBJECT, "event", 1)
    assert first.version == 4
    others = {
        derived_id(SUBJECT, "decision", 1),
        derived_id(SUBJECT, "event", 2),
        derived_id(replace(SUBJECT, tenant="other"), "event", 1),
    }
    assert first not in others
    assert len(others) == 3


def test_a_loss_names_what_happened_to_the_evidence() -> None:
    one = identifier("s1")
    known = frozenset({one})

    def because(*reasons: str) -> str:
        return lost_because(HELD, Seen({one: frozenset(reasons)}, known))

    assert because("outside_window", "voided") == "voided"
    assert because("score_below", "assessor_not_authorised") == "assessor_not_authorised"
    assert lost_because(HELD, Seen({}, known)) == "judged_otherwise"
    assert lost_because(HELD, Seen({}, frozenset())) == "no_longer_evidence"
    assert lost_because(HELD, Seen({}, known, has_rule=False)) == "no_rule"
    assert reason_of(CompetencyWithdrawn, HELD, Seen({}, known)) == "judged_otherwise"
    assert reason_of(CompetencyRenewed, HELD, Seen({}, known)) is None


# Copies


def copy(body: int, place: int, partition: int, stored: int) -> Copy:
    fact = Fact(
        id=str(identifier("x")),
        body_hash=f"{body:02x}",
        source="online",
        stored=instant(stored),
        timestamp=instant(0),
        verb="v",
        append_ms=place,
        partition=partition,
    )
    return Copy(
        "demo",
        identifier("x"),
        bytes([body]),
        place,
        partition,
        0,
        0,
        stored,
        instant(0),
        None,
        UUID(int=1),
        None,
        encode_fact(fact),
    )


COPIES = st.lists(
    st.builds(copy, st.integers(0, 2), st.integers(0, 5), st.integers(0, 2), st.integers(0, 9)),
    min_size=1,
    max_size=6,
    # A place in the log holds one statement.
    unique_by=lambda one: one.place,
)


@given(COPIES, st.randoms())
def test_merging_does_not_depend_on_order_or_on_steps(copies: list[Copy], random: object) -> None:
    whole = merge(copies)
    shuffled = list(copies)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(shuffled) == whole
    # One by one, each time from what is kept in the tables.
    kept = merge(shuffled[:1])
    for one in shuffled[1:]:
        kept = merge([kept.first, *kept.others, one, one])
    assert kept == whole
    assert whole.first.place == min(one.place for one in copies)
    assert len({one.body_hash for one in (whole.first, *whole.others)}) == 1 + len(whole.others)


@given(COPIES)
def test_a_copy_once_known_stays_known(copies: list[Copy]) -> None:
    whole = merge(copies)
    for one in (whole.first, *whole.others):
        earliest = min(other.stored_ms for other in copies if other.body_hash == one.body_hash)
        assert one.stored_ms == earliest
        assert decode_fact(one.fact).stored == instant(earliest)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_times_of_the_log_bracket_a_moment(moment: datetime) -> None:
    down, up = instant(milliseconds_down(moment)), instant(milliseconds_up(moment))
    assert down <= moment <= up
    assert up - down in (timedelta(0), timedelta(milliseconds=1))


# Links


DAYS = st.integers(1, 12).map(lambda number: date(2026, 1, number))


@st.composite
def periods(draw: st.DrawFn) -> Recorded:
    first, last = sorted([draw(DAYS), draw(DAYS)])
    recorded = draw(st.integers(0, 5))
    return Recorded(
        draw(st.sampled_from([None, first])),
        draw(st.sampled_from([None, last])),
        recorded,
        draw(st.sampled_from([None, recorded + 2])),
    )


@given(st.lists(periods(), max_size=4), st.integers(0, 8))
def test_on_each_day_an_agent_is_stated_or_itself(stated: list[Recorded], known_at_ms: int) -> None:
    own, other = uuid4(), uuid4()
    links = [Link("k", own, True, Recorded()), *(Link("k", other, False, p) for p in stated)]
    effective = effective_links(links, known_at_ms)
    for number in range(31):
        day = date(2025, 12, 25).toordinal() + number
        covered = any(p.known(known_at_ms) and p.valid().on(day, None) for p in stated)
        people = {link.person for link in effective if link.valid.on(day, None)}
        assert people == {str(other if covered else own)}


@given(st.lists(periods(), max_size=4), st.integers(0, 8))
def test_nothing_changes_before_the_next_change(stated: list[Recorded], known_at_ms: int) -> None:
    following = next_change_ms(stated, known_at_ms)
    until = 20 if following is None else following
    for later in range(known_at_ms, until):
        assert [p.known(later) for p in stated] == [p.known(known_at_ms) for p in stated]
    if following is not None:
        assert [p.known(following) for p in stated] != [
            p.known(known_at_ms) for p in stated
        ] or any(p.recorded_ms == following == p.retracted_ms for p in stated)
