"""Captured executions run again in a throwaway copy, with indexes made for the occasion: in blocks, not in time."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfgate.diagnose import plans
from perfgate.examination import Examination, Execution, Index

if TYPE_CHECKING:
    import psycopg

STATEMENT_TIMEOUT_MS = 10_000
COPIED_ROWS = 500
"""Rows written to learn what an index costs the writes."""

_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<!\w)(\d+(?:\.\d+)?)(?!\w)")
_PARAMETER = re.compile(r"\$\d")
_QUOTED = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" """, re.VERBOSE)

# As perfgate.measure.catalogue names them.
NAME = "CASE nspname WHEN 'public' THEN '' ELSE quote_ident(nspname) || '.' END || quote_ident(relname)"
_INDEXES = f"""
SELECT {NAME}
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
"""
# What the schema itself says of a table in strings and numbers: checks, defaults, labels, predicates of indexes.
_WORDS = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype = 'c'
UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = %(table)s::regclass
UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %(table)s::regclass
UNION ALL SELECT quote_literal(enumlabel) FROM pg_enum JOIN pg_attribute ON atttypid = enumtypid
           WHERE attrelid = %(table)s::regclass
"""
_COPYABLE = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


@dataclass
class Rehearsal:
    """A copy of a database with the indexes that head had, whatever its service did to them; nothing in it stays.

    It is entered by `of`, within one transaction of `connection`. `present` are the indexes that the copy came with.
    """

    connection: psycopg.Connection
    present: frozenset[str] = frozenset()
    _names: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    @contextmanager
    def of(cls, connection: psycopg.Connection, examined: Examination) -> Iterator[Rehearsal]:
        """Begin with the indexes that the examination saw."""
        with connection.transaction(force_rollback=True):
            connection.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
            rehearsal = cls(connection, frozenset(str(row[0]) for row in connection.execute(_INDEXES.encode())))
            rehearsal._liken(examined.indexes)
            yield rehearsal

    def _liken(self, indexes: Sequence[Index]) -> None:
        for name in sorted(self.present - {index.name for index in indexes}):
            self.attempt(f"DROP INDEX {plans.written(name)}")
        for index in indexes:
            if index.name not in self.present:
                self.attempt(index.definition)

    def attempt(self, statement: str) -> bool:
        """Do it, and keep it if Postgres can."""
        import psycopg

        try:
            with self.connection.transaction():
                self.connection.execute(statement.encode())
        except psycopg.Error:
            return False
        return True

    @contextmanager
    def trying(self, statements: Iterable[str]) -> Iterator[bool]:
        """With these done; says whether all could be. They are undone at the end."""
        with self.connection.transaction(force_rollback=True):
            yield all(self.attempt(statement) for statement in statements)

    def blocks(self, execution: Execution) -> float | None:
        """The blocks that an execution looks at now; None where it cannot be run alone."""
        plan = self.plan(execution)
        return None if plan is None else plans.blocks(plan)

    def plan(self, execution: Execution) -> plans.Node | None:
        """What EXPLAIN (ANALYZE, BUFFERS, VERBOSE) says of an execution with its parameters; its effects are undone."""
        import psycopg

        if ";" in _QUOTED.sub("", execution.text).strip().rstrip(";"):
            return None
        try:
            with self.connection.transaction(force_rollback=True):
                statement = self._ready(execution)
                told = self.connection.execute(
                    f"EXPLAIN (ANALYZE, BUFFERS, VERBOSE, TIMING OFF, FORMAT JSON) {statement}".encode()
                )
                row = told.fetchone()
        except psycopg.Error:
            return None
        plan: plans.Node | None = row[0][0]["Plan"] if row else None
        return plan

    def generic(self, text: str) -> plans.Node | None:
        """The plan for any parameters, $1 and so on in `text`, as the planner expects it; from Postgres 16 on."""
        import psycopg

        try:
            with self.connection.transaction(force_rollback=True):
                row = self.connection.execute(
                    f"EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {text}".encode()
                ).fetchone()
        except psycopg.Error:
            return None
        plan: plans.Node | None = row[0][0]["Plan"] if row else None
        return plan

    def _ready(self, execution: Execution) -> str:
        """The statement, or what executes it with its parameters: those are never put into its text."""
        from psycopg import sql

        if not execution.parameters or not _PARAMETER.search(execution.text):
            return execution.text
        name = sql.Identifier(f"perfgate_{next(self._names)}")
        self.connection.execute(sql.SQL("PREPARE {} AS ").format(name).as_bytes() + execution.text.encode())
        values = sql.SQL(", ").join(sql.Literal(value) for value in execution.parameters)
        return sql.SQL("EXECUTE {}({})").format(name, values).as_string(self.connection)

    def size(self, table: str, index: str) -> int:
        """The bytes of an index of a table, by its own name without quotes."""
        row = self.connection.execute(
            "SELECT pg_relation_size(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE indrelid = %s::regclass AND relname = %s",
            [plans.written(table), index],
        ).fetchone()
        return int(row[0]) if row else 0

    def says(self, table: str, literals: Iterable[str]) -> bool:
        """Whether the schema of a table has all these strings and numbers in it, so that none of them is a secret."""
        import psycopg

        try:
            with self.connection.transaction():
                said = self.connection.execute(_WORDS.encode(), {"table": plans.written(table)}).fetchall()
        except psycopg.Error:  # the service makes the table itself
            return False
        words = {word.replace("''", "'") for (text,) in said for pair in _LITERAL.findall(text) for word in pair}
        return set(literals) <= words

    def wal_per_row(self, table: str) -> float | None:
        """The WAL records that a row inserted into a copy of a table takes, with all the indexes it has now."""
        import psycopg
        from psycopg import sql

        own = sql.SQL(plans.written(table))
        copy = sql.Identifier(f"perfgate_copy_{next(self._names)}")
        try:
            with self.connection.transaction(force_rollback=True):
                row = self.connection.execute(_COPYABLE.encode(), [plans.written(table)]).fetchone()
                columns = sql.SQL(row[0] if row else "")
                self.connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(copy, own))
                told = self.connection.execute(
                    sql.SQL(
                        "EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) INSERT INTO {} ({columns})"
                        " OVERRIDING SYSTEM VALUE SELECT {columns} FROM {} LIMIT {}"
                    ).format(copy, own, COPIED_ROWS, columns=columns)
                ).fetchone()
        except psycopg.Error:
            return None
        plan = told[0][0]["Plan"] if told else {}
        rows = plans.rows(plan["Plans"][0]) if plan.get("Plans") else 0.0
        return float(plan["WAL Records"]) / rows if rows else None
