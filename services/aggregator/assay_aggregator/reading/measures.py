"""The measures over evidence and awards: each defined once, here and in docs/reading.md. Pure.

What tells of fewer people than its definition asks for is None, with `suppressed` beside it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from math import sqrt
from statistics import median
from typing import Any, Final
from uuid import UUID

from assay_aggregator.reading.holding import percent
from assay_aggregator.reading.suppression import SMALL, hidden_parts, is_small

RANKED_PEOPLE_MIN: Final = 20
"""People with both scores, below which a rank correlation is not shown."""
ASSESSED_MIN: Final = 10
"""Attempts of an assessor, and of the others, below which their rates are not compared."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a measure is, in one sentence, and the parameters that it needs."""

    title: str
    text: str
    needs: tuple[str, ...] = ("competency",)


MEASURES: Final[Mapping[str, Definition]] = {
    "first-time-pass": Definition(
        "First-time pass",
        "people whose first attempt at a clause passed / people with an attempt at it; attempts "
        "are those of the rule in force, whenever they were made",
    ),
    "time-to-competence": Definition(
        "Time to competence",
        "median days from the start of the assignment to the role to the first award; who has no "
        "award yet is counted as censored, who had one before as already competent",
        ("competency", "role"),
    ),
    "on-time-requalification": Definition(
        "On-time requalification",
        "awards of which the next one was achieved on or before the due date / awards due in the "
        "period, as far as they are due by now or renewed",
        ("competency", "from", "to"),
    ),
    "vr-to-practice": Definition(
        "VR to practice",
        "Spearman's rank correlation of the last VR score before the first observed score with "
        f"that score, over people with both; hidden below {RANKED_PEOPLE_MIN}",
    ),
    "assessor-leniency": Definition(
        "Assessor leniency",
        "an assessor's pass rate less the mean of the other assessors' rates on the same clause; "
        f"hidden below {ASSESSED_MIN} attempts",
    ),
    "evidence-lag": Definition(
        "Evidence lag",
        "stored less timestamp of the statements that the rule matches, p50 and p95 by source; "
        f"hidden below {SMALL} people",
    ),
}

