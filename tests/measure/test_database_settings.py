"""The settings a server is started with, and what becomes of those that are asked for."""

from __future__ import annotations

import pytest

from perfgate.errors import BadRequest
from perfgate.measure import database as databases
from perfgate.measure.database import Server, settings
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

REFUSED = [
    ({"work_memm": "1MB"}, "work_memm", "did you mean 'work_mem'?"),
    ({"work_mem": "banana"}, "work_mem", ""),
    ({"Shared_Buffers": "900TB"}, "Shared_Buffers", ""),
    ({"pg_stat_statements.foo": "1"}, "pg_stat_statements.foo", "did you mean 'pg_stat_statements.max'?"),
    ({"shared_preload_libraries": "no_such_library"}, "shared_preload_libraries", ""),
    ({"max_wal_senders": "3", "wal_level": "minimal"}, "max_wal_senders", ""),
    ({"port": "1"}, "port", "leave it out"),
    ({"work mem": "1MB"}, "work mem", ""),
]


def started(owner: Owner, **overrides: str) -> dict[str, str]:
    """The settings of a server started with these."""
    plan = Database(provider="embedded", settings=overrides)
    with databases.start(plan, owner, print) as server:
        return dict(server.settings)


def test_the_server_has_the_settings_that_were_chosen(server: Server) -> None:
    rows = server.monitor.execute("SELECT lower(name), current_setting(name) FROM pg_settings")
    in_force: dict[str, str] = dict(rows.fetchall())
    assert {name: in_force.get(name) for name in settings.CHOSEN} == dict(settings.CHOSEN)
    assert in_force["shared_preload_libraries"] == "pg_stat_statements,auto_explain"


def test_a_run_keeps_the_settings_that_differ_and_nothing_that_differs_from_start_to_start(
    server: Server, owner: Owner
) -> None:
    assert server.settings["autovacuum"] == "off"
    assert "synchronous_commit" not in server.settings  # what Postgres ships with
    assert not server.settings.keys() & {"port", "data_directory", "application_name"}
    assert server.settings == started(owner)
    assert server.settings == server.present_settings()


def test_settings_in_the_plan_override_the_chosen_ones_and_add_to_them(owner: Owner) -> None:
    found = started(owner, JIT="on", work_mem="7MB", **{"app.tenant": "5"})
    assert "jit" not in found
    assert found["work_mem"] == "7MB"


def test_libraries_in_the_plan_are_loaded_beside_perfgates(owner: Owner) -> None:
    found = started(owner, shared_preload_libraries="pg_prewarm, auto_explain")
    assert found["shared_preload_libraries"] == "pg_stat_statements,auto_explain,pg_prewarm"


@pytest.mark.parametrize(("overrides", "name", "hint"), REFUSED, ids=[refused[1] for refused in REFUSED])
def test_a_setting_that_is_unknown_or_refused_is_a_bad_request_that_names_it(
    overrides: dict[str, str], name: str, hint: str, owner: Owner
) -> None:
    with pytest.raises(BadRequest) as caught:
        started(owner, **overrides)
    assert str(caught.value).startswith(f"database.settings.{name} ")
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("log", "named"),
    [
        ('FATAL:  unrecognized configuration parameter "work_mem"', True),
        ('2026-01-01 UTC [1] FATAL:  invalid value for parameter "WORK_MEM": "x"', True),
        ("FATAL:  could not map\n[1] DETAIL:  failed\n[1] HINT:  reduce work_mem", True),
        ('FATAL:  invalid value for parameter "maintenance_work_mem": "x"', False),
        ('LOG:  invalid value for parameter "work_mem": "x"\nFATAL:  something else', False),
        ("", False),
    ],
)
def test_the_setting_to_blame_is_read_from_the_fatal_message(log: str, named: bool) -> None:
    assert (settings.rejected(log, {"work_mem": "x"}) is not None) == named
