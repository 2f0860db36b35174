"""What an administrator does to a Kafka cluster: topics, principals, access rules, deletions.

Everything is "ensure": repeating it changes nothing, and a call returns only when the broker has
taken the change in, so that what comes next can rely on it. The client is confluent-kafka's, as
aiokafka has no calls for ACLs; it blocks, so call it from a thread where a loop runs.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from assay_schemas.topics import OWN_SOURCE, TOPICS, Topic, input_topic, source_of_input

CALL_SECONDS = 30.0
SCRAM_ITERATIONS = 4096
INPUT_PREFIX = "assay.in."


class BrokerError(Exception):
    """The cluster refused an administrator's request, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One access rule: `principal` may do `operations` on what `name` names.

    `kind` is "topic" or "group"; with `prefix`, `name` stands for all that begin with it.
    """

    principal: str
    kind: str
    name: str
    operations: tuple[str, ...]
    prefix: bool = False

    def bindings(self) -> tuple[AclBinding, ...]:
        resource = ResourceType.TOPIC if self.kind == "topic" else ResourceType.GROUP
        pattern = ResourcePatternType.PREFIXED if self.prefix else ResourcePatternType.LITERAL
        return tuple(
            AclBinding(
                resource,
                self.name,
                pattern,
                f"User:{self.principal}",
                "*",
                AclOperation[operation],
                AclPermissionType.ALLOW,
            )
            for operation in self.operations
        )


def may_write(principal: str, topic: str) -> Grant:
    return Grant(principal, "topic", topic, ("WRITE", "DESCRIBE"))


def may_read(principal: str, topic: str, *, prefix: bool = False) -> Grant:
    return Grant(principal, "topic", topic, ("READ", "DESCRIBE"), prefix)


def group_prefix(principal: str) -> str:
    """Consumer groups whose names begin so are the principal's own."""
    return f"assay-{principal}"


def _own_topics(name: str) -> tuple[Topic, ...]:
    """The topic of this name, if it is the product's own input of some tenant."""
    try:
        tenant, source = source_of_input(name)
    except ValueError:
        return ()
    return (input_topic(tenant, source),) if source == OWN_SOURCE else ()


def grants_of(topics: Sequence[Topic] = TOPICS) -> tuple[Grant, ...]:
    """The access rules that the table of topics states.

    The mover reads every input topic, also those that are made later, hence by prefix.
    """
    grants = [may_write(writer, topic.name) for topic in topics for writer in topic.writers]
    grants += [may_read(reader, topic.name) for topic in topics for reader in topic.readers]
    grants.append(may_read("mover", INPUT_PREFIX, prefix=True))
    readers = sorted({reader for topic in topics for reader in topic.readers} | {"mover"})
    grants += [
        Grant(reader, "group", group_prefix(reader), ("READ", "DESCRIBE"), prefix=True)
        for reader in readers
    ]
    return tuple(grants)


