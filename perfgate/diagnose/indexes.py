"""What makes two indexes the same: method, columns with their classes and directions, predicate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perfgate.examination import Index

_QUOTES = "'\""


@dataclass(frozen=True)
class Redundant:
    """An index that another one of the same table makes superfluous; `exact` where both have the same columns."""

    index: Index
    beside: Index
    exact: bool


def redundant(indexes: Sequence[Index]) -> list[Redundant]:
    """The indexes that may go, each with one that stays. Never one that enforces something."""
    found: list[Redundant] = []
    gone: set[str] = set()
    for index in sorted(indexes, key=_dispensable):
        beside = next((o for o in indexes if o.name not in gone and o is not index and _serves(o, index)), None)
        if beside is not None and index.valid and not index.enforces:
            found.append(Redundant(index, beside, _keys(index) == _keys(beside)))
            gone.add(index.name)
    return found


def _dispensable(index: Index) -> tuple[bool, int, str]:
    """Of equal indexes, which all serve alike, the one with the longest name goes first."""
    return index.enforces, -len(index.name), index.name


def _serves(other: Index, index: Index) -> bool:
    """Whether all that `index` is read for can be read from `other`."""
    same = (other.table, other.method, other.predicate) == (index.table, index.method, index.predicate)
    if not same or not other.valid or not set(index.include) <= {*other.include, *other.columns}:
        return False
    ours, theirs = _keys(index), _keys(other)
    if not ours or index.method != "btree":  # only a B-tree is read by its first columns as well as one of them alone
        return bool(ours) and ours == theirs
    return theirs[: len(ours)] == ours


def _keys(index: Index) -> tuple[str, ...]:
    """The columns as the definition has them, with collation, operator class and direction; none if it is unreadable.

    `pg_get_indexdef` writes `CREATE INDEX name ON table USING method (columns) …`.
    """
    start = re.search(rf" USING {re.escape(index.method)} \(", index.definition)
    return tuple(_elements(index.definition[start.end() :])) if start else ()


def _elements(text: str) -> Iterator[str]:
    """The parts between commas up to the bracket that closes the list; brackets within quotes are none."""
    depth, quote, begin = 0, "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character == "(":
            depth += 1
        elif depth and character == ")":
            depth -= 1
        elif not depth and character in ",)":
            yield text[begin:place].strip()
            begin = place + 1
            if character == ")":
                return
