"""From a JSON document to the RDF that is signed, and never a document that means anything else.

The rdfc suites sign RDF, not JSON. Left to itself, JSON-LD drops what it does not know and reads
one statement from many spellings: a holder may rename `validUntil` to its absolute IRI, and the
signature still fits while common verifiers see no date (VC Data Integrity 1.0 section 2.4.1). So a
document is accepted only when its `@context` is one of the pinned arrays, every key is a term of
them, nothing was dropped, and compacting the expanded form gives the same document again.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import Lock

from pyld import jsonld

from assay_credentials.canonical import DEFAULT_WORK_BUDGET, Quad, canonicalize, literal
from assay_credentials.contexts import (
    CREDENTIALS_V1,
    CREDENTIALS_V2,
    PinnedContexts,
    pinned_contexts,
)
from assay_credentials.errors import DocumentRefused, DocumentUnsupported
from assay_credentials.intake import JsonObject

_MAX_CACHED_CONTEXTS = 256
"""A badge meets about 40; each takes some 20 kB. Nesting scoped contexts in ever new orders makes
ever new ones.
"""

_WRAPPING = "verifiableCredential"
"""What a presentation, and the subject of a transcript, hold whole credentials under."""

_EXPANDED = "assay:expanded"
"""An option of ours: the input is what `expand` gave, and need not be expanded a second time."""

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
        outer, inner = without_wrapped(document)
        for wrapped in inner:
            # Each is a document of its own, and its terms are those of its own context.
            self.quads(wrapped)
        context = self._accepted_context(document)
        _refuse_foreign_keys(outer, "", context=document.get("@context"))
        with self._lock, _json_ld_errors():
            expanded = self._processor.expand(outer, self._options())
            _refuse_relative(expanded)
            compacted = self._processor.compact(
                expanded, context, {**self._options(), "skipExpansion": True}
            )
            if inner:
                expanded = self._processor.expand(document, self._options())
                _refuse_relative(expanded)
            dataset = self._processor.to_rdf(
                expanded, {**self._options(), "rdfDirection": "i18n-datatype", _EXPANDED: True}
            )
        _refuse_respelled(outer, compacted)
        return list(_quads(dataset))

    def canonical(self, document: JsonObject, work_budget: int = DEFAULT_WORK_BUDGET) -> str:
        """The canonical N-Quads document of `quads`; raises CanonicalisationBudgetExceeded, too."""
        return canonicalize(self.quads(document), work_budget)

    def _accepted_context(self, document: JsonObject) -> list[object]:
        context = document.get("@context")
        urls: list[object] = context if isinstance(context, list) else [context]
        if self._contexts.inline:
            return self._open_context(urls)
        if not all(isinstance(url, str) for url in urls):
            raise DocumentRefused(
                "inline-context",
                "@context: defines terms inline, which can give keys another meaning",
            )
        if tuple(urls) not in self._contexts.accepted:
            raise DocumentUnsupported(
                "unknown-context", "@context: not one of the vocabularies that this service knows"
            )
        return urls

    def _open_context(self, urls: list[object]) -> list[object]:
        """What `PinnedContexts.inline` allows: a base first, then pinned ones and inline terms."""
        if urls[0] not in (CREDENTIALS_V2, CREDENTIALS_V1):
            raise DocumentRefused("unknown-context", "@context: must begin with the base context")
        for url in urls:
            if not isinstance(url, dict) and url not in self._contexts.documents:
                raise DocumentUnsupported("unknown-context", f"the context {url!r} is not pinned")
        return urls

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
    identity each time: two thirds of the time went into defining the same terms again. The
    methods are functions of their arguments. Entries hold what their key names, so an id cannot
    come to mean another object. If a later PyLD no longer calls them, it is slower and nothing
    else.
    """

    def __init__(self, on_property_dropped: Callable[[object], None]) -> None:
        super().__init__(on_property_dropped=on_property_dropped)
        self._processed: dict[tuple[object, ...], tuple[object, object, object]] = {}
        self._inverse: dict[int, tuple[object, object]] = {}

    def expand(self, input_: object, options: dict[str, object]) -> object:
        return input_ if options.get(_EXPANDED) else super().expand(input_, options)

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


