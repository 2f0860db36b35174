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

from assay_credentials.canonical import DEFAULT_WORK_BUDGET, Quad, canonicalize
from assay_credentials.compiled import PLACEHOLDER, CompiledDataset
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
_MARK: Final = PLACEHOLDER.encode()


class TemplateJsonLd(JsonLd):
    """`JsonLd` that remembers skeletons. Safe to share between threads."""

    def __init__(self, contexts: PinnedContexts) -> None:
        super().__init__(contexts)
        self._templates: OrderedDict[bytes, CompiledDataset] = OrderedDict()
        self._keeping = Lock()

    def quads(self, document: JsonObject) -> list[Quad]:
        """As `JsonLd.quads`, and it raises the same."""
        template, values = self._template(document)
        return super().quads(document) if template is None else template.filled(values)

    def canonical(self, document: JsonObject, work_budget: int = DEFAULT_WORK_BUDGET) -> str:
        """As `JsonLd.canonical`, and it raises the same."""
        template, values = self._template(document)
        text = None if template is None else template.canonical(values)
        return super().canonical(document, work_budget) if text is None else text

    def _template(self, document: JsonObject) -> tuple[CompiledDataset | None, list[str]]:
        """The template of a document, and what stands in its places; None: it has none."""
        values: list[str] = []
        skeleton = _skeleton(document, values)
        key = orjson.dumps(skeleton)
        if key.count(_MARK) != len(values):
            # The document holds a placeholder of its own.
            return None, values
        with self._keeping:
            template = self._templates.get(key)
            if template is not None:
                self._templates.move_to_end(key)
        if template is None:
            full = canonicalize(super().quads(document))
            template = CompiledDataset(super().quads(skeleton))
            if canonicalize(template.filled(values)) != full or (
                template.canonical(values) not in (None, full)
            ):
                # A text that does not reach the RDF as it is: nothing is to be gained here.
                return None, values
            with self._keeping:
                self._templates[key] = template
                if len(self._templates) > MAX_TEMPLATES:
                    self._templates.popitem(last=False)
        return template, values


@cache
def template_jsonld() -> TemplateJsonLd:
    """The processor that badges are signed with, made at first use."""
    return TemplateJsonLd(pinned_contexts())


def _skeleton(value: JsonObject, values: list[str]) -> JsonObject:
    copy: JsonObject = {}
    for key, item in value.items():
        if key in _PLACES and isinstance(item, str) and _is_plain(key, item):
            copy[key] = f"{PLACEHOLDER}{len(values)}:"
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
