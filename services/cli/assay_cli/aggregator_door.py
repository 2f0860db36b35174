"""The aggregator's front door as a command uses it: JSON in and out, refusals as StackError."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import httpx

from assay_cli.errors import StackError
from assay_cli.stack import StackInfo
from assay_cli.xapi_door import Address, told

ANSWER_SECONDS: Final = 60.0
# Between two lines of a stream: a page of people is decided meanwhile.
STREAM_SECONDS: Final = 120.0
KEY: Final = "admin"

Json = dict[str, Any]


class AggregatorDoor:
    """An open connection, with one API client's key."""

    service: ClassVar[str] = "aggregator"
    called: ClassVar[str] = "the aggregator"

    def __init__(self, address: Address, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=address.url,
            auth=(address.user, address.secret),
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
            transport=transport,
        )

    @classmethod
    def chosen(
        cls,
        stack: StackInfo,
        *,
        url: str | None = None,
        user: str | None = None,
        password_file: Path | None = None,
        key: str = KEY,
    ) -> Self:
        """That of another server where it is named, else the local stack's, with its demo key."""
        address = Address.chosen(stack, key=key, url=url, user=user, password_file=password_file)
        # `Address` is that of the xAPI door where no url is given.
        return cls(Address(url or stack.urls[cls.service], address.user, address.secret))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, query: Mapping[str, str | None] | None = None) -> Json:
        """The JSON answer. Raises StackError with what the server says of a refusal."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._json("GET", path, params=given)

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """The JSON answer; empty where there is none."""
        return self._json("POST", path, json=dict(body))

    def lines(self, path: str) -> Iterator[Json]:
        """The JSON lines of an answer to POST, as they come."""
        timeout = httpx.Timeout(ANSWER_SECONDS, read=STREAM_SECONDS)
        try:
            with self._http.stream("POST", path, json={}, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    raise StackError(_refusal(answer))
                for line in answer.iter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise StackError(f"{self.called} broke off: {type(error).__name__}") from error

    def download(self, path: str, query: Sequence[tuple[str, str]]) -> Iterator[bytes]:
        """The bytes of an answer to GET, as they come. Raises StackError when they break off."""
        timeout = httpx.Timeout(ANSWER_SECONDS, read=STREAM_SECONDS)
        try:
            with self._http.stream("GET", path, params=list(query), timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    raise StackError(_refusal(answer))
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise StackError(f"{self.called} broke off: {type(error).__name__}") from error

    def _json(self, method: str, path: str, **options: Any) -> Json:
        answer = self._answer(method, path, **options)
        found: Json = answer.json() if answer.content else {}
        return found

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            name = type(error).__name__
            raise StackError(f"{self.called} does not answer: {name}") from error
        if answer.is_error:
            raise StackError(_refusal(answer))
        return answer


def _refusal(answer: httpx.Response) -> str:
    """What a problem document says, with each place that it names."""
    lines = [told(answer)]
    try:
        errors = answer.json().get("errors") or []
    except (ValueError, AttributeError):
        errors = []
    for one in errors:
        lines.append(f"  {one.get('pointer') or one.get('parameter') or '/'}: {one['message']}")
    return "\n".join(lines)
