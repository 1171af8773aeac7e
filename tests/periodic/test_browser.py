"""The page as Chromium shows it: its own policy lets it through, it asks for nothing, and paper shows all of it."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from perfgate.publish.history.store import Store
from tests.github.picture import QUIET_CHROMIUM
from tests.periodic.test_reports import hostile
from tests.periodic.written import as_html, told
from tests.publish.literals import HOSTILE

FOLDED = "td:has-text('response.rate')"
COLOUR = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def chromium() -> str:
    """Where it is; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        assert "PERFGATE_REQUIRE_CHROMIUM" not in os.environ, "Chromium has to be installed here"
        pytest.skip("there is no Chromium")
    return found


@pytest.mark.parametrize("text", ["", HOSTILE[1]], ids=["as it is", "hostile"])
def test_the_page_shows_by_day_by_night_and_on_paper_without_a_complaint(
    store: Store, tmp_path: Path, chromium: str, text: str
) -> None:
    found = told(store, "between")
    page = tmp_path / "report.html"
    page.write_text(as_html(hostile(found, text) if text else found), encoding="utf-8")
    with ThreadPoolExecutor(1) as alone:  # another test's browser may be open in this thread, which may have but one
        assert alone.submit(look, chromium, page.as_uri()).result() == []


def look(chromium: str, address: str) -> list[str]:
    """What the browser says or asks for while the page is looked at in every way."""
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET_CHROMIUM))
        view = browser.new_page(viewport={"width": 420, "height": 800}, color_scheme="light")
        view.on("console", lambda message: said.append(message.text))
        view.on("request", lambda request: said.append(request.url) if request.url != address else None)
        view.on("dialog", lambda dialog: said.append(dialog.message))
        view.goto(address)
        day = view.evaluate(COLOUR)
        view.emulate_media(color_scheme="dark")
        assert view.evaluate(COLOUR) != day
        assert view.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        assert view.evaluate("document.querySelector('.chart .levels').getBoundingClientRect().width") > 100
        assert not view.locator(FOLDED).first.is_visible()
        view.emulate_media(media="print")
        assert view.locator(FOLDED).first.is_visible()
        browser.close()
    return said