NOT_POSSIBLE: Final[Mapping[str, str]] = {
    "coverage per shift": "no shifts are recorded; /coverage counts people by place",
    "cost per competent person": "no costs are recorded",
    "co2 avoided": "neither journeys nor remote sessions nor emission factors are recorded",
    "forecast gap": "neither demand nor attrition nor the pipeline of courses is recorded",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt of a person at a clause. `assessors` are those who count for the rule."""

    person: UUID
    clause: str
    modality: frozenset[str]
    time: datetime
    passes: bool
    score: Fraction | None
    assessors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Award:
    """An award as the decisions told of it."""

    achieved_on: date
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class Lag:
    """How long a statement took from its timestamp to the store."""

    person: UUID
    source: str
    seconds: float


# Attempts ----------------------------------------------------------------------------------------


def first_time_pass(tried: Iterable[Tried]) -> list[dict[str, Any]]:
    """By clause: people by whether their first attempt passed."""
    firsts: dict[str, dict[UUID, Tried]] = defaultdict(dict)
    for one in sorted(tried, key=lambda one: one.time):
        firsts[one.clause].setdefault(one.person, one)
    return [
        {"clause": clause, **_share(sum(one.passes for one in people.values()), len(people))}
        for clause, people in sorted(firsts.items())
    ]


def _share(part: int, whole: int) -> dict[str, Any]:
    """A share of people, or nothing where one of its sides is small."""
    if hidden_parts({"in": part, "out": whole - part}):
        people = None if is_small(whole) else whole
        return {"of": people, "count": None, "percent": None, "suppressed": True}
    return {"of": whole, "count": part, "percent": percent(part, whole), "suppressed": False}


def vr_to_practice(tried: Iterable[Tried]) -> dict[str, Any]:
    """The rank correlation, and over how many people it is."""
    scored: dict[UUID, list[Tried]] = defaultdict(list)
    for one in sorted(tried, key=lambda one: one.time):
        if one.score is not None:
            scored[one.person].append(one)
    pairs = []
    for many in scored.values():
        observed = next((one for one in many if one.modality & {"in_person", "workplace"}), None)
        if observed is None:
            continue
        before = [one for one in many if "vr" in one.modality and one.time < observed.time]
        if before and before[-1].score is not None and observed.score is not None:
            pairs.append((before[-1].score, observed.score))
    if len(pairs) < RANKED_PEOPLE_MIN:
        people = None if is_small(len(pairs)) else len(pairs)
        return {"people": people, "rank_correlation": None, "suppressed": True}
    found = rank_correlation([one for one, _ in pairs], [other for _, other in pairs])
    return {"people": len(pairs), "rank_correlation": found, "suppressed": False}


def rank_correlation(one: Sequence[Fraction], other: Sequence[Fraction]) -> float | None:
    """Spearman's rho: Pearson's of the ranks, ties with their mean rank. None without any spread.

    To three decimals.
    """
    left, right = _ranks(one), _ranks(other)
    mean = Fraction(len(left) + 1, 2)
    covered = sum((a - mean) * (b - mean) for a, b in zip(left, right, strict=True))
    spread = sum((a - mean) ** 2 for a in left) * sum((b - mean) ** 2 for b in right)
    return None if not spread else round(float(covered) / sqrt(spread), 3)


def _ranks(values: Sequence[Fraction]) -> list[Fraction]:
    places: dict[Fraction, list[int]] = defaultdict(list)
    for place, value in enumerate(sorted(values), start=1):
        places[value].append(place)
    return [Fraction(sum(places[value]), len(places[value])) for value in values]


def assessor_leniency(tried: Iterable[Tried]) -> list[dict[str, Any]]:
    """By clause and assessor: the rate, and how far it is from the mean of the others' rates."""
    judged: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for one in tried:
        for assessor in one.assessors:
            judged[one.clause][assessor].append(one.passes)
    found = []
    for clause, by_assessor in sorted(judged.items()):
        rates = {
            assessor: Fraction(sum(passes), len(passes))
            for assessor, passes in by_assessor.items()
            if len(passes) >= ASSESSED_MIN
        }
        for assessor in sorted(by_assessor):
            others = [rate for name, rate in rates.items() if name != assessor]
            told = assessor in rates and bool(others)
            found.append(
                {
                    "clause": clause,
                    "assessor": assessor,
                    "attempts": len(by_assessor[assessor]) if assessor in rates else None,
                    "leniency_percent": round(
                        float(100 * (rates[assessor] - sum(others) / len(others))), 1
                    )
                    if told
                    else None,
                    "suppressed": not told,
                }
            )
    return found


# Awards ------------------------------------------------------------------------------------------


def awards_of(decided: Iterable[tuple[date | None, date | None]]) -> list[Award]:
    """The awards that stand of (achieved_on, expires_on) of one person's decisions, in their order.

    A decision with an earlier award, or none, takes back those that it contradicts.
    """
    standing: list[Award] = []
    for achieved_on, expires_on in decided:
        if achieved_on is None:
            standing.clear()
            continue
        standing = [one for one in standing if one.achieved_on < achieved_on]
        standing.append(Award(achieved_on, expires_on))
    return standing


def on_time_requalification(
    awards: Iterable[Sequence[Award]], starts: date, ends: date, today: date
) -> dict[str, Any]:
    """Over the awards of each person whose due date lies in the period, both days included."""
    due = on_time = 0
    for many in awards:
        for place, award in enumerate(many):
            if award.expires_on is None or not starts <= award.expires_on <= ends:
                continue
            following = many[place + 1] if place + 1 < len(many) else None
            renewed = following is not None and following.achieved_on <= award.expires_on
            if renewed or award.expires_on < today:
                due += 1
                on_time += renewed
    return _share(on_time, due)


def time_to_competence(
    started: Mapping[UUID, date], awards: Mapping[UUID, Sequence[Award]]
) -> dict[str, Any]:
    """From the start of each person's assignment to the first award."""
    days: list[int] = []
    already = censored = 0
    for person, start in started.items():
        own = awards.get(person, ())
        if not own:
            censored += 1
        elif own[0].achieved_on < start:
            already += 1
        else:
            days.append((own[0].achieved_on - start).days)
    parts = {"awarded": len(days), "censored": censored, "already_competent": already}
    hidden = hidden_parts(parts)
    told = not is_small(len(days)) and bool(days)
    return {
        **{name: None if name in hidden else count for name, count in parts.items()},
        "median_days": float(median(days)) if told else None,
        "suppressed": bool(hidden) or not told,
    }


# Lag ---------------------------------------------------------------------------------------------


def evidence_lag(lags: Iterable[Lag]) -> list[dict[str, Any]]:
    """By source: p50 and p95 in seconds (the nearest rank)."""
    by_source: dict[str, list[Lag]] = defaultdict(list)
    for lag in lags:
        by_source[lag.source].append(lag)
    found = []
    for source, many in sorted(by_source.items()):
        told = not is_small(len({one.person for one in many}))
        seconds = sorted(one.seconds for one in many)
        found.append(
            {
                "source": source,
                "statements": len(many) if told else None,
                "p50_seconds": nearest_rank(seconds, 50) if told else None,
                "p95_seconds": nearest_rank(seconds, 95) if told else None,
                "suppressed": not told,
            }
        )
    return found


def nearest_rank(ordered: Sequence[float], percentile: int) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    return ordered[max(0, -(-len(ordered) * percentile // 100) - 1)]
