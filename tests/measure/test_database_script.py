"""Reading SQL files: where statements end, and on which line they begin."""

from __future__ import annotations

import pytest

from perfgate.measure.database.script import NotSql, Statement, statements


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  \n -- nothing; here\n/* nor; here */ ;;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'a;b', 'it''s;';", ["SELECT 'a;b', 'it''s;'"]),
        ("SELECT '\\'; SELECT 2", ["SELECT '\\'", "SELECT 2"]),
        (r"SELECT E'\';'; SELECT 2", [r"SELECT E'\';'", "SELECT 2"]),
        ('SELECT 1 AS "a;""b;"; SELECT 2', ['SELECT 1 AS "a;""b;"', "SELECT 2"]),
        ("DO $$ BEGIN; END; $$; SELECT 2", ["DO $$ BEGIN; END; $$", "SELECT 2"]),
        ("DO $a$ $$;$b$; $a$; SELECT 2", ["DO $a$ $$;$b$; $a$", "SELECT 2"]),
        ("SELECT 1 AS a$b; SELECT 2 AS b$", ["SELECT 1 AS a$b", "SELECT 2 AS b$"]),
        ("SELECT 1 /* a /* b; */ c; */ + 1; SELECT 2", ["SELECT 1 /* a /* b; */ c; */ + 1", "SELECT 2"]),
        ("SELECT 3 - -2 -- ;\n; SELECT 4 / 2", ["SELECT 3 - -2 -- ;\n", "SELECT 4 / 2"]),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", None),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; SELECT 3", None),
        ("CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; END; SELECT 3", None),
        ("CREATE PROCEDURE p BEGIN ATOMIC SELECT 1; END; SELECT 3", None),
        ("SELECT 'never ends; SELECT 3", ["SELECT 'never ends; SELECT 3"]),
        ("DO $$ never ends; SELECT 3", ["DO $$ never ends; SELECT 3"]),
    ],
)
def test_a_statement_ends_at_the_first_semicolon_that_is_not_inside_something(
    text: str, found: list[str] | None
) -> None:
    if found is None:  # all but the last statement is one
        head, _, last = text.rpartition("; ")
        found = [head, last]
    assert [statement.text for statement in statements(text)] == found


def test_begin_as_a_statement_is_not_the_begin_of_a_body() -> None:
    text = "BEGIN; CREATE FUNCTION f() RETURNS int AS 'begin' LANGUAGE sql; END; SELECT 1"
    assert len(list(statements(text))) == 4


def test_a_statement_knows_the_line_of_each_of_its_characters() -> None:
    text = "-- one\n\nSELECT 1;\n/* four */\n  SELECT\n  'a\n  b',\n  oops;"
    first, second = statements(text)
    assert (first.line, second.line) == (3, 5)
    assert second.line_of(second.text.index("oops") + 1) == 8
    assert second.line_of(1) == 5


def test_the_lines_after_copy_are_its_data_until_the_line_that_ends_them() -> None:
    text = "COPY t (a) FROM stdin;\n1;\n'2\n\\.\n\nSELECT 1;\ncopy t from STDIN with csv;\n3"
    assert list(statements(text)) == [
        Statement("COPY t (a) FROM stdin", 1, "1;\n'2\n"),
        Statement("SELECT 1", 6),
        Statement("copy t from STDIN with csv", 7, "3"),
    ]


def test_copy_without_lines_has_empty_data() -> None:
    assert list(statements("COPY t FROM stdin;\n\\.\n")) == [Statement("COPY t FROM stdin", 1, "")]


def test_what_pg_dump_writes_for_psql_alone_is_passed_over() -> None:
    text = "\\restrict abc\nSELECT 1;\n\\unrestrict abc\n"
    assert list(statements(text)) == [Statement("SELECT 1", 2)]


@pytest.mark.parametrize("text", ["\n\\i other.sql\n", "SELECT 1;\n  \\set a 1\n", "SELECT 1 +\n\\gset"])
def test_a_command_of_psql_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(NotSql) as caught:
        list(statements(text))
    assert caught.value.line == 2
