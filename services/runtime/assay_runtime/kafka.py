"""How this process reaches Kafka, and which log it finds there."""

from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaConnectionError, KafkaError
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from assay_runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which cluster and which topic: a topic made anew has the name, but not the id."""

    cluster_id: str
    topic_id: str


def client_settings(settings: ServiceSettings) -> dict[str, Any]:
    """Arguments for aiokafka's clients (their values are of several types, hence Any)."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": settings.kafka_user,
        "sasl_plain_password": settings.kafka_password(),
        "client_id": f"assay-{settings.kafka_user}",
    }


def identify_log(settings: ServiceSettings, topic: str) -> LogIdentity:
    """Ask the broker for the ids of cluster and topic. Blocking: call it in a thread.

    Raises aiokafka's KafkaError when the broker does not answer or the topic is not there, so
    that callers know one family of errors only.
    """
    admin = AdminClient(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": settings.kafka_user,
            "sasl.password": settings.kafka_password(),
            "log_level": 0,
        }
    )
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=10)
        topic_id = str(described[topic].result().topic_id)
        cluster_id = admin.list_topics(topic, timeout=10).cluster_id
    except KafkaException as error:
        raise KafkaConnectionError(str(error)) from None
    if not cluster_id:
        raise KafkaError("the broker does not tell its cluster id")
    return LogIdentity(cluster_id=cluster_id, topic_id=topic_id)
