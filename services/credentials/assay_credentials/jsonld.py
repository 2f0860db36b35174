"""From a JSON document to the RDF that is signed, and never a document that means anything else.

The rdfc suites sign RDF, not JSON. Left to itself, JSON-LD drops what it does not know and reads
one statement from many spellings: a holder may rename `validUntil` to its absolute IRI, and the
signature still fits while common verifiers see no date (VC Data Integrity 1.0 section 2.4.1). So a
document is accepted only when its `@context` is one of the pinned arrays, every key is a term of
them, nothing was dropped, and compacting the expanded form gives the same document again.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from threading import Lock

from pyld import jsonld

from assay_credentials.canonical import Quad, literal
from assay_credentials.contexts import PinnedContexts, pinned_contexts
from assay_credentials.errors import DocumentRefused, DocumentUnsupported
from assay_credentials.intake import JsonObject

_MAX_CACHED_CONTEXTS = 256
"""A badge meets about 40; each takes some 20 kB. Nesting scoped contexts in ever new orders makes
ever new ones.
"""

_VALUE_KEYS = frozenset({"@value", "@language", "@direction"})
# IRIREF of N-Quads without escapes. A looser test would let `>` end the term and smuggle in a
# statement.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f-\x9f<>\"{}|^`\\]*")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


class JsonLd:
    """PyLD with pinned contexts and fail-closed rules. Safe to share between threads (one works at
    a time).
    """

    def __init__(self, contexts: PinnedContexts) -> None:
        self._contexts = contexts
        self._lock = Lock()
        self._processor = _CachingProcessor(on_property_dropped=_refuse_dropped)
        # A cache of its own: PyLD's module-wide cache is keyed by URL alone, so any other user of
        # PyLD in this process could put another document under a pinned URL.
        self._resolver = jsonld.ContextResolver({}, self._load)

    def quads(self, document: JsonObject) -> list[Quad]:
        """The RDF dataset of a document that `intake` has checked, without its `proof`.

        Raises DocumentRefused when a key, type or value has no meaning under the pinned contexts
        or is spelled in another way than its term; DocumentUnsupported for contexts and features
        that are not ours.
        """
        context = self._accepted_context(document)
        _refuse_foreign_keys(document, "", top=True)
        with self._lock:
            try:
                expanded = self._processor.expand(document, self._options())
                _refuse_relative(expanded)
                compacted = self._processor.compact(
                    expanded, list(context), {**self._options(), "skipExpansion": True}
                )
                dataset = self._processor.to_rdf(
                    expanded, {**self._options(), "rdfDirection": "i18n-datatype"}
                )
            except jsonld.JsonLdError as error:
                raise DocumentRefused("json-ld", f"not valid JSON-LD: {_reason(error)}") from error
            except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
                # PyLD's own slips on values of a kind that it does not expect.
                raise DocumentRefused(
                    "json-ld", "a value is of a kind that JSON-LD lacks"
                ) from error
        _refuse_respelled(document, compacted)
        return list(_quads(dataset))

    def _accepted_context(self, document: JsonObject) -> tuple[str, ...]:
        context = document.get("@context")
        urls = context if isinstance(context, list) else [context]
        if not all(isinstance(url, str) for url in urls):
            raise DocumentRefused(
                "inline-context",
                "@context: defines terms inline, which can give keys another meaning",
            )
        if tuple(urls) not in self._contexts.accepted:
            raise DocumentUnsupported(
                "unknown-context", "@context: not one of the vocabularies that this service knows"
            )
        return tuple(urls)

    def _options(self) -> dict[str, object]:
        # base None: the default would turn an undefined type into an IRI of our making, and sign
        # it.
        return {
            "base": None,
            "contextResolver": self._resolver,
            "documentLoader": self._load,
            "processingMode": "json-ld-1.1",
        }

    def _load(self, url: str, _options: object) -> dict[str, object]:
        document = self._contexts.documents.get(url)
        if document is None:
            raise DocumentUnsupported("unknown-context", f"the context {url} is not pinned")
        # The tag lets the resolver keep the processed context between calls.
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": url,
            "document": document,
            "tag": "static",
        }


class _CachingProcessor(jsonld.JsonLdProcessor):  # type: ignore[misc]  # PyLD ships no types
    """PyLD that processes each context once for each context it is met in.

    PyLD's own caches lose every type-scoped context, because the clone made for it gets a new
    identity each time: two thirds of the time went into defining the same terms again. Both
    methods are functions of their arguments. Entries hold what their key names, so an id cannot
    come to mean another object. If a later PyLD no longer calls them, it is slower and nothing
    else.
    """

    def __init__(self, on_property_dropped: Callable[[object], None]) -> None:
        super().__init__(on_property_dropped=on_property_dropped)
        self._processed: dict[tuple[object, ...], tuple[object, object, object]] = {}
        self._inverse: dict[int, tuple[object, object]] = {}

    def _process_context(
        self,
        active_ctx: object,
        local_ctx: object,
        options: object,
        override_protected: bool = False,
        propagate: bool = True,
        validate_scoped: bool = True,
        cycles: object = None,
    ) -> object:
        flags = (override_protected, propagate, validate_scoped)
        if cycles is not None:
            return super()._process_context(active_ctx, local_ctx, options, *flags, cycles)
        # The top context is a list of URLs, a new object in each document; scoped ones are part of
        # the pinned.
        urls = isinstance(local_ctx, list) and all(isinstance(url, str) for url in local_ctx)
        name = tuple(local_ctx) if isinstance(local_ctx, list) and urls else id(local_ctx)
        key = (id(active_ctx), name, *flags)
        entry = self._processed.get(key)
        if entry is None:
            processed = super()._process_context(active_ctx, local_ctx, options, *flags)
            if len(self._processed) >= _MAX_CACHED_CONTEXTS:
                self._processed.clear()
            entry = self._processed[key] = (active_ctx, local_ctx, processed)
        return entry[2]

    def _get_inverse_context(self, active_ctx: object) -> object:
        entry = self._inverse.get(id(active_ctx))
        if entry is None:
            if len(self._inverse) >= _MAX_CACHED_CONTEXTS:
                self._inverse.clear()
            inverse = super()._get_inverse_context(active_ctx)
            entry = self._inverse[id(active_ctx)] = (active_ctx, inverse)
        return entry[1]


@cache
def pinned_jsonld() -> JsonLd:
    """The processor over the contexts that ship with this package, made at first use."""
    return JsonLd(pinned_contexts())


def _refuse_dropped(name: object) -> None:
    raise DocumentRefused("unknown-term", f"{name!r} is not a term of the contexts")


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    return f"{error.args[0]} {_reason(cause)}" if cause and cause.args else str(error.args[0])


def _refuse_foreign_keys(value: object, pointer: str, *, top: bool = False) -> None:
    """Keys are terms: no keyword but those of a text with language, no IRI, no prefixed name."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_foreign_keys(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "@context" and top:
                continue
            if ":" in key or (key.startswith("@") and key not in _VALUE_KEYS):
                raise DocumentRefused("respelled", f"{pointer}/{key}: not a term of the contexts")
            _refuse_foreign_keys(item, f"{pointer}/{key}")


