"""`perfgate history` on a real store."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from perfgate import keeping, resultfile
from perfgate.history_commands import history
from perfgate.publish.history.spool import Spool
from perfgate.publish.history.store import connect, open_store
from tests.history.runs import entry, rows


@pytest.fixture
def asked(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder whose environment names a store."""
    monkeypatch.setenv(keeping.STORE_VARIABLE, url)
    monkeypatch.setenv(keeping.PROJECT_VARIABLE, "shop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str) -> Result:
    return CliRunner().invoke(history, list(words))


def test_results_are_added_once_and_told_of(asked: Path, url: str) -> None:
    paths = [asked / f"{number}.json" for number in (1, 2)]
    for number, path in enumerate(paths):
        resultfile.save(entry(number).result, path)
    names = [str(path) for path in paths]
    assert typed("add", *names, "--label", "checkout=on", "--accepted").stdout == "2 stored, 0 there already\n"
    assert typed("add", *names).stdout == "0 stored, 2 there already\n"
    assert "project shop: 2 runs, the last of 2026-10-05 13:00; 0 of them red\nwaiting: 0\n" in typed("status").stdout
    with closing(connect(url)) as connection:
        store = open_store(connection, "shop")
        assert rows(store, "SELECT DISTINCT trunk, accepted, value FROM run JOIN label ON id = run") == [
            (True, True, "on")
        ]


@pytest.mark.parametrize("word", ["checkout", "=on", ""])
def test_a_label_without_name_or_value_is_refused(asked: Path, word: str) -> None:
    resultfile.save(entry(1).result, asked / "1.json")
    done = typed("add", "1.json", "--label", word)
    assert "is no label" in str(done.exception)


def test_what_waits_is_sent(asked: Path) -> None:
    spool = Spool(asked / ".perfgate/spool")
    spool.put(entry(1))
    (spool.folder / "0.result").write_text("half")
    done = typed("send")
    assert done.stdout == "1 sent, 0 waiting\n"
    assert "set aside:" in done.stderr


def test_prune_tells_what_would_go_and_then_drops_it(asked: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=500)
    resultfile.save(entry(1, moment=old).result, asked / "1.json")
    typed("add", "1.json")
    words = "4 samples, 1 findings, 0 hours, 0 days, 0 runs; 1 whole months\n"
    assert typed("prune", "--dry-run").stdout == f"would drop {words}"
    assert typed("prune").stdout == f"dropped {words}"
    assert typed("prune").stdout.startswith("dropped 0 samples")


def test_a_store_is_made_and_a_stranger_is_not_admitted(asked: Path) -> None:
    assert typed("migrate").stdout.endswith(": version 2\n")
    assert "has no role 'nobody_there'" in str(typed("admit", "nobody_there").exception)
