"""Statements have one name, whatever they were sent with, and their texts give nothing away."""

from __future__ import annotations

import string

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from perfgate.measure.fingerprint import fingerprint, normalise

SPELLINGS = [
    ("select a,b from items where id=$1", "SELECT a, b FROM items WHERE id = ?"),
    (
        "SELECT  a -- which\n , b /* why /* nested */ so */ FROM Items WHERE id = 7;",
        "SELECT a, b FROM items WHERE id = ?",
    ),
    ('SELECT "Mixed  Case", "a""b" FROM s . t', 'SELECT "Mixed  Case", "a""b" FROM s.t'),
    ("SELECT * FROM t WHERE id IN (1, 2,3)", "SELECT * FROM t WHERE id IN (?)"),
    ("SELECT * FROM t WHERE id IN ($1 /*, ... */)", "SELECT * FROM t WHERE id IN (?)"),
    ("SELECT * FROM t WHERE id IN ($1::int, $2::int)", "SELECT * FROM t WHERE id IN (?::int)"),
    ("SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT * FROM t WHERE (a, b) IN ((?, ?))"),
    ("SELECT * FROM t WHERE a IN (b, $1, $2)", "SELECT * FROM t WHERE a IN (b, ?)"),
    ("SELECT * FROM t WHERE a IN (SELECT $1, $1 FROM u)", "SELECT * FROM t WHERE a IN (SELECT ?, ? FROM u)"),
    ("SELECT * FROM t WHERE a = ANY(ARRAY[[1,2],[3,4]])", "SELECT * FROM t WHERE a = ANY (ARRAY[[?]])"),
    ("SELECT coalesce($1, $2)", "SELECT coalesce(?, ?)"),
    ("INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL), (-3, $1)", "INSERT INTO t(a, b) VALUES (?, ?)"),
    ("INSERT INTO t VALUES (1, now()), (2, DEFAULT)", "INSERT INTO t VALUES (?, now()), (?, DEFAULT)"),
    ("SELECT -1, a -1, a - -1, (-1.5e-3), -$1", "SELECT ?, a - ?, a - ?, (?), - ?"),
    ("SELECT 'it''s', E'it\\'s', $$it's$$, $q$it's$$ q$q$, B'01', U&'x'", "SELECT ?, ?, ?, ?, ?, ?"),
    ("SELECT 'one'\n'string'", "SELECT ?"),
    ("SELECT 0xFF, 1_000, .5, 1.", "SELECT ?, ?, ?, ?"),
    (
        "SELECT a[1:2], b::text[] FROM t WHERE c->>'k'=$1 AND d?'k'",
        "SELECT a[? : ?], b::text[] FROM t WHERE c ->> ? = ? AND d ? ?",
    ),
    (
        "SELECT count ( * ) FROM t WHERE ok = true AND gone IS NULL",
        "SELECT count(*) FROM t WHERE ok = ? AND gone IS NULL",
    ),
    ("SELECT foo$1$bar FROM t", "SELECT foo$1$bar FROM t"),
    ('DECLARE "_django_curs_140123_sync_1" CURSOR FOR SELECT 1', "DECLARE ? CURSOR FOR SELECT ?"),
    ("FETCH FORWARD 100 FROM c17", "FETCH forward ? FROM ?"),
    ("CLOSE c17", "CLOSE ?"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), SPELLINGS)
