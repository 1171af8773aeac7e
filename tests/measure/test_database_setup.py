"""Filling a database from SQL files and commands, and saying where it failed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from perfgate.errors import BadRequest, NotMeasured, PerfgateError
from perfgate.measure.database import Server, ServiceDatabase, setup

PRINT_VARIABLES = "import os; print(*(os.environ.get(n) for n in ('PGHOST', 'PGHOSTADDR', 'DATABASE_URL', 'EXTRA')))"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "setup.log"


def failure(database: ServiceDatabase, root: Path, log: Path, *entries: str) -> PerfgateError:
    with pytest.raises(PerfgateError) as caught:
        database.setup(entries, root, {}, log)
    return caught.value


def numbers(database: ServiceDatabase) -> list[int]:
    with database.connect() as connection:
        return [row[0] for row in connection.execute("SELECT i FROM t ORDER BY i")]


def test_files_and_commands_run_in_the_order_in_which_they_are_asked_for(
    database: ServiceDatabase, tmp_path: Path, log: Path
) -> None:
    (tmp_path / "a schema.sql").write_text("CREATE TABLE t (i int); INSERT INTO t VALUES (1);")
    (tmp_path / "load.py").write_text(
        "import os, psycopg\n"
        "with psycopg.connect(os.environ['DATABASE_URL']) as c: c.execute('INSERT INTO t SELECT max(i) + 1 FROM t')\n"
    )
    (tmp_path / "last.sql").write_text("INSERT INTO t SELECT max(i) * 10 FROM t")
    database.setup(["a schema.sql", "python load.py", "last.sql"], tmp_path, {}, log)
    assert numbers(database) == [1, 2, 20]


def test_a_file_of_sql_runs_as_in_psql_each_statement_on_its_own(
    database: ServiceDatabase, tmp_path: Path, log: Path
) -> None:
    """A dump's COPY, and statements that refuse to run inside a transaction."""
    (tmp_path / "dump.sql").write_text(
        "\\restrict x\nCREATE TABLE t (i int);\nCOPY t (i) FROM stdin;\n1\n2\n\\.\n"
        "CREATE INDEX CONCURRENTLY ON t (i);\nVACUUM t;\nBEGIN; INSERT INTO t VALUES (3); ROLLBACK;\n\\unrestrict x\n"
    )
    database.setup(["dump.sql"], tmp_path, {}, log)
    assert numbers(database) == [1, 2]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("SELECT 1;\n\nSELECT 2,\n  oops;\n", 4, 'column "oops" does not exist'),
        ("CREATE TABLE u (i int);\nINSERT INTO u\nVALUES ('x');", 3, "invalid input syntax"),
        ("SELECT 1;\nSELECT\n  1 / 0;", 2, "division by zero"),
        ("CREATE TABLE u (i int);\nCOPY u FROM stdin;\n1\nx\n\\.\n", 2, "invalid input syntax"),
        ("SELECT 'ü';\nSELECT 'ü', ö;", 2, 'column "ö" does not exist'),
    ],
)
def test_an_error_in_a_file_names_its_line(
    database: ServiceDatabase, tmp_path: Path, log: Path, text: str, line: int, said: str
) -> None:
    (tmp_path / "bad.sql").write_text(text, encoding="utf-8")
    error = failure(database, tmp_path, log, "bad.sql")
    assert isinstance(error, NotMeasured)
    assert str(error).startswith(f"bad.sql:{line}: {said}")


def test_an_error_in_copied_data_says_in_which_row(database: ServiceDatabase, tmp_path: Path, log: Path) -> None:
    (tmp_path / "bad.sql").write_text("CREATE TABLE u (i int);\nCOPY u FROM stdin;\n1\nx\n\\.\n")
    assert "COPY u, line 2" in failure(database, tmp_path, log, "bad.sql").hint


def test_a_role_that_the_other_side_has_made_is_explained(database: ServiceDatabase, tmp_path: Path, log: Path) -> None:
    (tmp_path / "role.sql").write_text("CREATE ROLE perfgate;")
    database.after_another = False
    assert "share its roles" in failure(database, tmp_path, log, "role.sql").hint


def test_a_role_that_head_made_is_there_for_base_too(server: Server, tmp_path: Path, log: Path) -> None:
    (tmp_path / "role.sql").write_text("-- for the reports\nCREATE ROLE of_both_sides; CREATE TABLE t (n int);")
    sides = [server.create("roles_head"), server.create("roles_base")]
    for side in sides:
        side.setup(["role.sql"], tmp_path, {}, log)
    assert "made by the other side" in log.read_text()
    with sides[1].connect() as connection:
        connection.execute("SELECT FROM t")


def test_a_transaction_may_not_be_left_open(database: ServiceDatabase, tmp_path: Path, log: Path) -> None:
    (tmp_path / "open.sql").write_text("BEGIN;\nCREATE TABLE t (i int);\n")
    assert "open.sql ends inside a transaction" in str(failure(database, tmp_path, log, "open.sql"))


