"""Every topic of the product: name, key, partitions, who writes, who reads.

`assay migrate` makes the topics and their ACLs from this table, and a test holds the documents
to it. Principals are the names of the processes; `in-<tenant>-<source>` is that of an input source.
"""

import re
from dataclasses import dataclass, field

MEBIBYTE = 1024 * 1024

# One record holds one accepted request, so the record limit stands above the body limit of ingest.
STATEMENT_RECORD_BYTES = 8 * MEBIBYTE

STATEMENTS = "assay.statements.v1"
COMPETENCIES = "assay.competencies.v1"
CREDENTIALS = "assay.credentials.v1"

# The source of every tenant under which the product itself tells of its decisions. It has no
# modality, and what comes from it is never evidence.
OWN_SOURCE = "assay"

_SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?")
_INPUT = re.compile(r"assay\.in\.(?P<tenant>[^.]+)\.(?P<source>[^.]+)\.v1")
INPUT_PATTERN = r"^assay\.in\..*\.v1$"

# A record is kept until every group has applied it: the janitor deletes, never the broker's clock.
_KEEP = {"retention.ms": "-1", "retention.bytes": "-1"}


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the broker must have it. `config` holds Kafka's own topic settings, as text."""

    name: str
    key: str
    partitions: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    about: str
    config: dict[str, str] = field(default_factory=dict)


TOPICS: tuple[Topic, ...] = (
    Topic(
        name=STATEMENTS,
        key="none",
        partitions=3,
        writers=("ingest", "mover", "store"),
        readers=("store", "aggregator", "forward"),
        about="one record per accepted request (1 to n statements), and the store's ticks",
        config={
            **_KEEP,
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(STATEMENT_RECORD_BYTES),
        },
    ),
    Topic(
        name=COMPETENCIES,
        key="tenant:person",
        partitions=3,
        writers=("relay",),
        readers=("credentials",),
        about="what a person became able to do, or lost (sequence per tenant, person, competency), "
        "and who was found to be another person",
        config={**_KEEP, "message.timestamp.type": "LogAppendTime"},
    ),
    Topic(
        name=CREDENTIALS,
        key="tenant:credential",
        partitions=1,
        writers=("credentials",),
        readers=(),
        about="what became of a credential",
        config={**_KEEP, "message.timestamp.type": "LogAppendTime"},
    ),
)


def is_slug(text: str) -> bool:
    """Whether `text` may name a tenant or a source: it becomes a part of topics and principals."""
    return _SLUG.fullmatch(text) is not None


def input_topic(tenant: str, source: str) -> Topic:
    """The topic that one source writes; by ACL, only that source's principal may write it.

    The product's own source is written by `relay`, and by nobody else.
    """
    if not (is_slug(tenant) and is_slug(source)):
        raise ValueError("tenant and source are 1 to 40 of a-z, 0-9, '-' and '_', no '-' at an end")
    return Topic(
        name=f"assay.in.{tenant}.{source}.v1",
        key="any",
        partitions=1,
        writers=("relay",) if source == OWN_SOURCE else (f"in-{tenant}-{source}",),
        readers=("mover",),
        about="JSON statements of one source, one or an array per record",
        config={
            **_KEEP,
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(STATEMENT_RECORD_BYTES),
        },
    )


def source_of_input(topic: str) -> tuple[str, str]:
    """(tenant, source) of an input topic's name; ValueError if it is no input topic."""
    match = _INPUT.fullmatch(topic)
    if match is None:
        raise ValueError(f"not an input topic: {topic}")
    return match["tenant"], match["source"]
