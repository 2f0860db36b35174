"""The ten points of security, 5, 6 and 8 to 10: keys, lists, holders, people and links.

Each attack is made against the running service, from outside, or by who stole a key.
"""

import asyncio
import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import orjson
import pytest

from assay_credentials.errors import KeyFileRefused
from assay_credentials.keys import Ed25519Signer, load_key_file
from assay_credentials.multibase import encode_base64url
from assay_credentials.proof import add_proof
from assay_testing import Database
from credential_samples import STRANGER, Party
from credentials_service import COMPETENCY, TENANT, Service, event
from web_issuers import web_issuer

PRE_AUTHORIZED = "urn:ietf:params:oauth:grant-type:pre-authorized_code"


async def issued(service: Service, **changed: Any) -> Any:
    """A badge that the service issued, as a document."""
    person = uuid4()
    await service.follow(event("achieved", person, 1, **changed))
    (one,) = await service.credentials(person)
    return orjson.loads(await service.document(one["id"]))


# 5. Keys: somebody has one ------------------------------------------------------------------------


async def _change_key(database: Database, state: str) -> None:
    owner = await database.connect()
    try:
        await owner.execute(
            "update credentials.issuer_key set state = $1, retired_at = now()", state
        )
    finally:
        await owner.close()


@pytest.mark.parametrize("method", ["key", "web"])
async def test_5_what_a_stolen_key_signs_counts_no_more_once_it_is_out(
    service: Service, postgres: Database, method: str
) -> None:
    owner = await postgres.connect()
    try:
        await owner.execute(
            "insert into credentials.issuer (tenant, issuer, name, method)"
            " values ($1, 'main', 'North', $2)",
            TENANT,
            method,
        )
    finally:
        await owner.close()
    genuine = await issued(service)
    (file,) = service.settings.signing_key_dir.glob("*.pem")
    stolen = load_key_file(file)
    # No status entry, so that nothing can be revoked.
    forged = {name: value for name, value in genuine.items() if name != "proof"}
    del forged["credentialStatus"]
    document = orjson.dumps(
        add_proof(
            forged,
            stolen,
            verification_method=genuine["proof"][0]["verificationMethod"],
            created=datetime.now(UTC),
        )
    )
    assert (await service.verify(document))["outcome"] == "valid"
    await _change_key(postgres, "verify_only")
    assert (await service.verify(document))["outcome"] == "valid"
    for state in ("removed", "compromised"):
        await _change_key(postgres, state)
        outcome = (await service.verify(document))["outcome"]
        assert outcome == {"key": "issuer_unknown", "web": "not_genuine"}[method]


async def test_5_a_key_file_that_others_may_read_signs_nothing(service: Service) -> None:
    await issued(service)
    (file,) = service.settings.signing_key_dir.glob("*.pem")
    file.chmod(0o640)
    with pytest.raises(KeyFileRefused):
        load_key_file(file)
    link = file.with_name("link.pem")
    link.symlink_to(file)
    file.chmod(0o600)
    with pytest.raises(KeyFileRefused):
        load_key_file(link)


# 6. Status lists: missing, old, forged, and what they tell of whom --------------------------------


async def test_6_a_list_that_says_nothing_reliable_never_means_not_revoked(
    postgres: Database, tmp_path: Path
) -> None:
    async with web_issuer(tmp_path) as college:
        college.put_list("revocation", [90_210])
        badge = orjson.dumps(college.badge())
        now = datetime.now(UTC)
        url = college.url("/status/revocation")
        bomb: Any = college.party.status_list("revocation", at=now, url=url)
        zeros = gzip.compress(bytes(64 * 1024 * 1024), 9)
        bomb["credentialSubject"]["encodedList"] = encode_base64url(zeros)
        del bomb["proof"]
        cleared: Any = college.party.status_list("revocation", [90_210], at=now, url=url)
        clear: Any = college.party.status_list("revocation", at=now, url=url)
        cleared["credentialSubject"] = clear["credentialSubject"]
        for served in (
            None,
            college.party.sign(bomb),
            cleared,
            college.party.status_list("revocation", at=now - timedelta(hours=3), url=url),
            STRANGER.status_list("revocation", at=now, url=url),
            college.party.status_list("suspension", at=now, url=url),
            college.party.status_list("revocation", at=now, url=college.url("/status/suspension")),
        ):
            college.served.pop("/status/revocation", None)
            if served is not None:
                college.put("/status/revocation", served, "application/vc")
            service = await Service.open(postgres, tmp_path, environment=college.settings)
            try:
                answered = await service.verify(badge)
            finally:
                await service.close()
            assert answered["outcome"] == "could_not_check"


