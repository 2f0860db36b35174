"""The other ways to the verify page's answer, in Chromium: links, files, a camera, no script, no
mouse, a telephone; and the pages for what was shared and what is offered.
"""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import segno
from playwright.async_api import Browser, Download, Page, async_playwright, expect

from assay_credentials.contexts import pinned_contexts
from assay_credentials.holding.binding import signed_copy
from assay_credentials.store import Store
from assay_testing import Database
from browser import ARGUMENTS, Watched, chromium, screenshot
from credentials_service import TENANT, Service, add_client, event
from node_tools import run_node

CAMERA = (640, 480)
MODULE_PIXELS = 8
WALLET_SEED = bytes(range(32, 64))
SMALL = {"width": 320, "height": 640}


async def issued(service: Service) -> dict[str, Any]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one


async def _outcome(page: Page) -> str | None:
    banner = page.locator("[data-outcome]").first
    await expect(banner).to_be_visible()
    return await banner.get_attribute("data-outcome")


async def _share(service: Service) -> tuple[str, dict[str, Any]]:
    one = await issued(service)
    return await service.share(one["id"]), one


def luminance(code: segno.QRCode) -> bytes:
    """What a camera of CAMERA pixels sees of a code in the middle of its view."""
    width, height = CAMERA
    rows = [bytearray(b"\xeb" * width) for _ in range(height)]
    matrix = [list(row) for row in code.matrix_iter(border=0)]
    side = len(matrix) * MODULE_PIXELS
    left, top = (width - side) // 2, (height - side) // 2
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            if dark:
                begin = left + x * MODULE_PIXELS
                for line in rows[top + y * MODULE_PIXELS : top + (y + 1) * MODULE_PIXELS]:
                    line[begin : begin + MODULE_PIXELS] = b"\x10" * MODULE_PIXELS
    return b"".join(rows)


