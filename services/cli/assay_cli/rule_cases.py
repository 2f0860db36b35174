"""`assay rules test`: run the cases of competency rules and print what came out."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from assay_aggregator.case import as_json, run_cases


def run(cases: Sequence[Path], json_wanted: bool) -> int:
    """Exit code: 0 when every case came out as it expects, 1 otherwise or when there is none."""
    outcomes = run_cases(cases)
    if json_wanted:
        print(json.dumps(as_json(outcomes), indent=2, ensure_ascii=False))
    else:
        console = Console(soft_wrap=True)
        for one in outcomes:
            verdict = "passed" if one.passed else "FAILED"
            console.print(f"{verdict} {one.case}: {one.title}", highlight=False, markup=False)
            for difference in one.differences:
                console.print(f"    {difference}", highlight=False, markup=False)
        passed = sum(one.passed for one in outcomes)
        console.print(f"{passed} of {len(outcomes)} cases passed", highlight=False, markup=False)
    return 0 if outcomes and all(one.passed for one in outcomes) else 1
