"""The JSON-LD contexts, pinned by their SHA-256 and never fetched.

A context says what each key of a signed document means. Whoever can change it after the signature
changes the meaning of what was signed, so contexts are part of the program: the files stand in
`contexts/`, their origin in its README, and their digests are recorded with each credential.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from assay_credentials.errors import CredentialsError

CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES_3 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
CLR_2 = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"

# What other issuers use; we verify it and issue none of it.
CREDENTIALS_V1 = "https://www.w3.org/2018/credentials/v1"
_OPEN_BADGES_3_0_1 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json"
_OPEN_BADGES_3_0_2 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json"
ED25519_2020 = "https://w3id.org/security/suites/ed25519-2020/v1"
DATA_INTEGRITY_V1 = "https://w3id.org/security/data-integrity/v1"
DATA_INTEGRITY_V2 = "https://w3id.org/security/data-integrity/v2"
BADGE_CONTEXT = (CREDENTIALS_V2, OPEN_BADGES_3)
"""The `@context` of every badge: exactly these, in this order."""

TRANSCRIPT_CONTEXT = (CREDENTIALS_V2, CLR_2, OPEN_BADGES_3)
"""The `@context` of every transcript (CLR 2.0): exactly these, in the order of its schema."""

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
    CLR_2: (
        "clr-2.0.1.json",
        "880f1902d4158f2f33ce06af41b90719977cd1ea337a9de2e41edb3ff5e543d6",
    ),
    CREDENTIALS_V1: (
        "credentials-v1.json",
        "00d7dd6d3ad8b920e3e550dd3a3d9090bffcac84cdbf943da6924b3e0a5c8bb8",
    ),
    _OPEN_BADGES_3_0_1: (
        "open-badges-3.0.1.json",
        "af095468326d3449160509b26ca71576e6321d13c85b0369cfe3b654c9a48fba",
    ),
    _OPEN_BADGES_3_0_2: (
        "open-badges-3.0.2.json",
        "00666ad080ba407687ed1846b7f5e7495f5019042b202a727de47c48a1755c53",
    ),
    ED25519_2020: (
        "ed25519-2020-v1.json",
        "b9e1ab971fd8bf2c7553e0c4a9438e0b9450afde1ea1ca5b2492368b9f549588",
    ),
    DATA_INTEGRITY_V1: (
        "data-integrity-v1.json",
        "b5d829bd09aa7c42abc6efa0c8ed7635313b5487f37ccfce3ecd149ca9418554",
    ),
    DATA_INTEGRITY_V2: (
        "data-integrity-v2.json",
        "0f77743daf5b4e8fc067fc5ba5b21044283053aa717fc6b0219843bed3b00363",
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
    inline: bool = False
    """Accept every array that begins with a base context, also with terms defined inline. Only for
    conformance suites (`conformance_contexts`): a holder can hide a date behind such a term.
    """


@cache
def pinned_contexts() -> PinnedContexts:
    """Read the context files once and check their digests. Raises ContextChanged."""
    documents: dict[str, object] = {}
    for url, (name, expected) in _FILES.items():
        documents[url] = json.loads(read_pinned(name, expected))
    return PinnedContexts(
        documents=MappingProxyType(documents),
        digests=MappingProxyType({url: digest for url, (_, digest) in _FILES.items()}),
        accepted=frozenset(_accepted()),
    )


@cache
def conformance_contexts() -> PinnedContexts:
    """The pinned contexts, the one of the W3C's examples, and inline terms: what the W3C suites
    send. Never for a credential that somebody relies on.
    """
    pinned = pinned_contexts()
    examples = {"@context": {"@vocab": f"{_EXAMPLES.removesuffix('/v2')}#"}}
    return replace(
        pinned,
        documents=MappingProxyType({**pinned.documents, _EXAMPLES: examples}),
        inline=True,
    )


_EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"


def _accepted() -> Iterator[tuple[str, ...]]:
    """Every `@context` that is accepted: a base, what the credential is about, and the terms of its
    proof, always in this order. Those that redefine a protected term of another are left out.
    """
    subjects: dict[str, tuple[tuple[str, ...], ...]] = {
        CREDENTIALS_V2: ((), (OPEN_BADGES_3,), (_OPEN_BADGES_3_0_2,), TRANSCRIPT_CONTEXT[1:]),
        CREDENTIALS_V1: ((), (OPEN_BADGES_3,), (_OPEN_BADGES_3_0_2,), (_OPEN_BADGES_3_0_1,)),
    }
    proofs: dict[str, tuple[tuple[str, ...], ...]] = {
        CREDENTIALS_V2: ((), (ED25519_2020,), (DATA_INTEGRITY_V2,)),
        CREDENTIALS_V1: ((), (ED25519_2020,), (DATA_INTEGRITY_V2,), (DATA_INTEGRITY_V1,)),
    }
    for base in (CREDENTIALS_V2, CREDENTIALS_V1):
        for subject in subjects[base]:
            for proof in proofs[base]:
                yield (base, *subject, *proof)


def read_pinned_url(url: str) -> bytes:
    """The bytes of the context of this URL. Raises ContextChanged, KeyError."""
    return read_pinned(*_FILES[url])


def read_pinned(name: str, sha256: str) -> bytes:
    """The content of `contexts/<name>`, once its digest is found to be `sha256` (hex).

    Raises ContextChanged.
    """
    content = files("assay_credentials").joinpath("contexts", name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ContextChanged(f"contexts/{name} has SHA-256 {digest}, pinned is {sha256}")
    return content