def test_a_statement_has_one_spelling(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ALTER ROLE a PASSWORD 'hunter2'",
        "SELECT 'hunter2",
        "SELECT E'\\'hunter2",
        "SELECT E'hunter2\\",
        "SELECT $x$ hunter2",
        "SELECT $x$ $$ hunter2 $$ $x$",
        "SELECT 1 -- hunter2",
        "SELECT 1 /* hunter2 /* */",
        "SELECT 1 /* /* */ hunter2 */",
        "SELECT a'hunter2'",
        "COPY t TO PROGRAM 'hunter2'",
    ],
)
def test_a_secret_never_survives(text: str) -> None:
    assert "hunter2" not in normalise(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "SELECT b FROM t"),
        ('SELECT a FROM "T"', "SELECT a FROM T"),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b > 1"),
        ("SELECT f(1)", "SELECT f(1, 2)"),
        ("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1, 2)"),
        ("SELECT a::int", "SELECT a::text"),
        ("SELECT 1 WHERE a IS NULL", "SELECT 1 WHERE a IS NOT NULL"),
    ],
)
def test_different_statements_keep_different_names(one: str, other: str) -> None:
    assert fingerprint(normalise(one)) != fingerprint(normalise(other))


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    assert fingerprint(normalise("select 1")) == fingerprint("SELECT ?") == "66cbb3a40d4b"


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
literals = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=20).map(lambda text: "'" + text.replace("'", "''") + "'"),
    st.text(max_size=20).map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    st.text("ab '\n-/*\\", max_size=20).map(lambda text: f"$q${text}$q$"),
    st.integers(1, 99).map(lambda number: f"${number}"),
)
gaps = st.lists(
    st.sampled_from([" ", "\n", "\t", "  ", " -- note\n", "/* a */", "/* /* b */ ' */", "/*, ... */"]),
    min_size=1,
    max_size=3,
).map("".join)
names = st.text(string.ascii_letters + "_", min_size=1, max_size=5)
pieces = st.one_of(
    literals,
    names,
    st.sampled_from(
        ["IN", "VALUES", "ARRAY", "SELECT", "WHERE", "NULL", "TRUE", "IS", "DEFAULT", "DECLARE", "FETCH", "CLOSE"]
    ),
    st.sampled_from([*"()[],.;:=-+*/<>?|&@#%^~!$`", "::", ":=", "->>", "?|", "$a$", "'", '"', "--", "/*", "*/"]),
    st.just('"q i"'),
)


@unhurried
@given(st.text())
def test_normalising_any_text_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(unhurried, max_examples=400)
@given(st.lists(pieces, max_size=25), st.sampled_from(["", " "]))
def test_normalising_any_pieces_of_sql_twice_changes_nothing_more(parts: list[str], gap: str) -> None:
    text = gap.join(parts)
    assert normalise(normalise(text)) == normalise(text)


@unhurried
@given(st.data())
def test_white_space_comments_case_and_literals_never_change_a_statement(data: st.DataObject) -> None:
    def write() -> str:
        words = (
            "select a , count ( * ) from t as x join u on x . id = u . id where a = {} and b in ( {} ) and c between {}"
        )
        words += " and {} or d @> {} :: jsonb limit {}"
        cased = (data.draw(st.sampled_from([word, word.upper()])) for word in words.split())
        return data.draw(gaps).join(cased).replace("{}", "\0")

    def fill(text: str) -> str:
        parts = text.split("\0")
        return "".join(
            part + (data.draw(literals) if place < len(parts) - 1 else "") for place, part in enumerate(parts)
        )

    assert normalise(fill(write())) == normalise(fill(write()))


@unhurried
@given(st.lists(literals, min_size=1, max_size=8), st.lists(literals, min_size=1, max_size=8))
def test_the_length_of_a_list_never_changes_a_statement(some: list[str], others: list[str]) -> None:
    texts = [f"SELECT * FROM t WHERE a IN ({', '.join(values)})" for values in (some, others)]
    assert normalise(texts[0]) == normalise(texts[1])
    rows = [f"INSERT INTO t VALUES {', '.join(f'({value}, 1)' for value in values)}" for values in (some, others)]
    assert normalise(rows[0]) == normalise(rows[1])


@unhurried
@given(literals.filter(lambda literal: len(literal) > 6))
def test_no_literal_is_found_in_a_normalised_statement(literal: str) -> None:
    inside = literal.strip("E$q'")
    assume(inside and inside not in "SELECT ? FROM t WHERE a = ?")
    assert inside not in normalise(f"SELECT {literal} FROM t WHERE a = {literal}")
