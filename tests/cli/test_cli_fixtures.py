"""The fixtures give what they promise."""

import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from assay_testing import Database, KafkaSpace


async def test_a_fresh_database_has_every_schema_and_is_quickly_made(postgres: Database) -> None:
    connection = await postgres.connect()
    try:
        applied = await connection.fetch("SELECT DISTINCT schema FROM public.assay_migration")
        assert {"ingest", "aggregator"} <= {row["schema"] for row in applied}
        assert await connection.fetchval("SELECT current_user") == "assay_owner"
    finally:
        await connection.close()


async def test_a_record_goes_through_the_real_broker(kafka: KafkaSpace) -> None:
    topic = kafka.topic(partitions=2)
    before = int(time.time() * 1000)
    async with AIOKafkaProducer(**kafka.access().aiokafka(), enable_idempotence=True) as producer:
        sent = await producer.send_and_wait(topic, b"one", timestamp_ms=1)
    assert sent.timestamp >= before - 1000, "the broker's append time, not the client's"
    consumer = AIOKafkaConsumer(
        topic, **kafka.access().aiokafka(), auto_offset_reset="earliest", group_id=None
    )
    async with consumer:
        record = await consumer.getone()
    assert record.value == b"one"
