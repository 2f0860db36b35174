"""The verify page in Chromium: every state in the right words, in English and Welsh."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from playwright.async_api import Browser, Page, expect

from assay_credentials import admin
from assay_testing import Database
from browser import Watched, screenshot
from credential_samples import STRANGER
from credentials_service import COMPETENCY, TENANT, Service, event


async def issued(service: Service) -> dict[str, Any]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one


async def _valid(service: Service) -> bytes:
    return await service.document((await issued(service))["id"])


async def _expired(service: Service) -> bytes:
    document = await _valid(service)
    service.now.append(datetime.now(UTC) + timedelta(days=800))
    return document


async def _suspended(service: Service) -> bytes:
    one = await issued(service)
    await service.follow(event("withdrawn", UUID(one["person"]), 2))
    return await service.document(one["id"])


async def _revoked(service: Service) -> bytes:
    one = await issued(service)
    await service.follow(event("revoked", UUID(one["person"]), 2))
    return await service.document(one["id"])


async def _tampered(service: Service) -> bytes:
    return (await _valid(service)).replace(b"aseptic gowning", b"keyhole surgery")


async def _unknown_issuer(_: Service) -> bytes:
    return orjson.dumps(STRANGER.badge(status=()))


async def _could_not_check(_: Service) -> bytes:
    # Its status lists stand at a host that this service may not ask.
    return orjson.dumps(STRANGER.badge())


STATES: dict[str, tuple[Callable[[Service], Awaitable[bytes]], str, str, str, str]] = {
    "valid": (
        _valid,
        "Valid",
        "This credential is genuine and valid.",
        "Dilys",
        "Mae'r dystysgrif hon yn un go iawn ac yn ddilys.",
    ),
    "expired": (
        _expired,
        "Expired",
        "This credential is genuine, but it has expired.",
        "Wedi dod i ben",
        "Mae'r dystysgrif hon yn un go iawn, ond mae wedi dod i ben.",
    ),
    "suspended": (
        _suspended,
        "Suspended",
        "This credential is genuine, but its issuer has suspended it. Do not rely on it now.",
        "Wedi'i hatal dros dro",
        "Mae'r dystysgrif hon yn un go iawn, ond mae ei chyhoeddwr wedi'i hatal dros dro. "
        "Peidiwch â dibynnu arni nawr.",
    ),
    "revoked": (
        _revoked,
        "Revoked",
        "This credential is genuine, but its issuer has revoked it. Do not rely on it.",
        "Wedi'i dirymu",
        "Mae'r dystysgrif hon yn un go iawn, ond mae ei chyhoeddwr wedi'i dirymu. "
        "Peidiwch â dibynnu arni.",
    ),
    "not_genuine": (
        _tampered,
        "Not genuine",
        "This is not a genuine credential: it was changed after it was signed, or was never "
        "signed by the issuer that it names.",
        "Nid yw'n un go iawn",
        "Nid tystysgrif go iawn yw hon: fe'i newidiwyd ar ôl ei llofnodi, neu ni chafodd erioed "
        "ei llofnodi gan y cyhoeddwr y mae'n ei enwi.",
    ),
    "issuer_unknown": (
        _unknown_issuer,
        "Issuer unknown",
        "The signature is good, but this service does not know the issuer.",
        "Cyhoeddwr anhysbys",
        "Mae'r llofnod yn gywir, ond nid yw'r gwasanaeth hwn yn adnabod y cyhoeddwr.",
    ),
    "could_not_check": (
        _could_not_check,
        "Could not be checked",
        "This credential could not be checked. This does not mean that it is valid, nor that it "
        "is not.",
        "Ni ellid ei gwirio",
        "Ni ellid gwirio'r dystysgrif hon. Nid yw hyn yn golygu ei bod yn ddilys, na'i bod yn "
        "annilys.",
    ),
}


# Two wrongs, and the sign that the browser has told of both.
_WRONGS = """
() => {
  let told = 0;
  document.addEventListener("securitypolicyviolation", () => {
    told += 1;
    if (told === 2) document.body.append(Object.assign(document.createElement("i"), {id: "done"}));
  });
  const picture = document.createElement("img");
  picture.src = "http://elsewhere.invalid/x.png";
  document.body.append(picture);
  document.body.setAttribute("style", "color: red");
}
"""


async def _check(page: Page, url: str, document: bytes) -> None:
    await page.goto(f"{url}/verify")
    await page.get_by_label("Paste the credential, or the link to it").fill(document.decode())
    await page.get_by_role("button", name="Check", exact=True).click()


async def _told(page: Page) -> tuple[str, str]:
    banner = page.locator("[data-outcome]").first
    heading = await banner.get_by_role("heading", level=1).inner_text()
    return heading, await banner.locator(".sentence").inner_text()


@pytest.mark.parametrize("state", STATES)
async def test_each_state_is_told_in_the_right_words(
    browser: Browser, site: Any, state: str, pictures: Path | None
) -> None:
    make, heading, sentence, welsh_heading, welsh_sentence = STATES[state]
    document = await make(site.service)
    async with Watched.open(browser, site.url) as watched:
        page = watched.page
        await _check(page, site.url, document)
        assert await page.locator("[data-outcome]").first.get_attribute("data-outcome") == state
        assert await _told(page) == (heading, sentence)
        assert await page.title() == f"{heading}: Check a credential"
        await watched.accessible()
        await screenshot(page, pictures, state)

        await page.get_by_role("button", name="Cymraeg").click()
        await expect(page.locator("html")).to_have_attribute("lang", "cy")
        assert await _told(page) == (welsh_heading, welsh_sentence)
        await screenshot(page, pictures, f"{state}-cy")


async def test_nothing_of_what_is_not_genuine_is_shown(browser: Browser, site: Any) -> None:
    async with Watched.open(browser, site.url) as watched:
        await _check(watched.page, site.url, await _tampered(site.service))
        await expect(watched.page.get_by_role("heading", level=1)).to_have_text("Not genuine")
        assert "keyhole surgery" not in await watched.page.locator("main").inner_text()


async def test_what_a_genuine_one_says_is_shown(
    browser: Browser, site: Any, postgres: Database, pictures: Path | None
) -> None:
    owner = await postgres.connect()
    try:
        await admin.put_issuer(owner, TENANT, "Training Centre North", "https://north.example")
        await admin.put_achievement(
            owner,
            TENANT,
            COMPETENCY,
            name="Aseptic gowning",
            description="Gowns for grade B.",
            criteria="Two observed gownings.",
            framework="ATMP practice",
            levels=("Aware", "Under supervision", "Alone"),
        )
    finally:
        await owner.close()
    document = await _valid(site.service)
    async with Watched.open(browser, site.url) as watched:
        await _check(watched.page, site.url, document)
        said = await watched.page.locator(".facts").inner_text()
        for text in (
            "Aseptic gowning",
            "Gowns for grade B.",
            "Two observed gownings.",
            "Under supervision",
            "Training Centre North",
            "ATMP practice",
            orjson.loads(document)["issuer"]["id"],
            "The credential does not hold the person's name.",
        ):
            assert text in said
        await screenshot(watched.page, pictures, "described")


async def test_a_document_that_attacks_the_page_is_shown_as_text(
    browser: Browser, site: Any
) -> None:
    attack = "</dd><script>document.title='x'</script><img src=x onerror=alert(1)>"
    badge: Any = STRANGER.badge(status=())
    del badge["proof"]
    badge["credentialSubject"]["achievement"]["name"] = attack
    badge["credentialSubject"]["achievement"]["criteria"] = {"narrative": attack}
    async with Watched.open(browser, site.url) as watched:
        await _check(watched.page, site.url, orjson.dumps(STRANGER.sign(badge)))
        await expect(watched.page.locator(".facts h2")).to_have_text(attack)
        assert await watched.page.title() == "Issuer unknown: Check a credential"
        assert await watched.page.locator("main img, main script").count() == 0


async def test_the_watch_sees_what_a_page_must_not_do(browser: Browser, site: Any) -> None:
    """Otherwise the other tests would prove nothing."""
    with pytest.raises(AssertionError) as failure:  # noqa: PT012 - the watch speaks at the end
        async with Watched.open(browser, site.url) as watched:
            await watched.page.goto(f"{site.url}/verify")
            await watched.page.evaluate(_WRONGS)
            await expect(watched.page.locator("#done")).to_be_attached()
    assert "img-src" in str(failure.value)
    assert "style-src" in str(failure.value)
