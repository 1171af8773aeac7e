from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.leading_wildcard import ADVISOR
from perfgate.diagnose.subject import Subject
from perfgate.measure.database import Server
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, told
from tests.diagnose.laboratory import SCENARIO, Sent, failed, subject_of

SCHEMA = """
    CREATE TABLE "Products" AS
    SELECT n AS id, md5(n::text) || ' ' || md5((-n)::text) AS "full name" FROM generate_series(1, 9000) AS n;
    CREATE TABLE small AS SELECT * FROM "Products" LIMIT 900;
"""
LITERAL = Sent("GET /search", """SELECT id FROM "Products" AS p WHERE p."full name" LIKE '%secret77%'""")
SENT_APART = Sent("GET /search", 'SELECT id FROM "Products" WHERE "full name" ILIKE %s', ["%secret77%"])

MOST = """SELECT id FROM "Products" WHERE "full name" LIKE '%a%'"""


@contextmanager
def searched(server: Server, *sent: Sent, schema: str = SCHEMA) -> Iterator[Subject]:
    with laboratory.opened(server, schema, [*sent] * 2) as bench:
        yield subject_of(bench.examine(), laboratory=bench, red=[failed("queries.blocks", "GET /red")])


@pytest.mark.parametrize("sent", [LITERAL, SENT_APART], ids=["in the statement", "as a parameter"])
def test_a_wildcard_in_front_is_tried_with_an_index_of_trigrams(server: Server, sent: Sent) -> None:
    with searched(server, sent) as subject:
        advice = only(ADVISOR, subject)
    assert advice.severity is Severity.MEDIUM
    assert advice.sql == (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        'CREATE INDEX "Products_full_name_trgm" ON "Products" USING gin ("full name" gin_trgm_ops)',
    )
    (trial,) = advice.verified
    assert trial.what == "blocks of GET /search a request"
    assert trial.after < trial.before / 2
    assert "secret77" not in str(advice)


def test_a_search_explains_its_endpoint_when_that_is_red(server: Server) -> None:
    with searched(server, LITERAL._replace(endpoint="GET /red")) as subject:
        assert only(ADVISOR, subject).severity is Severity.HIGH


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("""SELECT id FROM "Products" WHERE "full name" LIKE 'c4ca%'""", id="the beginning is known"),
        pytest.param("""SELECT id FROM "Products" WHERE "full name" NOT LIKE '%c4ca%'""", id="all but a few"),
        pytest.param(MOST, id="most of them"),
        pytest.param("SELECT id FROM small WHERE \"full name\" LIKE '%c4ca%'", id="a small table"),
        pytest.param("""SELECT '%x' FROM "Products" WHERE id = 7""", id="no pattern at all"),
        pytest.param("""SELECT id FROM "Products" WHERE "full name" LIKE '%77%'""", id="trigrams do not help"),
    ],
)
def test_patterns_that_need_no_trigrams_or_gain_nothing_are_not_told(server: Server, statement: str) -> None:
    with searched(server, Sent("GET /search", statement)) as subject:
        assert not told(ADVISOR, subject)


@pytest.mark.parametrize("statement", ["SELECT id FROM small WHERE \"full name\" LIKE '%c4ca%'", MOST, "SELECT 1"])
def test_a_small_table_or_one_that_is_wanted_is_not_even_a_hint(server: Server, statement: str) -> None:
    with searched(server, Sent("GET /search", statement)) as subject:
        assert not told(ADVISOR, replace(subject, laboratory=None))


def test_where_trigrams_are_at_hand_the_index_alone_is_missing(server: Server) -> None:
    with searched(server, LITERAL, schema=f"CREATE EXTENSION pg_trgm; {SCHEMA}") as subject:
        assert only(ADVISOR, subject).verified
    index = 'CREATE INDEX ON "Products" USING gin ("full name" gin_trgm_ops);'
    with searched(server, LITERAL, schema=f"CREATE EXTENSION pg_trgm; {SCHEMA} {index}") as subject:
        assert not told(ADVISOR, subject)


def test_without_a_laboratory_a_search_is_a_hint(server: Server) -> None:
    with searched(server, LITERAL) as subject:
        advice = only(ADVISOR, replace(subject, laboratory=None))
    assert (advice.severity, advice.verified, advice.safe) == (Severity.LOW, (), False)


def test_a_name_that_is_taken_is_not_used_again(server: Server) -> None:
    taken = SCHEMA + 'CREATE INDEX "Products_full_name_trgm" ON "Products" (id);'
    with searched(server, LITERAL, schema=taken) as subject:
        assert '"Products_full_name_trgm_0"' in only(ADVISOR, subject).sql[1]
        assert subject.heads[SCENARIO].indexes
