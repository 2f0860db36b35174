"""Decision documents of the case files as they are checked in: whoever changes them, notices.

`python tests/support/aggregator_golden.py` writes them anew. A document that changes for a reason
other than a new case means a new `ENGINE_VERSION`: the same question gives the same bytes across
the releases of one engine version.
"""

from pathlib import Path

import orjson

from assay_aggregator.case import read_case
from assay_aggregator.explain import decision_document

TESTS = Path(__file__).parents[1]
CASES = TESTS / "cases"
GOLDEN = TESTS / "aggregator" / "data" / "decisions.jsonl"


def golden_lines() -> list[bytes]:
    """One line for each case file, by name: {"case", "decision"} with sorted keys."""
    lines = []
    for path in sorted(CASES.glob("*.json")):
        document = decision_document(read_case(path.read_bytes(), path.name).decide())
        line = {"case": path.stem, "decision": document}
        lines.append(orjson.dumps(line, option=orjson.OPT_SORT_KEYS))
    return lines


def main() -> None:
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(b"\n".join(golden_lines()) + b"\n")


if __name__ == "__main__":
    main()
