from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.unused_index import ADVISOR
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination
from perfgate.measure.database import Server
from perfgate.model import Asked
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, told
from tests.diagnose.laboratory import SCENARIO, Sent, subject_of

SCHEMA = """
    CREATE TABLE shops (id int PRIMARY KEY);
    INSERT INTO shops SELECT generate_series(0, 49);
    CREATE TABLE visits (id serial PRIMARY KEY, shop int REFERENCES shops, at int UNIQUE, name text);
    INSERT INTO visits (shop, at, name) SELECT n % 50, n, 'visitor ' || n FROM generate_series(1, 3000) AS n;
    CREATE INDEX visits_by_shop ON visits (shop);
    CREATE INDEX "Visits by name" ON visits (name);
    CREATE UNIQUE INDEX visits_name_at ON visits (name, at);
    CREATE TABLE small (id int, name text);
    INSERT INTO small SELECT n, '' FROM generate_series(1, 900) AS n;
    CREATE INDEX small_by_name ON small (name);
    CREATE TABLE still AS TABLE visits;
    CREATE INDEX still_by_name ON still (name);
"""
SENT = [
    Sent("POST /visits", "INSERT INTO visits (shop, at) VALUES (7, -%s)", [1]),
    Sent("POST /small", "INSERT INTO small VALUES (7)"),
    Sent("GET /visits", "SELECT count(at) FROM visits WHERE shop = 7"),
]


@pytest.fixture(scope="module")
def examination(server: Server) -> Iterator[Examination]:
    without_twin = SCHEMA.replace("(name, at)", "(at, name)")
    with laboratory.opened(server, without_twin, SENT) as bench:
        yield bench.examine()


def asked(subject: Subject, *scenarios: str, left_out: tuple[str, ...] = ()) -> Subject:
    return replace(subject, run=replace(subject.run, loads=dict.fromkeys(scenarios, Asked()), left_out=left_out))


def test_an_index_that_is_written_and_never_read_is_a_hint(examination: Examination) -> None:
    advice = only(ADVISOR, asked(subject_of(examination), SCENARIO))
    assert advice.severity is Severity.LOW
    assert not advice.safe
    assert advice.sql == ('DROP INDEX "Visits by name"',)
    assert advice.evidence[0] == "not one scan in shop, while 1 row of visits came or went"


def test_an_index_that_another_scenario_reads_is_of_use(examination: Examination) -> None:
    read = tuple(replace(i, scans=3) if i.name == '"Visits by name"' else i for i in examination.indexes)
    other = replace(examination, scenario="search", indexes=read)
    assert not told(ADVISOR, asked(subject_of(examination, other), SCENARIO, "search"))


@pytest.mark.parametrize(("scenarios", "left_out"), [((SCENARIO, "search"), ()), ((SCENARIO,), ("search",))])
def test_nothing_is_known_where_a_scenario_was_not_looked_at(
    examination: Examination, scenarios: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    assert not told(ADVISOR, asked(subject_of(examination), *scenarios, left_out=left_out))


@pytest.mark.parametrize("twin", ["", 'CREATE INDEX another_by_shop ON visits (shop); DROP INDEX "Visits by name";'])
def test_of_redundant_indexes_neither_is_called_unused(server: Server, twin: str) -> None:
    with laboratory.opened(server, SCHEMA + twin, SENT) as bench:
        assert not told(ADVISOR, asked(subject_of(bench.examine()), SCENARIO))
