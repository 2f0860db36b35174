"""Metrics of the aggregator; the registry is passed in, labels are bounded in number."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from assay_runtime.metrics import SECONDS


@dataclass(frozen=True, slots=True)
class AggregatorMetrics:
    """What the evaluators tell, and what waits in the tables."""

    evaluations: Counter
    decisions: Counter
    failures: Counter
    retries: Counter
    round_seconds: Histogram
    decision_latency_seconds: Histogram
    marks_waiting: Gauge
    marks_oldest_seconds: Gauge
    failures_kept: Gauge
    outbox_depth: Gauge
    identity_collisions: Gauge

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            evaluations=Counter(
                "assay_evaluations", "Marks that were decided anew", registry=registry
            ),
            decisions=Counter(
                "assay_decisions",
                "Decisions that differ from the one before, by status",
                ["status"],
                registry=registry,
            ),
            failures=Counter(
                "assay_evaluation_failures", "Evaluations set aside", registry=registry
            ),
            retries=Counter(
                "assay_evaluation_retries", "Rounds tried again: not now", registry=registry
            ),
            round_seconds=Histogram(
                "assay_evaluation_round_seconds",
                "Time of one transaction of an evaluator",
                registry=registry,
                buckets=SECONDS,
            ),
            decision_latency_seconds=Histogram(
                "assay_decision_latency_seconds",
                "From the append time of the oldest cause of a mark to its decision",
                registry=registry,
                buckets=(*SECONDS, 30, 60, 300),
            ),
            marks_waiting=Gauge(
                "assay_marks_waiting", "Dirty marks that wait for a decision", registry=registry
            ),
            marks_oldest_seconds=Gauge(
                "assay_marks_oldest_seconds", "Age of the oldest dirty mark", registry=registry
            ),
            failures_kept=Gauge(
                "assay_evaluation_failures_kept",
                "People and competencies whose last evaluation failed",
                registry=registry,
            ),
            outbox_depth=Gauge(
                "assay_outbox_waiting", "Events that the relay has not sent yet", registry=registry
            ),
            identity_collisions=Gauge(
                "assay_identity_collisions",
                "Agents who are two people on one day, and rosters that contradict the links",
                registry=registry,
            ),
        )
