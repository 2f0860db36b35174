"""The statements of the benchmark: about 1 kB each, 2,000 learners, 300 activities, a real mix.

Nine in ten statements tell of ordinary learning (launched, initialized, experienced, answered,
progressed); one in ten is evidence that a rule of the demo tenant matches: a session of ten
statements ends with one verdict. Each statement is about a learner drawn anew, in an attempt of its
own, so that no learner has an impossible history. Ids are fresh, given by the client, as tools that
retry safely do.
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

# What stands for what is filled in; in the order of the document.
_ID = b"ffffffff-ffff-4fff-8fff-fffffffffff0"
_LEARNER = b"000000"
_REGISTRATION = b"ffffffff-ffff-4fff-8fff-fffffffffff1"
_SESSION = b"ffffffff-ffff-4fff-8fff-fffffffffff2"
_TIME = b"2000-01-01T00:00:00.000Z"
_ORDINARY = (
    ("http://adlnet.gov/expapi/verbs/launched", "launched"),
    ("http://adlnet.gov/expapi/verbs/initialized", "initialized"),
    ("http://adlnet.gov/expapi/verbs/experienced", "experienced"),
    ("http://adlnet.gov/expapi/verbs/answered", "answered"),
    ("http://adlnet.gov/expapi/verbs/progressed", "progressed"),
)
_LEARNERS_DRAWN = random.Random(3)  # noqa: S311 - a benchmark is to be repeatable
_PASSED = ("http://adlnet.gov/expapi/verbs/passed", "passed")
VERBS = tuple(iri for iri, _ in (*_ORDINARY, _PASSED))


@dataclass(frozen=True, slots=True)
class Template:
    """A statement's bytes, cut where its id, learner, registration, session and timestamp go."""

    parts: tuple[bytes, ...]

    def fill(self, statement_id: bytes, timestamp: bytes, learner_number: int) -> bytes:
        """The statement of an attempt of its own: registration and session are fresh, too."""
        before, actor, context, session, time, rest = self.parts
        registration = new_id()
        return b"".join(
            (
                before, statement_id, actor, b"%06d" % learner_number, context, registration,
                session, registration, time, timestamp, rest,
            )
        )  # fmt: skip


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
            "registration": _REGISTRATION.decode(),
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
                "https://w3id.org/xapi/cmi5/context/extensions/sessionid": _SESSION.decode()
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
    """The template of a document of `statement` about `learner(0)` of any population."""
    rest = orjson.dumps(document)
    parts = []
    for place in (_ID, _LEARNER, _REGISTRATION, _SESSION, _TIME):
        part, rest = rest.split(place)
        parts.append(part)
    return Template((*parts, rest))


def make_pool(seed: int, evidence: Sequence[str]) -> list[Template]:
    """Templates of the mix; `evidence` are the activities that rules of the tenant match."""
    randomness = random.Random(seed)  # noqa: S311 - a benchmark is to be repeatable
    ordinary = [f"https://assay.example/bench/activities/{n}" for n in range(ACTIVITIES)]
    pool = []
    for number in range(POOL_STATEMENTS):
        actor = learner(0)
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
        + b",".join(
            one.fill(new_id(), stamp, _LEARNERS_DRAWN.randrange(LEARNERS))
            for one in itertools.islice(templates, count)
        )
        + b"]"
    )
