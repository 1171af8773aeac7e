from __future__ import annotations

import pytest

from perfgate.diagnose.candidates import Candidate, is_covered
from perfgate.diagnose.predicates import Kind, conditions, order
from perfgate.examination import Index


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("(o.customer = '7'::smallint)", Kind.EQUAL, '"customer"'),
        ("(o.\"Customer Id\" = ANY ('{1,2}'::bigint[]))", Kind.EQUAL, '"Customer Id"'),
        ("(o.category = (InitPlan 1).col1)", Kind.EQUAL, '"category"'),
        ("(o.category = $0)", Kind.EQUAL, '"category"'),
        ("(o.closed IS NULL)", Kind.EQUAL, '"closed"'),
        ("((o.a = 1) OR (o.a = 2))", Kind.EQUAL, '"a"'),
        ("(c.id = o.customer)", Kind.EQUAL, '"customer"'),
        ("((o.email)::text = 'a'::text)", Kind.EQUAL, '"email"'),
        ("(lower((o.email)::text) = 'a'::text)", Kind.EQUAL, '(LOWER(CAST("email" AS TEXT)))'),
        ("('2024-01-01'::date <= o.placed)", Kind.RANGE, '"placed"'),
        ("((o.email)::text ~~ 'a%'::text)", Kind.PREFIX, '"email"'),
        ("(o.words @@ '''a'' & ''b'''::tsquery)", Kind.WORDS, '"words"'),
        ("(o.data @> '{\"a\": 1}'::jsonb)", Kind.WORDS, '"data"'),
        ("(NOT o.paid)", Kind.TRUTH, '"paid"'),
        ("(o.closed IS NOT NULL)", Kind.TRUTH, '"closed"'),
    ],
)
def test_a_comparison_says_what_an_index_of_it_is_made_of(text: str, kind: Kind, key: str) -> None:
    assert [(found.kind, found.key) for found in conditions(text, "o")] == [(kind, key)]


@pytest.mark.parametrize(
    "text",
    [
        "(o.a <> 1)",
        "((o.a = 1) OR (o.b = 2))",
        "(o.email !~~ 'a%'::text)",
        "(o.email ~~ '%a'::text)",
        "(o.a = o.b)",
        "(c.a = 1)",
        "(NOT (ANY (o.id = (hashed SubPlan 1).col1)))",
        "this is no condition (",
    ],
)
def test_what_no_index_answers_is_left_out(text: str) -> None:
    assert not list(conditions(text, "o"))


def test_all_parts_of_a_condition_are_found() -> None:
    found = conditions("((o.closed IS NULL) AND ((o.tenant = 5) AND (o.placed > '2024-01-01'::date)))", "o")
    assert [one.key for one in found] == ['"closed"', '"tenant"', '"placed"']


def test_the_values_of_a_condition_are_told_from_what_its_index_is_made_of() -> None:
    (found,) = conditions("((o.data ->> 'k'::text) = 'secret'::text)", "o")
    assert found.constants == ("k",)
    assert set(found.values) == {"k", "secret"}
    assert "secret" not in found.key


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["o.placed DESC", "o.id DESC"], ('"placed"', '"id"')),
        (["o.placed DESC", "o.id"], ('"placed" DESC', '"id"')),
        (["o.placed DESC NULLS LAST"], ('"placed" DESC NULLS LAST',)),
        (["lower(o.name)"], ('(LOWER("name"))',)),
        (["o.placed", "c.name"], ()),
        (["(count(*)) DESC"], ()),
    ],
)
def test_an_index_gives_an_order_from_either_end(keys: list[str], expected: tuple[str, ...]) -> None:
    assert order(keys, "o") == expected


def index(*columns: str, predicate: str = "", valid: bool = True) -> Index:
    return Index("i", "orders", "btree", columns, (), predicate, "", False, valid, 8192, 0)


@pytest.mark.parametrize(
    ("present", "covered"),
    [
        (index("customer"), True),
        (index("customer", "placed"), True),
        (index("placed", "customer"), False),
        (index("customer", predicate="open"), False),
        (index("customer", valid=False), False),
        (index("customer DESC"), False),
    ],
)
def test_an_index_that_begins_with_the_same_columns_is_enough(present: Index, covered: bool) -> None:
    assert is_covered(Candidate("orders", ('"customer"',)), [present]) is covered


def test_a_name_that_is_taken_is_counted_on() -> None:
    candidate = Candidate("sales.orders", ('"customer"', '"placed" DESC'))
    assert candidate.name([]) == "orders_customer_placed_idx"
    assert candidate.name(["orders_customer_placed_idx", "x"]) == "orders_customer_placed_idx1"
