"""What a plan's conditions ask of one table: comparisons that an index can answer, and the orders it can give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from perfgate.diagnose.plans import quoted

if TYPE_CHECKING:
    from sqlglot import exp

_SUBPLAN = re.compile(r"\((?:hashed |alternatives: )?(?:Init|Sub)Plan \d+[^()]*\)(?:\.col\d+)?")
_NULLS = re.compile(r"\s+NULLS (?P<where>FIRST|LAST)$")
_DIRECTION = re.compile(r"\s+(?P<way>DESC|ASC)$")
_TEXT = ("TEXT", "VARCHAR", "CHAR", "BPCHAR")


class Kind(StrEnum):
    """How a condition compares, and so what kind of index answers it."""

    EQUAL = "equal"
    RANGE = "range"
    PREFIX = "prefix"
    WORDS = "words"
    TRUTH = "truth"


@dataclass(frozen=True)
class Condition:
    """`key` (a column, or an expression, as an index has it) compared with something that is not of its table.

    `columns` are those in it; `constants` the strings and numbers within `key`. `whole` is the condition as SQL, for
    the predicate of a partial index, "" where it depends on other tables or on what is only known later; `values` the
    strings and numbers in `whole`.
    """

    kind: Kind
    key: str
    columns: tuple[str, ...]
    constants: tuple[str, ...] = ()
    whole: str = ""
    values: tuple[str, ...] = ()


def conditions(text: str, alias: str, *, joins: bool = False) -> Iterator[Condition]:
    """The comparisons of a condition of a plan about the table `alias`; nothing of what cannot be read.

    With `joins` only those with columns of other tables, else those with none or with such of outer queries.
    """
    for part in _conjuncts(text):
        found = _condition(part, alias)
        if found is not None and (not joins or _others(part, alias)):
            yield found


def order(keys: Sequence[str], alias: str) -> tuple[str, ...]:
    """What an index must be made of to give the order of a plan's sort keys; empty where it cannot."""
    made = []
    for key in keys:
        nulls = _NULLS.search(key)
        text = _NULLS.sub("", key)
        way = _DIRECTION.search(text)
        parsed = _parsed(_DIRECTION.sub("", text))
        if parsed is None or not _columns(parsed, alias) or _others(parsed, alias):
            return ()
        made.append((_key(parsed), bool(way and way["way"] == "DESC"), nulls["where"] if nulls else ""))
    if all(descends and not nulls for _, descends, nulls in made):
        return tuple(key for key, _, _ in made)
    return tuple(_ordered(*one) for one in made)


def columns(texts: Sequence[str], alias: str, known: Sequence[str]) -> set[str]:
    """The columns of a table in some outputs, keys and conditions of a plan, where single tables are not named."""
    found: set[str] = set()
    for text in texts:
        parsed = _parsed(_DIRECTION.sub("", _NULLS.sub("", text)))
        if parsed is not None:
            found.update(_columns(parsed, alias))
            found.update(name for name in _columns(parsed, "") if name in known)
    return found


def _ordered(key: str, descends: bool, nulls: str) -> str:
    return " ".join(part for part in (key, "DESC" if descends else "", f"NULLS {nulls}" if nulls else "") if part)


def _parsed(text: str) -> exp.Expr | None:
    import sqlglot

    try:
        found = sqlglot.parse_one(_SUBPLAN.sub("($1)", text), dialect="postgres")
    except (sqlglot.ParseError, sqlglot.TokenError, RecursionError):  # the last one for 50 brackets in one another
        return None
    return found.unnest()


def _conjuncts(text: str) -> Iterator[exp.Expr]:
    from sqlglot import exp

    parsed = _parsed(text)
    waiting = [] if parsed is None else [parsed]
    while waiting:
        part = waiting.pop(0).unnest()
        if isinstance(part, exp.And):
            waiting[:0] = [part.this, part.expression]
        else:
            yield part


def _columns(part: exp.Expr, alias: str) -> tuple[str, ...]:
    from sqlglot import exp

    return tuple(dict.fromkeys(found.name for found in part.find_all(exp.Column) if found.table == alias))


def _others(part: exp.Expr, alias: str) -> bool:
    from sqlglot import exp

    return any(found.table != alias for found in part.find_all(exp.Column))


