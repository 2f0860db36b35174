"""How far a long command is: one line on standard error, now and then."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

TERMINAL_SECONDS = 0.2
LOG_SECONDS = 10.0


class Counter:
    """Counts `what`. On a terminal the line is written over, in a log it is repeated rarely."""

    def __init__(
        self,
        what: str,
        *,
        total: int | None = None,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._file = sys.stderr if file is None else file
        self._clock = clock
        self._began = clock()
        self._interval = TERMINAL_SECONDS if self._file.isatty() else LOG_SECONDS
        self._told = self._began
        self._notes = ""
        self.count = 0

    def add(self, number: int, notes: str = "") -> None:
        """`number` more; `notes` is told beside the count."""
        self.count += number
        self._notes = notes
        now = self._clock()
        if now - self._told >= self._interval:
            self._told = now
            self._tell("\r" if self._file.isatty() else "\n")

    def done(self) -> None:
        """Tell the last count."""
        self._tell("\n")

    def _tell(self, end: str) -> None:
        seconds = max(self._clock() - self._began, 0.001)
        of = "" if self._total is None else f" of {self._total}"
        notes = f", {self._notes}" if self._notes else ""
        line = f"{self.count}{of} {self._what}{notes}, {self.count / seconds:.0f}/s"
        self._file.write(f"{line:<78}".rstrip() + end if end == "\n" else f"{line:<78}{end}")
        self._file.flush()
