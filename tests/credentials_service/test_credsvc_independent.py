"""Software that we did not write verifies what the running service issued and serves, in every
state: @digitalbazaar/vc, @digitalcredentials/verifier-core, and jose for the VC-JWT.

They read the clock themselves, so everything here lives now.
"""

import copy
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from assay_credentials.contexts import pinned_contexts
from assay_credentials.did import VerificationKey
from assay_credentials.keyring.documents import public_jwk
from assay_credentials.keyring.names import public_key_of
from assay_credentials.keyring.procedures import rotate
from assay_credentials.verify import Outcome, verify_credential
from assay_testing import Database
from credentials_service import ACHIEVED, PUBLIC_URL, Service, event
from issuer_service import bench_of, describe
from node_tools import run_node

REGISTRY = "https://registry.test/issuers.json"
SCHEMA = "ob_v3p0_achievementcredential_schema.json"
ENDED = date.today() - timedelta(days=2)
"""Not yesterday: the others allow clocks to differ by minutes."""
_OUTCOMES = {
    "rotated": "valid",
    "valid": "valid",
    "expired": "expired",
    "suspended": "suspended",
    "revoked": "revoked",
    "renewed": "revoked",
}
"""What we say of each. Renewed: of the credential that another one took the place of."""


@dataclass
class World:
    """One credential of each state, all of one issuer, and what a stranger can fetch."""

    badges: dict[str, dict[str, Any]]
    tokens: dict[str, str]
    documents: dict[str, object]
    did: str


async def _world(service: Service, database: Database) -> World:
    did = await describe(service, database)
    assert did.startswith("did:web:credentials.test:")
    people = {name: uuid4() for name in _OUTCOMES}
    await service.follow(event("achieved", people["rotated"], 1))
    async with bench_of(service, database) as bench:
        await rotate(bench, "main")
    lasted = {"expires_on": ENDED.isoformat(), "achieved_on": ACHIEVED.isoformat()}
    await service.follow(
        *(
            event("achieved", people[name], 1)
            for name in ("valid", "suspended", "revoked", "renewed")
        ),
        event("achieved", people["expired"], 1, **lasted),
    )
    first = {name: await _first(service, person) for name, person in people.items()}
    await service.follow(
        event("withdrawn", people["suspended"], 2),
        event("revoked", people["revoked"], 2),
        event("renewed", people["renewed"], 2, level=3),
    )
    await service.lists.sign_due()
    badges = {name: orjson.loads(await service.document(one["id"])) for name, one in first.items()}
    return World(
        badges,
        {name: await _token(service, one["id"]) for name, one in first.items()},
        await _served(service, badges.values(), did),
        did,
    )


async def _first(service: Service, person: UUID) -> dict[str, Any]:
    return (await service.credentials(person))[0]


async def _token(service: Service, credential: str) -> str:
    found = await service.pool.fetchval(
        "select jwt from credentials.credential where credential = $1", UUID(credential)
    )
    assert isinstance(found, str)
    return found


async def _served(
    service: Service, badges: Iterable[dict[str, Any]], did: str
) -> dict[str, object]:
    """What a stranger's software fetches: contexts, the schema, lists, the DID document."""
    schema = json.loads(files("assay_credentials").joinpath("schemas_pinned", SCHEMA).read_bytes())
    documents: dict[str, object] = {
        **pinned_contexts().documents,
        schema["$id"]: schema,
        REGISTRY: {"registry": {did: {"name": "Training Centre North"}}},
    }
    for badge in badges:
        for entry in badge["credentialStatus"]:
            url = entry["statusListCredential"]
            documents[url] = (await service.http.get(url)).json()
    path = "/".join(did.split(":")[3:])
    response = await service.http.get(f"/{path}/did.json")
    assert response.status_code == 200, response.text
    # did:web is https; the service of a test has no certificate.
    documents[f"{PUBLIC_URL.replace('http:', 'https:')}/{path}/did.json"] = response.json()
    return documents


@pytest.fixture
async def world(service: Service, postgres: Database) -> World:
    return await _world(service, postgres)


