"""What pg_stat_statements counted in one database: read cheaply, compared, and rid of what no endpoint asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfgate.examination import Counters

if TYPE_CHECKING:
    import psycopg

OWN = "/* perfgate */"
"""Stands inside the statements that perfgate sends into a service's database, so that they are told from its own.

Not in front of them: newer versions of Postgres keep a text from its first word on.
"""
APPLICATION = "perfgate"
"""The application_name of perfgate's own sessions."""

# Transactions, session state and what pools and drivers send when they hand out or open a connection: how often that
# happens depends on when connections are made, and not on what an endpoint asks for.
_SESSION_WORDS = """
    abort begin commit deallocate discard end listen release reset rollback savepoint set show start unlisten
"""
_SESSION_STATEMENTS = """
    SELECT
    SELECT ?
    SELECT version()
    SELECT pg_catalog.version()
    SELECT current_schema()
    SELECT pg_advisory_unlock_all()
    CLOSE ALL
"""
_CHATTER_BEGINS = frozenset(_SESSION_WORDS.split())
_CHATTER = frozenset(line.strip() for line in _SESSION_STATEMENTS.splitlines())
_TYPE_LOOKUP = re.compile(r"\b(?:FROM|JOIN) (?:pg_catalog\.)?pg_type\b")

# Postgres checks a deferred foreign key (all of Django's) at the commit, outside of the statement that made it due, and
# counts its own query as if it had been sent (src/backend/utils/adt/ri_triggers.c). Nobody else writes this way.
_FOREIGN_KEY_CHECK = re.compile(r"SELECT \? FROM .+ x WHERE .+ operator\(.+\) .+ FOR KEY SHARE OF x\b", re.DOTALL)

# Without texts (false), which Postgres would have to read from a file each time. A statement has an entry for each
# role. What functions and triggers run is part of the statement that called them: only top-level statements count.
# What deferred triggers run at the commit has none, so it counts by itself.
_READ = """
SELECT userid, queryid, calls, rows, total_exec_time / 1000, shared_blks_hit + shared_blks_read,
       temp_blks_read + temp_blks_written, wal_records
  FROM pg_stat_statements(false)
 WHERE dbid = %s AND calls > 0 {toplevel}
"""
_TEXTS = "SELECT userid, queryid, query FROM pg_stat_statements WHERE dbid = %s {toplevel}"
_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_stat_statements'::regclass AND attnum > 0"
_LOSSES = "SELECT dealloc, stats_reset FROM pg_stat_statements_info"

StatementId = tuple[int, int]
"""Role and queryid: what pg_stat_statements calls a statement within one database, until its tables are made anew."""


Snapshot = Mapping[StatementId, Counters]


def since(before: Snapshot, after: Snapshot) -> dict[StatementId, Counters]:
    """What was counted between two snapshots, for the statements that were called."""
    grown = {
        statement: Counters(*(new - old for new, old in zip(now, before.get(statement, Counters()), strict=True)))
        for statement, now in after.items()
    }
    return {statement: counters for statement, counters in grown.items() if counters.calls}


def shrunk(before: Snapshot, after: Snapshot) -> bool:
    """Whether counters of single statements were reset in between: unlike a reset of all, Postgres tells nobody."""
    return any(after.get(statement, Counters()).calls < counters.calls for statement, counters in before.items())


def is_chatter(normalised: str) -> bool:
    """Whether a normalised statement is no endpoint's but a transaction's, a session's, a pool's or a driver's."""
    return (
        normalised.partition(" ")[0].lower() in _CHATTER_BEGINS
        or normalised in _CHATTER
        or _TYPE_LOOKUP.search(normalised) is not None
    )


def is_foreign_key_check(normalised: str) -> bool:
    """Whether a normalised statement is one by which Postgres itself checks a foreign key: work, but sent by nobody."""
    return _FOREIGN_KEY_CHECK.match(normalised) is not None


@dataclass(frozen=True)
class Statements:
    """The statements of the database with object id `oid`, seen through a connection to another database."""

    connection: psycopg.Connection
    oid: int
    toplevel: str = ""

    @classmethod
    def of(cls, connection: psycopg.Connection, database: str) -> Statements:
        """Look the database up, and which columns the installed version of pg_stat_statements has."""
        row = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [database]).fetchone()
        assert row is not None
        columns = {column for (column,) in connection.execute(_COLUMNS)}
        return cls(connection, row[0], "AND toplevel" if "toplevel" in columns else "")

    def read(self) -> dict[StatementId, Counters]:
        """The counters of all statements that were called at least once."""
        text = _READ.format(toplevel=self.toplevel).encode()
        rows = self.connection.execute(text, [self.oid]).fetchall()
        return {(role, query): Counters(*map(float, counters)) for role, query, *counters in rows}

    def texts(self) -> dict[StatementId, str]:
        """The texts as Postgres keeps them: without constants, with the comments of the first call."""
        rows = self.connection.execute(_TEXTS.format(toplevel=self.toplevel).encode(), [self.oid]).fetchall()
        return {(role, query): text for role, query, text in rows if text is not None}

    def losses(self) -> tuple[object, ...]:
        """How often the server made room by throwing counters away, and when all were reset: equal if none was lost."""
        return self.connection.execute(_LOSSES).fetchone() or ()
