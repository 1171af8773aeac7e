"""How a server is named to clients, and that perfgate itself reaches the one it means."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from perfgate.errors import NotMeasured
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.database.access import Access, reporting

ODD = "it's: me/@%&? ü"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "/var/run/postgresql", "db.example"])
def test_a_url_says_what_libpq_reads_from_it(host: str) -> None:
    access = Access(host, 5433, ODD, ODD, {"sslmode": "require", "options": "-c jit=off"})
    assert conninfo_to_dict(access.url(ODD)) == {
        "host": host,
        "port": "5433",
        "user": ODD,
        "password": ODD,
        "dbname": ODD,
        "sslmode": "require",
        "options": "-c jit=off",
    }


def test_a_role_without_a_password_has_none_in_its_url() -> None:
    assert Access("127.0.0.1", 5432, "me", "").url("db") == "postgresql://me@127.0.0.1:5432/db"


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(Access("127.0.0.1", 5432, "me", "secret"))


def test_variables_of_the_caller_do_not_lead_perfgate_elsewhere(
    database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOSTADDR": "127.0.0.9",
        "PGSSLMODE": "verify-full",
        "PGOPTIONS": "-c work_mem=1MB",
        "PGCLIENTENCODING": "LATIN1",
        "PGAPPNAME": "other",
    }.items():
        monkeypatch.setenv(name, value)
    with database.connect() as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("4MB",)
        assert connection.execute("SHOW application_name").fetchone() == ("perfgate",)


def test_a_full_disk_is_told_with_what_helps(server: Server) -> None:
    with pytest.raises(NotMeasured) as caught, reporting("restoring database x", lambda: "last words"):
        server.monitor.execute("DO $$ BEGIN RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$")
    assert str(caught.value).startswith(
        "restoring database x: no space left on device\n  give it more room: set TMPDIR"
    )
    assert "last words" in caught.value.hint


def test_a_statement_that_is_wrong_is_a_bug_and_keeps_its_traceback(server: Server) -> None:
    with pytest.raises(psycopg.errors.SyntaxError), reporting("anything", str):
        server.monitor.execute("SELEC")
