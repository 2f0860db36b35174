"""The backlog of `assay bench --decisions`: statements that are evidence, straight into the log.

Twenty rules of the tenant `bench` ask each for a theory test online, two passes in VR and one
observed by an authorised assessor. Every statement is evidence for one of them: people and rules
are drawn anew for each, the times ascend over 300 days, one verdict in five is a failure, and each
is an attempt of its own. So a person has as many pieces of evidence as there are statements for
each person, a twentieth of them for each rule.
"""

import asyncio
import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer

from assay_aggregator.admin import Records
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Store
from assay_cli.bench_load import new_id
from assay_cli.stack import StackInfo
from assay_ingest.admin import put_tenant
from assay_schemas.envelope import Envelope, Headers, seal
from assay_schemas.topics import STATEMENT_RECORD_BYTES, STATEMENTS

TENANT: Final = "bench"
RULES: Final = 20
ASSESSORS: Final = 10
BATCH: Final = 100
DAYS: Final = 300
IN_FLIGHT_RECORDS: Final = 64

_HOME = "https://id.bench.example"
_ACTIVITY = "https://assay.example/bench/evidence"
_VERBS = ("http://adlnet.gov/expapi/verbs/passed", "http://adlnet.gov/expapi/verbs/failed")
# Evidence of each kind, of four statements: as many as the rule asks for.
_MODALITIES = ("online", "vr", "vr", "in_person")
_ENVELOPES = {
    name: Envelope(
        tenant=TENANT,
        source=f"bench-{name}",
        modality=name,
        client="bench",
        xapi_version="2.0.0",
        vouches_for_assessors=name == "in_person",
    )
    for name in _MODALITIES
}
_STATEMENT = (
    '{"id":"%s","actor":{"objectType":"Agent","account":{"homePage":"' + _HOME + '","name":"%s"}},'
    '"verb":{"id":"%s","display":{"en-GB":"verdict"}},'
    '"object":{"objectType":"Activity","id":"%s","definition":'
    '{"type":"http://adlnet.gov/expapi/activities/assessment",'
    '"name":{"en-GB":"Environmental monitoring of a grade B room"},'
    '"description":{"en-GB":"How samples are taken, labelled, handed on and read"}}},'
    '"result":{"success":%s,"completion":true,"duration":"PT24M","score":{"scaled":%.2f}},'
    '"context":{"registration":"%s",%s"platform":"Bench","language":"en-GB"},'
    '"timestamp":"%s","stored":"%s","version":"2.0.0","authority":'
    '{"objectType":"Agent","account":{"homePage":"' + _HOME + '","name":"bench"}}}'
)
_INSTRUCTOR = (
    '"instructor":{"objectType":"Agent","account":{"homePage":"' + _HOME + '","name":"%s"}},'
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is to be made: `statements` about `people`, whose names begin with `population`."""

    population: str
    statements: int
    people: int
    seed: int = 1


def rule(number: int) -> dict[str, Any]:
    """The document of one of the twenty rules."""

    def clause(name: str, **more: object) -> dict[str, Any]:
        activity = f"{_ACTIVITY}/{number}/{name}"
        return {
            "modality": [name],
            "match": {"verb": list(_VERBS), "activity": [activity]},
            "score_gte": "0.80",
            "window": "P12M",
            **more,
        }

    return {
        "schema": "assay.rule/v1",
        "id": f"bench-{number:02d}",
        "version": 1,
        "status": "effective",
        "effective_from": "2020-01-01",
        "competency": competency(number),
        "timezone": "Europe/London",
        "evidence": {
            "theory": clause("online"),
            "vr": clause("vr", attempts={"policy": "count", "n": 2}),
            "observed": clause("in_person", assessor={"scope": "bench"}),
        },
        "requires": {"all": ["theory", "vr", "observed"]},
        "validity": {"period": "P12M", "basis": "earliest"},
        "renewal": {
            "evidence": {"observed": {"window": "P3M"}},
            "requires": {"all": ["observed"]},
        },
    }


def competency(number: int) -> str:
    return f"https://assay.example/bench/competencies/{number:02d}"


async def record_rules(connection: asyncpg.Connection) -> None:
    """The tenant, its rules and its assessors; again changes nothing."""
    async with connection.transaction():
        await put_tenant(connection, TENANT)
        records = await Records.begin(Store(connection), RuleShelf(), TENANT)
        for number in range(RULES):
            await records.put_rule(rule(number))
        known = await connection.fetchval(
            "select count(*) from aggregator.assessor_authorisation where tenant = $1", TENANT
        )
        for number in range(0 if known else ASSESSORS):
            account = {"homePage": _HOME, "name": f"assessor-{number}"}
            person = await records.put_person([{"account": account}])
            await records.add_authorisation(person, "bench")


def records_of(backlog: Backlog, ending: datetime) -> Iterator[tuple[bytes, Headers]]:
    """The records of the backlog, whose newest statement is of `ending`."""
    draw = random.Random(backlog.seed)  # noqa: S311 - a benchmark is to be repeatable
    begins = ending - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / backlog.statements
    stored = _text(ending)
    made = 0
    while made < backlog.statements:
        modality = draw.choice(_MODALITIES)
        count = min(BATCH, backlog.statements - made)
        ids = [new_id() for _ in range(count)]
        bodies = [
            _body(backlog, draw, modality, one, _text(begins + (made + place) * step), stored)
            for place, one in enumerate(ids)
        ]
        made += count
        yield (
            b"[" + b",".join(bodies) + b"]",
            seal(
                _ENVELOPES[modality],
                [UUID(one.decode()) for one in ids],
                [hashlib.sha256(body).digest() for body in bodies],
            ),
        )


def _body(
    backlog: Backlog, draw: random.Random, modality: str, one: bytes, at: str, stored: str
) -> bytes:
    passed = draw.random() < 0.8
    instructor = ""
    if modality == "in_person":
        instructor = _INSTRUCTOR % f"assessor-{draw.randrange(ASSESSORS)}"
    return (
        _STATEMENT
        % (
            one.decode(),
            f"{backlog.population}-{draw.randrange(backlog.people):06d}",
            _VERBS[0 if passed else 1],
            f"{_ACTIVITY}/{draw.randrange(RULES)}/{modality}",
            "true" if passed else "false",
            draw.uniform(0.8, 1.0) if passed else draw.uniform(0.3, 0.8),
            new_id().decode(),
            instructor,
            at,
            stored,
        )
    ).encode()


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def produce(stack: StackInfo, backlog: Backlog) -> None:
    """Append the backlog to the log, over all partitions."""
    producer = AIOKafkaProducer(
        **stack.kafka("admin").aiokafka(),
        acks="all",
        enable_idempotence=True,
        max_request_size=STATEMENT_RECORD_BYTES,
    )
    await producer.start()
    try:
        waiting: set[asyncio.Future[object]] = set()
        for value, headers in records_of(backlog, datetime.now(UTC)):
            waiting.add(await producer.send(STATEMENTS, value, headers=list(headers)))
            if len(waiting) >= IN_FLIGHT_RECORDS:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting:
            await asyncio.wait(waiting)
    finally:
        await producer.stop()


def fresh_population() -> str:
    """A name that no run had before: its people have no evidence yet."""
    return f"b{os.urandom(4).hex()}"
