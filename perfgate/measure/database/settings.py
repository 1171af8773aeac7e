"""The Postgres settings that make numbers repeat: chosen here, overridden by `database.settings`, kept with the run.

What decides about plans, caches and locks (`shared_buffers`, `work_mem`, `random_page_cost`, ...) stays what Postgres
ships with, so that a measured service meets the server its developers know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import psycopg

from perfgate.errors import BadRequest, suggestion

OLDEST = 14
STATEMENTS = "pg_stat_statements"
EXPLAIN = "auto_explain"

CHOSEN: Mapping[str, str] = {
    # The data is thrown away, and an fsync takes as long as the disk's other users please.
    "fsync": "off",
    # Without it the first change of a page after a checkpoint costs 8 KB of WAL more: wal_bytes moved by 17 %.
    "full_page_writes": "off",
    # Commits wait for their WAL to be written as in production; with fsync off that costs no disk.
    "synchronous_commit": "on",
    # No checkpoint falls into a round: perfgate issues one before each.
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
    # Nothing is written in the background, so that what a statement writes is its own.
    "bgwriter_lru_maxpages": "0",
    # Vacuuming or analysing in mid-run changes plans and blocks; freeze() does both once, before the first round.
    "autovacuum": "off",
    # Compilation comes or goes with a cost estimate near a threshold, and takes longer than most statements.
    "jit": "off",
    # A plan may not depend on how many workers happen to be free.
    "max_parallel_workers_per_gather": "0",
    # Scans of large tables start at the first block, and not where another session's scan is just now.
    "synchronize_seqscans": "off",
    # The same on every machine: initdb takes less where it finds little shared memory.
    "shared_buffers": "128MB",
    "max_connections": "100",
    # Seconds spent on blocks are part of what perfgate explains.
    "track_io_timing": "on",
    # What a statement is, and counts of it. 10 000 entries hold the statements of many rounds without evicting any.
    "compute_query_id": "on",
    "pg_stat_statements.max": "10000",
    "pg_stat_statements.track": "top",
    "pg_stat_statements.track_utility": "on",
    "pg_stat_statements.track_planning": "off",  # it costs time, and planning is not what is compared
    "pg_stat_statements.save": "off",
    # Loaded so that it can be switched on for a session that explains; silent until then.
    "auto_explain.log_min_duration": "-1",
    # Who waited for whom longer than deadlock_timeout stands in the log.
    "log_lock_waits": "on",
    # The same sort of messages and times on every machine.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
# Every statement's plan and parameters, and what each node really did; the clock is not read for each row.
EXPLAINING: Mapping[str, str] = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_wal": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_verbose": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "log",
    "auto_explain.sample_rate": "1",
    # Before 16 a plan comes without parameters: they stand in the line about the statement that follows.
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "-1",
}
# What perfgate needs for itself: where the server listens, what it writes where, where its extension is found.
RESERVED = frozenset(
    {
        "config_file",
        "data_directory",
        "dynamic_shared_memory_type",
        "external_pid_file",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "log_destination",
        "logging_collector",
        "port",
        "search_path",
        "ssl",
        "unix_socket_directories",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*\Z")
_FATAL = re.compile(r"^.*?(?:FATAL|PANIC): +(.*(?:\n.*?(?:DETAIL|HINT): .*)*)", re.MULTILINE)
_PREFIX = re.compile(r"^.*?(DETAIL|HINT): +", re.MULTILINE)


def chosen(overrides: Mapping[str, str], libraries: Iterable[str] = (STATEMENTS, EXPLAIN)) -> dict[str, str]:
    """All settings to start a server with: ours, then the overrides, and the libraries to preload of both.

    BadRequest for a name that cannot be one, and for a setting that perfgate needs for itself.
    """
    asked = {name.lower(): value for name, value in overrides.items()}
    for name in asked:
        if not _NAME.match(name):
            raise bad(name, "is not the name of a setting")
        if name in RESERVED:
            raise bad(name, "is set by perfgate itself", hint="leave it out")
    extra = [part.strip() for part in asked.pop("shared_preload_libraries", "").split(",") if part.strip()]
    preloaded = ",".join(dict.fromkeys([*libraries, *extra]))
    return {**CHOSEN, **asked, "shared_preload_libraries": preloaded}


def arguments(settings: Mapping[str, str]) -> list[str]:
    """The settings as arguments of `postgres`."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def bad(name: str, problem: str, *, hint: str = "") -> BadRequest:
    """The error for a setting in `budgets.yaml`."""
    return BadRequest(f"database.settings.{name} {problem}", hint=hint)


def rejected(
    log: str, overrides: Mapping[str, str], known: Callable[[], Iterable[str]] = tuple[str]
) -> BadRequest | None:
    """The override because of which a server did not start, by what it said last; None when it was none of them.

    `known` is asked for the names of all settings when the server did not know one.
    """
    for match in reversed(list(_FATAL.finditer(log))):
        text = " ".join(_PREFIX.sub("", match[1]).split())
        for name in overrides:
            if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text, re.IGNORECASE):
                names = list(known()) if "unrecognized" in text else []
                return bad(name, f"is refused by Postgres: {text}", hint=suggestion(name, names) if names else "")
        if "shared_preload_libraries" in overrides and re.search(r"could not (access|load)", text):
            return bad("shared_preload_libraries", f"is refused by Postgres: {text}")
    return None


def check_known(connection: psycopg.Connection, overrides: Mapping[str, str]) -> None:
    """BadRequest for an override that the running server does not know: it drops unknown `extension.name`s silently."""
    for name in overrides:
        row = connection.execute("SELECT current_setting(%s, true)", [name]).fetchone()
        if row is None or row[0] is None:
            known = [row[0] for row in connection.execute("SELECT name FROM pg_settings")]
            raise bad(name, "is not known to this Postgres", hint=suggestion(name, known))


# What is asked for, and not what differs from start to start, names a folder or belongs to one session.
_DIFFERING = """
SELECT name, current_setting(name)
FROM pg_settings
WHERE setting IS DISTINCT FROM boot_val
  AND source <> 'default'
  AND category NOT IN ('File Locations', 'Preset Options', 'Connections and Authentication / SSL')
  AND name NOT IN (
      'application_name', 'client_encoding', 'cluster_name', 'listen_addresses', 'port', 'search_path',
      'unix_socket_directories', 'unix_socket_permissions'
  )
ORDER BY name
"""


def differing(connection: psycopg.Connection) -> dict[str, str]:
    """The settings in force that differ from what Postgres was built with, by name."""
    return dict(connection.execute(_DIFFERING).fetchall())
