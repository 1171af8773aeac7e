from __future__ import annotations

from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.vacuum import ADVISOR
from perfgate.measure.database import Server
from perfgate.model import Sample, Scope
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, told
from tests.diagnose.laboratory import SCENARIO, Sent, failed, subject_of

SCHEMA = """
    CREATE TABLE "Stock" AS SELECT n AS id, 0 AS sold, n % 100 AS shelf FROM generate_series(1, {rows}) AS n;
"""
SOLD = 'UPDATE "Stock" SET sold = sold + 1 WHERE shelf < %s'


def advised(server: Server, sent: list[Sent], rows: int = 3000) -> list[Advice]:
    with laboratory.opened(server, SCHEMA.format(rows=rows), sent) as bench:
        return told(ADVISOR, subject_of(bench.examine(), laboratory=bench))


def test_a_request_that_rewrites_much_of_a_table_is_told_with_its_statement(server: Server) -> None:
    (advice,) = advised(server, [Sent("POST /sale", SOLD, [20])] * 2)
    assert advice.severity is Severity.MEDIUM
    assert advice.scope.endpoint == "POST /sale"
    assert "are dead rows after 2 requests" in advice.title
    assert (
        'one call of `UPDATE "Stock" SET sold = sold + ? WHERE shelf < ?` replaces or deletes 600 of them'
        in advice.evidence
    )
    assert advice.sql[0].startswith('ALTER TABLE "Stock" SET (autovacuum_vacuum_scale_factor')


def test_dead_rows_that_many_small_changes_leave_are_a_hint(server: Server) -> None:
    (advice,) = advised(server, [Sent("POST /sale", SOLD, [5])] * 4)
    assert advice.severity is Severity.LOW


def test_dead_rows_explain_what_is_red_about_their_table_unless_there_were_as_many_before(server: Server) -> None:
    red = (failed("tables.dead_rows"),)
    with laboratory.opened(server, SCHEMA.format(rows=3000), [Sent("POST /sale", SOLD, [5])] * 4) as bench:
        dead = Sample("tables.dead_rows", Scope(SCENARIO, table="Stock"), (600.0,))
        subject = subject_of(bench.examine(), laboratory=bench, red=red, samples=[dead])
    assert only(ADVISOR, subject).severity is Severity.HIGH
    assert only(ADVISOR, replace(subject, references={dead.key: 600.0})).severity is Severity.LOW


@pytest.mark.parametrize(
    ("share", "rows"),
    [
        pytest.param(2, 3000, id="few rows are updated"),
        pytest.param(50, 900, id="a small table"),
    ],
)
def test_few_dead_rows_or_those_of_a_small_table_say_nothing(server: Server, share: int, rows: int) -> None:
    assert not advised(server, [Sent("POST /sale", SOLD, [share])] * 3, rows)
