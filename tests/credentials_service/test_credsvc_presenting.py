"""Asking a wallet (OpenID4VP 1.0): once, for us, from who holds the key; and what is refused."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import httpx
import orjson

from assay_credentials.contexts import CREDENTIALS_V2
from assay_credentials.holding.binding import signed_copy
from assay_credentials.keys import Ed25519Signer
from assay_credentials.presenting.desk import forget_old
from assay_credentials.proof import add_proof
from assay_credentials.store import Store
from assay_testing import Database
from credential_samples import Party
from credentials_service import PUBLIC_URL, TENANT, Service, event

HOLDER = Party(Ed25519Signer.from_seed(bytes([7] * 32)), "the holder")
THIEF = Party(Ed25519Signer.from_seed(bytes([8] * 32)), "somebody else")
CLIENT_ID = f"redirect_uri:{PUBLIC_URL}/oid4vp/response"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Json = dict[str, Any]


async def bound(service: Service, holder: Party = HOLDER) -> tuple[Json, UUID]:
    """A credential in the wallet of `holder`, and the person that it is about."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    async with service.pool.acquire() as connection, connection.transaction():
        key = await service.issuers.key(Store(connection), TENANT)
    copy = signed_copy(
        await service.document(one["id"]),
        holder.did,
        "ldp_vc",
        signer=key.signer,
        method=key.method,
        now=datetime.now(UTC),
    )
    document: Json = orjson.loads(copy)
    return document, person


async def ask(service: Service) -> tuple[str, Json]:
    """The path of the page that asks, and the parameters that the wallet gets."""
    answer = await service.http.post("/present")
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    page = await service.http.get(path)
    assert page.status_code == 200, page.text
    uri = page.text.partition('id="uri">')[2].partition("<")[0].replace("&amp;", "&")
    assert uri.startswith("openid4vp://?")
    return path, dict(parse_qsl(urlsplit(uri).query, strict_parsing=True))


def present(
    asked: Json,
    *credentials: Json,
    holder: Party = HOLDER,
    challenge: str | None = None,
    domain: str | None = None,
    created: datetime | None = None,
) -> Json:
    document: Json = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
    }
    if credentials:
        document["verifiableCredential"] = list(credentials)
    return add_proof(
        document,
        holder.signer,
        verification_method=holder.method,
        created=created or datetime.now(UTC),
        purpose="authentication",
        challenge=challenge or asked["nonce"],
        domain=domain or asked["client_id"],
    )


async def send(service: Service, asked: Json, presentation: Json) -> httpx.Response:
    token = orjson.dumps({"badge": [presentation]}).decode()
    return await service.http.post(
        "/oid4vp/response", data={"vp_token": token, "state": asked["state"]}
    )


async def state(service: Service, path: str) -> str:
    return str((await service.http.get(f"{path}/state")).json()["state"])


async def outcome(service: Service, path: str) -> str:
    """What the page says of what was shown."""
    page = await service.http.get(path)
    assert page.status_code == 200
    return page.text.partition('data-outcome="')[2].partition('"')[0]


async def nothing_is_said_of_the_holder(service: Service, path: str) -> bool:
    page = (await service.http.get(path)).text
    return "The wallet proved" not in page and 'data-check="holder"' not in page


async def test_a_holder_shows_a_credential_and_the_page_says_so(service: Service) -> None:
    credential, _ = await bound(service)
    path, asked = await ask(service)
    assert asked["client_id"] == CLIENT_ID
    assert asked["response_uri"] == f"{PUBLIC_URL}/oid4vp/response"
    assert (asked["response_type"], asked["response_mode"]) == ("vp_token", "direct_post")
    (query,) = orjson.loads(asked["dcql_query"])["credentials"]
    assert (query["id"], query["format"]) == ("badge", "ldp_vc")
    assert await state(service, path) == "waiting"
    answer = await send(service, asked, present(asked, credential))
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["cache-control"] == "no-store"
    assert await state(service, path) == "answered"
    assert await outcome(service, path) == "valid"
    page = (await service.http.get(path)).text
    assert HOLDER.did in page
    assert "The wallet proved that the credential was given to it." in page


async def test_a_suspended_one_is_shown_as_that(service: Service) -> None:
    credential, person = await bound(service)
    await service.follow(event("withdrawn", person, 2))
    path, asked = await ask(service)
    assert (await send(service, asked, present(asked, credential))).status_code == 200
    assert await outcome(service, path) == "suspended"


