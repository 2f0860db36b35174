"""The JSON-LD contexts, pinned by their SHA-256 and never fetched.

A context says what each key of a signed document means. Whoever can change it after the signature
changes the meaning of what was signed, so contexts are part of the program: the files stand in
`contexts/`, their origin in its README, and their digests are recorded with each credential.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from assay_credentials.errors import CredentialsError

CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES_3 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"

BADGE_CONTEXT = (CREDENTIALS_V2, OPEN_BADGES_3)
"""The `@context` of every badge: exactly these, in this order."""

STATUS_LIST_CONTEXT = (CREDENTIALS_V2,)
"""The `@context` of every status list credential."""

_FILES = {
    CREDENTIALS_V2: (
        "credentials-v2.json",
        "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",
    ),
    OPEN_BADGES_3: (
        "open-badges-3.0.3.json",
        "ef2fa9c7846dce233cc166b43639027278be4ee44f00bb1d45c75de2dd0cd761",
    ),
}


class ContextChanged(CredentialsError):
    """A context file is not the one that was pinned: the installation is damaged or was tampered
    with.
    """


@dataclass(frozen=True)
class PinnedContexts:
    """The contexts that exist for us, and the `@context` arrays made of them that we accept."""

    documents: Mapping[str, object]
    digests: Mapping[str, str]
    """URL to SHA-256 of the file, hex."""
    accepted: frozenset[tuple[str, ...]]


@cache
def pinned_contexts() -> PinnedContexts:
    """Read the context files once and check their digests. Raises ContextChanged."""
    documents: dict[str, object] = {}
    for url, (name, expected) in _FILES.items():
        documents[url] = json.loads(read_pinned(name, expected))
    return PinnedContexts(
        documents=MappingProxyType(documents),
        digests=MappingProxyType({url: digest for url, (_, digest) in _FILES.items()}),
        accepted=frozenset({BADGE_CONTEXT, STATUS_LIST_CONTEXT}),
    )


def read_pinned(name: str, sha256: str) -> bytes:
    """The content of `contexts/<name>`, once its digest is found to be `sha256` (hex).

    Raises ContextChanged.
    """
    content = files("assay_credentials").joinpath("contexts", name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ContextChanged(f"contexts/{name} has SHA-256 {digest}, pinned is {sha256}")
    return content
