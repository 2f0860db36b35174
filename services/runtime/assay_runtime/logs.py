"""JSON log lines: a fixed sentence with fields, and no personal data.

`fields` are counts, codes, ids, topics and times. What a learner or an assessor is called, and
what a statement holds, is never a field.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping


class _JsonFormatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            line.update(fields)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(process: str, level: str) -> None:
    """Send every log line of this process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The clients log a line for each reconnect attempt; readiness and metrics say that already.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)


def fields(**values: object) -> dict[str, dict[str, object]]:
    """`log.info("A sentence", extra=fields(count=3))`."""
    return {"fields": values}
