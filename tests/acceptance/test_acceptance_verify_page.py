"""Credentials of `assay demo` on the verify page of the running product, in Chromium: each state in
the right words.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from assay_cli.demo_catalogue import catalogue, rule_documents
from assay_cli.demo_programme import build
from assay_credentials.did import did_key, did_key_method
from assay_credentials.keys import Ed25519Signer, Signer, load_key_file
from assay_credentials.proof import add_proof
from assay_testing import RunningStack
from browser import ARGUMENTS, Watched, chromium

COURSE = "https://assay.example/demo/activities/course/gmp-foundations"
RENEWABLE = "https://assay.example/demo/competencies/GMP1"
LEARNERS = 10
SEED = 6
WAIT_SECONDS = 60.0

# Answers are JSON of any shape, hence Any.
Json = dict[str, Any]

WORDS = {
    "valid": "This credential is genuine and valid.",
    "expired": "This credential is genuine, but it has expired.",
    "suspended": "This credential is genuine, but its issuer has suspended it. Do not rely on it "
    "now.",
    "revoked": "This credential is genuine, but its issuer has revoked it. Do not rely on it.",
    "not_genuine": "This is not a genuine credential: it was changed after it was signed, or was "
    "never signed by the issuer that it names.",
    "issuer_unknown": "The signature is good, but this service does not know the issuer.",
    "could_not_check": "This credential could not be checked. This does not mean that it is valid, "
    "nor that it is not.",
}


@dataclass
class Demo:
    """What the demo left behind, through the front doors."""

    stack: RunningStack
    client: httpx.AsyncClient
    printed: Json
    held: dict[str, list[Json]]
    """Credentials by the demo's learner, as the service lists them."""
    agents: dict[str, Json]

    def key(self, name: str) -> tuple[str, str]:
        found = self.printed["keys"][name]
        return found["user"], found["password"]

    async def document(self, credential: Json) -> Json:
        url = f"{self.printed['urls']['credentials']}/credentials/{credential['id']}"
        answer = await self.client.get(url, auth=self.key("reader"))
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        return document

    async def credentials_of(self, person: str) -> list[Json]:
        answer = await self.client.get(
            f"{self.printed['urls']['credentials']}/credentials",
            params={"person": person},
            auth=self.key("reader"),
        )
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["credentials"]
        return found

    def one(self, status: str) -> Json:
        return next(one for held in self.held.values() for one in held if one["status"] == status)

    def issuer(self, document: Json) -> Signer:
        """The key that signed it, from the folder that the stack keeps."""
        for path in sorted((self.stack.info.data / "credentials" / "keys").rglob("*.pem")):
            signer = load_key_file(path)
            if did_key(signer.public_key) == document["issuer"]["id"]:
                return signer
        pytest.fail("no key file of the issuer of the demo")


@pytest.fixture
async def demo(stack: RunningStack) -> AsyncIterator[Demo]:
    played = await asyncio.to_thread(
        stack.assay, "demo", "--learners", str(LEARNERS), "--seed", str(SEED), seconds=240
    )
    assert played.returncode == 0, played.stdout + played.stderr
    printed = json.loads((await asyncio.to_thread(stack.assay, "status", "--json")).stdout)
    programme = build(catalogue(), rule_documents(), SEED, datetime.now(UTC).date(), LEARNERS)
    headers = {"X-Experience-API-Version": "2.0.0"}
    async with httpx.AsyncClient(headers=headers, timeout=20.0) as client:
        told = Demo(stack, client, printed, {}, {})
        for learner in programme.learners:
            answer = await client.get(
                f"{printed['urls']['aggregator']}/people",
                params={"agent": json.dumps(learner.account)},
                auth=told.key("reader"),
            )
            assert answer.status_code == 200, answer.text
            person = answer.json().get("people", [answer.json()])[0]["person"]
            told.held[person] = await told.credentials_of(person)
            told.agents[person] = dict(learner.account)
        yield told


async def _valid(demo: Demo) -> Json:
    return await demo.document(demo.one("issued"))


async def _suspended(demo: Demo) -> Json:
    """The demo itself takes one piece of evidence back."""
    return await demo.document(demo.one("suspended"))


async def _revoked(demo: Demo) -> Json:
    """A learner of the demo passes again, and the newer credential takes the place of the old."""
    person, old = next(
        (person, one)
        for person, held in demo.held.items()
        for one in held
        if one["status"] == "issued" and one["competency"] == RENEWABLE
    )
    document = await demo.document(old)
    again = {
        "id": str(uuid4()),
        "actor": demo.agents[person],
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
        "object": {"id": COURSE},
        "result": {"success": True, "score": {"scaled": 0.97}},
        "timestamp": datetime.now(UTC).isoformat(),
    }
    posted = await demo.client.post(
        f"{demo.printed['urls']['xapi']}/statements", json=again, auth=demo.key("online")
    )
    assert posted.status_code == 200, posted.text
    end = asyncio.get_running_loop().time() + WAIT_SECONDS
    while asyncio.get_running_loop().time() < end:
        now = {one["id"]: one["status"] for one in await demo.credentials_of(person)}
        if now[old["id"]] == "superseded":
            return document
        await asyncio.sleep(0.1)
    raise AssertionError(f"not superseded within {WAIT_SECONDS} s")


def _signed(document: Json, signer: Signer) -> Json:
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    return add_proof(
        unsigned,
        signer,
        verification_method=did_key_method(signer.public_key),
        created=datetime.now(UTC),
    )


async def _expired(demo: Demo) -> Json:
    """What the demo's issuer signed two years ago."""
    document = await _valid(demo)
    then = {"validFrom": "2024-01-01T00:00:00Z", "validUntil": "2024-12-31T23:59:59Z"}
    return _signed({**document, **then}, demo.issuer(document))


async def _tampered(demo: Demo) -> Json:
    document = await _valid(demo)
    document["credentialSubject"]["achievement"]["name"] = "Qualified Person"
    return document


async def _unknown_issuer(demo: Demo) -> Json:
    document = await _valid(demo)
    stranger = Ed25519Signer.from_seed(bytes([9] * 32))
    document["issuer"]["id"] = did_key(stranger.public_key)
    del document["credentialStatus"]
    return _signed(document, stranger)


async def _could_not_check(demo: Demo) -> Json:
    """Its status lists stand where nobody answers."""
    document = await _valid(demo)
    entries = document["credentialStatus"]
    for entry in entries if isinstance(entries, list) else [entries]:
        entry["statusListCredential"] = "https://nobody.invalid/status/1"
    return _signed(document, demo.issuer(document))


STATES: dict[str, Callable[[Demo], Awaitable[Json]]] = {
    "valid": _valid,
    "expired": _expired,
    "suspended": _suspended,
    "revoked": _revoked,
    "not_genuine": _tampered,
    "issuer_unknown": _unknown_issuer,
    "could_not_check": _could_not_check,
}


async def test_credentials_of_the_demo_open_in_the_right_words(demo: Demo) -> None:
    url = demo.printed["urls"]["credentials"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            async with Watched.open(browser, url) as watched:
                page = watched.page
                for state, make in STATES.items():
                    document = await make(demo)
                    await page.goto(f"{url}/verify")
                    await page.locator("#text").fill(json.dumps(document))
                    await page.get_by_role("button", name="Check", exact=True).click()
                    banner = page.locator("[data-outcome]").first
                    await expect(banner.locator(".sentence")).to_have_text(
                        WORDS[state], timeout=30_000
                    )
                    assert await banner.get_attribute("data-outcome") == state
        finally:
            await browser.close()
