"""From the table of processes to units that the supervisor can run on this machine."""

import http.client
import json
import signal
import sys
from collections.abc import Callable, Iterable

from assay_cli import local_kafka, local_postgres
from assay_cli.processes import Process, Ready
from assay_cli.stack import HOST, StackInfo
from assay_cli.supervise import Unit, nothing_missing

HTTP_SECONDS = 2.0


def ask(port: int, path: str, seconds: float = HTTP_SECONDS) -> tuple[int, str]:
    """GET a path on this machine: (status, body). Raises OSError or HTTPException."""
    connection = http.client.HTTPConnection(HOST, port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(64 * 1024).decode("utf-8", "replace")
    finally:
        connection.close()


def http_missing(port: int) -> str:
    """ "" when /readyz answers 200, else what it, or the connection, says."""
    try:
        status, body = ask(port, "/readyz")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {error}"
    return "" if status == 200 else f"/readyz answers {status}: {_short(body)}"


def http_alive(port: int) -> bool:
    """Whether the process answers at all: a service that is up and says what it lacks may stay."""
    try:
        return ask(port, "/healthz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _short(body: str) -> str:
    try:
        return json.dumps(json.loads(body))[:400]
    except ValueError:
        return body[:400]


def missing_of(stack: StackInfo, process: Process) -> Callable[[], str]:
    """The question "what do you still lack?" for a process of the table."""
    match process.ready:
        case Ready.POSTGRES:
            return lambda: local_postgres.is_ready(stack)
        case Ready.KAFKA:
            return lambda: local_kafka.is_ready(stack)
        case Ready.HTTP:
            port = stack.port(process.name)
            return lambda: http_missing(port)
        case Ready.DONE:
            return nothing_missing


def unit(stack: StackInfo, process: Process) -> Unit:
    """How a process of the table runs here."""
    user, stop_signal = "", signal.SIGTERM
    if process.ready is Ready.POSTGRES:
        command = local_postgres.command(stack)
        user = local_postgres.system_user()
        # "Fast": sessions are ended. SIGTERM would wait until every client has left.
        stop_signal = signal.SIGINT
    elif process.ready is Ready.KAFKA:
        command = local_kafka.command(stack)
    else:
        command = [sys.executable, "-m", "assay_cli", *process.command]
    return Unit(
        name=process.name,
        command=command,
        environment=stack.environment(process) if process.command else {},
        after=process.after,
        once=process.is_once,
        missing=missing_of(stack, process),
        degraded=(lambda: http_alive(stack.port(process.name)))
        if process.is_service
        else (lambda: False),
        user=user,
        niceness=process.niceness,
        stop_signal=stop_signal,
        stop_seconds=process.stop_seconds,
        ready_seconds=process.ready_seconds,
    )


def ports(stack: StackInfo, processes: Iterable[Process]) -> dict[str, int]:
    """Every port that the processes will listen on, by who wants it."""
    wanted = {one.name: stack.port(one.name) for one in processes if one.port is not None}
    if "kafka" in wanted:
        wanted["kafka-controller"] = stack.port("kafka-controller")
    return wanted
