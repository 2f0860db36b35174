"""The alternate request syntax: a whole request inside the form of a POST. Pure.

Source: xAPI 1.0.3 Communication 1.3. It was made for browsers that could neither set headers nor
use other methods; IEEE 9274.1.1 (xAPI 2.0) has it no more. It also carries queries that are too
long for an address.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from assay_ingest.errors import RequestInvalid
from assay_ingest.exchange import Parameters, parse_query

_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_WITH_CONTENT = ("PUT", "POST")
# Communication 1.3.s3.b6: these form parameters are headers, all others are parameters (b14).
_HEADERS = (
    "authorization",
    "x-experience-api-version",
    "content-type",
    "content-length",
    "if-match",
    "if-none-match",
)
# The browsers in question send a form as text/plain, or without saying what it is.
_FORM_TYPES = ("application/x-www-form-urlencoded", "text/plain", "")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it is meant. `content` is the body where it came inside a form, else None."""

    method: str
    parameters: Parameters
    headers: Mapping[str, str]
    content: bytes | None = None


def is_alternate(sent: Sent) -> bool:
    return sent.method == "POST" and any(name == "method" for name, _ in sent.parameters)


def undo(sent: Sent, form: bytes) -> Sent:
    """The request that `sent` carries in `form`, its body. Raises RequestInvalid."""
    media_type = sent.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _FORM_TYPES:
        raise RequestInvalid("with the parameter method, the body must be a form")
    if len(sent.parameters) != 1:
        raise RequestInvalid(
            "beside method, every parameter belongs into the form", parameter="method"
        )
    method = sent.parameters[0][1]
    if method not in _METHODS:
        raise RequestInvalid(f"method must be one of {', '.join(_METHODS)}", parameter="method")
    # The headers of the form win; those that describe the form itself say nothing of its content.
    headers = {
        name: value
        for name, value in sent.headers.items()
        if name not in ("content-type", "content-length", "content-encoding")
    }
    parameters: list[tuple[str, str]] = []
    content: bytes | None = None
    seen: set[str] = set()
    for name, value in parse_query(form, "form"):
        header = name.lower()
        if header in seen:
            raise RequestInvalid(f"{name[:60]} is given twice", parameter=name[:60])
        if header in _HEADERS:
            seen.add(header)
            if header != "content-length":
                headers[header] = value
        elif name == "content" and method in _WITH_CONTENT:
            seen.add(name)
            content = value.encode()
        else:
            parameters.append((name, value))
    if method in _WITH_CONTENT:
        if content is None:
            raise RequestInvalid(f"a {method} needs its body as content", parameter="content")
        headers.setdefault("content-type", "application/json")
    return Sent(method, tuple(parameters), headers, content if content is not None else b"")
