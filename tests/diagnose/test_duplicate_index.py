from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.duplicate_index import ADVISOR
from perfgate.diagnose.indexes import redundant
from perfgate.diagnose.subject import Subject
from perfgate.measure.database import Server
from perfgate.model import Side
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, told
from tests.diagnose.laboratory import SCENARIO, Bench, Sent, failed, subject_of

TABLE = """
    CREATE TABLE visits (id serial PRIMARY KEY, shop int, at int, name text, tags text[]);
    INSERT INTO visits (shop, at, name, tags) SELECT n % 50, n, 'visitor ' || n, '{}'
    FROM generate_series(1, 3000) AS n;
"""
DOUBLE = TABLE + "CREATE INDEX visits_by_shop ON visits (shop); CREATE INDEX visits_by_shop_again ON visits (shop);"
ADD = Sent("POST /visits", "INSERT INTO visits (shop, at) VALUES (%s, 1)", [7])
READ = Sent("GET /visits", "SELECT count(name) FROM visits WHERE shop = %s", [7])


@contextmanager
def examined(server: Server, schema: str, *sent: Sent, red: bool = False) -> Iterator[tuple[Subject, Bench]]:
    with laboratory.opened(server, schema, [*sent] * 3) as bench:
        failures = [failed("queries.wal_records", "POST /visits")] if red else []
        yield subject_of(bench.examine(), laboratory=bench, red=failures), bench


def test_writes_without_a_duplicate_are_measured_in_a_copy(server: Server) -> None:
    with examined(server, DOUBLE, ADD, READ) as (subject, bench):
        advice = only(ADVISOR, subject)
    assert advice.severity is Severity.MEDIUM
    assert advice.title == "index visits_by_shop_again of visits has the same columns as visits_by_shop"
    assert advice.sql == ('DROP INDEX "visits_by_shop_again"',)
    assert bench.examined[1:] == [advice.sql]
    saved = advice.verified[0]
    assert saved.what == "WAL records of POST /visits a request"
    assert saved.before - saved.after == pytest.approx(1.0, abs=0.5)


def test_a_duplicate_that_base_lacks_explains_writes_that_are_red(server: Server) -> None:
    with examined(server, DOUBLE, ADD, red=True) as (subject, _):
        assert only(ADVISOR, subject).severity is Severity.HIGH
        same = replace(subject, bases={SCENARIO: replace(subject.heads[SCENARIO], side=Side.BASE)})
        assert only(ADVISOR, same).severity is Severity.MEDIUM


def test_a_duplicate_that_nobody_writes_to_is_a_hint(server: Server) -> None:
    with examined(server, DOUBLE, READ) as (subject, _):
        assert only(ADVISOR, subject).severity is Severity.LOW


def test_duplicates_of_a_small_table_are_no_matter(server: Server) -> None:
    with examined(server, DOUBLE.replace("3000", "900"), ADD) as (subject, _):
        assert not told(ADVISOR, subject)


def test_a_duplicate_is_a_hint_where_there_is_no_time_to_try(server: Server) -> None:
    with examined(server, DOUBLE, ADD) as (subject, bench):
        bench.allowance = 1.0
        advice = only(ADVISOR, subject)
    assert (advice.severity, advice.verified, advice.safe) == (Severity.LOW, (), False)


def test_an_index_whose_reads_would_lose_is_kept(server: Server) -> None:
    wide = TABLE + "CREATE INDEX slim ON visits (at); CREATE INDEX wide ON visits (at, (repeat(name, 20)));"
    read = Sent("GET /visits", "SELECT count(*) FROM visits WHERE at > 10")
    greedy = [read._replace(sql=["SET LOCAL enable_seqscan = off", "SET LOCAL enable_bitmapscan = off", str(read.sql)])]
    with examined(server, wide, *greedy) as (subject, bench):
        assert redundant(subject.heads[SCENARIO].indexes)
        assert not told(ADVISOR, subject)
    assert bench.examined[1:] == [('DROP INDEX "slim"',)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("INDEX a ON visits (shop)", "INDEX b ON visits (shop) WHERE at > 5"),
        ("INDEX a ON visits (shop) WHERE at > 4", "INDEX b ON visits (shop) WHERE at > 5"),
        ("INDEX a ON visits (name)", "INDEX b ON visits (lower(name))"),
        ("INDEX a ON visits (shop, at)", "INDEX b ON visits (shop, at DESC)"),
        ("INDEX a ON visits (shop)", "INDEX b ON visits (shop NULLS FIRST)"),
        ("INDEX a ON visits (name)", "INDEX b ON visits (name text_pattern_ops)"),
        ('INDEX a ON visits (name COLLATE "C")', 'INDEX b ON visits (name COLLATE "POSIX")'),
        ("INDEX a ON visits (shop)", "INDEX b ON visits USING hash (shop)"),
        ("INDEX a ON visits (shop, at)", "INDEX b ON visits (at, shop)"),
        ("INDEX a ON visits ((name || ')'), shop)", "INDEX b ON visits ((name || ')'), at)"),
        ("INDEX a ON visits USING brin (shop)", "INDEX b ON visits USING brin (shop, at)"),
        ("INDEX a ON visits (shop) INCLUDE (name)", "INDEX b ON visits (shop, at)"),
        ("UNIQUE INDEX a ON visits (id)", "UNIQUE INDEX b ON visits (id, shop)"),
    ],
)
def test_indexes_that_are_read_for_different_things_are_no_duplicates(server: Server, first: str, second: str) -> None:
    with laboratory.opened(server, f"{TABLE}; CREATE {first}; CREATE {second}", [ADD]) as bench:
        assert not redundant(bench.examine().indexes)


@pytest.mark.parametrize(
    ("first", "second", "goes"),
    [
        ("INDEX a ON visits (shop)", "INDEX b ON visits (shop, at)", "a"),
        ("INDEX a ON visits (shop) INCLUDE (at)", "INDEX b ON visits (shop, at)", "a"),
        ("INDEX a ON visits (id)", "INDEX b ON visits (at)", "a"),
        ("INDEX \"b,(\" ON visits ((name || ',)'), shop)", "INDEX \"a,(\" ON visits ((name || ',)'))", '"a,("'),
        ("INDEX a ON visits USING gin (tags)", "INDEX longer ON visits USING gin (tags)", "longer"),
        ("INDEX a ON visits (shop) WHERE at > 5", "INDEX b ON visits (shop, at) WHERE at > 5", "a"),
    ],
)
def test_an_index_that_begins_another_one_is_redundant(server: Server, first: str, second: str, goes: str) -> None:
    with laboratory.opened(server, f"{TABLE}; CREATE {first}; CREATE {second}", [ADD]) as bench:
        assert [double.index.name for double in redundant(bench.examine().indexes)] == [goes]
