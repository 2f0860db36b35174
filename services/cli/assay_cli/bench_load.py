"""The statements of the benchmark: about 1 kB each, 2,000 learners, 300 activities, a real mix.

Nine in ten statements tell of ordinary learning (launched, initialized, experienced, answered,
progressed); one in ten is evidence that a rule of the demo tenant matches: a session of ten
statements ends with one verdict. Ids are fresh, given by the client, as tools that retry safely do.
"""

import itertools
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

LEARNERS = 2_000
ACTIVITIES = 300
EVIDENCE_ONE_IN = 10
POOL_STATEMENTS = 3_000

_ID = b"00000000-0000-4000-8000-000000000000"
_TIME = b"2000-01-01T00:00:00.000Z"
_ORDINARY = (
    ("http://adlnet.gov/expapi/verbs/launched", "launched"),
    ("http://adlnet.gov/expapi/verbs/initialized", "initialized"),
    ("http://adlnet.gov/expapi/verbs/experienced", "experienced"),
    ("http://adlnet.gov/expapi/verbs/answered", "answered"),
    ("http://adlnet.gov/expapi/verbs/progressed", "progressed"),
)
_PASSED = ("http://adlnet.gov/expapi/verbs/passed", "passed")


@dataclass(frozen=True, slots=True)
class Template:
    """A statement's bytes, cut where its id and its timestamp go."""

    before_id: bytes
    between: bytes
    after_time: bytes

    def fill(self, statement_id: bytes, timestamp: bytes) -> bytes:
        return b"".join((self.before_id, statement_id, self.between, timestamp, self.after_time))


def new_id() -> bytes:
    """A fresh version 4 UUID as text."""
    text = bytearray(os.urandom(16).hex().encode())
    text[12:13] = b"4"
    text[16:17] = b"a"
    return bytes(
        text[:8] + b"-" + text[8:12] + b"-" + text[12:16] + b"-" + text[16:20] + b"-" + text[20:]
    )


def now_text() -> bytes:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()


def learner(number: int, population: str = "bench") -> dict[str, object]:
    return {
        "objectType": "Agent",
        "account": {
            "homePage": "https://id.bench.example",
            "name": f"{population}-{number:06d}",
        },
    }


def statement(
    randomness: random.Random,
    actor: dict[str, object],
    verb: tuple[str, str],
    activity: str,
) -> dict[str, object]:
    """One statement of a cmi5-like course, about 1 kB."""
    course = f"https://assay.example/bench/courses/{randomness.randrange(20)}"
    found: dict[str, object] = {
        "id": _ID.decode(),
        "actor": actor,
        "verb": {"id": verb[0], "display": {"en-GB": verb[1]}},
        "object": {
            "objectType": "Activity",
            "id": activity,
            "definition": {
                "type": "http://adlnet.gov/expapi/activities/module",
                "name": {"en-GB": "Environmental monitoring of a grade B room"},
                "description": {"en-GB": "How samples are taken, labelled, handed on and read"},
            },
        },
        "context": {
            "registration": str(_uuid(randomness)),
            "platform": "Online platform 4.2",
            "language": "en-GB",
            "contextActivities": {
                "grouping": [{"id": course, "objectType": "Activity"}],
                "category": [
                    {
                        "id": "https://w3id.org/xapi/cmi5/context/categories/cmi5",
                        "objectType": "Activity",
                    }
                ],
            },
            "extensions": {
                "https://w3id.org/xapi/cmi5/context/extensions/sessionid": str(_uuid(randomness))
            },
        },
        "timestamp": _TIME.decode(),
    }
    if verb[1] in {"passed", "answered", "progressed"}:
        found["result"] = {
            "success": True,
            "completion": True,
            "duration": f"PT{randomness.randint(1, 59)}M{randomness.randint(0, 59)}S",
            "score": {
                "scaled": round(randomness.uniform(0.5, 1.0), 2),
                "raw": randomness.randint(50, 100),
                "min": 0,
                "max": 100,
            },
        }
    return found


def template(document: dict[str, object]) -> Template:
    text = orjson.dumps(document)
    before, rest = text.split(_ID)
    between, after = rest.split(_TIME)
    return Template(before, between, after)


def make_pool(seed: int, evidence: Sequence[str]) -> list[Template]:
    """Templates of the mix; `evidence` are the activities that rules of the tenant match."""
    randomness = random.Random(seed)  # noqa: S311 - a benchmark is to be repeatable
    ordinary = [f"https://assay.example/bench/activities/{n}" for n in range(ACTIVITIES)]
    pool = []
    for number in range(POOL_STATEMENTS):
        actor = learner(randomness.randrange(LEARNERS))
        if number % EVIDENCE_ONE_IN == 0:
            document = statement(randomness, actor, _PASSED, randomness.choice(evidence))
        else:
            document = statement(
                randomness, actor, randomness.choice(_ORDINARY), randomness.choice(ordinary)
            )
        pool.append(template(document))
    randomness.shuffle(pool)
    return pool


def endless(pool: Sequence[Template]) -> Iterator[Template]:
    return itertools.cycle(pool)


def batch(templates: Iterator[Template], count: int) -> bytes:
    """A JSON array of `count` statements with fresh ids."""
    stamp = now_text()
    return (
        b"["
        + b",".join(one.fill(new_id(), stamp) for one in itertools.islice(templates, count))
        + b"]"
    )


def _uuid(randomness: random.Random) -> str:
    digits = f"{randomness.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
