"""Settings of the processes `aggregator` and `relay`."""

from typing import Annotated

from pydantic import Field

from assay_runtime.settings import AuthSettings, ServiceSettings


class AggregatorSettings(ServiceSettings, AuthSettings):
    """Of `aggregator`: HTTP, the consumer of statements, and the evaluators."""

    evaluator_tasks: Annotated[int, Field(ge=1, le=32)] = Field(
        default=1, description="evaluators in this process; more processes use more cores"
    )
    evaluator_batch_marks: Annotated[int, Field(ge=1, le=5_000)] = Field(
        default=100, description="marks that one transaction of an evaluator takes and holds"
    )
    body_limit_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=1024 * 1024, description="largest body of an administrative request"
    )


class RelaySettings(ServiceSettings):
    """Of `relay`: the outbox to Kafka."""

    acknowledge_seconds: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="how long the broker may take to acknowledge"
    )
