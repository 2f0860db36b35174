"""What the terminal shows while the stack starts and stops."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status as Spinner

from assay_cli.state import Phase, StackState, Status

_ICONS = {
    Status.READY: "[green]ready[/]",
    Status.DONE: "[green]done[/]",
    Status.DEGRADED: "[yellow]not ready[/]",
    Status.BACKOFF: "[red]died, will be started again[/]",
    Status.STOPPED: "stopped",
}


class Progress:
    """One line per step that is through, and a turning line for what is being waited for.

    Without a terminal (a log, a pipe) only the lines are printed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner: Spinner | None = None
        self._seen: dict[str, Status] = {}
        self._since: dict[str, float] = {}
        self._note = ""
        self._stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._wait_for("")

    def say(self, text: str) -> None:
        self._console.print(escape(text), highlight=False)

    def done(self) -> None:
        """All is ready: nothing is waited for any more."""
        self._wait_for("")

    def show(self, state: StackState) -> None:
        """Print what is new since the last call."""
        if state.note and state.note != self._note:
            self._note = state.note
            if not self._console.is_terminal:
                self.say(state.note)
        if state.phase is Phase.STOPPING and not self._stopping:
            self._stopping = True
            self.say("stopping")
        for name, one in state.processes.items():
            if self._seen.get(name) is one.status:
                continue
            self._seen[name] = one.status
            if one.status is Status.STARTING:
                self._since[name] = time.monotonic()
            icon = _ICONS.get(one.status)
            if icon is not None:
                seconds = time.monotonic() - self._since.get(name, time.monotonic())
                took = f" after {seconds:.1f} s" if one.status is Status.READY else ""
                why = f": {escape(one.missing)}" if one.missing else ""
                self._console.print(f"{name:<12} {icon}{took}{why}", highlight=False)
        self._wait_for(_waiting_text(state))

    def _wait_for(self, text: str) -> None:
        if not self._console.is_terminal:
            return
        if not text:
            if self._spinner is not None:
                self._spinner.stop()
                self._spinner = None
        elif self._spinner is None:
            self._spinner = self._console.status(escape(text))
            self._spinner.start()
        else:
            self._spinner.update(escape(text))


def _waiting_text(state: StackState) -> str:
    if state.phase is Phase.PREPARING:
        return state.note
    if state.phase is Phase.READY:
        return ""
    if state.phase is Phase.STOPPING:
        left = [name for name, one in state.processes.items() if one.identity is not None]
        return f"stopping {', '.join(left)}" if left else ""
    waiting = [name for name, one in state.processes.items() if one.status is Status.STARTING]
    return f"starting {', '.join(waiting)}" if waiting else ""
