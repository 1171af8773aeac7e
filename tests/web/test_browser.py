"""Pages in Chromium, as people use them: by mouse, by keyboard, by night, on paper, and from a folder of files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from perfgate import serving as wiring
from perfgate.errors import BadRequest
from perfgate.keeping import Place
from perfgate.measure.database import Server
from perfgate.model import Unit
from perfgate.publish.web import live
from perfgate.publish.web.asked import Asked
from perfgate.units import show
from tests.web import history
from tests.web.serving import Served, entering, serving, until
from tests.web.test_pages import Elements, pages_of

ALL = "?period=all"
CANVAS = ".plot[data-drawn] canvas"
WAIT_MS = 60_000


class Watched:
    """A page, and what should not have happened on it."""

    def __init__(self, page: Page, home: str) -> None:
        self.page, self.wrong, self._home = page, [], home
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog {dialog.message}"))

    wrong: list[str]

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.wrong.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith(self._home):
            self.wrong.append(f"asked {url}")


@contextmanager
def watched(
    browser: Browser, address: str, *, home: str = "", width: int = 1280, dark: bool = False
) -> Iterator[Watched]:
    """The page of the address; nothing may go wrong on it."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    found = Watched(context.new_page(), home or address.partition("?")[0].rpartition("/")[0])
    found.page.goto(address)
    try:
        yield found
    finally:
        context.close()
    assert found.wrong == []


@pytest.fixture(scope="module")
def hostile(filled: str) -> Iterator[Served]:
    with serving(filled, history.HOSTILE) as served:
        yield served


def test_charts_are_drawn_and_all_zoom_together_by_dragging(shop: Served, browser: Browser) -> None:
    with watched(browser, f"{shop.address}/resources{ALL}") as found:
        page = found.page
        page.wait_for_selector(CANVAS)
        first, second = page.locator(".plot").nth(0), page.locator(".plot").nth(1)
        whole = first.get_attribute("data-range")
        box = page.locator(".u-over").first.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.3, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=4)
        page.mouse.up()
        until(lambda: first.get_attribute("data-range") != whole)
        until(lambda: first.get_attribute("data-range") == second.get_attribute("data-range"))
        page.mouse.dblclick(box["x"] + 50, middle)
        until(lambda: first.get_attribute("data-range") == whole)


def test_a_keyboard_walks_from_point_to_point_zooms_and_opens_the_run(shop: Served, browser: Browser) -> None:
    with watched(browser, f"{shop.address}/resources{ALL}") as found:
        page = found.page
        page.wait_for_selector(CANVAS)
        plot, readout = page.locator(".plot").first, page.locator(".readout").first
        plot.focus()
        page.keyboard.press("End")
        until(lambda: "ms" in readout.inner_text())
        last = readout.inner_text()
        page.keyboard.press("ArrowLeft")
        until(lambda: readout.inner_text() != last)
        before = readout.inner_text()
        page.keyboard.press("ArrowRight")
        until(lambda: readout.inner_text() == last)
        assert before < last
        whole = plot.get_attribute("data-range")
        page.keyboard.press("+")
        until(lambda: plot.get_attribute("data-range") != whole)
        page.keyboard.press("0")
        until(lambda: plot.get_attribute("data-range") == whole)
        page.keyboard.press("Enter")
        page.wait_for_url("**/run-*")
        assert "Measured" in page.inner_text("main")


def test_a_click_on_a_point_opens_its_run(shop: Served, browser: Browser) -> None:
    with watched(browser, f"{shop.address}/resources{ALL}") as found:
        page = found.page
        page.wait_for_selector(CANVAS)
        box = page.locator(".u-over").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        until(lambda: page.locator(".readout").first.inner_text() != "")
        commit = page.locator(".readout").first.inner_text().rpartition(" · ")[2]
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 40)
        page.wait_for_url("**/run-*")
        assert commit in page.inner_text("main")


def test_night_is_the_systems_choice_and_the_buttons(shop: Served, browser: Browser) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with watched(browser, f"{shop.address}/{ALL}", dark=True) as found:
        page = found.page
        assert page.evaluate(ground) == "rgb(15, 19, 24)"
        page.click("#theme")
        assert page.evaluate(ground) == "rgb(246, 247, 249)"
        page.reload()
        assert page.evaluate(ground) == "rgb(246, 247, 249)"
        assert page.inner_text("#theme") == "Dark"


@pytest.mark.parametrize(
    "path", ["", "endpoints", "statements", "resources", "connections", "runs", "run-1", "series-1"]
)
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits_its_window(shop: Served, browser: Browser, path: str, width: int) -> None:
    with watched(browser, f"{shop.address}/{path}{ALL}", width=width) as found:
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_prints_all_its_charts_in_the_light_theme(shop: Served, browser: Browser) -> None:
    with watched(browser, f"{shop.address}/{ALL}", dark=True) as found:
        page = found.page
        page.wait_for_selector(CANVAS)
        page.evaluate("addEventListener('afterprint', () => document.body.dataset.printed = 'yes')")
        drawn = "document.querySelectorAll('.plot[data-drawn]').length"
        assert page.evaluate(drawn) < page.locator(".plot").count()
        assert page.pdf(format="A4").startswith(b"%PDF")
        assert page.evaluate(drawn) == page.locator(".plot").count()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


