"""The xAPI front door of a stack as a command uses it: one request at a time, tried again for now.

What fails for now (no connection, 429, 502, 503, 504) is tried again with growing pauses, or after
the server's own Retry-After, `tries` times in all. Everything else is the caller's answer.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from assay_cli.errors import StackError
from assay_cli.stack import StackInfo

NOT_NOW = frozenset({429, 502, 503, 504})
PAUSE_SECONDS_MAX = 30.0
VERSION_HEADER = "X-Experience-API-Version"
CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the door is, and with which key it is entered. `url` ends with /xapi."""

    url: str
    user: str
    secret: str

    @classmethod
    def chosen(
        cls,
        stack: StackInfo,
        *,
        key: str,
        url: str | None,
        user: str | None,
        password_file: Path | None,
    ) -> "Address":
        """That of another server where `url` is given, else the local stack's, with its demo `key`.

        Raises StackError naming what is missing.
        """
        if url is None and user is None and password_file is None:
            held = stack.keys().get(key)
            if held is None:
                raise StackError(
                    f"the stack in {stack.data} has no key {key!r}: start it with `assay up`, or "
                    "name a server by --url, --user and --password-file"
                )
            return cls(stack.urls["xapi"], held["user"], held["password"])
        if user is None or password_file is None:
            raise StackError("a server of your own needs --user and --password-file")
        try:
            secret = password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StackError(f"--password-file {password_file}: {error.strerror}") from error
        return cls((url or stack.urls["xapi"]).rstrip("/"), user, secret)


class Door:
    """An open connection to the front door."""

    def __init__(
        self,
        address: Address,
        *,
        tries: int = 10,
        seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = address
        self._tries = tries
        self._sleep = sleep
        self._http = httpx.Client(
            auth=(address.user, address.secret), timeout=seconds, follow_redirects=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        version: str,
        parameters: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> httpx.Response:
        """The answer to one request. Raises StackError when there is none after all tries."""
        headers = {VERSION_HEADER: version}
        if body is not None:
            headers["Content-Type"] = "application/json"
        pause, why = 0.2, ""
        for attempt in range(self._tries):
            if attempt:
                self._sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            wait = min(2 * pause, PAUSE_SECONDS_MAX)
            try:
                answer = self._http.request(
                    method, url, params=parameters, content=body, headers=headers
                )
            except httpx.TransportError as error:
                why, pause = type(error).__name__, wait
                continue
            if answer.status_code not in NOT_NOW:
                return answer
            why = f"{answer.status_code} {told(answer)}"
            pause = min(retry_after(answer) or wait, PAUSE_SECONDS_MAX)
        raise StackError(f"{self.address.url} did not answer {self._tries} times: {why}")


def retry_after(answer: httpx.Response) -> float | None:
    """The server's own wish, in seconds, where it has the plain form."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def told(answer: httpx.Response) -> str:
    """What a problem document says, in one line."""
    try:
        problem = answer.json()
    except ValueError:
        return answer.reason_phrase
    if not isinstance(problem, dict):
        return answer.reason_phrase
    return str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
