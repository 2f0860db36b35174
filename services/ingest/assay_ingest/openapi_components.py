"""The shared parts of the OpenAPI document: schemas, headers, refusals. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from assay_ingest.versions import SERVED
from assay_schemas.statement_schemas import statement_schema

# Parts of an OpenAPI document are JSON of many shapes, hence Any.
Json = dict[str, Any]

VERSION_HEADER: Final = "X-Experience-API-Version"
CONSISTENT_HEADER: Final = "X-Experience-API-Consistent-Through"
PROBLEM: Final = "application/problem+json"


def schema(name: str) -> Json:
    """A reference to a schema of these components."""
    return {"$ref": f"#/components/schemas/{name}"}


# Parameters are held to the rules of the latest version, which takes what the others do.
_LATEST: Final = f"Statement-{SERVED[-1]}"
TIME: Final = schema(f"{_LATEST}.timestamp")
IRI: Final = schema(f"{_LATEST}.iri")
ACTOR: Final = schema(f"{_LATEST}.actor")
UUID: Final[Json] = {"type": "string", "format": "uuid"}
TEXT: Final[Json] = {"type": "string"}

_REFUSALS: Final[Mapping[int, str]] = {
    400: "A parameter, a header or the body breaks a rule; it is named",
    401: "No key, or one that is not known",
    403: "The key lacks the scope that is named, or a limit of its own is reached",
    404: "There is no such thing for this key",
    405: "The resource does not have this method; Allow lists those it has",
    408: "The body did not come in time",
    409: "Something else is there already; in 2.0, a change needs a precondition",
    412: "If-Match or If-None-Match does not hold; nothing was changed",
    413: "A limit of size is passed; it is named",
    429: "The key's rate or quota is used up; Retry-After says until when",
    503: "Not now; Retry-After says when. What was sent may be sent again",
}
_HEADERS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_PARTS: Final = ("actor", "verb", "object")


def components() -> Json:
    """What the operations refer to."""
    return {
        "securitySchemes": {
            "basic": {"type": "http", "scheme": "basic"},
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        },
        "schemas": {**_statement_schemas(), **_own_schemas()},
        "headers": _header_components(),
        # No operation can be answered so: it is the answer to a method that is none.
        "responses": {"MethodNotAllowed": refusal(405)},
    }


def headers(*names: str) -> Json:
    """References to headers that an answer carries."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def refusal(status: int, *carried: str) -> Json:
    """The answer `status`; `carried` are headers beside those that it always has."""
    return {
        "description": _REFUSALS[status],
        "headers": headers(VERSION_HEADER, *_HEADERS.get(status, ()), *carried),
        "content": {PROBLEM: {"schema": schema("Problem")}},
    }


def _statement_schemas() -> Json:
    """The schema of a statement of each version, its shared parts as components of their own."""
    found: Json = {}
    for version in SERVED:
        name = f"Statement-{version}"
        found_schema = _moved(statement_schema(version), name)
        parts = found_schema.pop("$defs")
        found[name] = {"title": f"A statement of xAPI {version}", **found_schema}
        found |= {f"{name}.{part}": held for part, held in parts.items()}
    return found


def _moved(part: Any, name: str) -> Any:
    """`part` of a schema with its references to $defs led to the components `name`.…"""
    if isinstance(part, dict):
        return {
            key: value.replace("#/$defs/", f"#/components/schemas/{name}.")
            if key == "$ref"
            else _moved(value, name)
            for key, value in part.items()
        }
    return [_moved(one, name) for one in part] if isinstance(part, list) else part


def _own_schemas() -> Json:
    texts = {"type": "array", "items": TEXT}
    added = {
        "id": UUID,
        "stored": TIME,
        "timestamp": TIME,
        "version": TEXT,
        "authority": {"type": "object"},
    }
    return {
        "Problem": {
            "title": "Why a request was refused (RFC 9457)",
            "type": "object",
            "properties": {
                "type": {"type": "string", "pattern": "^urn:assay:problem:[a-z0-9-]+$"},
                "title": TEXT,
                "status": {"type": "integer"},
                "detail": TEXT,
                "parameter": TEXT,
                "errors": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["type", "title", "status"],
        },
        "StoredStatement": {
            "title": "A statement of either version, with what the record store adds",
            "type": "object",
            "properties": {**added, **{one: {"type": "object"} for one in _PARTS}},
            "required": [*added, *_PARTS],
        },
        "StatementResult": {
            "title": "A page of a list; more leads to the next, and is empty on the last",
            "type": "object",
            "properties": {
                "statements": {"type": "array", "items": schema("StoredStatement")},
                "more": TEXT,
            },
            "required": ["statements"],
            "additionalProperties": False,
        },
        "About": {
            "type": "object",
            "properties": {"version": texts, "extensions": {"type": "object"}},
            "required": ["version"],
        },
        "Person": {
            "type": "object",
            "properties": {
                "objectType": {"const": "Person"},
                **dict.fromkeys(("name", "mbox", "mbox_sha1sum", "openid"), texts),
                "account": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["objectType"],
            "additionalProperties": False,
        },
        "Activity": {
            "type": "object",
            "properties": {
                "objectType": {"const": "Activity"},
                "id": TEXT,
                "definition": {"type": "object"},
            },
            "required": ["objectType", "id"],
            "additionalProperties": False,
        },
    }


def _header_components() -> Json:
    date = {"type": "string", "pattern": "GMT$"}
    described: dict[str, tuple[str, Json]] = {
        VERSION_HEADER: ("The version that was spoken", {"enum": list(SERVED)}),
        CONSISTENT_HEADER: ("Lists hold all that was stored until then", TEXT),
        "ETag": ("The SHA-1 of the document, quoted", {"pattern": '^"[0-9a-f]{40}"$'}),
        "Last-Modified": ("An HTTP date", date),
        "Retry-After": ("Seconds", {"type": "integer", "minimum": 0}),
        "WWW-Authenticate": ("How to come in", TEXT),
        "Allow": ("The methods of the resource", TEXT),
    }
    return {
        name: {"description": what, "required": True, "schema": held}
        for name, (what, held) in described.items()
    }
