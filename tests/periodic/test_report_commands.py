"""`perfgate report` on a real store."""

from __future__ import annotations

import re
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from perfgate import keeping, reporting, resultfile
from perfgate.errors import BadRequest, NotMeasured
from perfgate.history_commands import history
from perfgate.keeping import Place
from perfgate.publish.history import admission, notices, writing
from perfgate.publish.history.spool import Spool
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.report_commands import report
from perfgate.reporting import Wanted
from tests.history.runs import entry
from tests.periodic import shop
from tests.periodic.written import FOLDER, NOW


@pytest.fixture
def asked(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder whose environment names the store."""
    monkeypatch.setenv(keeping.STORE_VARIABLE, url)
    monkeypatch.setenv(keeping.PROJECT_VARIABLE, "octo/shop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str) -> Result:
    return CliRunner().invoke(report, list(words))


def golden(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_without_a_file_it_is_markdown_on_standard_output(asked: Path) -> None:
    done = typed("monthly", "--at", "2026-10")
    assert (done.exit_code, done.stdout) == (0, golden("october"))


def test_a_file_s_name_says_its_format_and_several_may_be_written(asked: Path) -> None:
    done = typed("release", "--from", "v1.0", "--to", "v1.2", "--out", "a.md", "--out", "sub/b.html")
    assert (done.exit_code, done.stdout) == (0, "")
    assert Path("a.md").read_text(encoding="utf-8") == golden("between")
    assert Path("sub/b.html").read_text(encoding="utf-8").startswith("<!doctype html>\n")


def test_a_report_replaces_the_former_one_and_nothing_else(asked: Path) -> None:
    assert [typed("weekly", "--at", "2026-W46", "--out", "week.md").exit_code for _ in range(2)] == [0, 0]
    Path("notes.md").write_text("mine", encoding="utf-8")
    assert "is there, and not perfgate's" in str(typed("weekly", "--out", "notes.md").exception)


def test_one_scenario_can_be_asked_for(asked: Path) -> None:
    text = typed("monthly", "--at", "2026-10", "--scenario", "checkout").stdout
    assert "checkout" in text
    assert "queries" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("release", "--from", "v7.0"),
            "--from v7.0: the history knows no such release\n  did you mean 'v1.0'? it knows",
        ),
        (("weekly", "--from", "v1.0"), "--from and --to name releases, and a weekly report has none"),
        (("release", "--at", "2026-10"), "--at is for hours, days, weeks and months"),
        (("daily", "--at", "soon"), "--at soon: is no date"),
        (("daily", "--at", "2999-01-01"), "has not come yet"),
        (("weekly", "--scenario", "brows"), "the history has no scenario 'brows'\n  did you mean 'browse'?"),
        (("weekly", "--out", "week.pdf"), "--out week.pdf: no such format\n  its name ends in .md or .html"),
        (("weekly", "--site", "pages"), "--site writes pages about the whole history"),
        (("--site", "pages", "--out", "a.md"), "--site writes pages about the whole history"),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_to_type(asked: Path, words: tuple[str, ...], said: str) -> None:
    done = typed(*words)
    assert isinstance(done.exception, BadRequest)
    assert said in str(done.exception)


def test_the_site_is_the_pages_as_files(asked: Path) -> None:
    done = typed("--site", "pages")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"pages: \d+ pages, [\d.]+ [KM]B\n", done.stderr)
    assert "octo/shop" in Path("pages/index.html").read_text(encoding="utf-8")


def test_a_project_without_releases_is_told_what_to_type(asked: Path) -> None:
    done = typed("--project", "nobody/nothing")
    assert str(done.exception) == (
        "the history knows no release\n  tag a release in git, or type `perfgate report weekly`"
    )
    assert "not measured in this time" in typed("weekly", "--project", "nobody/nothing").stdout


def test_a_store_that_is_not_there_is_no_report(asked: Path) -> None:
    done = typed("weekly", "--store", "postgresql://nobody@127.0.0.1:1/none")
    assert isinstance(done.exception, NotMeasured)


def test_runs_that_wait_and_the_tags_of_git_are_in_the_report(asked: Path, url: str) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"], ["tag", "2.0"]):
        subprocess.run([*git, *words], cwd=asked, check=True, capture_output=True)
    Spool(asked / ".perfgate/spool").put(entry(1, moment=datetime.now(UTC)))
    text = typed("release", "--project", "octo/waiting").stdout
    assert text.startswith("## octo/waiting&#58; Since 2.0\n\n- The trunk was measured once so far&#58; green.")
    assert Spool(asked / ".perfgate/spool").waiting() == []


NEXT = shop.BEGIN + shop.EVERY


@pytest.fixture
def where(url: str, tmp_path: Path) -> Place:
    return Place(tmp_path, "octo/shop", url)


def wrote(where: Place, wanted: Wanted) -> str:
    return reporting.write(where, wanted, ["markdown"], NOW).texts["markdown"]


def kept(store: Store) -> list[tuple[str, str]]:
    return [(one.kind, one.content) for one in notices.reports(store)]


def test_what_is_written_of_a_time_that_is_over_is_kept_once(where: Place, url: str) -> None:
    place = replace(where, project="octo/kept")
    with closing(connect(url)) as connection:
        store = open_store(connection, "octo/kept")
        shop.fill(store)
        texts = [wrote(place, Wanted("monthly", at="2026-10")) for _ in range(2)]
        for passing in (Wanted(), Wanted("monthly", at="2026-11"), Wanted("weekly", scenario="browse")):
            wrote(place, passing)
        assert kept(store) == [("monthly", texts[0])]


def test_runs_that_came_late_make_a_report_anew(where: Place, url: str) -> None:
    place = replace(where, project="octo/late")
    with closing(connect(url)) as connection:
        store = open_store(connection, "octo/late")
        early, late = (one for one in shop.entries(shop.Names()) if one.started == shop.BEGIN or one.started == NEXT)
        for number, one in enumerate((early, late), 1):
            writing.write(store, [one])
            text = wrote(place, Wanted("daily", at="2026-09-01"))
            assert f"measured {'once' if number == 1 else '2 times'}&#58;" in text
            assert kept(store) == [("daily", text)]


def test_a_time_whose_samples_have_gone_is_told_by_the_report_that_was_kept(where: Place, url: str) -> None:
    place = replace(where, project="octo/pruned")
    with closing(connect(url)) as connection:
        store = open_store(connection, "octo/pruned")
        shop.fill(store)
        before = wrote(place, Wanted("monthly", at="2026-10"))
        with store.transaction() as cursor:
            cursor.execute("DELETE FROM sample WHERE project = %s", [store.project])
        assert wrote(place, Wanted("monthly", at="2026-10")) == before
        other = wrote(place, Wanted("weekly", at="2026-W40"))
        assert "No sample of these runs is kept" in other
        assert "Nothing got worse" not in other


def test_whoever_may_only_read_gets_the_report_and_keeps_none(where: Place, url: str) -> None:
    with closing(connect(url)) as connection:
        store = open_store(connection, "octo/shop")
        connection.execute("CREATE ROLE reporter LOGIN PASSWORD 'x'")
        admission.admit(store, "reporter", write=False)
        former = kept(store)
        told = psycopg.conninfo.conninfo_to_dict(url)
        reader = replace(where, url=f"postgresql://reporter:x@{told['host']}:{told['port']}/{told['dbname']}")
        written = reporting.write(reader, Wanted("monthly", at="2026-09"), ["markdown"], NOW)
        assert written.texts["markdown"].startswith("## octo/shop&#58; September 2026\n")
        assert all("left out" in note for note in written.notes)
        assert kept(store) == former


def test_a_result_that_was_added_by_hand_is_reported(asked: Path) -> None:
    resultfile.save(entry(1).result, asked / "1.json")
    CliRunner().invoke(history, ["add", "1.json", "--trunk", "--project", "octo/added"])
    text = typed("daily", "--at", "2026-10-05", "--project", "octo/added").stdout
    assert "The trunk was measured once&#58; green." in text


def test_who_reads_it_on_a_terminal_sees_names_as_they_are() -> None:
    told = "## shop&#58; **worse** <code>response&#46;p95&#91;GET &#47;a&#93;</code> \x1b[31m&lt;b&gt;"
    assert reporting.readable(told) == "## shop: **worse** `response.p95[GET /a]` <b>"