class Broker:
    """An administrator's session with one cluster."""

    def __init__(
        self, bootstrap: str, user: str, password: str, *, call_seconds: float = CALL_SECONDS
    ) -> None:
        self._seconds = call_seconds
        self._client = AdminClient(
            {
                "bootstrap.servers": bootstrap,
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": user,
                "sasl.password": password,
                "log_level": "0",
            }
        )

    @classmethod
    def from_password_file(cls, bootstrap: str, user: str, password_file: Path) -> "Broker":
        return cls(bootstrap, user, password_file.read_text(encoding="utf-8").strip())

    def cluster_id(self) -> str:
        """Raises BrokerError when the cluster does not answer."""
        return str(
            self._one(self._client.describe_cluster(request_timeout=self._seconds)).cluster_id
        )

    # --- topics

    def topic_names(self) -> frozenset[str]:
        return frozenset(self._metadata().topics)

    def ensure_topic(self, topic: Topic) -> bool:
        """Make the topic, or add partitions and change settings until it is as described.

        Returns whether it was made. BrokerError when it has more partitions than described.
        """
        known = self._metadata().topics.get(topic.name)
        if known is None:
            made = NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=self._replicas(),
                config=dict(topic.config),
            )
            self._all(self._client.create_topics([made], request_timeout=self._seconds))
        else:
            self._adapt(topic, len(known.partitions))
        self._until(lambda: self._has_leaders(topic), f"topic {topic.name} is not there yet")
        return known is None

    def _replicas(self) -> int:
        return min(3, len(self._metadata().brokers))

    def _adapt(self, topic: Topic, partitions: int) -> None:
        if partitions > topic.partitions:
            raise BrokerError(
                f"topic {topic.name} has {partitions} partitions, {topic.partitions} are "
                f"described: partitions cannot be taken away"
            )
        if partitions < topic.partitions:
            more = NewPartitions(topic.name, topic.partitions)
            self._all(self._client.create_partitions([more], request_timeout=self._seconds))
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic.name)
        found = self._one(
            self._client.describe_configs([resource], request_timeout=self._seconds)[resource]
        )
        changed = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in topic.config.items()
            if name not in found or found[name].value != value
        ]
        if changed:
            change = ConfigResource(
                ConfigResource.Type.TOPIC, topic.name, incremental_configs=changed
            )
            self._all(
                self._client.incremental_alter_configs([change], request_timeout=self._seconds)
            )

    def _has_leaders(self, topic: Topic) -> bool:
        found = self._metadata().topics.get(topic.name)
        return (
            found is not None
            and len(found.partitions) == topic.partitions
            and all(one.leader >= 0 for one in found.partitions.values())
        )

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all its records; BrokerError when there is none."""
        self._all(self._client.delete_topics([name], request_timeout=self._seconds))
        self._until(lambda: name not in self._metadata().topics, f"topic {name} is still there")

    # --- principals and access

    def ensure_principal(self, name: str, password: str) -> None:
        """Let `name` come in with `password` (SCRAM-SHA-512); the password may be a new one."""
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
        upsertion = UserScramCredentialUpsertion(name, credential, password.encode("utf-8"))
        self._all(
            self._client.alter_user_scram_credentials([upsertion], request_timeout=self._seconds)
        )
        self._until(lambda: self._knows(name), f"principal {name} is not known yet")

    def _knows(self, name: str) -> bool:
        asked = self._client.describe_user_scram_credentials([name], request_timeout=self._seconds)
        try:
            self._one(asked[name])
        except BrokerError:
            return False
        return True

    def ensure_grants(self, grants: Iterable[Grant]) -> None:
        """Add the access rules that are not there yet."""
        wanted = {binding for grant in grants for binding in grant.bindings()}
        missing = wanted - self._bindings()
        if missing:
            self._all(self._client.create_acls(sorted(missing), request_timeout=self._seconds))
            self._until(lambda: wanted <= self._bindings(), "access rules are not in force yet")

    def revoke_other_grants(self, principals: Iterable[str], grants: Iterable[Grant]) -> int:
        """Take from these principals every rule that is not among `grants`; returns how many."""
        names = {f"User:{principal}" for principal in principals}
        wanted = {binding for grant in grants for binding in grant.bindings()}
        extra = [one for one in self._bindings() if one.principal in names and one not in wanted]
        if extra:
            filters = [
                AclBindingFilter(
                    one.restype,
                    one.name,
                    one.resource_pattern_type,
                    one.principal,
                    one.host,
                    one.operation,
                    one.permission_type,
                )
                for one in extra
            ]
            self._all(self._client.delete_acls(filters, request_timeout=self._seconds))
        return len(extra)

    def _bindings(self) -> set[AclBinding]:
        every = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        return set(self._one(self._client.describe_acls(every, request_timeout=self._seconds)))

    def ensure_input_topic(self, tenant: str, source: str, password: str) -> Topic:
        """The topic of an input source: only its own principal may write, the mover reads it."""
        if source == OWN_SOURCE:
            raise ValueError(f"the source {OWN_SOURCE} is the product's own (ensure_own_topic)")
        topic = input_topic(tenant, source)
        for writer in topic.writers:
            self.ensure_principal(writer, password)
        self.ensure_topic(topic)
        self.ensure_grants(may_write(writer, topic.name) for writer in topic.writers)
        return topic

    def ensure_own_topic(self, tenant: str) -> Topic:
        """The topic by which the product tells its own decisions as statements of the tenant."""
        topic = input_topic(tenant, OWN_SOURCE)
        self.ensure_topic(topic)
        self.ensure_grants(self.own_grants())
        return topic

    def own_grants(self) -> tuple[Grant, ...]:
        """The access rules of the product's own input topics, one of each tenant that has one."""
        return tuple(
            may_write(writer, topic.name)
            for name in sorted(self._metadata().topics)
            for topic in _own_topics(name)
            for writer in topic.writers
        )

    # --- what the janitor needs

    def offsets_at(self, topic: str, milliseconds: int) -> dict[int, int]:
        """For each partition the first offset appended at that time (epoch) or later.

        A partition without such a record answers its end.
        """
        partitions = [
            TopicPartition(topic, number) for number in self._metadata().topics[topic].partitions
        ]
        at = self._offsets(partitions, OffsetSpec.for_timestamp(milliseconds))
        ends = self._offsets(partitions, OffsetSpec.latest())
        return {number: offset if offset >= 0 else ends[number] for number, offset in at.items()}

    def first_offsets(self, topic: str) -> dict[int, int]:
        """For each partition the offset of the first record that is still there."""
        partitions = [
            TopicPartition(topic, number) for number in self._metadata().topics[topic].partitions
        ]
        return self._offsets(partitions, OffsetSpec.earliest())

    def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        asked = self._client.list_offsets(
            dict.fromkeys(partitions, spec), request_timeout=self._seconds
        )
        return {one.partition: int(self._one(future).offset) for one, future in asked.items()}

    def committed_offsets(self, group: str) -> dict[tuple[str, int], int]:
        """What a consumer group has committed, by (topic, partition)."""

        def ask() -> Any:
            asked = self._client.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=self._seconds
            )
            return self._one(asked[group])

        answer = self._coordinated(ask)
        return {
            (one.topic, one.partition): one.offset
            for one in answer.topic_partitions or ()
            if one.offset >= 0
        }

    def delete_records_before(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Delete the records below an offset; keys are (topic, partition)."""
        wanted = [
            TopicPartition(name, number, offset) for (name, number), offset in offsets.items()
        ]
        if wanted:
            self._all(self._client.delete_records(wanted, request_timeout=self._seconds))

    # --- the client's futures

    def _coordinated(self, ask: Callable[[], Any]) -> Any:
        """Ask a group coordinator again while it is still loading after its broker's start."""
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return ask()
            except BrokerError as error:
                loading = str(error).startswith(("COORDINATOR_", "NOT_COORDINATOR"))
                if not loading or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _metadata(self) -> Any:
        try:
            return self._client.list_topics(timeout=self._seconds)
        except KafkaException as error:
            raise BrokerError(_text(error)) from error

    def _one(self, future: Any) -> Any:
        try:
            return future.result(timeout=self._seconds)
        except KafkaException as error:
            raise BrokerError(_text(error)) from error
        except TimeoutError as error:
            raise BrokerError(f"no answer within {self._seconds:g} s") from error

    def _all(self, futures: Mapping[Any, Any]) -> None:
        for future in futures.values():
            self._one(future)

    def _until(self, fulfilled: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + self._seconds
        while not fulfilled():
            if time.monotonic() > deadline:
                raise BrokerError(complaint)
            time.sleep(0.02)


def _text(error: KafkaException) -> str:
    cause = error.args[0]
    return f"{cause.name()}: {cause.str()}"
