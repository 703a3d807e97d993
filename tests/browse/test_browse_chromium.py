"""The pages in a browser: what people click, on a laptop and on a phone, light and dark.

WATCHER_TEST_SCREENSHOTS names a folder for pictures of them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sites import Server

CHROMIUM = shutil.which("chromium")
LAPTOP, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Its sandbox needs what containers lack; and it asks for nothing on the network of its own accord.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """A laptop's, in light colours. No page may have a fault in its console, or ask another machine for anything."""
    with Opened(browser, server, LAPTOP, "light") as opened:
        yield opened


class Opened:
    """A page, closed again; nothing may have gone wrong in it."""

    def __init__(self, browser: Any, server: Server, size: dict[str, int], scheme: str) -> None:
        self._context = browser.new_context(
            viewport=size, color_scheme=scheme, base_url=server.address, device_scale_factor=1, locale="en-GB"
        )
        self._address = server.address
        self.faults: list[str] = []

    def __enter__(self) -> Any:
        page = self._context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        page.on("request", lambda request: self._check(request.url))
        return page

    def __exit__(self, *_: object) -> None:
        self._context.close()
        assert [fault for fault in self.faults if "404" not in fault] == []

    def _check(self, url: str) -> None:
        if not url.startswith((self._address, "data:")):
            self.faults.append(f"asked for {url}")


def shoot(page: Any, name: str, *, whole: bool = False) -> None:
    if folder := os.environ.get("WATCHER_TEST_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)


def test_from_the_gallery_to_a_picture_to_the_next_to_the_dashboard(page: Any) -> None:
    """By clicks, and by the arrow keys."""
    from playwright.sync_api import expect

    page.goto("/")
    cards = page.locator(".card")
    assert cards.count() == 48
    first = cards.first.get_attribute("href")
    assert page.locator(".card img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 50
    cards.first.click()
    assert page.url.endswith(first)
    assert page.locator(".copy img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 50
    assert page.locator(".labels li").count() >= 2
    page.get_by_role("link", name="Next").click()
    page.wait_for_url(lambda url: not url.endswith(first))
    second = page.url
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**{first}")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(second)
    page.get_by_role("link", name="Dashboard").click()
    expect(page.locator("h1")).to_have_text("Dashboard")
    assert page.locator(".chart").first.locator("rect").count() > 20
    page.get_by_role("link", name="Job runs").click()
    expect(page.locator(".runs > li")).to_have_count(4)
    page.get_by_role("link", name="Tables").click()
    page.get_by_role("link", name="results", exact=True).first.click()
    expect(page.locator("td .watcher-picture img").first).to_be_visible()


def test_filters_are_chosen_typed_and_taken_away(page: Any) -> None:
    """What is filtered by stands above the pictures; each of it can be taken away."""
    from playwright.sync_api import expect

    page.goto("/")
    page.locator(".facet a", has_text="malaria").click()
    page.wait_for_url("**model=malaria")
    page.get_by_label("Label", exact=True).fill("Parasitized")
    page.get_by_label("Score from, percent").fill("90")
    page.get_by_label("Needs review").uncheck()
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".chips li")).to_have_count(4)  # and one that clears them all
    assert set(page.locator(".said strong").all_inner_texts()) == {"Parasitized"}
    scores = [float(re.sub(r"[^\d.]", "", text)) for text in page.locator(".said .score").all_inner_texts()]
    assert min(scores) >= 90
    page.locator(".chips a", has_text="Score from").click()
    page.get_by_role("link", name="Most doubtful").click()
    page.wait_for_url("**order=doubtful")
    scores = [float(re.sub(r"[^\d.]", "", text)) for text in page.locator(".said .score").all_inner_texts()]
    assert scores == sorted(scores)
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name="Previous").click()
    page.get_by_role("link", name="Clear all").first.click()
    expect(page.locator(".chips li")).to_have_count(0)


def test_the_keyboard_reaches_all(page: Any) -> None:
    """The first stop leads past what is on every page, and what has the focus shows it."""
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.parametrize(
    "path", ["/", "/?label=Parasitized&review=1", "PICTURE", "/dashboard", "/runs", "/nowhere/x/y/z"]
)
def test_a_phone_shows_all_without_scrolling_sideways(browser: Any, server: Server, path: str) -> None:
    """At 360 pixels, and what is to be pressed is large enough for a finger."""
    if path == "PICTURE":
        path = f"/picture/{server.get('/').ids()[0]}"
    with Opened(browser, server, PHONE, "light") as page:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for button in page.locator("main .button:visible").all():
            assert button.bounding_box()["height"] >= 32


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read(browser: Any, server: Server, scheme: str) -> None:
    """Each text stands out from what is behind it as WCAG's level AA asks."""
    picture = f"/picture/{server.get('/').ids()[0]}"
    with Opened(browser, server, LAPTOP, scheme) as page:
        for path in ("/?label=Parasitized&review=1", picture, "/dashboard", "/runs"):
            page.goto(path)
            assert page.evaluate(FAINT) == [], path


# Every text whose contrast with the colour behind it is below 4.5, or 3 where it is large (WCAG 2.2, 1.4.3).
FAINT = """() => {
  const part = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (at) => {
    for (; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const at of document.querySelectorAll("body *")) {
    const text = [...at.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    const style = getComputedStyle(at);
    if (!text || at.closest("svg, .off, option, .hidden, .skip") || !at.checkVisibility()) continue;
    const [one, other] = [light(parse(style.color)), light(behind(at))];
    const contrast = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (contrast < (large ? 3 : 4.5)) found.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_pages_are_drawn(browser: Any, server: Server, size: dict[str, int], scheme: str) -> None:
    """Every picture has a text for those who do not see it; and there are screenshots, for those who ask for them."""
    picture = f"/picture/{server.get('/?model=malaria').ids()[0]}?model=malaria"
    device = "laptop" if size is LAPTOP else "phone"
    pages = {
        "gallery": "/",
        "picture": picture,
        "dashboard": "/dashboard?days=90",
        "runs": "/runs",
        "rows": "/watcher/results",
    }
    with Opened(browser, server, size, scheme) as page:
        for name, path in pages.items():
            page.goto(path)
            assert page.locator("img:not([alt])").count() == 0
            shoot(page, f"{name}-{device}-{scheme}", whole=name in {"picture", "dashboard", "runs"})
