"""The page in a real browser: what a person on shift does with it, while a stream runs.

Chromium of the system, without a window. Every host but the page itself is refused and noted; any
word in the console is a failure.
"""

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("SKYSIFT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
SOURCE = "J053424+220052-1"
TOKEN = "correct-horse-battery-staple"  # noqa: S105  # of the tests
WAIT = 15_000  # ms, far more than it takes
PHONE = {
    "viewport": {"width": 375, "height": 812},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESK = {"viewport": {"width": 1280, "height": 900}}
SCREENSHOTS = os.environ.get("SKYSIFT_SCREENSHOTS")  # a folder for what the tests see


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; on Debian: apt install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        # Root, as in containers, has no sandbox of Chromium's; the page is our own.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*arguments, "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser):
    """Open a tab that reaches one page and nothing else."""
    tabs = []

    def open_(page, **looks):
        tab = Tab(browser, page.address, looks or DESK)
        tabs.append(tab)
        return tab

    yield open_
    for tab in tabs:
        tab.close()


class Tab:
    def __init__(self, browser, address, looks):
        self.address = address
        self.context = browser.new_context(**looks)
        self.elsewhere, self.complaints = [], []
        self.context.route("**/*", self._route)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: dialog.accept())

    def _route(self, route):
        if route.request.url.startswith(f"{self.address}/"):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def go(self, path="/"):
        self.page.goto(f"{self.address}{path}")
        self.page.locator("#live[data-state=live]").wait_for()
        return self.page

    def keep(self, name):
        if SCREENSHOTS:
            self.page.wait_for_timeout(300)  # pictures are drawn
            said = len(self.complaints)
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)
            self.page.wait_for_timeout(300)
            del self.complaints[said:]  # of the driver, which hides the caret by a style

    def width_beyond_the_screen(self):
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def tables_wider_than_their_frames(self):
        return self.page.evaluate(
            "[...document.querySelectorAll('.table-frame')]"
            ".filter((frame) => frame.scrollWidth > frame.clientWidth)"
            ".map((frame) => frame.getAttribute('aria-label'))"
        )

    def close(self):
        self.context.close()
        assert self.elsewhere == []
        assert self.complaints == []


def test_a_candidate_appears_while_the_stream_runs_is_opened_and_retracted(
    open_page, night_sink, open_tab
):
    night_sink.publish([night_sink.window(candidates=0)])
    tab = open_tab(open_page())
    page = tab.go()
    assert page.locator("#sources-section").get_by_text("Nothing has been found yet").is_visible()

    for number in range(12):  # a source grows
        end = night_sink.now + 10 * number
        window = night_sink.window(end=end)
        found = night_sink.candidate(window, significance=5 + 0.4 * number)
        night_sink.publish([window], [found], [night_sink.bin(SOURCE, end, 2 + 1.5 * number)])
    night_sink.maps(window)
    night_sink.decide_alerts()

    page.get_by_role("link", name=SOURCE).first.wait_for()  # without anybody reloading
    page.locator("#alerts .chip.test").wait_for()
    page.locator("svg image").nth(2).wait_for()
    assert page.locator(".map").count() == 3
    loaded = "[...document.querySelectorAll('svg image')].every(i => i.getBBox().width > 0)"
    assert page.evaluate(loaded)
    assert page.locator(".map ellipse.ring").count() >= 6
    page.locator("#chart-rate canvas").wait_for()
    tab.keep("night")

    page.get_by_role("link", name=SOURCE).last.click()
    page.get_by_role("heading", name=SOURCE).wait_for()
    page.locator("[data-chart=curve] canvas").wait_for()
    page.get_by_text("skysift watch incoming --task gamma-sky").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="FITS").click()
    assert Path(download.value.path()).read_bytes().startswith(b"SIMPLE")
    tab.keep("candidate")

    page.get_by_label("Reason").fill("a satellite")
    page.get_by_role("button", name="Retract").click()
    page.get_by_text("is retracted.").wait_for()
    page.locator("#candidate .chip.retracted").wait_for()
    page.go_back()
    page.locator("#alerts .chip.retracted").wait_for()


def test_a_window_is_chosen_with_the_keyboard(open_page, night_sink, open_tab):
    for length, strength in ((10.0, 9.0), (100.0, 6.0)):
        window = night_sink.window(length=length)
        night_sink.maps(window)
        night_sink.publish([window], [night_sink.candidate(window, significance=strength)])
    served = open_page()
    served.wait_for("/panels/sky", "9.00")
    page = open_tab(served).go()
    sky = page.locator("#sky .window strong")
    assert sky.inner_text().startswith("10")
    page.get_by_role("radio", name="Strongest").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.locator("#sky .window strong", has_text="100").wait_for()
    night_sink.publish([night_sink.window(length=10.0, end=night_sink.now + 1)])
    page.wait_for_timeout(700)
    assert sky.inner_text().startswith("100")  # the choice stays when something new comes