async def test_a_recorded_presentation_proves_nothing(service: Service) -> None:
    """Replay: the same presentation, for the next request and for the same one."""
    credential, _ = await bound(service)
    _, first = await ask(service)
    recorded = present(first, credential)
    assert (await send(service, first, recorded)).status_code == 200
    again = await send(service, first, recorded)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
    path, second = await ask(service)
    assert (await send(service, second, recorded)).status_code == 200
    assert await outcome(service, path) == "not_holder"
    assert await nothing_is_said_of_the_holder(service, path)


async def test_a_presentation_for_another_verifier_proves_nothing(service: Service) -> None:
    credential, _ = await bound(service)
    path, asked = await ask(service)
    elsewhere = present(asked, credential, domain="redirect_uri:https://evil.example/response")
    assert (await send(service, asked, elsewhere)).status_code == 200
    assert await outcome(service, path) == "not_holder"
    assert await nothing_is_said_of_the_holder(service, path)


async def test_an_old_presentation_proves_nothing(service: Service) -> None:
    credential, _ = await bound(service)
    path, asked = await ask(service)
    old = present(asked, credential, created=datetime.now(UTC) - timedelta(hours=2))
    assert (await send(service, asked, old)).status_code == 200
    assert await outcome(service, path) == "not_holder"
    assert await nothing_is_said_of_the_holder(service, path)


async def test_somebody_elses_credential_proves_nothing(service: Service) -> None:
    credential, _ = await bound(service)
    path, asked = await ask(service)
    stolen = present(asked, credential, holder=THIEF)
    assert (await send(service, asked, stolen)).status_code == 200
    assert await outcome(service, path) == "not_holder"
    assert "The wallet proved" not in (await service.http.get(path)).text


