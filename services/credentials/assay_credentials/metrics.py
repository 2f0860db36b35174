"""Metrics of the credentials service; the registry is passed in, labels are bounded in number."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from assay_runtime.metrics import SECONDS


@dataclass(frozen=True, slots=True)
class CredentialsMetrics:
    """What the workers tell, and what stands and waits in the tables."""

    changes: Counter
    failures: Counter
    retries: Counter
    issue_latency_seconds: Histogram
    make_seconds: Histogram
    credentials: Gauge
    awards_waiting: Gauge
    awards_oldest_seconds: Gauge
    failures_kept: Gauge
    lists_signed: Counter
    lists_unsigned: Gauge
    verifications: Counter
    could_not_check: Counter
    fetches: Counter
    public_refused: Counter
    receipts: Counter
    presentations: Counter

    @classmethod
    def register(cls, registry: CollectorRegistry) -> Self:
        return cls(
            changes=Counter(
                "assay_credential_changes",
                "Credentials issued, and changes of status, by what became of them",
                ["status"],
                registry=registry,
            ),
            failures=Counter(
                "assay_issue_failures", "Awards whose credential was set aside", registry=registry
            ),
            retries=Counter(
                "assay_issue_retries",
                "Rounds of issuing or status signing tried again: not now",
                registry=registry,
            ),
            issue_latency_seconds=Histogram(
                "assay_issue_latency_seconds",
                "From the append time of the competency event to the published credential",
                registry=registry,
                buckets=(*SECONDS, 30, 60, 300),
            ),
            make_seconds=Histogram(
                "assay_issue_make_seconds",
                "Time to build, sign and check one credential",
                registry=registry,
                buckets=SECONDS,
            ),
            credentials=Gauge(
                "assay_credentials", "Credentials by state", ["state"], registry=registry
            ),
            awards_waiting=Gauge(
                "assay_awards_waiting", "Awards that wait for a worker", registry=registry
            ),
            awards_oldest_seconds=Gauge(
                "assay_awards_oldest_seconds",
                "Age of the event of the award that waits longest",
                registry=registry,
            ),
            failures_kept=Gauge(
                "assay_issue_failures_kept",
                "Awards whose credential could not be made as they are now",
                registry=registry,
            ),
            lists_signed=Counter(
                "assay_status_lists_signed", "Status lists signed", registry=registry
            ),
            lists_unsigned=Gauge(
                "assay_status_lists_unsigned",
                "Status lists with a change that is not served yet",
                registry=registry,
            ),
            **_public_counters(registry),
        )


def _public_counters(registry: CollectorRegistry) -> dict[str, Counter]:
    """What people without a key ask for."""
    return {
        "verifications": Counter(
            "assay_verifications",
            "Credentials shown to /verify, by outcome",
            ["outcome"],
            registry=registry,
        ),
        "could_not_check": Counter(
            "assay_verification_could_not_check",
            "Checks that could not be made, by check",
            ["check"],
            registry=registry,
        ),
        "fetches": Counter(
            "assay_fetches",
            "Keys and status lists of others that were asked for, by what came of it",
            ["result"],
            registry=registry,
        ),
        "public_refused": Counter(
            "assay_public_requests_refused",
            "Requests without a key that came too fast from one address",
            registry=registry,
        ),
        "receipts": Counter(
            "assay_receipts", "Verification receipts that were signed", registry=registry
        ),
        "presentations": Counter(
            "assay_presentations",
            "What came of asking a wallet: asked, declined, refused, or the outcome",
            ["result"],
            registry=registry,
        ),
    }
