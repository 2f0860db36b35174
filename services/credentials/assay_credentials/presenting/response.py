"""What a wallet answers (OpenID4VP 1.0, sections 8.1, 8.2 and 8.5). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from assay_credentials.presenting.request import QUERY_ID

# As we make them, and what could be one.
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
# RFC 6749, section 4.1.2.1, which the codes of OpenID4VP keep to.
_ERROR: Final = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,100}")


class AnswerRefused(ValueError):
    """It is no answer to a request of ours; the text names the parameter and the rule."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A presentation, as the wallet sent it; nothing of it is checked yet."""

    state: str
    presentation: bytes


@dataclass(frozen=True, slots=True)
class Declined:
    """The wallet or its owner did not want to, or had nothing to show."""

    state: str
    error: str


def read_answer(fields: Mapping[str, bytes]) -> Presented | Declined:
    """The answer in the form that was posted. Raises AnswerRefused."""
    state = _text(fields, "state")
    if not _STATE.fullmatch(state):
        raise AnswerRefused("state: missing, or not one of ours")
    if "error" in fields:
        error = _text(fields, "error")
        if not _ERROR.fullmatch(error):
            raise AnswerRefused("error: not an error code")
        return Declined(state, error)
    if "vp_token" not in fields:
        raise AnswerRefused("vp_token: missing")
    try:
        token = orjson.loads(fields["vp_token"])
    except orjson.JSONDecodeError as error:
        raise AnswerRefused(f"vp_token: not JSON: {error.msg}") from None
    if not isinstance(token, dict) or token.keys() != {QUERY_ID}:
        raise AnswerRefused(f"vp_token: must be an object with the one member {QUERY_ID}")
    presentations = token[QUERY_ID]
    # An array, also of one (section 8.1). The query does not ask for several.
    if not isinstance(presentations, list) or len(presentations) != 1:
        raise AnswerRefused(f"vp_token.{QUERY_ID}: must be an array of one presentation")
    (presentation,) = presentations
    if isinstance(presentation, str):
        return Presented(state, presentation.encode())
    if not isinstance(presentation, dict):
        raise AnswerRefused(f"vp_token.{QUERY_ID}[0]: must be a presentation")
    return Presented(state, orjson.dumps(presentation))


def _text(fields: Mapping[str, bytes], name: str) -> str:
    try:
        return fields.get(name, b"").decode()
    except UnicodeDecodeError:
        raise AnswerRefused(f"{name}: not UTF-8") from None