async def test_6_a_list_tells_nothing_of_anybody(service: Service) -> None:
    one, other = await issued(service), await issued(service, competency=f"{COMPETENCY}/2")
    places: set[str] = set()
    heads: set[tuple[tuple[str, str], ...]] = set()
    for document in (one, other):
        for entry in document["credentialStatus"]:
            places.add(entry["statusListIndex"])
            response = await service.http.get(entry["statusListCredential"])
            listed = response.json()
            heads.add(
                tuple(
                    (name, value)
                    for name, value in sorted(response.headers.items())
                    if name not in ("content-length", "date")
                )
            )
            for credential in (one, other):
                assert credential["id"].rpartition("/")[2] not in entry["statusListCredential"]
                assert credential["id"] not in response.text
                hashed = credential["credentialSubject"]["identifier"][0]["identityHash"]
                assert hashed not in response.text
            assert {"validUntil", "proof"} <= listed.keys()
    # Random, and the same headers for every list.
    assert len(places) == 4
    assert places != {"0", "1", "2", "3"}
    assert len(heads) == 1


# 8. Holder binding: whoever saw an offer or a proof uses it again ---------------------------------


HOLDER = Party(Ed25519Signer.from_seed(bytes([9] * 32)), "the holder")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _key_proof(audience: str, nonce: str, holder: Party = HOLDER) -> str:
    header = {"typ": "openid4vci-proof+jwt", "alg": "EdDSA", "kid": holder.method}
    claims = {"aud": audience, "iat": int(datetime.now(UTC).timestamp()), "nonce": nonce}
    signed = ".".join(_base64url(orjson.dumps(part)) for part in (header, claims))
    return f"{signed}.{_base64url(holder.signer.sign(signed.encode()))}"


async def _offered(service: Service) -> tuple[dict[str, Any], str]:
    """An offer (as a wallet gets it), and its transaction code (as only the holder does)."""
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    response = await service.http.post(
        f"/credentials/{one['id']}/offers", json={}, auth=service.key
    )
    assert response.status_code == 201, response.text
    made = response.json()
    offer = json.loads(parse_qs(urlsplit(made["offer_uri_by_value"]).query)["credential_offer"][0])
    return offer, made["transaction_code"]


async def _redeem(service: Service, offer: dict[str, Any], code: str) -> tuple[int, dict[str, Any]]:
    response = await service.http.post(
        "/oid4vci/token",
        data={
            "grant_type": PRE_AUTHORIZED,
            "pre-authorized_code": offer["grants"][PRE_AUTHORIZED]["pre-authorized_code"],
            "tx_code": code,
        },
    )
    return response.status_code, response.json()


async def test_8_who_only_saw_the_offer_gets_nothing(service: Service) -> None:
    offer, right = await _offered(service)
    wrong = [f"{(int(right) + n) % 10 ** len(right):0{len(right)}}" for n in range(1, 30)]
    for code in ("", *wrong):
        status, answer = await _redeem(service, offer, code)
        assert status in (400, 429)
        assert "access_token" not in answer
    # Guessed too often, it is over for the holder, too.
    status, _ = await _redeem(service, offer, right)
    assert status in (400, 429)