def _refuse_relative(value: object) -> None:
    """Ids, types and datatypes of the expanded form must be absolute IRIs; others would be dropped
    or unsafe.
    """
    if isinstance(value, list):
        for item in value:
            _refuse_relative(item)
    elif isinstance(value, dict):
        for key in ("@id", "@type"):
            names = value.get(key, [])
            for name in names if isinstance(names, list) else [names]:
                _iri(name)
        language = value.get("@language")
        if language is not None and not _LANGUAGE.fullmatch(str(language)):
            raise DocumentRefused("language", f"{language!r} is not a language tag")
        for key, item in value.items():
            if not key.startswith("@"):
                _iri(key)
            if key not in ("@value", "@id", "@type", "@language"):
                _refuse_relative(item)


def _iri(name: object) -> str:
    if not isinstance(name, str):
        raise DocumentRefused("iri", "an id or type is not a text")
    if name == "@json":
        raise DocumentUnsupported("json-literal", "JSON literals are not supported")
    if name.startswith("_:"):
        # In a tree every node without id is its own; labels are what it takes to build a costly
        # graph.
        raise DocumentUnsupported("blank-node-label", "blank node labels are not supported")
    if not _IRI.fullmatch(name):
        raise DocumentRefused("iri", f"{name[:200]!r} is neither a term nor an absolute IRI")
    return name


def _refuse_respelled(document: JsonObject, compacted: object) -> None:
    difference = _difference(document, compacted, "")
    if difference is not None:
        raise DocumentRefused(
            "respelled", f"{difference or '/'}: spelled in another way than the contexts do"
        )


def _difference(given: object, compacted: object, pointer: str) -> str | None:
    """The pointer to the first value that compaction writes otherwise; None when there is none.

    One value and an array of one are the same statement. So are `en-GB` and `en-gb`.
    """
    given, compacted = _unwrapped(given), _unwrapped(compacted)
    if isinstance(given, dict) and isinstance(compacted, dict):
        for key in given.keys() | compacted.keys():
            if key == "@context":
                continue
            if key not in given or key not in compacted:
                return f"{pointer}/{key}"
            if key == "@language" and str(given[key]).lower() == str(compacted[key]).lower():
                continue
            difference = _difference(given[key], compacted[key], f"{pointer}/{key}")
            if difference is not None:
                return difference
        return None
    if isinstance(given, list) and isinstance(compacted, list) and len(given) == len(compacted):
        for index, (one, other) in enumerate(zip(given, compacted, strict=True)):
            difference = _difference(one, other, f"{pointer}/{index}")
            if difference is not None:
                return difference
        return None
    return None if type(given) is type(compacted) and given == compacted else pointer


def _unwrapped(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _quads(dataset: Mapping[str, list[dict[str, dict[str, str]]]]) -> Iterator[Quad]:
    for graph, triples in dataset.items():
        name = "" if graph == "@default" else _term({"type": "IRI", "value": graph})
        for triple in triples:
            yield Quad(
                _term(triple["subject"]), _term(triple["predicate"]), _term(triple["object"]), name
            )


def _term(term: dict[str, str]) -> str:
    if term["type"] == "literal":
        return literal(term["value"], term["datatype"], term.get("language"))
    value = term["value"]
    if value.startswith("_:"):
        return value
    return f"<{_iri(value)}>"
