"""Metrics that every service has; the registry is passed in, labels are bounded in number."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class ConsumerMetrics:
    """What `consume.Consumer` tells of one projection."""

    batches: Counter
    records: Counter
    retries: Counter
    quarantined: Counter
    lag_records: Gauge
    lag_seconds: Gauge
    batch_seconds: Histogram

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            batches=Counter("assay_consumer_batches", "Batches applied", registry=registry),
            records=Counter("assay_consumer_records", "Records applied", registry=registry),
            retries=Counter(
                "assay_consumer_retries", "Batches tried again: not now", registry=registry
            ),
            quarantined=Counter(
                "assay_consumer_quarantined", "Records set aside as invalid", registry=registry
            ),
            lag_records=Gauge(
                "assay_consumer_lag_records", "Records in the log, not applied", registry=registry
            ),
            lag_seconds=Gauge(
                "assay_projection_lag_seconds",
                "Age of the newest applied record where more is waiting, else 0",
                registry=registry,
            ),
            batch_seconds=Histogram(
                "assay_consumer_batch_seconds",
                "Time to apply one batch",
                registry=registry,
                buckets=SECONDS,
            ),
        )


@dataclass(frozen=True, slots=True)
class RelayMetrics:
    """What `relay.Relay` tells of an outbox."""

    sent: Counter
    depth: Gauge

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            sent=Counter("assay_outbox_sent", "Outbox rows sent to Kafka", registry=registry),
            depth=Gauge("assay_outbox_depth", "Outbox rows not sent yet", registry=registry),
        )
