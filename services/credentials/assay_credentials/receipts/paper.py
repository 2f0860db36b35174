"""A receipt on paper. Pure, but for the fonts: what it says, in the reader's language."""

from datetime import datetime

import orjson

from assay_credentials.downloads.typeset import typeset
from assay_credentials.moments import parse_moment
from assay_credentials.pages.language import Language, is_known, moment_text, text
from assay_credentials.receipts.receipt import Receipt


def receipt_pdf(receipt: Receipt, lang: str) -> bytes:
    """The PDF of a receipt, with the signed receipt attached; the same receipt gives the same
    bytes. Raises TypesettingFailed.
    """
    language = Language(lang)
    content = receipt.content
    at = parse_moment(str(content["checked_at"]), "checked_at")
    return typeset(
        "receipt",
        _values(content, language, at),
        lang=lang,
        made_at=at,
        attached={"receipt.json": receipt_json(receipt)},
    )


def receipt_json(receipt: Receipt) -> bytes:
    """The receipt as a file: what it says to read, and the signed text to check."""
    return orjson.dumps(
        {"receipt": receipt.content, "jws": receipt.jws}, option=orjson.OPT_INDENT_2
    )


def _values(content: dict[str, object], language: Language, at: datetime) -> dict[str, object]:
    outcome = str(content["outcome"])
    issuer, credential, given = (
        _object(content.get(name)) for name in ("issuer", "credential", "given")
    )
    checks = content.get("checks")
    return {
        "id": content["id"],
        "service": content["service"],
        "checked_at": moment_text(language, at),
        "outcome": _words(language, f"outcome.{outcome}", outcome),
        "sentence": _words(language, f"outcome.{outcome}.sentence", str(content["sentence"])),
        "title": credential.get("title"),
        "credential_id": credential.get("id"),
        "format": "VC-JWT" if credential.get("format") == "jwt" else "JSON",
        "issuer_name": issuer.get("name"),
        "issuer_id": issuer.get("id"),
        "registry": issuer.get("registry"),
        "registry_url": issuer.get("registry_url"),
        "valid_from": _moment(language, content.get("valid_from")),
        "valid_until": _moment(language, content.get("valid_until")),
        "credential_sha256": credential.get("sha256"),
        "given_sha256": given.get("sha256"),
        "given_as": given.get("as"),
        "checks": [
            _check(language, _object(one)) for one in (checks if isinstance(checks, list) else [])
        ],
    }


def _check(language: Language, check: dict[str, object]) -> dict[str, object]:
    name, result = str(check.get("name")), str(check.get("result"))
    return {
        "name": _words(language, f"check.{name}", name),
        "result": _words(language, f"checks.{result}", result),
        "sentence": _words(language, f"check.{name}.{result}", ""),
        "detail": check.get("detail"),
    }


def _words(language: Language, key: str, otherwise: str) -> str:
    return text(language, key) if is_known(key) else otherwise


def _moment(language: Language, value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return moment_text(language, parse_moment(value, "receipt"))


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
