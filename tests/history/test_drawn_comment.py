"""The comment on a pull request draws what earlier runs of the trunk measured."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from perfgate import announcement, keeping, trends
from perfgate.errors import ExitCode
from perfgate.options import Telling
from perfgate.publish import words
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.store import connect, open_store
from perfgate.publish.history.writing import write
from tests.github.fake import REPOSITORY, TOKEN, serve
from tests.github.test_announcement import pull_request
from tests.history.courses import noisy, one_run
from tests.publish.literals import FAILED


def daily(number: int, value: float) -> Entry:
    """A run of the last month, a day after the one before."""
    made, moment = one_run(number, value), datetime.now(UTC) - timedelta(days=30 - number)
    return replace(made, result=replace(made.result, run=replace(made.run, started=moment.isoformat())))


@pytest.mark.parametrize("configured", [True, False])
def test_what_failed_is_drawn_where_a_store_is_configured(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    values = noisy(0.1, 30)
    with closing(connect(url)) as connection:
        write(open_store(connection, "shop"), [daily(number, value) for number, value in enumerate(values)])
    monkeypatch.setenv(keeping.PROJECT_VARIABLE, "shop")
    if configured:
        monkeypatch.setenv(keeping.STORE_VARIABLE, url)
    monkeypatch.setattr(trends, "recent", partial(trends.recent, patience=300.0))
    pull_request(tmp_path)
    with serve() as hub:
        env = {
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_API_URL": hub.url,
            "GITHUB_SERVER_URL": "https://github.test",
            "GITHUB_SHA": "1" * 40,
            "GITHUB_RUN_ID": "42",
            "GITHUB_TOKEN": TOKEN,
        }
        announcer = announcement.prepared(Telling(github=True), tmp_path / "budgets.yaml", env)
        assert announcer is not None
        assert announcer.announce(FAILED) is ExitCode.PASSED
        (comment,) = hub.bodies()
    assert (words.trend(values[-trends.RECENT :]) in comment) == configured
