"""HTML for paper and screen: one file stands alone, loads nothing, and runs no script."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = (
    "body{font:10pt/1.4 sans-serif;color:#111;max-width:60em;margin:2em auto;padding:0 1em}"
    "h1{font-size:16pt}h2{font-size:13pt;margin-top:2em;border-bottom:1px solid #999}"
    "h3{font-size:11pt}table{border-collapse:collapse;width:100%;font-size:9pt}"
    "th,td{border:1px solid #bbb;padding:.2em .4em;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}th{background:#eee}ul{margin:.2em 0 .2em 1.2em;padding:0}"
    ".flag{font-weight:bold;border:2px solid #111;padding:.1em .4em}code{font-size:8.5pt}"
    "@media print{h2{break-after:avoid}tr{break-inside:avoid}}"
)


class Html(str):
    """Text that is HTML already; any other text is escaped."""

    __slots__ = ()


def text(value: Any) -> Html:
    """Any value of JSON as HTML; nothing is shown for None."""
    if isinstance(value, Html):
        return value
    if value is None:
        return Html("")
    if isinstance(value, bool):
        return Html("yes" if value else "no")
    if isinstance(value, (list, tuple)):
        return Html("<br>".join(text(one) for one in value))
    if isinstance(value, Mapping):
        return Html("<br>".join(f"{escape(str(name))}: {text(one)}" for name, one in value.items()))
    return Html(escape(str(value)))


def element(name: str, *children: Any, **attributes: str) -> Html:
    """An element; children are HTML or values that are escaped."""
    given = "".join(
        f' {key.rstrip("_")}="{escape(value)}"' for key, value in sorted(attributes.items())
    )
    return Html(f"<{name}{given}>{''.join(text(child) for child in children)}</{name}>")


def link(href: str, label: str) -> Html:
    return element("a", label, href=href)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Html:
    """A table; without rows it says so."""
    body = [element("tr", *(element("td", value) for value in row)) for row in rows]
    if not body:
        return element("p", "none")
    head = element("tr", *(element("th", one) for one in headings))
    return element("table", element("thead", head), element("tbody", *body))


def facts(pairs: Iterable[tuple[str, Any]]) -> Html:
    """Names and values, one a row."""
    return element(
        "table",
        element("tbody", *(element("tr", element("th", a), element("td", b)) for a, b in pairs)),
    )


def bullets(items: Iterable[Any]) -> Html:
    return element("ul", *(element("li", item) for item in items))


def head(title: str) -> bytes:
    """The beginning of a page, up to its heading; `FOOT` ends it."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>\n"
    ).encode()


FOOT: Final = b"</body></html>\n"


def page(title: str, *parts: Html) -> bytes:
    """A whole page."""
    return head(title) + "\n".join(parts).encode() + b"\n" + FOOT