def test_a_command_of_psql_is_a_bad_request_that_says_what_to_write(
    database: ServiceDatabase, tmp_path: Path, log: Path
) -> None:
    (tmp_path / "meta.sql").write_text("SELECT 1;\n\\i other.sql\n")
    error = failure(database, tmp_path, log, "meta.sql")
    assert isinstance(error, BadRequest)
    assert str(error).startswith("meta.sql:2: \\i is a command of psql")
    assert "psql -v ON_ERROR_STOP=1 -f meta.sql" in error.hint


@pytest.mark.parametrize("entry", ["missing.sql", "folder/missing.sql", "no-such-command --flag", "broken 'quotes"])
def test_what_is_not_there_is_a_bad_request(database: ServiceDatabase, tmp_path: Path, log: Path, entry: str) -> None:
    error = failure(database, tmp_path, log, entry)
    assert isinstance(error, BadRequest)
    assert entry.split()[0] in str(error)


def test_a_file_that_is_not_utf8_is_a_bad_request(database: ServiceDatabase, tmp_path: Path, log: Path) -> None:
    (tmp_path / "latin.sql").write_bytes("SELECT 'ü'".encode("latin-1"))
    assert isinstance(failure(database, tmp_path, log, "latin.sql"), BadRequest)


def test_a_command_that_fails_is_not_measured_with_its_last_lines(
    database: ServiceDatabase, tmp_path: Path, log: Path
) -> None:
    (tmp_path / "migrate.py").write_text("import sys; print('step one'); sys.exit('no such revision')")
    error = failure(database, tmp_path, log, "python -c pass", "python migrate.py")
    assert isinstance(error, NotMeasured)
    assert "`python migrate.py` ended with exit code 1" in str(error)
    assert "step one" in error.hint
    assert "no such revision" in error.hint
    assert "no such revision" in log.read_text()


def test_a_command_finds_the_database_in_its_environment_and_nothing_of_the_callers(
    database: ServiceDatabase, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A developer's own DATABASE_URL must not be migrated, even when the caller passes its environment on."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://precious")
    monkeypatch.setenv("PGHOST", "precious")
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    (tmp_path / "show.py").write_text(PRINT_VARIABLES)
    database.setup(["python show.py"], tmp_path, {**os.environ, "EXTRA": "more"}, log)
    assert log.read_text().splitlines()[1] == f"127.0.0.1 None {database.url} more"


def test_a_variable_of_the_plan_goes_before_perfgates(database: ServiceDatabase, tmp_path: Path, log: Path) -> None:
    (tmp_path / "show.py").write_text(PRINT_VARIABLES)
    database.setup(["python show.py"], tmp_path, {"DATABASE_URL": "postgresql+psycopg://x"}, log)
    assert "postgresql+psycopg://x" in log.read_text()


def test_placeholders_are_filled_in_and_other_braces_are_left_alone(
    database: ServiceDatabase, tmp_path: Path, log: Path
) -> None:
    (tmp_path / "show.py").write_text("import sys; print(*sys.argv[1:])")
    database.setup(["python show.py {database_name} '{database_port} {\"a\": 1}' {other}"], tmp_path, {}, log)
    assert log.read_text().splitlines()[1] == f'{database.name} {database.port} {{"a": 1}} {{other}}'


def test_python_is_the_one_that_runs_perfgate(database: ServiceDatabase, tmp_path: Path, log: Path) -> None:
    (tmp_path / "show.py").write_text("import sys; print(sys.prefix)")
    database.setup(["python show.py"], tmp_path, {}, log)
    assert log.read_text().splitlines()[1] == sys.prefix


def test_what_a_command_leaves_running_is_stopped(database: ServiceDatabase, tmp_path: Path, log: Path) -> None:
    (tmp_path / "daemon.py").write_text(
        "import subprocess; print(subprocess.Popen(['sleep', '1000'], stdout=subprocess.DEVNULL).pid)"
    )
    database.setup(["python daemon.py"], tmp_path, {}, log)
    left = Path(f"/proc/{log.read_text().splitlines()[1]}/stat")
    assert not left.exists() or left.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_command_that_does_not_end_is_stopped_and_not_measured(
    database: ServiceDatabase, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "COMMAND_TIMEOUT_S", 3.0)
    (tmp_path / "hangs.sh").write_text("echo $$\nexec sleep 1000\n")
    error = failure(database, tmp_path, log, "sh hangs.sh")
    assert isinstance(error, NotMeasured)
    assert "`sh hangs.sh` took over 0.05 min, and was stopped" in str(error)
    pid = log.read_text().splitlines()[1]
    assert pid in error.hint
    left = Path(f"/proc/{pid}/stat")
    assert not left.exists() or left.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("entry", ["any.sql", "python -c pass"])
def test_a_log_that_cannot_be_written_is_not_measured(
    database: ServiceDatabase, tmp_path: Path, log: Path, entry: str
) -> None:
    (tmp_path / "any.sql").write_text("SELECT 1")
    log.mkdir()
    error = failure(database, tmp_path, log, entry)
    assert isinstance(error, NotMeasured)
    assert error.args[0] == f"{log}: cannot be written: Is a directory"
