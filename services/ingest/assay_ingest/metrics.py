"""Metrics of the service, one class per process; every label has few values."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from assay_runtime.metrics import SECONDS


@dataclass(frozen=True, slots=True)
class IngestMetrics:
    """What the HTTP front tells."""

    accepted: Counter
    repeated: Counter
    rejected: Counter
    produced: Counter
    in_flight: Gauge
    in_flight_bytes: Gauge
    watermark_age: Gauge
    requests: Counter
    attachments: Counter
    signatures: Counter
    accept_seconds: Histogram

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            accepted=Counter(
                "assay_statements_accepted", "Statements acknowledged", registry=registry
            ),
            repeated=Counter(
                "assay_statements_repeated",
                "Statements sent again that were there already",
                registry=registry,
            ),
            rejected=Counter(
                "assay_requests_rejected",
                "Requests refused, by the slug of the problem",
                ["reason"],
                registry=registry,
            ),
            produced=Counter(
                "assay_records_produced", "Records acknowledged by the log", registry=registry
            ),
            in_flight=Gauge(
                "assay_in_flight_statements",
                "Statements acknowledged, not applied by the store yet",
                registry=registry,
            ),
            in_flight_bytes=Gauge(
                "assay_in_flight_bytes", "Bytes of those statements", registry=registry
            ),
            watermark_age=Gauge(
                "assay_watermark_age_seconds",
                "Age of the time up to which lists are complete",
                registry=registry,
            ),
            requests=Counter(
                "assay_xapi_requests",
                "Requests answered, by method and status",
                ["method", "status"],
                registry=registry,
            ),
            attachments=Counter(
                "assay_attachments_received",
                "Contents of attachments that came with accepted requests",
                registry=registry,
            ),
            signatures=Counter(
                "assay_signatures_checked",
                "Signatures of statements, by verdict: verified, key_unknown, key_not_valid, "
                "not_covered, or refused",
                ["verdict"],
                registry=registry,
            ),
            accept_seconds=Histogram(
                "assay_accept_seconds",
                "From the body read to the acknowledgement",
                registry=registry,
                buckets=SECONDS,
            ),
        )


@dataclass(frozen=True, slots=True)
class StoreMetrics:
    """What the projection tells, beside `ConsumerMetrics`."""

    statements: Counter
    conflicts: Counter
    ticks: Counter
    ticks_failed: Counter
    quarantined: Gauge

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            statements=Counter(
                "assay_store_statements", "Statements written as the first", registry=registry
            ),
            conflicts=Counter(
                "assay_store_conflicts",
                "Copies with another content than the first",
                registry=registry,
            ),
            ticks=Counter("assay_store_ticks", "Ticks acknowledged", registry=registry),
            ticks_failed=Counter(
                "assay_store_ticks_failed", "Ticks not acknowledged", registry=registry
            ),
            quarantined=Gauge(
                "assay_store_quarantine", "Records in the quarantine table", registry=registry
            ),
        )


@dataclass(frozen=True, slots=True)
class MoverMetrics:
    """What the mover tells."""

    accepted: Counter
    rejected: Counter
    produced: Counter
    retries: Counter
    lag_records: Gauge
    broken: Gauge

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            accepted=Counter(
                "assay_statements_accepted", "Statements acknowledged", registry=registry
            ),
            rejected=Counter(
                "assay_statements_rejected",
                "Statements and records refused, by reason",
                ["reason"],
                registry=registry,
            ),
            produced=Counter(
                "assay_records_produced", "Records acknowledged by the log", registry=registry
            ),
            retries=Counter("assay_mover_retries", "Sent again: not now", registry=registry),
            lag_records=Gauge(
                "assay_mover_lag_records", "Records in input topics, not moved", registry=registry
            ),
            broken=Gauge(
                "assay_mover_partitions_broken",
                "Input partitions that are not moved, because a person has to look",
                registry=registry,
            ),
        )


@dataclass(frozen=True, slots=True)
class ForwardMetrics:
    """What forwarding tells, over all targets: their names would be labels without bound."""

    queued: Counter
    sent: Counter
    failures: Counter
    died: Counter
    waiting: Gauge
    dead: Gauge

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            queued=Counter(
                "assay_forward_queued", "Statements queued, once for each target", registry=registry
            ),
            sent=Counter("assay_forward_sent", "Statements taken by a target", registry=registry),
            failures=Counter(
                "assay_forward_failures", "Requests to be tried again", registry=registry
            ),
            died=Counter("assay_forward_died", "Statements made dead letters", registry=registry),
            waiting=Gauge(
                "assay_forward_waiting", "Statements waiting for a target", registry=registry
            ),
            dead=Gauge(
                "assay_forward_dead", "Dead letters that nobody has dealt with", registry=registry
            ),
        )
