"""A filled store, its pages served, and Chromium to look at them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from perfgate.measure.database import Server
from tests.github.picture import QUIET_CHROMIUM
from tests.web import history
from tests.web.serving import Served, entering, serving

RUNS = 120


@pytest.fixture(scope="session")
def filled(server: Server) -> str:
    """The URL of a store with a shop's history, and with a project of hostile names."""
    url = server.create("web").url
    with entering(url, history.PROJECT) as store:
        history.fill(store, RUNS)
    with entering(url, history.HOSTILE) as store:
        history.fill(store, 20, attacked=True)
    return url


@pytest.fixture(scope="session")
def shop(filled: str) -> Iterator[Served]:
    """The shop's pages."""
    with serving(filled, history.PROJECT) as served:
        yield served


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; skips where there is none."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        assert "PERFGATE_REQUIRE_CHROMIUM" not in os.environ, "Chromium has to be installed here"
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET_CHROMIUM))
        yield browser
        browser.close()
