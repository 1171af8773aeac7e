"""A server that is there already: perfgate makes databases in it, and changes nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure import database as databases
from perfgate.measure.database import Server, embedded
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

CATALOG = """
    SELECT datname, datacl::text, datconnlimit,
           (SELECT array_agg(setconfig::text) FROM pg_db_role_setting WHERE setdatabase = pg_database.oid)
    FROM pg_database
    WHERE datname NOT LIKE 'perfgate\\_%' ORDER BY datname
"""


@pytest.fixture
def owner() -> Iterator[Owner]:
    """An owner for each test: what it made on the server is dropped when the test is over."""
    with Owner() as owner:
        yield owner


@pytest.fixture(scope="module")
def roles(server: Server) -> Iterator[None]:
    for role, attributes in (("maker", "CREATEDB"), ("visitor", "")):
        server.monitor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'it''s: me/@' {attributes}".encode())
    yield
    for role in ("maker", "visitor"):
        server.monitor.execute(f"DROP ROLE {role}".encode())


def at(server: Server, role: str = "", maintenance: str = "postgres") -> str:
    """The URL of the server for a role; perfgate's own unless one is named."""
    if not role:
        return server.access.url(maintenance)
    return f"postgresql://{role}:it%27s%3A%20me%2F%40@127.0.0.1:{server.access.port}/{maintenance}"


def cycle(url: str, owner: Owner, say: Callable[[str], None] = print, **settings: str) -> tuple[object, ...] | None:
    """Make a database, freeze and restore it; what is in force in it then."""
    plan = Database(provider="url", url=url, settings=settings)
    with databases.start(plan, owner, say) as there:
        database = there.create("head")
        with database.connect() as connection:
            connection.execute("CREATE TABLE t AS SELECT 1")
        database.freeze()
        with database.connect() as connection:
            connection.execute("DELETE FROM t")
        database.restore()
        assert there.monitor.execute("SELECT count(*) >= 0 FROM pg_stat_statements").fetchone() == (True,)
        with database.connect() as connection:
            return connection.execute(
                "SELECT count(*), current_user, current_setting('jit'), current_setting('work_mem') FROM t"
            ).fetchone()


@pytest.mark.parametrize("maintenance", ["postgres", "template1"])
def test_a_database_is_made_and_dropped_and_no_other_is_touched(server: Server, maintenance: str) -> None:
    """`postgres` has pg_stat_statements here, `template1` has not: then perfgate watches from a database of its own."""
    before = server.monitor.execute(CATALOG).fetchall()
    with Owner() as owner:
        assert cycle(at(server, maintenance=maintenance), owner) == (1, "perfgate", "off", "4MB")
    assert owner.problems == []
    assert server.monitor.execute(CATALOG).fetchall() == before
    left = server.monitor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"%{owner.token}%"])
    assert left.fetchall() == []
    with server.access.connect("template1") as connection:
        assert connection.execute("SELECT count(*) FROM pg_extension").fetchone() == (1,)


@pytest.mark.usefixtures("roles")
def test_a_role_that_may_make_databases_is_enough(server: Server, owner: Owner) -> None:
    assert cycle(at(server, "maker"), owner) == (1, "maker", "off", "4MB")


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize(
    ("role", "maintenance", "hint"),
    [
        ("visitor", "postgres", 'ALTER ROLE "visitor" CREATEDB'),
        ("visitor", "template1", 'ALTER ROLE "visitor" CREATEDB'),
        ("maker", "template1", "CREATE EXTENSION pg_stat_statements"),
    ],
)
def test_a_role_that_may_not_is_told_how_to_be_allowed(
    server: Server, owner: Owner, role: str, maintenance: str, hint: str
) -> None:
    with pytest.raises(NotMeasured) as caught:
        cycle(at(server, role, maintenance), owner)
    assert hint in caught.value.hint


def test_settings_in_the_plan_hold_for_perfgates_database_alone(server: Server, owner: Owner) -> None:
    assert cycle(at(server), owner, JIT="on", work_mem="7MB") == (1, "perfgate", "on", "7MB")
    assert server.monitor.execute("SHOW work_mem").fetchone() == ("4MB",)


def test_settings_of_the_run_are_those_in_force_in_perfgates_database(server: Server, owner: Owner) -> None:
    plan = Database(provider="url", url=at(server), settings={"work_mem": "7MB"})
    with databases.start(plan, owner, print) as there:
        assert there.settings["work_mem"] == "7MB"
        assert there.provider == "url"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("fsync", "on", "only settings that hold for a single database"),
        ("shared_preload_libraries", "pg_prewarm", "only settings that hold for a single database"),
        ("work_mem", "banana", ""),
        ("work_memm", "1MB", "did you mean 'work_mem'?"),
    ],
)
def test_a_setting_that_cannot_be_made_there_is_a_bad_request(
    server: Server, owner: Owner, name: str, value: str, hint: str
) -> None:
    with pytest.raises(BadRequest, match=rf"database\.settings\.{name} ") as caught:
        cycle(at(server), owner, print, **{name: value})
    assert hint in caught.value.hint


def test_what_the_server_keeps_otherwise_is_said() -> None:
    plan = Database(provider="embedded", settings={"autovacuum": "on", "checkpoint_timeout": "5min"})
    said: list[str] = []
    with Owner() as owner, databases.start(plan, owner, print) as server:
        with Owner() as visitor:
            cycle(at(server), visitor, said.append)
        where = f"the server at 127.0.0.1:{server.access.port}"
    assert said == [f"database: {where}, which keeps its autovacuum=on, checkpoint_timeout=5min"]


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("", BadRequest, "database.url is missing"),
        ("postgresql://u@127.0.0.1/db?nonsense=1", BadRequest, "database.url cannot be read"),
        ("just words", BadRequest, "database.url cannot be read"),
    ],
)
def test_a_url_that_is_none_is_a_bad_request(owner: Owner, url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cycle(url, owner)


def test_a_server_that_does_not_answer_is_not_measured(owner: Owner) -> None:
    with pytest.raises(NotMeasured, match="connecting to database.url: .*refused"):
        cycle(f"postgresql://u:p@127.0.0.1:{embedded.free_port()}/postgres", owner)
