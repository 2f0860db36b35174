"""The OpenAPI 3.1 document of the xAPI front, which /openapi.json serves. Pure.

The resources are no routes of the framework, so what they take and answer is written down here;
statements, agents and activities are the JSON Schemas of `assay_schemas`. A test holds the running
front to this document.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay_ingest.openapi_components import (
    ACTOR,
    CONSISTENT_HEADER,
    IRI,
    TEXT,
    TIME,
    UUID,
    VERSION_HEADER,
    Json,
    components,
    headers,
    refusal,
    schema,
)
from assay_ingest.versions import SERVED

_DESCRIPTION: Final = (
    "The Experience API, versions 1.0.3 and 2.0 (IEEE 9274.1.1), on one endpoint: the header "
    "X-Experience-API-Version chooses. A method that a resource does not have is answered 405 with "
    "Allow. In 1.0.3 every request may also come as `POST ?method=...` with a form that holds its "
    "parameters, its headers and, as `content`, its body (Communication 1.3)."
)
_MEDIA_TYPES: Final = {"json": "application/json", "mixed": "multipart/mixed", "any": "*/*"}
_ALWAYS: Final = (400, 401, 403, 429, 503)
_FLAG: Final[Json] = {"type": "boolean", "default": False}
_BYTES: Final[Json] = {"type": "string", "format": "binary"}


def with_xapi(document: Mapping[str, Any]) -> Json:
    """`document`, an OpenAPI document of other routes, with the xAPI resources added."""
    whole = dict(document)
    whole["openapi"] = "3.1.0"
    whole["info"] = {**document.get("info", {}), "description": _DESCRIPTION}
    whole["paths"] = {**document.get("paths", {}), **_paths()}
    held = dict(document.get("components", {}))
    for kind, added in components().items():
        held[kind] = {**held.get(kind, {}), **added}
    whole["components"] = held
    return whole


def _parameter(name: str, held: Json, *, required: bool = False, where: str = "query") -> Json:
    return {"name": name, "in": where, "required": required, "schema": held}


def _as_json(name: str, held: Json, *, required: bool = False) -> Json:
    """A parameter that is JSON text."""
    return {"name": name, "in": "query", "required": required, "content": _content(json=held)}


def _content(**schemas: Json) -> Json:
    """The schema of each media type; the names are those of _MEDIA_TYPES."""
    return {_MEDIA_TYPES[kind]: {"schema": held} for kind, held in schemas.items()}


def _done(what: str, *carried: str, content: Json | None = None) -> Json:
    """A success, with the headers `carried` beside the version's."""
    answer = {"description": what, "headers": headers(VERSION_HEADER, *carried)}
    return answer if content is None else {**answer, "content": content}