def test_hostile_names_do_nothing_in_a_browser(hostile: Served, browser: Browser) -> None:
    for path, text in pages_of(hostile):
        assert text
        with watched(browser, f"{hostile.address}{path}{ALL}") as found:
            found.page.wait_for_load_state("load")
            assert found.page.locator("img").count() == 0
    with watched(browser, f"{hostile.address}/endpoints{ALL}") as found:
        link = found.page.get_by_role("link", name="GET /<script>")
        link.click()
        found.page.wait_for_selector(CANVAS)
        assert history.HOSTILE in found.page.inner_text("h1")


def test_quantities_read_in_scripts_as_they_do_everywhere(shop: Served, browser: Browser) -> None:
    values = [0.0, 1.0, 0.0123, 9.995e-4, 99.95, 1234.6, 1e6, 999_400.0, 2.5e-7, 123456789.0, 0.999]
    cases = [(value, unit) for value in values for unit in Unit]
    with watched(browser, f"{shop.address}/resources{ALL}") as found:
        told = found.page.evaluate("cases => cases.map(([value, unit]) => perfgate.show(value, unit))", cases)
    assert told == [show(value, unit) for value, unit in cases]


def test_a_new_run_is_told_on_the_page_that_is_open(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.05)
    database = server.create("web_news")
    with entering(database.url, "shop") as store, serving(database.url, "shop") as served:
        history.fill(store, 1)
        with watched(browser, f"{served.address}/runs") as found:
            seeds = iter(range(2, 1000))

            def told() -> bool:
                history.fill(store, 1, seed=next(seeds))
                return found.page.locator("#news").is_visible()

            until(told)
            found.page.click("#news a")
            found.page.wait_for_function("document.querySelectorAll('tbody tr').length > 1")


@pytest.fixture(scope="module")
def folder(filled: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's pages as files, in a sub-path of what is served."""
    root = tmp_path_factory.mktemp("site")
    wiring.site(Place(root, history.PROJECT, filled), root / "sub" / "perf", Asked("all"))
    return root


@pytest.fixture(scope="module")
def files(folder: Path) -> Iterator[str]:
    """The address of the folder, served by a server that knows nothing."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/sub/perf"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_the_site_works_from_a_sub_path(files: str, browser: Browser) -> None:
    _walk(browser, f"{files}/index.html", files)


def test_the_site_works_from_a_disk(folder: Path, browser: Browser) -> None:
    home = (folder / "sub" / "perf").as_uri()
    _walk(browser, f"{home}/index.html", home)


def _walk(browser: Browser, address: str, home: str) -> None:
    with watched(browser, address, home=home) as found:
        page = found.page
        page.wait_for_selector(CANVAS)
        assert "of 100" in page.inner_text("main")
        assert page.locator("form").count() == 0
        whole = page.locator(".plot").first.get_attribute("data-range")
        page.get_by_role("button", name="30 days").click()
        until(lambda: page.locator(".plot").first.get_attribute("data-range") != whole)
        page.get_by_role("link", name="Endpoints").click()
        page.get_by_role("link", name="POST /orders").click()
        page.wait_for_selector(CANVAS)
        page.locator(".plot").first.focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.wait_for_url("**/run-*.html")


def test_every_link_of_the_site_leads_to_a_file_of_it(folder: Path) -> None:
    site = folder / "sub" / "perf"
    lost = [
        f"{page.name}: {address}"
        for page in site.glob("*.html")
        for tag, attributes in Elements(page.read_text()).found
        for address in (attributes.get("href") or attributes.get("src") or "",)
        if tag in ("a", "link", "script") and address and not address.startswith("#")
        if not (site / address.partition("?")[0]).is_file()
    ]
    assert not lost


def test_a_site_replaces_a_former_one_and_nothing_else(filled: str, tmp_path: Path) -> None:
    where = Place(tmp_path, history.PROJECT, filled)
    mine = tmp_path / "docs"
    mine.mkdir()
    (mine / "index.md").write_text("mine")
    with pytest.raises(BadRequest, match="no site of perfgate"):
        wiring.site(where, mine, Asked("7"))
    assert (mine / "index.md").read_text() == "mine"
    for period in ("all", "7"):
        wiring.site(where, tmp_path / "site", Asked(period))
    assert len(list((tmp_path / "site").glob("run-*.html"))) < 10
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_what_somebody_put_into_a_site_stays_whatever_befalls(filled: str, tmp_path: Path) -> None:
    where, site = Place(tmp_path, history.PROJECT, filled), tmp_path / "site"
    wiring.site(where, site, Asked("all"))
    (site / ".git").mkdir()
    (site / ".git" / "HEAD").write_text("mine")
    (site / "CNAME").write_text("perf.example")
    before = len(list(site.glob("run-*.html")))
    site.rename(tmp_path / ".site.former")  # as somebody leaves it who is killed just then
    for period in ("7", "7"):
        wiring.site(where, site, Asked(period))
    assert (site / ".git" / "HEAD").read_text() == "mine"
    assert (site / "CNAME").read_text() == "perf.example"
    assert len(list(site.glob("run-*.html"))) < min(before, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
