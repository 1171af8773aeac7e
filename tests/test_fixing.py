"""`perfgate fix`: lists what SQL alone can mend, tries it in a copy, and writes it without overwriting anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from perfgate import fixing, runfile
from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.cli import cli
from perfgate.diagnose.advisors.temp_spill import _setting
from perfgate.errors import BadRequest
from perfgate.examination import Counters, Examination, Request
from perfgate.model import Scope, Side, Unit
from perfgate.result import Result
from tests.diagnose.laboratory import SCENARIO, subject_of
from tests.projects import visit

INDEX = Advice(
    "missing_index",
    Severity.HIGH,
    "an index on items",
    ("712 blocks",),
    "less",
    Effort.MINUTES,
    "add it",
    Scope(SCENARIO, "GET /a"),
    sql=('CREATE INDEX ON "items" ("order")',),
    safe=True,
    verified=(Trial("blocks of GET /a", Unit.COUNT, 712.0, 49.0),),
)
UNSAFE = replace(INDEX, title="drop another", sql=("DROP INDEX b",), safe=False)
OTHER = replace(INDEX, title="another", sql=("CREATE INDEX ON c (d)",), verified=())


def test_only_safe_remedies_of_sql_are_fixes() -> None:
    assert fixing.fixes([UNSAFE, INDEX, replace(INDEX, sql=()), OTHER], ()) == [INDEX, OTHER]
    assert fixing.fixes([UNSAFE, INDEX, OTHER], (2,)) == [OTHER]
    assert fixing.fixes([INDEX, OTHER], (2, 2, 1)) == [OTHER, INDEX]


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "DROP DATABASE shop",
        "CREATE INDEX ON a (b); DROP TABLE a",
        'CREATE INDEX ON a ("b";c); COMMIT',
        "DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm; SELECT 1",
        "CREATE INDEX ON a ('b",
    ],
)
def test_sql_that_no_advisor_writes_is_refused(statement: str) -> None:
    with pytest.raises(BadRequest, match="no advisor writes"):
        fixing.fixes([INDEX, replace(OTHER, sql=(statement,))], ())


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX "a;b" ON "t" ((data->>\'k;k\'))',
        "CREATE STATISTICS s (dependencies, mcv) ON a, b FROM t",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        _setting(64 * 2**20),
        'DROP INDEX "public"."i"',
    ],
)
def test_sql_that_advisors_write_is_taken(statement: str) -> None:
    found = replace(OTHER, sql=(statement,))
    assert fixing.fixes([found], ()) == [found]


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest, match="no fix 3"):
        fixing.fixes([INDEX, OTHER], (3,))
    with pytest.raises(BadRequest, match="no advice"):
        fixing.fixes([UNSAFE], ())


def test_the_migration_says_what_it_is_for_and_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "index.sql"
    fixing.written([INDEX, OTHER], path)
    assert path.read_text(encoding="utf-8") == (
        "-- an index on items\n"
        "-- tried: blocks of GET /a: 712, then 49 (−93 %)\n"
        'CREATE INDEX ON "items" ("order");\n'
        "-- another\n"
        "CREATE INDEX ON c (d);\n"
    )
    with pytest.raises(BadRequest, match="there already"):
        fixing.written([OTHER], path)


def test_no_name_of_a_table_or_an_endpoint_leaves_its_comment() -> None:
    trial = Trial("blocks of GET /a\r\nDROP TABLE b;", Unit.COUNT, 2.0, 1.0)
    titled = replace(INDEX, title='"x\n; DROP TABLE a; --" has no index', verified=(trial,))
    lines = list(fixing._lines([titled]))
    assert [line[:3] for line in lines] == ["-- ", "-- ", "CRE"]
    assert not [line for line in lines if len(line.splitlines()) > 1]


def examined(**blocks: float) -> Examination:
    requests = [Request(f"GET /{name}", 0.1, {"f": Counters(calls=1, blocks=n)}) for name, n in blocks.items()]
    return Examination(SCENARIO, Side.HEAD, 18, tuple(requests))


def test_gains_are_told_of_the_endpoints_that_moved() -> None:
    gains = list(fixing.gains_of(SCENARIO, examined(a=712, b=50), examined(a=49, b=50.1)))
    assert list(fixing.as_lines(gains)) == [f"{SCENARIO}:", "  blocks a request of GET /a: 712, then 49 (−93 %)"]
    still = list(fixing.as_lines(list(fixing.gains_of(SCENARIO, examined(a=50), examined(a=50)))))
    assert still[0] == f"{SCENARIO}: statements, blocks and WAL records are what they were"
    assert "the one that the run was red for" in still[1]


def test_the_command_lists_the_last_runs_fixes_and_needs_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visit(tmp_path)
    monkeypatch.chdir(tmp_path)
    none = CliRunner().invoke(cli, ["fix"])
    assert isinstance(none.exception, BadRequest)
    assert "no last run" in str(none.exception)
    (tmp_path / ".perfgate").mkdir(exist_ok=True)
    subject = subject_of()
    text = runfile.dump_result(Result(subject.run, subject.verdict, (INDEX,)))
    (tmp_path / ".perfgate" / "last.json").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(cli, ["fix", "--write", "fix.sql"])
    assert done.output.splitlines() == [
        "1  an index on items",
        '   CREATE INDEX ON "items" ("order");',
        "   tried: blocks of GET /a: 712, then 49 (−93 %)",
        "wrote fix.sql: put it under `database.setup`, or among your migrations",
    ]
