"""Random small worlds and rules: few values on a tight grid, so that edges meet often.

Each is drawn as a seed and made by `random.Random`, which is twenty times as fast as drawing every
value from Hypothesis: many small worlds find more than few that shrink well. The number of facts
is drawn apart, so that it does shrink.
"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from assay_aggregator.fact import Fact, Score
from assay_aggregator.rule import Rule, parse_rule
from assay_aggregator.vocabulary import expand
from assay_aggregator.world import Authorisation, Conflict, IdentityLink, Valid, World

START = datetime(2026, 1, 30, 22, 30, tzinfo=UTC)
AS_OF = START + timedelta(days=120)
DAY = START.date().toordinal()
POLICIES: list[dict[str, Any]] = [
    {"policy": "any"},
    {"policy": "first"},
    {"policy": "latest"},
    {"policy": "count", "n": 2},
    {"policy": "count", "n": 3, "spacing": "P3D"},
    {"policy": "n_of_last", "n": 2, "m": 3},
    {"policy": "consecutive", "n": 2},
    {"policy": "average", "gte": "0.7"},
    {"policy": "highest", "gte": "0.8"},
    {"policy": "decaying", "gte": "0.7", "weight": "0.65"},
    {"policy": "weighted_recent", "gte": "0.7", "weight": "0.65"},
    {"policy": "n_mastery", "n": 2, "gte": "0.7"},
    {"policy": "n_mastery", "n": 3, "gte": "2", "scale": "raw"},
    {"policy": "median", "m": 3, "n": 2, "gte": "3"},
]
LINKS = [
    IdentityLink("account:https://id.example.org ada", "ada"),
    IdentityLink("mbox:mailto:ada@example.org", "ada", Valid(DAY + 5, DAY + 40)),
    IdentityLink("account:https://id.example.org ben", "ben"),
    IdentityLink("account:https://id.example.org cai", "cai"),
]


def rule_document(random: Random) -> dict[str, Any]:
    names = ["a", "b", "c"][: random.randint(1, 3)]
    document: dict[str, Any] = {
        "schema": "assay.rule/v1",
        "id": "r",
        "version": 1,
        "status": "effective",
        "effective_from": "2024-01-01",
        "competency": "https://example.org/c",
        "timezone": random.choice(["Europe/London", "Asia/Tokyo"]),
        "evidence": {name: clause_document(random, name) for name in names},
        "requires": tree(random, names),
        "group": random.choice(["none", "each_member"]),
    }
    if random.random() < 0.8:
        document["validity"] = {
            "period": random.choice(["P10D", "P20D", "P1M"]),
            "basis": random.choice(["earliest", "latest", "award"]),
        }
    if random.random() < 0.5:
        some = random.sample(names, random.randint(1, len(names)))
        document["renewal"] = {
            "evidence": {name: overlay(random.choice(POLICIES)) for name in some}
        }
        if random.random() < 0.5:
            document["renewal"]["requires"] = tree(random, names)
        if random.random() < 0.5:  # Else a renewal is late from the day after the due date.
            document["lapse"] = {"after": "P7D"}
    if random.random() < 0.5:
        match = {"verb": ["failed"], "activity": [random.choice(["urn:shared", "urn:aps"])]}
        document["disqualify"] = [{"match": match}]
    if random.random() < 0.5:
        document["on_later_fail"] = {"clauses": [names[0]], "status": "under_review"}
    return document


def overlay(attempts: dict[str, Any]) -> dict[str, Any]:
    """Another policy; ratings have no threshold for scores."""
    return {"attempts": attempts} | ({"score_gte": None} if attempts["policy"] == "median" else {})


def clause_document(random: Random, name: str) -> dict[str, Any]:
    clause: dict[str, Any] = {
        "modality": ["online"],
        "match": {
            "verb": ["passed", "failed", "completed", "scored", "waived"],
            "activity": [f"urn:{name}", "urn:shared"],
        },
        "attempts": dict(random.choice(POLICIES)),
        "waivers": ["Tested Out"],
    }
    if random.random() < 0.5 and clause["attempts"]["policy"] != "median":
        clause["score_gte"] = "0.6"
    if random.random() < 0.5:
        clause["window"] = random.choice(["P0D", "P4D", "P15D", "P1M"])
    if random.random() < 0.2:
        clause["assessor"] = {"scope": "s", "distinct_gte": random.randint(1, 2)}
    if random.random() < 0.25:
        clause["attempts"]["key"] = "registration"
    if random.random() < 0.15:
        clause["attempts"]["needs"] = ["completed", "passed"]
    return clause


def tree(random: Random, names: list[str], depth: int = 0) -> Any:
    if depth and (depth == 3 or random.random() < 0.6):
        return random.choice(names)
    parts = [tree(random, names, depth + 1) for _ in range(random.randint(1, 3))]
    op = random.choice(["all", "any", "at_least"])
    if op == "at_least":
        return {op: {"n": random.randint(1, len(parts)), "of": parts}}
    return {op: parts}


def one_fact(random: Random, index: int) -> Fact:
    # Two instants a day over thirty days: many statements share one.
    time = START + timedelta(hours=12 * random.randint(0, 60))
    stored = time + timedelta(minutes=random.randint(0, 3))
    verbs = ["passed"] * 5 + ["failed", "failed", "completed", "waived", "scored"]
    scores = [Score(f"0.{5 + raw}", raw=f"{raw}.0") for raw in range(5)] + [None]
    keys = [link.key for link in LINKS]
    instructors = random.sample(keys, random.choice([0, 1, 1, 2]))
    return Fact(
        id=f"{random.randrange(16):x}{index:07x}-0000-4000-8000-000000000000",
        body_hash=f"body {index}",
        source="lms",
        stored=stored,
        timestamp=time,
        verb=expand("verb", random.choice(verbs)),
        actor=keys[random.choice([0] * 8 + [1, 2])],
        modality=random.choice(["online"] * 14 + ["vr"]),
        vouches=True,
        instructors=tuple(sorted(instructors)),
        activity=random.choice(["urn:shared", "urn:shared", "urn:a", "urn:b", "urn:c", "urn:aps"]),
        success=random.choice([None] * 9 + [False]),
        score=random.choice([*scores, Score(raw="2", min="0", max="3"), Score(raw="1.5")]),
        registration=random.choice([f"own {index}", f"own {index}", None, "r1", "r2"]),
        session=random.choice([None, None, "s1"]),
        waived_reason=random.choice(["Tested Out", "Other"]),
        append_ms=int(stored.timestamp() * 1000),
        offset=index,
    )


SEEDS = st.integers(0, 2**32 - 1).map(Random)


def rules() -> st.SearchStrategy[Rule]:
    return SEEDS.map(rule_document).map(parse_rule)


def facts(max_size: int = 24) -> st.SearchStrategy[list[Fact]]:
    return st.tuples(SEEDS, st.integers(max_size // 3, max_size)).map(
        lambda drawn: [one_fact(drawn[0], index) for index in range(drawn[1])]
    )


def world(some: list[Fact]) -> World:
    return World(
        facts=some,
        links=LINKS,
        authorisations=[
            Authorisation("ben", "s"),
            Authorisation("cai", "s", Valid(DAY + 10, None)),
        ],
        conflicts=[Conflict("cai", "ada", Valid(DAY + 30, DAY + 50))],
    )
