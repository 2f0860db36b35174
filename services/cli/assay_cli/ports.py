"""Are the ports of the stack free, and if not, who holds them?"""

import socket

import psutil

from assay_cli.errors import PortInUse
from assay_cli.stack import HOST


def holder(port: int) -> str:
    """Who listens on the port, as far as this user may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "a process that this user may not see"
    for one in connections:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr[1] == port and one.pid:
            try:
                process = psutil.Process(one.pid)
                return f"{process.name()} (pid {one.pid}, user {process.username()})"
            except psutil.NoSuchProcess:
                break
    return "a process that this user may not see"


def check_free(wanted: dict[str, int]) -> None:
    """Raises PortInUse naming every port that is held, what wants it and who holds it."""
    problems = []
    for name, port in wanted.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: connections of the last run that linger are no reason to refuse.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                probe.listen(1)
            except OSError as error:
                problems.append(
                    f"port {port}, wanted by {name}, cannot be used ({error.strerror}): "
                    f"held by {holder(port)}"
                )
    if problems:
        raise PortInUse(
            "\n".join(problems) + "\nStop the holder, or move this stack: ASSAY_PORT_BASE=<port>"
        )
