"""The RDF of documents that differ in a few texts only, without expanding each of them.

Four fifths of the time to sign a badge is JSON-LD expansion, and two badges of one achievement
differ only in ids, dates, salt, digests and places. So those texts are replaced by placeholders,
the skeleton that is left is expanded once by the full path, with all its rules, and kept; for the
next document its texts are put in the placeholders' places.

What comes of it must be what the full path gives. A template is kept only after the two were
compared on the document that it was made from; tests compare them on generated values.
"""

import re
from collections import OrderedDict
from functools import cache
from threading import Lock
from typing import Final

import orjson

from assay_credentials.canonical import Quad, canonicalize
from assay_credentials.contexts import PinnedContexts, pinned_contexts
from assay_credentials.intake import JsonObject
from assay_credentials.jsonld import JsonLd

MAX_TEMPLATES: Final = 512
"""One per achievement, level and issuer name; each about 30 kB."""

_PLACES: Final = frozenset(
    {
        "id",
        "validFrom",
        "validUntil",
        "awardedDate",
        "created",
        "identityHash",
        "salt",
        "digestMultibase",
        "statusListIndex",
        "statusListCredential",
    }
)
"""Keys whose values are replaced, where `_WALKED` leads to them."""

_WALKED: Final = frozenset({"credentialSubject", "identifier", "evidence", "credentialStatus"})
"""Keys whose values are looked into. What else there is belongs to the skeleton."""

_IRIS: Final = frozenset({"id", "statusListCredential"})
# Texts that stand in N-Quads as they stand in JSON, with nothing to escape; and IRIs that are not
# a term or a prefixed name of the contexts.
_PLAIN: Final = re.compile(r"[A-Za-z0-9:/.#$_?=&%+-]+")
_PLAIN_IRI: Final = re.compile(r"(https?://|urn:)[A-Za-z0-9:/.#$_?=&%+-]+")
_MARK: Final = b"urn:assay:placeholder:"
_PLACEHOLDER: Final = re.compile(r"urn:assay:placeholder:(\d+):")


class TemplateJsonLd(JsonLd):
    """`JsonLd` that remembers skeletons. Safe to share between threads."""

    def __init__(self, contexts: PinnedContexts) -> None:
        super().__init__(contexts)
        self._templates: OrderedDict[bytes, tuple[Quad, ...]] = OrderedDict()
        self._keeping = Lock()

    def quads(self, document: JsonObject) -> list[Quad]:
        """As `JsonLd.quads`, and it raises the same."""
        values: list[str] = []
        skeleton = _skeleton(document, values)
        key = orjson.dumps(skeleton)
        if key.count(_MARK) != len(values):
            # The document holds a placeholder of its own.
            return super().quads(document)
        with self._keeping:
            template = self._templates.get(key)
            if template is not None:
                self._templates.move_to_end(key)
        if template is None:
            full = super().quads(document)
            template = tuple(super().quads(skeleton))
            filled = [_filled(quad, values) for quad in template]
            if canonicalize(filled) != canonicalize(full):
                # A text that does not reach the RDF as it is: nothing is to be gained here.
                return full
            with self._keeping:
                self._templates[key] = template
                if len(self._templates) > MAX_TEMPLATES:
                    self._templates.popitem(last=False)
        return [_filled(quad, values) for quad in template]


@cache
def template_jsonld() -> TemplateJsonLd:
    """The processor that badges are signed with, made at first use."""
    return TemplateJsonLd(pinned_contexts())


def _skeleton(value: JsonObject, values: list[str]) -> JsonObject:
    copy: JsonObject = {}
    for key, item in value.items():
        if key in _PLACES and isinstance(item, str) and _is_plain(key, item):
            copy[key] = f"urn:assay:placeholder:{len(values)}:"
            values.append(item)
        elif key in _WALKED:
            copy[key] = _walked(item, values)
        else:
            copy[key] = item
    return copy


def _walked(value: object, values: list[str]) -> object:
    if isinstance(value, list):
        return [_walked(item, values) for item in value]
    return _skeleton(value, values) if isinstance(value, dict) else value


def _is_plain(key: str, text: str) -> bool:
    return (_PLAIN_IRI if key in _IRIS else _PLAIN).fullmatch(text) is not None


def _filled(quad: Quad, values: list[str]) -> Quad:
    if not any("urn:assay:placeholder:" in term for term in quad):
        return quad
    return Quad(*(_PLACEHOLDER.sub(lambda found: values[int(found[1])], term) for term in quad))
