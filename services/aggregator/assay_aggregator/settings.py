"""Settings of the processes `aggregator` and `relay`."""

from typing import Annotated

from pydantic import Field

from assay_runtime.settings import ServiceSettings


class AggregatorSettings(ServiceSettings):
    """Of `aggregator`: HTTP, the consumer of statements, and the evaluators."""

    evaluator_tasks: Annotated[int, Field(ge=1, le=32)] = 2
    # One transaction of an evaluator: it holds these marks while it decides.
    evaluator_batch_marks: Annotated[int, Field(ge=1, le=5_000)] = 100
    body_limit_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024


class RelaySettings(ServiceSettings):
    """Of `relay`: the outbox to Kafka."""

    acknowledge_seconds: Annotated[float, Field(gt=0)] = 10.0
