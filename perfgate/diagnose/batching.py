"""Many executions of one statement turned into one: `= $1` becomes `= ANY` of all the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from perfgate.diagnose.replay import bound
from perfgate.examination import Execution

if TYPE_CHECKING:
    from sqlglot import exp


def batched(executions: Sequence[Execution]) -> str | None:
    """One statement that finds what all executions of one request found; None where none is known.

    The executions may differ in one parameter or literal alone, and it must be compared for equality with a column, or
    be an array that a column is compared with.
    """
    import sqlglot

    if len(executions) < 2 or len({len(e.parameters) for e in executions}) != 1:
        return None
    try:
        trees = [sqlglot.parse_one(e.text, dialect="postgres") for e in executions]
    except sqlglot.errors.SqlglotError:
        return None
    if trees[0].args.get("limit") is not None:
        return None
    by_parameter = len({e.text for e in executions}) == 1
    found = _parameter(trees[0], executions) if by_parameter else _literal(trees)
    if found is None:
        return None
    place, values = found
    if by_parameter and _in_any(place) and all(value[:1] + value[-1:] == "{}" for value in values):
        merged = "{" + ",".join(dict.fromkeys(value[1:-1] for value in values if value != "{}")) + "}"
        return bound(executions[0], {int(place.name): merged})
    if not _made_any(place, values):
        return None
    return bound(replace(executions[0], text=trees[0].sql(dialect="postgres")))


def array(values: Sequence[str]) -> str:
    """An array as text: `{"a","b"}`."""
    quoted = ('"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"')) for value in dict.fromkeys(values))
    return "{" + ",".join(quoted) + "}"


def _parameter(tree: exp.Expr, executions: Sequence[Execution]) -> tuple[exp.Expr, list[str]] | None:
    """The one place of the only parameter that differs, and its values."""
    from sqlglot import exp

    columns = enumerate(zip(*(e.parameters for e in executions), strict=True), 1)
    differing = [(str(number), values) for number, values in columns if len(set(values)) > 1]
    if len(differing) != 1:
        return None
    number, values = differing[0]
    places = [node for node in tree.find_all(exp.Parameter) if node.name == number]
    texts = [value for value in values if value is not None]
    return (places[0], texts) if len(places) == 1 and len(texts) == len(values) else None


def _literal(trees: Sequence[exp.Expr]) -> tuple[exp.Expr, list[str]] | None:
    """The place in the first tree of the only literal that differs, and its values."""
    from sqlglot import exp

    literals = [list(tree.find_all(exp.Literal)) for tree in trees]
    if len({len(own) for own in literals}) != 1:
        return None
    differing = [own for own in zip(*literals, strict=True) if len({one.this for one in own}) > 1]
    return (differing[0][0], [str(one.this) for one in differing[0]]) if len(differing) == 1 else None


def _in_any(node: exp.Expr) -> bool:
    from sqlglot import exp

    return node.find_ancestor(exp.Any) is not None


def _made_any(place: exp.Expr, values: Sequence[str]) -> bool:
    """Make `column = place` into `column = ANY ('{...}')`; False where it is no such comparison."""
    from sqlglot import exp

    node = place
    while isinstance(node.parent, (exp.Cast, exp.Paren)):
        node = node.parent
    equality = node.parent
    if not isinstance(equality, exp.EQ):
        return False
    column = equality.expression if equality.this is node else equality.this
    if not isinstance(column, exp.Column):
        return False
    everything = exp.Any(this=exp.Paren(this=exp.Literal.string(array(values))))
    equality.replace(exp.EQ(this=column.copy(), expression=everything))
    return True
