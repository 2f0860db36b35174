"""The benchmark's backlog is what it says: valid statements, each evidence for one of the rules."""

from datetime import UTC, datetime

import orjson

from assay_aggregator.handle import read_record
from assay_aggregator.rule import parse_rule
from assay_aggregator.touch import touches
from assay_cli.bench_backlog import BATCH, RULES, Backlog, records_of, rule
from assay_cli.bench_decisions import evaluation_seconds
from assay_runtime.consume import Record
from assay_schemas.limits import Limits
from assay_schemas.statement import check_statements

ENDING = datetime(2026, 6, 1, tzinfo=UTC)
BACKLOG = Backlog("some", 1_000, 10)


def test_every_statement_passes_the_products_checks() -> None:
    for value, _ in records_of(BACKLOG, ENDING):
        sent = [
            # What ingest adds is not for a client to say.
            {name: one[name] for name in one if name not in ("authority", "stored", "version")}
            for one in orjson.loads(value)
        ]
        checked, _ = check_statements(orjson.dumps(sent), version="2.0.0", limits=Limits())
        assert len(checked) == len(sent) <= BATCH


def test_every_statement_is_evidence_for_exactly_one_rule() -> None:
    touched = touches([parse_rule(rule(number)) for number in range(RULES)])
    found = [
        touched(fact)
        for offset, (value, headers) in enumerate(records_of(BACKLOG, ENDING))
        for _, fact in read_record(Record("t", 0, offset, 1, 1, None, value, tuple(headers)))
    ]
    assert len(found) == BACKLOG.statements
    assert {len(rules) for rules in found} == {1}
    assert len(frozenset().union(*found)) == RULES


def test_the_evaluator_is_timed_on_evidence_that_counts() -> None:
    assert 0 < evaluation_seconds(20) < 1
