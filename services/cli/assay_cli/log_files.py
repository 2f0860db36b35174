"""Log files of a fixed greatest size.

Each process appends to its own file. When it has grown over the limit, the supervisor copies its
end to `<name>.log.1` and empties it; a line written in between is lost, which is the price of
processes that need no pipe to their supervisor and survive it.
"""

from pathlib import Path

LOG_BYTES_MAX = 16 * 1024 * 1024
KEPT_BYTES = 4 * 1024 * 1024
LAST_LINES = 30
LAST_BYTES = 16 * 1024


def keep_small(folder: Path, limit_bytes: int = LOG_BYTES_MAX) -> None:
    """Bring every `*.log` of the folder under the limit."""
    for path in folder.glob("*.log"):
        size = path.stat().st_size
        if size <= limit_bytes:
            continue
        with path.open("rb+") as file:
            file.seek(-min(KEPT_BYTES, size), 2)
            path.with_name(path.name + ".1").write_bytes(file.read())
            file.truncate(0)


def last_lines(path: Path, offset: int = 0, lines: int = LAST_LINES) -> str:
    """The end of what was written after `offset` bytes; "" when there is nothing."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            # Emptied since: what stands there now was written after.
            start = offset if offset <= size else 0
            file.seek(max(start, size - LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