async def test_8_a_code_and_a_nonce_work_once(service: Service) -> None:
    offer, code = await _offered(service)
    answers = await asyncio.gather(*(_redeem(service, offer, code) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400]
    token = next(answer["access_token"] for status, answer in answers if status == 200)
    nonce = (await service.http.post("/oid4vci/nonce")).json()["c_nonce"]
    audience = offer["credential_issuer"]

    async def claim(proof: str, bearer: str = token) -> int:
        response = await service.http.post(
            "/oid4vci/credential",
            json={
                "credential_configuration_id": "open_badge_ldp_vc",
                "proofs": {"jwt": [proof]},
            },
            headers={"Authorization": f"Bearer {bearer}"},
        )
        return response.status_code

    # Made for another issuer, with a nonce of nobody's, or with a key of somebody else.
    assert await claim(_key_proof("https://other.example", nonce)) == 400
    assert await claim(_key_proof(audience, "x" * 43)) == 400
    head, body, _ = _key_proof(audience, nonce, STRANGER).split(".")
    signature = _key_proof(audience, nonce).split(".")[2]
    assert await claim(f"{head}.{body}.{signature}") == 400
    assert await claim(_key_proof(audience, nonce), bearer="x" * 43) == 401
    fresh = (await service.http.post("/oid4vci/nonce")).json()["c_nonce"]
    assert await claim(_key_proof(audience, fresh)) == 200
    # Recorded on the way: neither the same holder's proof nor the token gives another's copy.
    other, other_code = await _offered(service)
    status, granted = await _redeem(service, other, other_code)
    assert status == 200
    assert await claim(_key_proof(audience, fresh), bearer=granted["access_token"]) == 400


# Presentations (nonce once, audience, time): see the tests of presenting.


# 9. Personal data ---------------------------------------------------------------------------------


async def test_9_neither_a_credential_nor_a_list_names_a_person(service: Service) -> None:
    person = uuid4()
    evidence = str(uuid4())
    decision = str(uuid4())
    await service.follow(
        event("achieved", person, 1, evidence=[evidence], decision=decision),
        event("achieved", person, 1, competency=f"{COMPETENCY}/2", evidence=[evidence]),
    )
    documents = [
        (await service.document(one["id"])).decode() for one in await service.credentials(person)
    ]
    assert len(documents) == 2
    for document in documents:
        for secret in (str(person), person.hex, evidence, decision, "mailto:", "@example"):
            assert secret not in document
    first, second = (orjson.loads(one)["credentialSubject"] for one in documents)
    # The same person in two credentials: a salt of its own each, so that they cannot be joined.
    for one, other in (
        (first["identifier"][0]["identityHash"], second["identifier"][0]["identityHash"]),
        (first["identifier"][0]["salt"], second["identifier"][0]["salt"]),
    ):
        assert one != other
    assert first.get("id") is None or first["id"] != second["id"]


# 10. Share pages ----------------------------------------------------------------------------------


async def test_10_a_share_link_cannot_be_guessed_and_is_not_indexed(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    share = await service.share(one["id"])
    # 256 bits, in base64url.
    assert len(share) >= 43
    response = await service.http.get(f"/share/{share}")
    assert response.status_code == 200
    assert response.headers["x-robots-tag"] == "noindex, nofollow"
    assert "no-store" in response.headers["cache-control"]
    for guess in (one["id"].rpartition("/")[2], share[:-1], share.swapcase(), "x" * 43):
        assert (await service.http.get(f"/share/{guess}")).status_code == 404


async def test_10_a_link_that_ended_or_was_taken_back_opens_nothing(
    service: Service, postgres: Database
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    start = datetime.now(UTC)
    made = [
        (
            await service.http.post(
                f"/credentials/{one['id']}/shares",
                json={"expires_at": (start + timedelta(hours=hours)).isoformat()},
                auth=service.key,
            )
        ).json()
        for hours in (1, 24)
    ]
    paths = [urlsplit(link["share_url"]).path for link in made]
    assert [(await service.http.get(path)).status_code for path in paths] == [200, 200]
    links = (await service.http.get(f"/credentials/{one['id']}/shares", auth=service.key)).json()[
        "links"
    ]
    later = next(link for link in links if link["share_url"] == made[1]["share_url"])
    taken_back = await service.http.delete(
        f"/credentials/{one['id']}/shares/{later['link']}", auth=service.key
    )
    assert taken_back.status_code == 204
    assert [(await service.http.get(path)).status_code for path in paths] == [200, 404]
    owner = await postgres.connect()
    try:
        # As if its time had gone by.
        await owner.execute(
            "update credentials.share_link set expires_at = now() - interval '1 second'"
        )
    finally:
        await owner.close()
    for path in paths:
        assert (await service.http.get(path)).status_code == 404
        response = await service.http.post(
            "/verify",
            content=f"{service.settings.public_url}{path}",
            headers={"Content-Type": "text/plain"},
        )
        assert response.status_code == 404