def film(code: segno.QRCode) -> bytes:
    """A film in YUV4MPEG2 that shows the code, which Chromium takes for a camera."""
    width, height = CAMERA
    colour = b"\x80" * (width * height // 2)
    frame = b"FRAME\n" + luminance(code) + colour
    return b"YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420\n" % CAMERA + frame * 10


async def test_a_link_opens_the_answer(browser: Browser, site: Any) -> None:
    """The address that stands in the QR code of a certificate, and behind LinkedIn's button."""
    share, one = await _share(site.service)
    async with Watched.open(browser, site.url) as watched:
        await watched.page.goto(f"{site.url}/verify?share={share}")
        assert await _outcome(watched.page) == "valid"
        await watched.page.get_by_role("link", name="Cymraeg").click()
        await expect(watched.page.get_by_role("heading", level=1)).to_have_text("Dilys")
        await site.service.follow(event("withdrawn", UUID(one["person"]), 2))
        await watched.page.reload()
        assert await _outcome(watched.page) == "suspended"
        await watched.page.goto(f"{site.url}/verify?share={share}x")
        await expect(watched.page.get_by_role("heading", level=1)).to_have_text("Nothing here")


async def test_a_pasted_link_is_as_good_as_the_credential(browser: Browser, site: Any) -> None:
    share, _ = await _share(site.service)
    async with Watched.open(browser, site.url) as watched:
        page = watched.page
        for link, told in (
            (f"{site.url}/share/{share}", "Valid"),
            (f"{site.url}/verify?share={share}", "Valid"),
            ("https://elsewhere.example/share/x", "This cannot be checked"),
        ):
            await page.goto(f"{site.url}/verify")
            await page.get_by_label("Paste the credential, or the link to it").fill(link)
            await page.get_by_role("button", name="Check", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(told)
        assert not any("elsewhere.example" in url for url in watched.asked)


async def test_nothing_given_is_said_where_it_is_missing(
    browser: Browser, site: Any, pictures: Path | None
) -> None:
    async with Watched.open(browser, site.url) as watched:
        page = watched.page
        await page.goto(f"{site.url}/verify")
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was given.")
        await expect(page.locator("#text")).to_have_attribute(
            "aria-describedby", "text-hint nothing"
        )
        await watched.accessible()
        await screenshot(page, pictures, "verify")


async def _downloaded(download: Download, folder: Path) -> Path:
    path = folder / download.suggested_filename
    await download.save_as(path)
    return path


async def test_what_was_shared_can_be_taken_away_and_checked_again(
    browser: Browser, site: Any, tmp_path: Path, pictures: Path | None
) -> None:
    share, _ = await _share(site.service)
    async with Watched.open(browser, site.url, accept_downloads=True) as watched:
        page = watched.page
        await page.goto(f"{site.url}/share/{share}")
        assert await _outcome(page) == "valid"
        await expect(page.get_by_text("A credential that was shared with you")).to_be_visible()
        await watched.accessible()
        await screenshot(page, pictures, "share")
        linkedin = page.get_by_role("link", name="Add to LinkedIn")
        assert f"/share/{share}/linkedin" in str(await linkedin.get_attribute("href"))
        for name in (
            "Certificate (PDF)",
            "Badge (PNG)",
            "Badge (SVG)",
            "Credential (JSON)",
            "Credential (VC-JWT)",
        ):
            await page.goto(f"{site.url}/share/{share}")
            async with page.expect_download() as waiting:
                await page.get_by_role("link", name=name).click()
            file = await _downloaded(await waiting.value, tmp_path)
            await page.goto(f"{site.url}/verify")
            await page.get_by_label("Or choose a file").set_input_files(file)
            await page.get_by_role("button", name="Check", exact=True).click()
            assert await _outcome(page) == "valid", name


async def test_the_receipt_is_a_file_to_keep(browser: Browser, site: Any, tmp_path: Path) -> None:
    share, _ = await _share(site.service)
    async with Watched.open(browser, site.url, accept_downloads=True) as watched:
        await watched.page.goto(f"{site.url}/verify?share={share}")
        for name, begin in (("Receipt as PDF", b"%PDF-"), ("Receipt as JSON", b"{")):
            async with watched.page.expect_download() as waiting:
                await watched.page.get_by_role("button", name=name).click()
            file = await _downloaded(await waiting.value, tmp_path)
            content = file.read_bytes()
            assert content.startswith(begin)
        assert orjson.loads(content)["receipt"]["outcome"] == "valid"


async def test_a_camera_reads_the_code_of_a_certificate(site: Any, tmp_path: Path) -> None:
    share, _ = await _share(site.service)
    seen = tmp_path / "camera.y4m"
    seen.write_bytes(film(segno.make(f"{site.url}/verify?share={share}", error="m")))
    arguments = [
        *ARGUMENTS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={seen}",
    ]
    async with async_playwright() as playwright:
        with_camera = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            async with Watched.open(with_camera, site.url) as watched:
                await watched.page.goto(f"{site.url}/verify")
                await watched.page.get_by_role("button", name="Use the camera").click()
                assert await _outcome(watched.page) == "valid"
        finally:
            await with_camera.close()


async def test_without_a_camera_it_is_said_and_a_picture_does(
    browser: Browser, site: Any, tmp_path: Path
) -> None:
    share, _ = await _share(site.service)
    code, other = tmp_path / "code.png", tmp_path / "other.png"
    segno.make(f"{site.url}/share/{share}", error="m").save(str(code), scale=6)
    segno.make("x").save(str(other), scale=1, dark="white")
    async with Watched.open(browser, site.url) as watched:
        page = watched.page
        await page.goto(f"{site.url}/verify")
        await page.get_by_role("button", name="Use the camera").click()
        await expect(page.get_by_role("status")).to_contain_text("The camera cannot be used.")
        await page.get_by_label("Or choose a picture of the code").set_input_files(other)
        await expect(page.get_by_role("status")).to_contain_text("No QR code was found")
        await page.get_by_label("Or choose a picture of the code").set_input_files(code)
        assert await _outcome(page) == "valid"


async def test_all_but_the_camera_works_without_script(browser: Browser, site: Any) -> None:
    document = await site.service.document((await issued(site.service))["id"])
    async with Watched.open(browser, site.url, java_script_enabled=False) as watched:
        page = watched.page
        await page.goto(f"{site.url}/verify")
        await expect(page.locator("#scan")).to_be_hidden()
        await page.locator("#text").fill(document.decode())
        await page.get_by_role("button", name="Check", exact=True).click()
        assert await _outcome(page) == "valid"
        await page.get_by_role("button", name="Cymraeg").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Dilys")
        await page.goto(f"{site.url}/verify")
        await page.get_by_role("button", name="Make a code").click()
        await expect(page.locator("svg.qr")).to_be_visible()
        await page.get_by_role("link", name="Look for the answer").click()
        await expect(page.locator("svg.qr")).to_be_visible()


async def test_all_can_be_done_by_keyboard(browser: Browser, site: Any) -> None:
    document = await site.service.document((await issued(site.service))["id"])
    async with Watched.open(browser, site.url) as watched:
        page = watched.page
        await page.goto(f"{site.url}/verify")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.locator("#text")).to_be_focused()
        await page.keyboard.insert_text(document.decode())
        await page.keyboard.press("Tab")
        await expect(page.locator("#file")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Check", exact=True)).to_be_focused()
        await page.keyboard.press("Enter")
        assert await _outcome(page) == "valid"


async def test_pages_fit_a_small_screen(browser: Browser, site: Any, pictures: Path | None) -> None:
    share, _ = await _share(site.service)
    async with Watched.open(browser, site.url, viewport=SMALL, has_touch=True) as watched:
        page = watched.page
        for name, path in (
            ("verify", "/verify"),
            ("share", f"/share/{share}"),
            ("result", f"/verify?share={share}&lang=cy"),
        ):
            await page.goto(f"{site.url}{path}")
            await expect(page.locator("h1")).to_be_visible()
            # WCAG 2.2, 1.4.10: nothing is wider than 320 pixels.
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= SMALL["width"], path
            await screenshot(page, pictures, f"small-{name}")
        await watched.accessible()


async def test_the_claim_page_shows_the_offer_and_never_the_transaction_code(
    browser: Browser, site: Any, postgres: Database, pictures: Path | None
) -> None:
    one = await issued(site.service)
    client = await add_client(postgres, TENANT, ("credentials/offer",))
    made = await site.service.http.post(f"/credentials/{one['id']}/offers", json={}, auth=client)
    assert made.status_code == 201, made.text
    offer = made.json()
    async with Watched.open(browser, site.url) as watched:
        page = watched.page
        await page.goto(offer["claim_url"])
        await expect(page.locator("svg.qr")).to_be_visible()
        said = await page.locator("main").inner_text()
        assert "Offered by" in said
        assert "transaction code" in said
        assert offer["transaction_code"] not in await page.content()
        assert await page.locator("#uri").text_content() == offer["offer_uri"]
        await watched.accessible()
        await screenshot(page, pictures, "claim")
        answer = await page.goto(f"{offer['claim_url']}x")
        assert answer is not None
        assert answer.status == 404
        await expect(page.locator("[data-claim=gone]")).to_contain_text("Ask for a new one.")


@pytest.mark.parametrize("is_replay", [False, True])
async def test_a_wallet_of_others_shows_a_credential_and_the_page_tells(
    browser: Browser, site: Any, is_replay: bool, pictures: Path | None
) -> None:
    """@openid4vc/openid4vp reads the request and answers it, @digitalbazaar/vc signs."""
    service = site.service
    one = await issued(service)
    async with service.pool.acquire() as connection, connection.transaction():
        key = await service.issuers.key(Store(connection), TENANT)
    seed = {"seed": WALLET_SEED.hex()}
    async with Watched.open(browser, site.url) as watched:
        page = watched.page
        await page.goto(f"{site.url}/verify")
        await page.get_by_role("button", name="Make a code").click()
        await expect(page.locator("svg.qr")).to_be_visible()
        await watched.accessible()
        await screenshot(page, pictures, "present")
        uri = await page.locator("#uri").text_content()
        holder = await asyncio.to_thread(run_node, "wallet.mjs", {**seed, "only": "holder"})
        assert isinstance(holder, str)
        copy = signed_copy(
            await service.document(one["id"]),
            holder,
            "ldp_vc",
            signer=key.signer,
            method=key.method,
            now=service.verifier.now(),
        )
        asked = {
            **seed,
            "uri": uri,
            "credentials": [orjson.loads(copy)],
            "documents": dict(pinned_contexts().documents),
        }
        if is_replay:
            asked["challenge"] = "of another request"
        answer = await asyncio.to_thread(run_node, "wallet.mjs", asked)
        assert isinstance(answer, dict)
        assert (answer["status"], answer["answer"]) == (200, {})
        assert answer["prefix"] == "redirect_uri"
        # The page looks by itself.
        await expect(page.locator("[data-outcome]").first).to_be_visible()
        assert await _outcome(page) == ("not_holder" if is_replay else "valid")
        await expect(page.get_by_text(holder)).to_be_visible()
        await watched.accessible()
        await screenshot(page, pictures, "presented-again" if is_replay else "presented")
