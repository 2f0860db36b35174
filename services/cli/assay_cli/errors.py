"""The one error family of the `assay` command."""


class StackError(Exception):
    """Something that the person at the terminal must know. The text is complete and plain.

    `detail` holds what a failing part said itself, for example the last lines of its log.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class PortInUse(StackError):
    """A port of the stack is held by somebody else."""


class ProcessDied(StackError):
    """A process ended before it was ready, or too often."""


class AlreadyRunning(StackError):
    """Another supervisor runs this stack."""
