"""What a principal may do on the broker: only what the tables say."""

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from assay_cli.processes import service_principals
from assay_cli.stack import KafkaAccess, StackInfo
from assay_cli.upkeep import janitor_plan
from assay_runtime.broker import Broker, BrokerError, grants_of, may_read, may_write
from assay_schemas.topics import STATEMENTS, TOPICS, Topic
from assay_testing import KafkaSpace


async def _write(access: KafkaAccess, topic: str, value: bytes = b"[]") -> None:
    async with AIOKafkaProducer(**access.aiokafka(), acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def test_a_source_writes_its_own_input_topic_and_no_other(
    servers: StackInfo, kafka: KafkaSpace
) -> None:
    tenant = f"t{kafka.suffix}"
    vr = kafka.broker.ensure_input_topic(tenant, "vr", "password of vr")
    other = kafka.broker.ensure_input_topic(tenant, "other", "password of the other")
    kafka.made += [vr.name, other.name]
    access = KafkaAccess(servers.kafka_bootstrap, f"in-{tenant}-vr", "password of vr")
    await _write(access, vr.name)
    for forbidden in (other.name, STATEMENTS):
        with pytest.raises(TopicAuthorizationFailedError):
            await _write(access, forbidden)


async def test_a_source_cannot_read_what_it_wrote(servers: StackInfo, kafka: KafkaSpace) -> None:
    tenant = f"t{kafka.suffix}"
    topic = kafka.broker.ensure_input_topic(tenant, "vr", "password of vr")
    kafka.made.append(topic.name)
    access = KafkaAccess(servers.kafka_bootstrap, f"in-{tenant}-vr", "password of vr")
    await _write(access, topic.name)
    consumer = AIOKafkaConsumer(**access.aiokafka(), group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic.name, 0)])
        with pytest.raises(TopicAuthorizationFailedError):
            await consumer.getone()
    finally:
        await consumer.stop()


async def test_the_mover_reads_an_input_topic_made_later(
    servers: StackInfo, kafka: KafkaSpace
) -> None:
    tenant = f"t{kafka.suffix}"
    topic = kafka.broker.ensure_input_topic(tenant, "vr", "password of vr")
    kafka.made.append(topic.name)
    source = KafkaAccess(servers.kafka_bootstrap, f"in-{tenant}-vr", "password of vr")
    await _write(source, topic.name, b"[1]")
    async with AIOKafkaConsumer(
        topic.name,
        **servers.kafka("mover").aiokafka(),
        group_id=f"assay-mover-{kafka.suffix}",
        auto_offset_reset="earliest",
    ) as consumer:
        assert (await consumer.getone()).value == b"[1]"


async def test_a_principal_without_a_rule_may_nothing(kafka: KafkaSpace) -> None:
    topic = kafka.topic()
    access = kafka.principal("nobody")
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(access, topic)


def test_the_rules_in_force_are_those_of_the_table(kafka: KafkaSpace) -> None:
    kafka.broker.ensure_grants(grants_of())
    topic = kafka.topic()
    kafka.broker.ensure_grants([may_write("credentials", topic)])
    assert kafka.broker.revoke_other_grants(["credentials"], grants_of()) == 2
    assert kafka.broker.revoke_other_grants(["credentials"], grants_of()) == 0


def test_every_writer_and_reader_of_a_topic_is_a_process_of_the_table() -> None:
    named = {name for topic in TOPICS for name in (*topic.writers, *topic.readers)}
    assert named <= set(service_principals())


def test_a_topic_is_brought_to_its_description(kafka: KafkaSpace) -> None:
    name = kafka.topic(partitions=1, config={"retention.ms": "1000"})
    described = Topic(name, "none", 2, (), (), "", {"retention.ms": "-1"})
    assert not kafka.broker.ensure_topic(described)
    assert not kafka.broker.ensure_topic(described)
    assert set(kafka.broker.first_offsets(name)) == {0, 1}
    with pytest.raises(BrokerError, match="cannot be taken away"):
        kafka.broker.ensure_topic(Topic(name, "none", 1, (), (), ""))


def test_a_wrong_password_is_an_error_of_the_family(servers: StackInfo) -> None:
    broker = Broker(servers.kafka_bootstrap, "admin", "wrong", call_seconds=1.5)
    with pytest.raises(BrokerError):
        broker.topic_names()


async def test_the_janitor_takes_only_what_every_reader_has_applied_and_what_is_old(
    servers: StackInfo, kafka: KafkaSpace
) -> None:
    tenant = f"t{kafka.suffix}"
    topic = kafka.broker.ensure_input_topic(tenant, "vr", "password of vr")
    kafka.made.append(topic.name)
    kafka.broker.ensure_grants([may_read("mover", topic.name)])
    source = KafkaAccess(servers.kafka_bootstrap, f"in-{tenant}-vr", "password of vr")
    for _ in range(3):
        await _write(source, topic.name)
    async with AIOKafkaConsumer(
        **servers.kafka("mover").aiokafka(), group_id="assay-mover", enable_auto_commit=False
    ) as consumer:
        partition = TopicPartition(topic.name, 0)
        consumer.assign([partition])
        await consumer.commit({partition: 2})
    far_future, past = 2**45, 1
    key = (topic.name, 0)
    assert key not in janitor_plan(kafka.broker, {}, past), "nothing is old enough"
    plan = janitor_plan(kafka.broker, {}, far_future)
    assert plan[key] == 2, "what the mover has not committed stays"
    assert all(name != STATEMENTS for name, _ in plan), "no reader has said how far it is"
    kafka.broker.delete_records_before({key: plan[key]})
    assert kafka.broker.first_offsets(topic.name) == {0: 2}
    assert key not in janitor_plan(kafka.broker, {}, far_future), "it is not deleted twice"