def _condition(part: exp.Expr, alias: str) -> Condition | None:
    """One comparison, if it is of this table with something else, and an index can answer it."""
    from sqlglot import exp

    if isinstance(part, exp.Or):
        return _either(part, alias)
    if part.args.get("negate") and not isinstance(part, exp.Is):
        return None
    bare = part.this.unnest() if isinstance(part, exp.Not) else part
    if isinstance(bare, exp.Column) and bare.table == alias:
        return _made(Kind.TRUTH, bare, part, alias)
    if isinstance(part, exp.Is):
        fixed = Kind.TRUTH if part.args.get("negate") or not isinstance(part.expression, exp.Null) else Kind.EQUAL
        return _made(fixed, part.this, part, alias) if _columns(part.this, alias) else None
    if isinstance(part, exp.Between):
        return _made(Kind.RANGE, part.this, part, alias) if _columns(part.this, alias) else None
    sides = [side for side in _sides(part) if side is not None]
    ours = [side for side in sides if _columns(side, alias)]
    kind = _kind(part)
    if kind is None or len(ours) != 1 or _others(ours[0], alias) or isinstance(ours[0], exp.Any):
        return None
    return _made(kind, ours[0], part, alias)


def _either(part: exp.Expr, alias: str) -> Condition | None:
    """`a = 1 OR a = 2`, which an index on `a` answers as it does `a IN (1, 2)`."""
    found = [_condition(side.unnest(), alias) for side in part.flatten()]
    first = found[0]
    same = first is not None and all(
        one is not None and (one.kind, one.key) == (first.kind, first.key) for one in found
    )
    if first is None or not same or first.kind is not Kind.EQUAL:
        return None
    whole = "" if any(one is None or not one.whole for one in found) else _sql(part)
    return Condition(first.kind, first.key, first.columns, first.constants, whole, _literals(part))


def _sides(part: exp.Expr) -> tuple[exp.Expr | None, ...]:
    from sqlglot import exp

    if isinstance(part, exp.MatchAgainst):
        return (part.this, *part.expressions)
    if isinstance(part, exp.In):
        return (part.this,)
    return (part.this, part.args.get("expression")) if isinstance(part, exp.Binary) else ()


def _kind(part: exp.Expr) -> Kind | None:
    from sqlglot import exp

    if isinstance(part, exp.EQ | exp.In):
        return Kind.EQUAL
    if isinstance(part, exp.GT | exp.GTE | exp.LT | exp.LTE):
        return Kind.RANGE
    if isinstance(part, exp.MatchAgainst | exp.ArrayContainsAll | exp.ArrayOverlaps | exp.JSONBContainsTopKey):
        return Kind.WORDS
    if isinstance(part, exp.Like):
        pattern = next((literal.name for literal in part.expression.find_all(exp.Literal)), "")
        return Kind.PREFIX if pattern[:1] not in ("", "%", "_") else None
    return None


def _made(kind: Kind, ours: exp.Expr, part: exp.Expr, alias: str) -> Condition:
    from sqlglot import exp

    own = _bare(ours)
    later = any(True for _ in part.find_all(exp.Parameter)) or _others(part, alias)
    return Condition(
        kind,
        _key(own),
        _columns(own, alias),
        _literals(own),
        "" if later else _sql(part),
        _literals(part),
    )


def _literals(part: exp.Expr) -> tuple[str, ...]:
    from sqlglot import exp

    return tuple(literal.name for literal in part.find_all(exp.Literal))


def _bare(part: exp.Expr) -> exp.Expr:
    """Without a cast of a column to text, which of a varchar is none (it has no cost, and an index does not mind)."""
    from sqlglot import exp

    inner = part.unnest()
    if isinstance(inner, exp.Cast) and isinstance(inner.this.unnest(), exp.Column):
        return inner.this.unnest() if inner.to.this.name in _TEXT else inner
    return inner


def _key(part: exp.Expr) -> str:
    """A column in quotes, or an expression in brackets."""
    from sqlglot import exp

    bare = part.unnest()
    return quoted(bare.name) if isinstance(bare, exp.Column) else f"({_sql(bare)})"


def _sql(part: exp.Expr) -> str:
    """As SQL about a table that is not named, all its columns in quotes."""
    from sqlglot import exp

    def unnamed(node: exp.Expr) -> exp.Expr:
        node = node.unnest() if isinstance(node.unnest(), exp.Column) else node
        return exp.column(exp.to_identifier(node.name, quoted=True)) if isinstance(node, exp.Column) else node

    return part.copy().transform(unnamed).sql(dialect="postgres")
