"""The bare road: what the chosen parts reach with none of the product's logic.

FastAPI with a pydantic model, an idempotent acks=all produce, and a second process that projects
into Postgres with five indexes and the offsets in the same transaction. It is measured in the same
run as the product, so that a ratio means something on a noisy machine.

`python -m assay_cli.bench_bare serve|project` runs one half; `assay bench` starts both.
"""

import asyncio
import json
import os
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, TypeAdapter

TOPIC = "assay.bench.bare.v1"
PARTITIONS = 3
SCHEMA = """
create table if not exists bare_offset (partition int primary key, next_offset bigint not null);
create table if not exists bare_statement (
  id uuid primary key,
  stored timestamptz not null,
  verb text not null,
  activity text,
  actor text not null,
  registration uuid,
  raw json not null
);
create index if not exists bare_stored on bare_statement (stored, id);
create index if not exists bare_verb on bare_statement (verb, stored);
create index if not exists bare_activity on bare_statement (activity, stored);
create index if not exists bare_actor on bare_statement (actor, stored);
"""
INSERT = """
insert into bare_statement (id, stored, verb, activity, actor, registration, raw)
select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
  $6::uuid[], $7::json[]) on conflict do nothing
"""
OFFSET = """
insert into bare_offset values ($1, $2)
on conflict (partition) do update set next_offset = excluded.next_offset
"""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Account(_Model):
    homePage: str
    name: str


class Actor(_Model):
    objectType: str = "Agent"
    account: Account | None = None
    mbox: str | None = None


class Verb(_Model):
    id: str
    display: dict[str, str] | None = None


class Definition(_Model):
    type: str | None = None
    name: dict[str, str] | None = None
    description: dict[str, str] | None = None


class Activity(_Model):
    objectType: str = "Activity"
    id: str
    definition: Definition | None = None


class Score(_Model):
    scaled: float | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None


class Result(_Model):
    success: bool | None = None
    completion: bool | None = None
    duration: str | None = None
    score: Score | None = None


class ContextActivities(_Model):
    parent: list[Activity] | None = None
    grouping: list[Activity] | None = None
    category: list[Activity] | None = None


class Context(_Model):
    registration: UUID | None = None
    platform: str | None = None
    language: str | None = None
    instructor: Actor | None = None
    contextActivities: ContextActivities | None = None
    extensions: dict[str, Any] | None = None  # any JSON, by the standard


class Statement(_Model):
    """The shape of the statements of the benchmark."""

    id: UUID
    actor: Actor
    verb: Verb
    object: Activity
    result: Result | None = None
    context: Context | None = None
    timestamp: datetime


_STATEMENTS = TypeAdapter(list[Statement])


def kafka_settings() -> dict[str, Any]:
    """Arguments of aiokafka's clients, from the environment that `assay bench` sets."""
    return dict(json.loads(os.environ["ASSAY_BENCH_KAFKA"]))


def new_app() -> FastAPI:
    """POST /statements with one statement or many; 200 after the acknowledgement."""
    app = FastAPI(docs_url=None, redoc_url=None)
    producers: list[AIOKafkaProducer] = []

    async def producer() -> AIOKafkaProducer:
        if not producers:
            new = AIOKafkaProducer(
                **kafka_settings(),
                acks="all",
                enable_idempotence=True,
                max_batch_size=1024 * 1024,
                max_request_size=8 * 1024 * 1024,
            )
            producers.append(new)
            await new.start()
        return producers[0]

    async def send(statements: list[Statement]) -> Response:
        sender = await producer()
        await sender.send_and_wait(TOPIC, _STATEMENTS.dump_json(statements, exclude_none=True))
        ids = orjson.dumps([one.id for one in statements])
        return Response(ids, media_type="application/json")

    @app.post("/statements")
    async def post(statements: list[Statement]) -> Response:
        return await send(statements)

    @app.post("/statement")
    async def post_one(statement: Statement) -> Response:
        return await send([statement])

    return app


async def project() -> None:
    """Apply the topic to Postgres until stopped."""
    pool = await asyncpg.create_pool(os.environ["ASSAY_BENCH_DSN"], min_size=1, max_size=2)
    await pool.execute(SCHEMA)
    consumer = AIOKafkaConsumer(
        **kafka_settings(), enable_auto_commit=False, auto_offset_reset="earliest",
        fetch_max_bytes=16 * 1024 * 1024, max_partition_fetch_bytes=16 * 1024 * 1024,
    )  # fmt: skip
    consumer.assign([TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
    await consumer.start()
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=500)
        rows = []
        for records in fetched.values():
            for record in records:
                stored = datetime.fromtimestamp(record.timestamp / 1000).astimezone()
                for one in orjson.loads(record.value):
                    actor = one["actor"]
                    registration = (one.get("context") or {}).get("registration")
                    rows.append(
                        (
                            UUID(one["id"]),
                            stored,
                            one["verb"]["id"],
                            one["object"]["id"],
                            orjson.dumps(actor.get("account") or actor.get("mbox")).decode(),
                            UUID(registration) if registration else None,
                            orjson.dumps(one).decode(),
                        )
                    )
        if not rows:
            continue
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(INSERT, *(list(column) for column in zip(*rows, strict=True)))
            for where, records in fetched.items():
                if records:
                    await connection.execute(OFFSET, where.partition, records[-1].offset + 1)


def main(words: list[str]) -> None:
    if words == ["serve"]:
        uvicorn.run(
            new_app(), host="127.0.0.1", port=int(os.environ["ASSAY_BENCH_PORT"]),
            log_level="warning", access_log=False, loop="uvloop", http="httptools",
        )  # fmt: skip
    elif words == ["project"]:
        uvloop.run(project())
    else:
        sys.exit("usage: python -m assay_cli.bench_bare serve|project")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(0)