def _digitalbazaar(world: World, badges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    now = datetime.now(UTC).isoformat()
    answers = run_node(
        "verify.mjs",
        {
            "documents": world.documents,
            "credentials": [{"credential": badge, "now": now} for badge in badges],
        },
    )
    assert isinstance(answers, list)
    return answers


def _consortium(world: World, badges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answers = run_node(
        "dcc.mjs",
        {
            "documents": world.documents,
            "registries": [{"name": "Register", "type": "dcc-legacy", "url": REGISTRY}],
            "credentials": badges,
        },
    )
    assert isinstance(answers, list)
    return answers


def _header(token: str) -> dict[str, Any]:
    header: dict[str, Any] = orjson.loads(_decoded(token.split(".")[0]))
    return header


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _with_other_name(token: str) -> str:
    header, payload, signature = token.split(".")
    changed = {**orjson.loads(_decoded(payload)), "name": "Something better"}
    other = urlsafe_b64encode(orjson.dumps(changed)).rstrip(b"=").decode()
    return f"{header}.{other}.{signature}"


def _set(answer: dict[str, Any]) -> set[str]:
    return {one["purpose"] for one in answer["statuses"] if one["status"]}


async def test_three_strangers_and_we_agree_on_every_state(service: Service, world: World) -> None:
    names = list(world.badges)
    theirs = dict(zip(names, _digitalbazaar(world, list(world.badges.values())), strict=True))
    others = dict(zip(names, _consortium(world, list(world.badges.values())), strict=True))
    ours = {
        name: (await service.verify(orjson.dumps(badge)))["outcome"]
        for name, badge in world.badges.items()
    }
    assert ours == _OUTCOMES
    bits = {"suspended": {"suspension"}, "revoked": {"revocation"}, "renewed": {"revocation"}}
    for name in names:
        assert theirs[name]["verified"] is (name != "expired"), theirs[name]
        assert others[name]["errors"] == []
        assert others[name]["missing"] == []
        assert others[name]["log"]["valid_signature"] is True
        assert others[name]["log"]["expiration"] is (name != "expired")
        assert others[name]["log"]["registered_issuer"] is True
        if name != "expired":
            assert _set(theirs[name]) == bits.get(name, set())
        for purpose in ("revocation", "suspension"):
            assert others[name]["log"][f"{purpose}_status"] is (purpose not in bits.get(name, ()))
    methods = {badge["proof"][0]["verificationMethod"] for badge in world.badges.values()}
    assert len(methods) == 2, "one was signed before the key was rotated"


async def test_jose_verifies_the_tokens_and_they_say_what_the_documents_say(
    service: Service, world: World
) -> None:
    did_document = next(one for url, one in world.documents.items() if url.endswith("/did.json"))
    assert isinstance(did_document, dict)
    listed = {
        one["publicKeyJwk"]["x"]
        for one in did_document["verificationMethod"]
        if "publicKeyJwk" in one
    }
    asked = []
    for name, token in world.tokens.items():
        key = public_jwk(public_key_of(_header(token)["kid"]))
        assert key["x"] in listed
        asked += [
            {"token": token, "jwk": key, "typ": "vc+jwt"},
            {"token": _with_other_name(token), "jwk": key, "typ": "vc+jwt"},
        ]
        answer = await service.verify(token.encode())
        assert answer["outcome"] == _OUTCOMES[name], answer
    answers = run_node("jwt.mjs", asked)
    assert isinstance(answers, list)
    assert [one["verified"] for one in answers] == [True, False] * len(world.tokens)
    for (name, badge), answer in zip(world.badges.items(), answers[::2], strict=True):
        document = {key: value for key, value in badge.items() if key != "proof"}
        said = {key: value for key, value in answer["payload"].items() if key in document}
        assert said == document, name


async def test_what_was_tampered_with_none_of_us_accepts(service: Service, world: World) -> None:
    tampered = []
    for field, value in (
        ("name", "Something better"),
        ("validUntil", "2099-01-01T00:00:00Z"),
        ("id", "urn:uuid:0f3a3b7b-9a10-4c53-8d3e-7a1f1a0e5b55"),
    ):
        badge = copy.deepcopy(world.badges["valid"])
        badge[field] = value
        tampered.append(badge)
    assert [one["verified"] for one in _digitalbazaar(world, tampered)] == [False] * 3
    assert [one["errors"] for one in _consortium(world, tampered)] == [["invalid_signature"]] * 3
    for badge in tampered:
        assert (await service.verify(orjson.dumps(badge)))["outcome"] == "not_genuine"


async def test_a_respelled_badge_deceives_the_others_and_not_us(
    service: Service, world: World
) -> None:
    """Why we accept exact contexts and terms only: the signature of these still fits."""
    expired = copy.deepcopy(world.badges["expired"])
    expired["https://www.w3.org/2018/credentials#validUntil"] = {
        "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
        "@value": expired.pop("validUntil"),
    }
    revoked = copy.deepcopy(world.badges["revoked"])
    revoked["https://www.w3.org/2018/credentials#credentialStatus"] = revoked.pop(
        "credentialStatus"
    )
    deceived = _consortium(world, [expired, revoked])
    assert deceived[0]["log"]["valid_signature"] is True
    assert deceived[0]["log"]["expiration"] is True
    assert "revocation_status" not in deceived[1]["log"]
    for badge in (expired, revoked):
        answer = await service.verify(orjson.dumps(badge))
        assert answer["outcome"] == "not_genuine"
        assert answer["checks"][-1]["name"] == "terms"


async def test_an_issuer_that_nobody_registered_is_unknown_to_all(world: World) -> None:
    world.documents[REGISTRY] = {"registry": {}}
    (answer,) = _consortium(world, [world.badges["valid"]])
    assert answer["log"]["valid_signature"] is True
    assert answer["log"]["registered_issuer"] is False
    served: Any = world.documents
    ours = verify_credential(
        orjson.dumps(world.badges["valid"]),
        now=datetime.now(UTC),
        resolve_status=served.get,
        resolve_key=lambda method: VerificationKey(world.did, public_key_of(method)),
        trusted_issuers={},
    )
    assert ours.outcome is Outcome.ISSUER_UNKNOWN