def without_wrapped(document: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """A document without the credentials that it wraps, and these: of a presentation, and of the
    subjects of a transcript. Each has a `@context` of its own.

    Raises DocumentRefused when one is no object (VC Data Model 2.0 section 4.13).
    """
    outer, inner = _unwrap(document)
    subject = outer.get("credentialSubject")
    if isinstance(subject, dict):
        kept, more = _unwrap(subject)
        return ({**outer, "credentialSubject": kept}, [*inner, *more]) if more else (outer, inner)
    if isinstance(subject, list):
        subjects: list[object] = []
        for one in subject:
            kept, more = _unwrap(one) if isinstance(one, dict) else (one, [])
            subjects.append(kept)
            inner += more
        return {**outer, "credentialSubject": subjects}, inner
    return outer, inner


def _unwrap(value: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    if _WRAPPING not in value:
        return value, []
    held = value[_WRAPPING]
    inner: list[JsonObject] = []
    for one in held if isinstance(held, list) else [held]:
        if not isinstance(one, dict):
            raise DocumentRefused("form", f"{_WRAPPING}: a value is not an object")
        inner.append(one)
    return {key: item for key, item in value.items() if key != _WRAPPING}, inner


@contextmanager
def _json_ld_errors() -> Iterator[None]:
    try:
        yield
    except jsonld.JsonLdError as error:
        raise DocumentRefused("json-ld", f"not valid JSON-LD: {_reason(error)}") from error
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        # PyLD's own slips on values of a kind that it does not expect.
        raise DocumentRefused("json-ld", "a value is of a kind that JSON-LD lacks") from error


def _refuse_dropped(name: object) -> None:
    raise DocumentRefused("unknown-term", f"{name!r} is not a term of the contexts")


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    return f"{error.args[0]} {_reason(cause)}" if cause and cause.args else str(error.args[0])


def _refuse_foreign_keys(value: object, pointer: str, *, context: object) -> None:
    """Keys are terms: no keyword but those of a text with language, no IRI, no prefixed name.

    `@context` stands at the top, and in a proof when it is the same there (eddsa-jcs-2022).
    """
    if isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_foreign_keys(item, f"{pointer}/{index}", context=context)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "@context":
                _refuse_nested_context(item, pointer, context)
                continue
            if ":" in key or (key.startswith("@") and key not in _VALUE_KEYS):
                raise DocumentRefused("respelled", f"{pointer}/{key}: not a term of the contexts")
            _refuse_foreign_keys(item, f"{pointer}/{key}", context=context)


def _refuse_nested_context(given: object, pointer: str, context: object) -> None:
    if not pointer or (given == context and _PROOF.fullmatch(pointer)):
        return
    urls = given if isinstance(given, list) else [given]
    if _ENDORSEMENT.search(pointer) and all(isinstance(url, str) for url in urls):
        raise DocumentUnsupported("endorsement", f"{pointer}: endorsements inside are not verified")
    raise DocumentRefused("respelled", f"{pointer}/@context: terms are defined at the top only")


_PROOF = re.compile(r"/proof(/\d+)?")
_ENDORSEMENT = re.compile(r"/endorsement(/\d+)?$")


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


# Terms of a ClrSubject that CLR 2.0 gives a datatype although their values are objects: to no
# object does compaction give such a term, so what was spelled with it comes back under the whole
# IRI. A document that spells the IRI itself was refused before (`_refuse_foreign_keys`).
_SUBJECT_TERMS = {
    "https://purl.imsglobal.org/spec/vc/clr/vocab.html#achievement": "achievement",
    "https://purl.imsglobal.org/spec/vc/clr/vocab.html#association": "association",
    "https://purl.imsglobal.org/spec/vc/clr/vocab.html#identifier-1": "identifier",
}


def _with_subject_terms(compacted: Mapping[str, object]) -> Mapping[str, object]:
    if _SUBJECT_TERMS.keys().isdisjoint(compacted):
        return compacted
    return {_SUBJECT_TERMS.get(key, key): item for key, item in compacted.items()}


def _difference(given: object, compacted: object, pointer: str) -> str | None:
    """The pointer to the first value that compaction writes otherwise; None when there is none.

    One value and an array of one are the same statement. So are `en-GB` and `en-gb`, and an id and
    an object with nothing but that id.
    """
    given, compacted = _unwrapped(given), _unwrapped(compacted)
    if isinstance(given, dict) and given.keys() == {"id"} and isinstance(compacted, str):
        given = given["id"]
    if isinstance(given, dict) and isinstance(compacted, dict):
        compacted = _with_subject_terms(compacted)
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
