"""Software that we did not write verifies what templates make: both proofs, the VC-JWT, one status
entry or two, several languages and a picture.
"""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from assay_cli.check_source import Database as Checked
from assay_credentials.contexts import pinned_contexts
from assay_credentials.multibase import decode_ed25519_public_key
from assay_testing import Database
from credentials_service import COMPETENCY, Service, event
from node_tools import run_node
from template_samples import GOWNING, SVG
from template_service import Office

FORMS = [
    ("eddsa-rdfc-2022", "single"),
    ("eddsa-rdfc-2022", "two"),
    ("eddsa-jcs-2022", "single"),
    ("eddsa-jcs-2022", "two"),
]


def _competency(number: int) -> str:
    return f"{COMPETENCY}/{number}"


async def _of_each_form(service: Service, office: Office) -> list[dict[str, Any]]:
    """One credential of each form; rows of `document` and `jwt`."""
    image = (await office.http.post("/images", content=SVG, auth=office.key)).json()["image"]
    person = uuid4()
    for number, (proof, status) in enumerate(FORMS):
        await office.in_force(
            f"form-{number}",
            {
                **GOWNING,
                "competency": _competency(number),
                "proof": proof,
                "status": status,
                "image": image,
            },
        )
        await service.follow(event("achieved", person, 1, competency=_competency(number)))
    await service.lists.sign_due()
    rows = await service.pool.fetch(
        "select document, jwt from credentials.credential where person = $1 order by competency",
        person,
    )
    return [{"document": json.loads(row["document"]), "jwt": row["jwt"]} for row in rows]


async def _documents(service: Service, badges: list[dict[str, Any]]) -> dict[str, object]:
    """What a stranger fetches: contexts and status lists."""
    documents: dict[str, object] = dict(pinned_contexts().documents)
    for badge in badges:
        entries = badge["credentialStatus"]
        for entry in entries if isinstance(entries, list) else [entries]:
            url = entry["statusListCredential"]
            documents[url] = (await service.http.get(url)).json()
    return documents


async def test_strangers_verify_every_form(service: Service, postgres: Database) -> None:
    rows = await _of_each_form(service, await Office.open(service, postgres))
    badges = [row["document"] for row in rows]
    assert [badge["proof"][0]["cryptosuite"] for badge in badges] == [proof for proof, _ in FORMS]
    documents = await _documents(service, badges)
    now = datetime.now(UTC).isoformat()
    answers: Any = run_node(
        "verify.mjs",
        {
            "documents": documents,
            "credentials": [{"credential": badge, "now": now} for badge in badges],
        },
    )
    assert [one["errors"] for one in answers] == [[]] * len(FORMS)
    assert all(one["verified"] for one in answers)
    assert [len(one["statuses"]) for one in answers] == [1, 2, 1, 2]
    # That verifier knows no `eddsa-jcs-2022`.
    theirs: Any = run_node(
        "dcc.mjs", {"documents": documents, "registries": [], "credentials": badges[:2]}
    )
    assert [one["log"]["valid_signature"] for one in theirs] == [True, True]
    assert [one["schema"] for one in theirs] == [True, True]


async def test_a_stranger_verifies_the_twin_of_every_form(
    service: Service, postgres: Database
) -> None:
    rows = await _of_each_form(service, await Office.open(service, postgres))
    key = decode_ed25519_public_key(rows[0]["document"]["issuer"]["id"].removeprefix("did:key:"))
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": urlsafe_b64encode(key).rstrip(b"=").decode(),
    }
    forged = rows[0]["jwt"][:-8] + ("A" * 8)
    tokens = [*(row["jwt"] for row in rows), forged]
    answers: Any = run_node(
        "jwt.mjs", [{"token": token, "jwk": jwk, "typ": "vc+jwt"} for token in tokens]
    )
    assert [one["verified"] for one in answers] == [*[True] * len(rows), False]
    for row, answer in zip(rows, answers, strict=False):
        unsigned = {name: value for name, value in row["document"].items() if name != "proof"}
        assert answer["payload"] == unsigned


async def test_the_check_of_status_bits_knows_every_form(
    service: Service, postgres: Database
) -> None:
    office = await Office.open(service, postgres)
    await office.in_force("gowning", {**GOWNING, "competency": COMPETENCY, "status": "single"})
    connection = await postgres.connect()
    try:
        checked = Checked(connection)
        for last in ("achieved", "suspended", "expired", "revoked"):
            person = uuid4()
            await service.follow(event("achieved", person, 1))
            await service.follow(event("suspended", person, 2))
            await service.follow(event(last, person, 3))
            await service.follow(event(last, uuid4(), 1))
            assert await checked.places("status_bits_differ") == []
        await connection.execute(
            "update credentials.status_entry set is_set = not is_set where credential in"
            " (select credential from credentials.credential where state = 'issued')"
        )
        assert await checked.places("status_bits_differ") != []
    finally:
        await connection.close()