async def test_a_credential_without_a_holder_is_no_proof_of_holding(service: Service) -> None:
    """The file that anybody may have been sent."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    path, asked = await ask(service)
    unbound = present(asked, orjson.loads(await service.document(one["id"])))
    assert (await send(service, asked, unbound)).status_code == 200
    assert await outcome(service, path) == "could_not_check"


async def test_a_presentation_that_was_changed_is_not_genuine(service: Service) -> None:
    credential, _ = await bound(service)
    path, asked = await ask(service)
    changed = present(asked, credential)
    changed["holder"] = THIEF.did
    assert (await send(service, asked, changed)).status_code == 200
    assert await outcome(service, path) == "not_genuine"


async def test_two_answers_at_once_are_one(service: Service) -> None:
    credential, _ = await bound(service)
    _, asked = await ask(service)
    answers = await asyncio.gather(
        *(send(service, asked, present(asked, credential)) for _ in range(4))
    )
    assert sorted(one.status_code for one in answers) == [200, 400, 400, 400]


async def test_an_answer_that_comes_too_late_is_refused(service: Service) -> None:
    credential, _ = await bound(service)
    path, asked = await ask(service)
    service.now.append(datetime.now(UTC) + timedelta(seconds=301))
    late = await send(service, asked, present(asked, credential, created=service.now[-1]))
    assert late.status_code == 400
    assert await state(service, path) == "ended"
    assert "No answer came in time." in (await service.http.get(path)).text


async def test_a_wallet_may_decline(service: Service) -> None:
    path, asked = await ask(service)
    answer = await service.http.post(
        "/oid4vp/response", data={"error": "access_denied", "state": asked["state"]}
    )
    assert answer.status_code == 200
    assert await state(service, path) == "declined"
    assert "did not show a credential" in (await service.http.get(path)).text


NO_ANSWERS: tuple[dict[str, str], ...] = (
    {},
    {"vp_token": "{}"},
    {"state": "x", "vp_token": "{}"},
    {"state": "STATE"},
    {"state": "STATE", "vp_token": "x"},
    {"state": "STATE", "vp_token": "[]"},
    {"state": "STATE", "vp_token": "{}"},
    {"state": "STATE", "vp_token": '{"other": [{}]}'},
    {"state": "STATE", "vp_token": '{"badge": {}}'},
    {"state": "STATE", "vp_token": '{"badge": []}'},
    {"state": "STATE", "vp_token": '{"badge": [{}, {}]}'},
    {"state": "STATE", "vp_token": '{"badge": [7]}'},
    {"state": "STATE", "error": "\u00e9"},
    {"state": "\0", "error": "x"},
)


async def test_what_is_no_answer_is_refused_and_uses_nothing_up(service: Service) -> None:
    path, asked = await ask(service)
    for fields in NO_ANSWERS:
        data = {
            name: asked["state"] if value == "STATE" else value for name, value in fields.items()
        }
        answer = await service.http.post("/oid4vp/response", data=data, headers=FORM)
        assert answer.status_code == 400, fields
        assert answer.json()["error"] == "invalid_request", fields
    assert await state(service, path) == "waiting"


async def test_a_presentation_of_nothing_is_refused(service: Service) -> None:
    path, asked = await ask(service)
    answer = await send(service, asked, present(asked))
    assert answer.status_code == 400
    assert "holds no credential" in answer.json()["error_description"]
    assert await state(service, path) == "waiting"


async def test_too_much_is_refused_before_it_is_read(service: Service) -> None:
    _, asked = await ask(service)
    answer = await service.http.post(
        "/oid4vp/response",
        data={"state": asked["state"], "vp_token": "x" * (5 * service.settings.verify_bytes_max)},
    )
    assert answer.status_code == 413
    other_kind = await service.http.post("/oid4vp/response", json={})
    assert other_kind.status_code == 415


async def test_the_request_by_reference_is_the_same_request(service: Service) -> None:
    path, asked = await ask(service)
    page = (await service.http.get(f"{path}?form=reference")).text
    short = page.partition('id="uri">')[2].partition("<")[0].replace("&amp;", "&")
    given = dict(parse_qsl(urlsplit(short).query))
    assert given["client_id"] == CLIENT_ID
    assert len(short) < 250
    answer = await service.http.get(given["request_uri"])
    assert answer.headers["content-type"] == "application/oauth-authz-req+jwt"
    header, claims, signature = answer.text.split(".")
    assert signature == ""
    assert _read(header) == {"alg": "none", "typ": "oauth-authz-req+jwt"}
    told = _read(claims)
    assert {name: told[name] for name in ("nonce", "state", "client_id", "response_uri")} == {
        name: asked[name] for name in ("nonce", "state", "client_id", "response_uri")
    }
    assert told["dcql_query"] == orjson.loads(asked["dcql_query"])
    assert told["exp"] - told["iat"] == 300
    await service.http.post("/oid4vp/response", data={"error": "x", "state": asked["state"]})
    assert (await service.http.get(given["request_uri"])).status_code == 404


def _read(part: str) -> Json:
    document: Json = orjson.loads(base64.urlsafe_b64decode(part + "=="))
    return document


async def test_what_the_wallet_knows_does_not_open_the_page(service: Service) -> None:
    path, asked = await ask(service)
    for name in (asked["state"], asked["nonce"], "x" * 101, "%00"):
        for address in (f"/present/{name}", f"/present/{name}/state"):
            assert (await service.http.get(address)).status_code == 404
    session = path.rpartition("/")[2]
    kept = await service.pool.fetch("select p::text as row from credentials.presentation as p")
    assert asked["state"] in kept[0]["row"]
    assert session not in kept[0]["row"]


async def test_requests_that_wait_are_bounded(postgres: Database, tmp_path: Path) -> None:
    service = await Service.open(postgres, tmp_path, ASSAY_PRESENTATIONS_WAITING_MAX="2")
    try:
        for _ in range(2):
            await ask(service)
        full = await service.http.post("/present")
        assert full.status_code == 503
        assert full.headers["retry-after"] == "30"
        assert full.headers["content-type"] == "text/html; charset=utf-8"
        # What has ended counts no more.
        service.now.append(datetime.now(UTC) + timedelta(seconds=301))
        assert (await service.http.post("/present")).status_code == 303
    finally:
        await service.close()


async def test_what_was_shown_is_forgotten(service: Service) -> None:
    credential, _ = await bound(service)
    path, asked = await ask(service)
    await send(service, asked, present(asked, credential))
    service.now.append(datetime.now(UTC) + timedelta(seconds=601))
    # Not told any more, also before it is deleted.
    assert (await service.http.get(path)).status_code == 404
    before = service.now[-1] - timedelta(seconds=service.settings.presentation_kept_seconds)
    assert await forget_old(service.pool, before - timedelta(minutes=1)) == 0
    assert await forget_old(service.pool, before) == 1
    assert await service.pool.fetchval("select count(*) from credentials.presentation") == 0