def _operation(
    name: str,
    summary: str,
    *,
    parameters: list[Json],
    answers: Mapping[int, Json],
    refusals: tuple[int, ...] = (),
    carried: tuple[str, ...] = (),
    body: Json | None = None,
) -> Json:
    """`refusals` are those beside _ALWAYS, which carry the headers `carried`."""
    refused = {status: refusal(status, *carried) for status in sorted({*_ALWAYS, *refusals})}
    pattern = "^(1\\.0|2\\.0)(\\.[0-9]{1,3})?$"
    version = _parameter(
        VERSION_HEADER,
        {"type": "string", "pattern": pattern, "examples": list(SERVED)},
        required=True,
        where="header",
    )
    operation: Json = {
        "operationId": name,
        "summary": summary,
        "tags": ["xAPI"],
        "security": [{"basic": []}, {"bearer": []}],
        "parameters": [version, *parameters],
        "responses": {str(status): answer for status, answer in {**answers, **refused}.items()},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _with_head(methods: Json) -> Json:
    """`methods` with HEAD, which answers as GET does, without a body."""
    get = methods["get"]
    responses = {
        status: {name: held for name, held in answer.items() if name != "content"}
        for status, answer in get["responses"].items()
    }
    summary = f"{get['summary']}: the headers alone"
    head = {"operationId": f"{get['operationId']}Head", "summary": summary, "responses": responses}
    return {**methods, "head": {**get, **head}}


def _paths() -> Json:
    return {
        "/xapi/about": _with_head({"get": _about()}),
        "/xapi/statements": _with_head(_statements()),
        "/xapi/agents": _with_head({"get": _agents()}),
        "/xapi/activities": _with_head({"get": _activities()}),
        "/xapi/activities/state": _with_head(
            _documents("State", "stateId", [_activity_id(), _agent(), _registration()])
        ),
        "/xapi/activities/profile": _with_head(
            _documents("ActivityProfile", "profileId", [_activity_id()])
        ),
        "/xapi/agents/profile": _with_head(_documents("AgentProfile", "profileId", [_agent()])),
    }


def _activity_id() -> Json:
    return _parameter("activityId", IRI, required=True)


def _agent() -> Json:
    return _as_json("agent", ACTOR, required=True)


def _registration() -> Json:
    return _parameter("registration", UUID)


def _about() -> Json:
    return {
        "operationId": "about",
        "summary": "Which versions are served; needs neither key nor version",
        "tags": ["xAPI"],
        "security": [],
        "responses": {
            "200": _done("The versions", content=_content(json=schema("About"))),
            **{str(one): refusal(one) for one in (400, 503)},
        },
    }


def _statements() -> Json:
    through = (CONSISTENT_HEADER,)
    either = [schema(f"Statement-{version}") for version in SERVED]
    some = {"type": "array", "items": {"anyOf": either}, "minItems": 1}
    mixed = {**_BYTES, "description": "the statements as JSON, then one part per attachment"}
    found = {"anyOf": [schema("StatementResult"), schema("StoredStatement")]}
    found_mixed = {**_BYTES, "description": "the same as JSON, then the attachments"}
    ids = {"type": "array", "items": UUID}
    writing = (404, 408, 409, 413)
    return {
        "get": _operation(
            "getStatements",
            "One statement by its id, or a list by filters",
            parameters=_search(),
            answers={
                200: _done(
                    "A statement, or a page of a list",
                    *through,
                    content=_content(json=found, mixed=found_mixed),
                )
            },
            refusals=(404,),
            carried=through,
        ),
        "put": _operation(
            "putStatement",
            "Store one statement under the id that is given",
            parameters=[_parameter("statementId", UUID, required=True)],
            answers={204: _done("It is stored", *through)},
            refusals=writing,
            carried=through,
            body=_content(json={"anyOf": either}, mixed=mixed),
        ),
        "post": _operation(
            "postStatements",
            "Store statements, all of them or none",
            parameters=[],
            answers={
                200: _done("Their ids, in the order sent", *through, content=_content(json=ids))
            },
            refusals=writing,
            carried=through,
            body=_content(json={"anyOf": [*either, some]}, mixed=mixed),
        ),
    }


def _search() -> list[Json]:
    return [
        _parameter("statementId", UUID),
        _parameter("voidedStatementId", UUID),
        _as_json("agent", ACTOR),
        _parameter("verb", IRI),
        _parameter("activity", IRI),
        _registration(),
        _parameter("related_activities", _FLAG),
        _parameter("related_agents", _FLAG),
        _parameter("since", TIME),
        _parameter("until", TIME),
        _parameter("limit", {"type": "integer", "minimum": 0, "maximum": 999_999_999}),
        _parameter("format", {"enum": ["ids", "exact", "canonical"], "default": "exact"}),
        _parameter("attachments", _FLAG),
        _parameter("ascending", _FLAG),
        _parameter("more", {"type": "string", "description": "stands alone, as an answer gave it"}),
        _parameter("Accept-Language", TEXT, where="header"),
    ]


def _agents() -> Json:
    return _operation(
        "getAgent",
        "An agent with the names it was seen under",
        parameters=[_agent()],
        answers={200: _done("The person", content=_content(json=schema("Person")))},
    )


def _activities() -> Json:
    return _operation(
        "getActivity",
        "An activity with its definition, merged over all statements",
        parameters=[_activity_id()],
        answers={200: _done("The activity", content=_content(json=schema("Activity")))},
        refusals=(404,),
    )


def _documents(kind: str, name: str, shelf: list[Json]) -> Json:
    """The four methods of a document resource whose documents are named by `name`."""
    one = _parameter(name, {"type": "string", "minLength": 1}, required=True)
    any_or_one = {**one, "required": False}
    matches = [_parameter(header, TEXT, where="header") for header in ("If-Match", "If-None-Match")]
    body = _content(any=_BYTES)
    listed = _content(json={}, any={})
    kept = _done("It is kept")
    return {
        "get": _operation(
            f"get{kind}",
            f"A document, or without {name} the ids of those that changed after since",
            parameters=[*shelf, any_or_one, _parameter("since", TIME), *matches],
            answers={
                200: _done("The document as it was sent, or a list of ids", content=listed),
                304: _done("It is what If-None-Match names"),
            },
            refusals=(404, 412),
        ),
        "put": _operation(
            f"put{kind}",
            "Keep a document in the place of what is there",
            parameters=[*shelf, one, *matches],
            answers={204: kept},
            refusals=(408, 409, 412, 413),
            body=body,
        ),
        "post": _operation(
            f"post{kind}",
            "Merge a JSON object into the one that is there, or keep a new document",
            parameters=[*shelf, one, *matches],
            answers={204: kept},
            refusals=(408, 409, 412, 413),
            body=body,
        ),
        "delete": _operation(
            f"delete{kind}",
            f"Delete a document{', or without stateId all' if kind == 'State' else ''}",
            parameters=[*shelf, any_or_one if kind == "State" else one, *matches],
            answers={204: _done("It is gone")},
            refusals=(412,),
        ),
    }
