"""Pages of HTML: one environment, one set of headers.

The policy for browsers lets a page load style and scripts of this service alone, run no script
that stands in the page, and talk to nobody else. Every value is escaped.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from assay_credentials.pages.language import (
    Language,
    accepted_language,
    asked_language,
    is_known,
    moment_text,
    other,
    text,
)
from assay_credentials.pages.static_files import static_files
from assay_credentials.settings import CredentialsSettings
from assay_runtime.problem import Problem

HTML: Final = "text/html; charset=utf-8"

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Results, offers and shared credentials are somebody's own.
    "Cache-Control": "private, no-store",
    "Vary": "Accept, Accept-Language",
}
NOINDEX: Final = {"X-Robots-Tag": "noindex, nofollow"}

_DATA_TYPES: Final = frozenset(
    {"application/vc", "application/ld+json", "application/json", "application/vc+jwt"}
)


def prefers_html(request: Request) -> bool:
    """True when the Accept header names text/html, and no type of data with a greater weight.

    `*/*` alone, as programs send it, asks for data.
    """
    html, data = 0.0, 0.0
    for part in request.headers.get("accept", "").split(","):
        name, _, parameters = part.partition(";")
        kind = name.strip().lower()
        if kind == "text/html":
            html = max(html, _weight(parameters))
        elif kind in _DATA_TYPES:
            data = max(data, _weight(parameters))
    return html > 0.0 and html >= data


def _weight(parameters: str) -> float:
    for one in parameters.split(";"):
        name, _, value = one.strip().partition("=")
        if name.lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def language_of(request: Request, asked: str | None = None) -> Language:
    """The language of a page: what was asked for by name, else what the browser likes."""
    chosen = asked_language(asked) or asked_language(request.query_params.get("lang"))
    return chosen or accepted_language(request.headers.get("accept-language"))


def page(
    request: Request,
    settings: CredentialsSettings,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> Response:
    """A template of `templates/`, filled in, with the headers of every page.

    In it: `t(key, **values)` words, `link(path, **query)` an address of this service that keeps
    the language which the reader chose, `static(name)`, `moment(datetime)`.
    """
    language = language_of(request)
    chosen = asked_language(request.query_params.get("lang"))
    root = urlsplit(settings.public_url).path
    content = (
        _environment()
        .get_template(template)
        .render(
            language=language,
            other_language=other(language),
            t=partial(text, language),
            has_words=is_known,
            moment=partial(_moment, language),
            static=lambda name: root + static_files().path(name),
            link=partial(_link, root, chosen),
            switch_link=_switch(request, root, other(language)),
            **values,
        )
    )
    return Response(
        content,
        status_code=status,
        media_type=HTML,
        headers={**HEADERS, "Content-Language": language, **NOINDEX, **(headers or {})},
    )


def refusal(request: Request, settings: CredentialsSettings, problem: Problem) -> Response:
    """A refusal as a page, in words that say what to do."""
    key = f"refused.{problem.status}"
    passed_on = {
        name: value for name, value in problem.headers.items() if name.lower() == "retry-after"
    }
    return page(
        request,
        settings,
        "refused.html",
        status=problem.status,
        headers=passed_on,
        title=f"{key}.title" if is_known(f"{key}.title") else "refused.title",
        sentence=key if is_known(key) else "refused.other",
        detail=problem.detail if problem.status < 500 else None,
    )


def _moment(language: Language, moment: datetime) -> str:
    return moment_text(language, moment)


def _link(root: str, chosen: Language | None, path: str, **query: str) -> str:
    if chosen is not None:
        query = {**query, "lang": chosen}
    return root + path + (f"?{urlencode(query)}" if query else "")


def _switch(request: Request, root: str, language: Language) -> str:
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
    return f"{root}{quote(request.url.path)}?{urlencode([*query, ('lang', language)])}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("assay_credentials", "pages/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
