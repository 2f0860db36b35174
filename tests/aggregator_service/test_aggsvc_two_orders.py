"""Law 3 on a small part of what docs/performance.md tells of a million statements."""

from assay_cli.bench_backlog import Backlog
from assay_cli.stack import StackInfo
from two_orders import compare


async def test_two_orders_of_arrival_give_equal_decision_hashes(servers: StackInfo) -> None:
    first, second = await compare(servers, Backlog("order", 3_000, 15), lambda _: None)
    assert first.digest == second.digest
    assert first.decisions == second.decisions
    # Without awards and exclusions the orders would have nothing to disagree about.
    assert first.achieved > 10
    assert first.excluded > 100
    assert second.history > first.history, "nothing was decided while it arrived"