def test_a_quarantined_record_is_replayed_after_signing_in(open_page, night_sink, open_tab):
    record = night_sink.arrive("<img src=x onerror=alert(1)>.fits", "The file is cut short.")
    tab = open_tab(open_page(TOKEN))
    page = tab.go()
    row = page.locator("#quarantine tr", has_text="The file is cut short.")
    row.wait_for()
    assert page.locator("#quarantine button").count() == 0
    assert page.get_by_text("Sign in to replay.").is_visible()

    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Token").fill("not the token")
    page.locator("dialog button.main").click()
    page.get_by_text("That is not the token.").wait_for()
    while len(tab.complaints) < 2:  # of the browser, and of htmx
        page.wait_for_timeout(20)
    assert all("401" in said for said in tab.complaints)
    tab.complaints.clear()
    page.get_by_label("Token").fill(TOKEN)
    page.locator("dialog button.main").click()
    page.get_by_role("button", name="Sign out").wait_for()
    (cookie,) = tab.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""

    page.get_by_role("button", name="Replay").click()
    page.get_by_text("Nothing is in quarantine.").wait_for()
    assert night_sink.spool.find(record).state.value == "pending"


def test_buttons_cannot_be_pressed_before_they_work(open_page, night_sink, open_tab):
    night_sink.arrive("cut.fits", "The file is cut short.")
    tab = open_tab(open_page(TOKEN))
    page = tab.go()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Token").fill(TOKEN)
    page.locator("dialog button.main").click()
    replay = page.get_by_role("button", name="Replay")
    page.get_by_role("button", name="Sign out").wait_for()
    page.locator("html.ready").wait_for()
    assert replay.evaluate("one => getComputedStyle(one).pointerEvents") == "auto"
    page.route("**/htmx.min.js*", lambda route: route.abort())
    page.reload()
    replay.wait_for()
    assert replay.evaluate("one => getComputedStyle(one).pointerEvents") == "none"
    tab.complaints.clear()  # of what was not loaded


@pytest.mark.parametrize("looks", [DESK, PHONE], ids=["desk", "phone"])
def test_no_table_hides_anything_beyond_its_edge(open_page, night_sink, open_tab, looks):
    window = night_sink.window(length=600.0)
    source = "J053741+211258-817028888"  # as long as names are
    found = night_sink.candidate(window, source=source, significance=28.1, far=1e-78)
    night_sink.publish([window], [found])
    night_sink.decide_alerts()
    night_sink.arrive("torn-file-with-a-rather-long-name.fits", "The file is cut short. " * 3)
    served = open_page()
    served.wait_for("/panels/alerts", source)
    tab = open_tab(served, **looks)
    page = tab.go(f"/candidates/{source}")
    page.get_by_label("Note").fill("seen")
    page.get_by_role("button", name="Acknowledge").click()
    page.locator("#candidate .chip.seen").wait_for()
    page.get_by_label("Reason").fill("a satellite")
    page.get_by_role("button", name="Retract").click()
    page.locator("#candidate .chip.retracted").wait_for()
    tab.go("/")
    page.locator("#sources .chip.retracted").wait_for()
    assert tab.tables_wider_than_their_frames() == []
    if looks is PHONE:  # cells say what they are
        told = page.locator("#sources td[data-name^='Best [']")
        said = told.evaluate("(cell) => getComputedStyle(cell, '::before').content")
        assert "Best" in said
    tab.keep(f"tables-{'phone' if looks is PHONE else 'desk'}")


@pytest.mark.parametrize("looks", ["phone", "dark"])
def test_it_reads_on_a_phone_and_in_the_dark(open_page, night_sink, open_tab, looks):
    for number in range(15):
        end = night_sink.now - 140 + 10 * number
        window = night_sink.window(end=end)
        found = night_sink.candidate(window, significance=5 + 0.3 * number)
        night_sink.publish([window], [found], [night_sink.bin(SOURCE, end, 3 + 1.2 * number)])
    night_sink.maps(window)
    night_sink.arrive("torn-file-with-a-rather-long-name.fits", "The file is cut short. " * 3)
    served = open_page()
    served.wait_for("/panels/sky", "/maps/")
    tab = open_tab(served, **(PHONE if looks == "phone" else DESK | {"color_scheme": "dark"}))
    page = tab.go()
    page.locator("#chart-latency canvas").wait_for()
    for address in ("/", f"/candidates/{SOURCE}", "/about"):
        tab.go(address)
        assert tab.width_beyond_the_screen() <= 0, address
        contrasts = page.evaluate(CONTRASTS)
        assert min(contrasts) >= 4.5, address  # WCAG 2.1, level AA
        assert page.locator("img:not([alt]), svg[role=img]:not([aria-label])").count() == 0
    tab.go("/")
    tab.keep(looks)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    shade = sum(int(part) for part in background[4:-1].split(","))
    assert (shade < 150) == (looks == "dark")


def test_a_page_finds_its_way_back_when_the_server_was_away(open_page, night_sink, open_tab):
    served = open_page()
    tab = open_tab(served)
    page = tab.go()
    tab.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    page.evaluate("window.dispatchEvent(new Event('pageshow'))")
    page.locator("#live[data-state=lost]").wait_for()
    night_sink.field()
    tab.context.set_offline(False)
    page.locator("#live[data-state=live]").wait_for()
    page.get_by_role("link", name=SOURCE).first.wait_for()
    tab.complaints.clear()  # what the browser says of a network that is off


# Contrast of each text with what is behind it, after WCAG 2.1, "relative luminance".
CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => {
    const s = v / 255;
    return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e !== null; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("svg, script") || !element.offsetParent)
      continue;
    const pair = [numbers(getComputedStyle(element).color), behind(element)].map(light);
    found.push((Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05));
  }
  return found;
}"""
