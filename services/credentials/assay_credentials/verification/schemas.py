"""Official JSON Schemas, pinned by their SHA-256 in `schemas_pinned/` and never fetched."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import jsonschema_rs

from assay_credentials.contexts import CREDENTIALS_V2, ContextChanged
from assay_credentials.intake import JsonObject
from assay_credentials.verification.form import many, texts

_MAX_ERRORS: Final = 5
_ERROR_CHARACTERS_MAX: Final = 300

_ONE_EDTECH: Final = "https://purl.imsglobal.org/spec/"


@dataclass(frozen=True)
class _Pinned:
    url: str
    file: str
    sha256: str
    types: frozenset[str]
    """Credentials of these types must keep it, whether or not they name it."""
    definition: str | None = None
    """Of the file, this definition only."""


_PINNED: Final = (
    _Pinned(
        f"{_ONE_EDTECH}ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json",
        "ob_v3p0_achievementcredential_schema.json",
        "b7358e895f492e74055dc6bfc7ffc420d0e497f90c4579fb83d9519b86d393ea",
        frozenset({"AchievementCredential", "OpenBadgeCredential"}),
    ),
    # A badge may hold endorsements, so its schema defines them, as their own schema does.
    _Pinned(
        f"{_ONE_EDTECH}ob/v3p0/schema/json/ob_v3p0_endorsementcredential_schema.json",
        "ob_v3p0_achievementcredential_schema.json",
        "b7358e895f492e74055dc6bfc7ffc420d0e497f90c4579fb83d9519b86d393ea",
        frozenset({"EndorsementCredential"}),
        "EndorsementCredential",
    ),
)
_VALIDATED: Final = frozenset({"1EdTechJsonSchemaValidator2019", "JsonSchema"})


def schema_errors(document: JsonObject) -> list[str] | None:
    """What the pinned schemas of a credential's types, and those that it names, have against it.

    None when there is no such schema. One deviation from the Open Badges 3.0 schema: it allows one
    `credentialStatus`, VC 2.0 and we several; each is held to the schema by itself
    (1EdTech openbadges-specification issue 623).
    """
    wanted = [pinned for pinned in _PINNED if _applies(pinned, document)]
    if not wanted:
        return None
    found: list[str] = []
    for pinned in wanted:
        for edition in _editions(document):
            found += _errors(pinned, edition)
    return found[:_MAX_ERRORS]


def unpinned_schemas(document: JsonObject) -> list[str]:
    """URLs of the schemas that a credential names and that we do not have."""
    known = {pinned.url for pinned in _PINNED}
    return [
        str(named.get("id"))
        for named in many(document.get("credentialSchema"))
        if isinstance(named, dict)
        and (named.get("id") not in known or not _VALIDATED & set(texts(named.get("type"))))
    ]


def _applies(pinned: _Pinned, document: JsonObject) -> bool:
    named = {
        one.get("id") for one in many(document.get("credentialSchema")) if isinstance(one, dict)
    }
    # The schemas are those of VC Data Model 2.0; a credential of 1.1 keeps them only if it says so.
    is_current = many(document.get("@context"))[:1] == [CREDENTIALS_V2]
    of_type = not pinned.types.isdisjoint(texts(document.get("type")))
    return (is_current and of_type) or pinned.url in named


def _editions(document: JsonObject) -> list[JsonObject]:
    entries = document.get("credentialStatus")
    if not isinstance(entries, list):
        return [document]
    return [{**document, "credentialStatus": entry} for entry in entries]


def _errors(pinned: _Pinned, document: JsonObject) -> list[str]:
    validator = _validator(pinned)
    # The common case takes microseconds; the errors are worked out only when there are some.
    if validator.is_valid(document):
        return []
    found = []
    for error in validator.iter_errors(document):
        path = "/".join(str(step) for step in error.instance_path)
        found.append(f"{path or '/'}: {error.message}"[:_ERROR_CHARACTERS_MAX])
        if len(found) == _MAX_ERRORS:
            break
    return found


@cache
def _validator(pinned: _Pinned) -> jsonschema_rs.Validator:
    content = files("assay_credentials").joinpath("schemas_pinned", pinned.file).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != pinned.sha256:
        raise ContextChanged(f"schemas_pinned/{pinned.file} has SHA-256 {digest}")
    # Everything that the schema refers to stands in it; the retriever makes sure nothing is asked
    # for over the network.
    schema = json.loads(content)
    if pinned.definition is not None:
        kept = {name: schema[name] for name in ("$schema", "$defs")}
        schema = {**kept, "$ref": f"#/$defs/{pinned.definition}"}
    return jsonschema_rs.validator_for(schema, validate_formats=True, retriever=_never_fetched)


def _never_fetched(url: str) -> dict[str, object]:
    raise ContextChanged(f"the schema {url} is not pinned")
