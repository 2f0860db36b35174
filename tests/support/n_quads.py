"""N-Quads of W3C test vectors as the quads that are canonicalized."""

import re

from assay_credentials.canonical import Quad, literal

XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"

_TERM = re.compile(
    r"<(?P<iri>[^<>\"{}|^`\x00-\x20]*)>"
    r"|(?P<blank>_:[^\s<>\"]*[^\s<>\".])"
    r'|"(?P<text>(?:[^"\\\n\r]|\\.)*)"(?:\^\^<(?P<type>[^<>\s]*)>|@(?P<language>[A-Za-z0-9-]+))?'
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_LETTERS = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


def parse_n_quads(text: str) -> list[Quad]:
    """The statements of an N-Quads document, in canonical terms."""
    quads = []
    for line in text.split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            terms = [_term(found) for found in _TERM.finditer(line)]
            assert len(terms) in (3, 4), line
            quads.append(Quad(*(terms if len(terms) == 4 else [*terms, ""])))
    return quads


def _term(found: re.Match[str]) -> str:
    if found["iri"] is not None:
        return f"<{_unescaped(found['iri'])}>"
    if found["blank"] is not None:
        return found["blank"]
    datatype = XSD_STRING if found["type"] is None else _unescaped(found["type"])
    return literal(_unescaped(found["text"]), datatype, found["language"])


def _unescaped(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        return chr(int(code, 16)) if code else _LETTERS.get(found[3], found[3])

    return _ESCAPE.sub(character, text)
