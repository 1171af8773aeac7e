"""The LIKE and ILIKE in a plan's conditions: what is searched, and for which pattern."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfgate.diagnose.plans import quoted

if TYPE_CHECKING:
    from sqlglot import exp

    from perfgate.examination import Execution

_WILDCARDS = ("%", "_")


@dataclass(frozen=True)
class Pattern:
    """`key` is a column in quotes, or an expression in brackets, as an index has it; `text` is the pattern."""

    key: str
    text: str

    @property
    def leads(self) -> bool:
        """Whether its beginning is left open, so that an ordered index is of no use."""
        return self.text.startswith(_WILDCARDS)


def patterns(condition: str, alias: str, execution: Execution) -> Iterator[Pattern]:
    """The patterns that a condition of a plan compares the table `alias` with; none of those that shall not match.

    A plan shows parameters like constants of the program. So an expression with a constant in it is left out: that may
    be a user's.
    """
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse_one(condition, dialect="postgres") if condition else None
    except (sqlglot.ParseError, sqlglot.TokenError):
        return
    for found in parsed.find_all(exp.Like, exp.ILike) if parsed is not None else ():
        columns = list(found.this.find_all(exp.Column))
        plain = columns and all(column.table == alias for column in columns) and not found.this.find(exp.Literal)
        text = _text(found.expression, execution)
        if plain and text is not None and not found.args.get("negate") and found.find_ancestor(exp.Not) is None:
            yield Pattern(_key(found.this), text)


def _text(part: exp.Expr, execution: Execution) -> str | None:
    """The beginning of a pattern: as it stands in the plan, or the parameter that it is."""
    from sqlglot import exp

    first = next(part.find_all(exp.Literal, exp.Parameter, bfs=False), None)
    if isinstance(part, exp.Any) or first is None:
        return None
    if isinstance(first, exp.Parameter) or isinstance(first.parent, exp.Parameter):
        number = int((first if not isinstance(first, exp.Parameter) else first.this).name)
        return execution.parameters[number - 1] if number <= len(execution.parameters) else None
    return str(first.name)


def _key(part: exp.Expr) -> str:
    """A varchar is cast to text by its comparison, but indexed as it is."""
    from sqlglot import exp

    bare = part.unnest()
    inner = bare.this.unnest() if isinstance(bare, exp.Cast) else bare
    if isinstance(inner, exp.Column):
        return quoted(inner.name)

    def unnamed(node: exp.Expr) -> exp.Expr:
        return exp.column(exp.to_identifier(node.name, quoted=True)) if isinstance(node, exp.Column) else node

    return f"({bare.copy().transform(unnamed).sql(dialect='postgres')})"
