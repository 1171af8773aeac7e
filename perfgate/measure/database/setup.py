"""Filling a database: SQL files and commands (migrations, loaders), in the order in which they are asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure import service
from perfgate.measure.database import script
from perfgate.measure.database.access import said
from perfgate.measure.output import writing_to

if TYPE_CHECKING:
    from perfgate.measure.database.server import ServiceDatabase

COMMAND_TIMEOUT_S = 1800.0
"""How long one command may take: loading much data is slow, but a migration that waits for a lock never ends."""
LOG_LINES = 15
_CREATES_ROLE = re.compile(r"(?:--[^\n]*\n|/\*.*?\*/|\s)*CREATE\s+(?:ROLE|USER|GROUP)\b", re.IGNORECASE | re.DOTALL)

ROLES_ARE_SHARED = (
    "head and base have databases of their own on one server, so they share its roles: create a role only if it is "
    "missing (DO $$ BEGIN CREATE ROLE app; EXCEPTION WHEN duplicate_object THEN NULL; END $$)"
)


@dataclass(frozen=True)
class Setup:
    """Runs entries for one database. What they print goes to the end of `log`.

    A file of SQL is run in one session, statement by statement, as psql does. Anything else is a command, run in `root`
    without a shell: `{database_url}` and the like are filled in, DATABASE_URL and the PG* variables lead to the
    database, `env` adds to the environment, and the programs beside perfgate's Python come first on PATH.
    """

    database: ServiceDatabase
    root: Path
    env: Mapping[str, str]
    log: Path

    def run(self, entries: Sequence[str]) -> None:
        """Run all entries. BadRequest for one that is not there, NotMeasured for one that fails or does not end."""
        for entry in entries:
            file = self.root / entry
            if file.is_file() and file.suffix == ".sql":
                self._run_file(entry, file)
            elif entry.endswith(".sql") and len(self._words(entry)) == 1:
                raise BadRequest(f"database.setup: {file} does not exist")
            else:
                self._run_command(entry)

    def _run_file(self, entry: str, file: Path) -> None:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequest(f"database.setup: {entry} cannot be read: {error}") from error
        self._note(f"{entry}\n")
        with self.database.connect() as connection:
            connection.add_notice_handler(lambda notice: self._note(f"{notice.severity}: {notice.message_primary}\n"))
            try:
                for statement in script.statements(text):
                    self._run_statement(connection, entry, statement)
            except script.NotSql as command:
                raise BadRequest(
                    f"{entry}:{command.line}: {command} is a command of psql, not SQL",
                    hint=f"run the file with psql: write `psql -v ON_ERROR_STOP=1 -f {entry}` under database.setup",
                ) from command
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                raise NotMeasured(f"{entry} ends inside a transaction", hint="end it with COMMIT")

    def _run_statement(self, connection: psycopg.Connection, entry: str, statement: script.Statement) -> None:
        try:
            if statement.data is None:
                connection.execute(statement.text.encode())
                return
            with connection.cursor() as cursor, cursor.copy(statement.text.encode()) as copy:
                copy.write(statement.data)
        except psycopg.errors.DuplicateObject as error:
            if not (self.database.after_another and _CREATES_ROLE.match(statement.text)):
                raise self._failed(entry, statement, error) from error
            self._note(f"{entry}:{statement.line}: {said(error)}: made by the other side\n")
        except psycopg.Error as error:
            if error.diag.sqlstate is None:  # no answer of the server's: it is gone
                raise NotMeasured(f"{entry}: {said(error)}", hint=self.database.server.last_words()) from error
            raise self._failed(entry, statement, error) from error

    def _failed(self, entry: str, statement: script.Statement, error: psycopg.Error) -> NotMeasured:
        position = error.diag.statement_position
        line = statement.line_of(int(position)) if position else statement.line
        shared = ROLES_ARE_SHARED if isinstance(error, psycopg.errors.DuplicateObject) else ""
        details = (error.diag.message_detail, error.diag.message_hint, error.diag.context, shared)
        hint = "\n  ".join(" ".join(part.split()) for part in details if part)
        self._note(f"{entry}:{line}: {said(error)}\n")
        return NotMeasured(f"{entry}:{line}: {said(error)}", hint=hint)

    def _run_command(self, entry: str) -> None:
        filled = self._words(entry)
        self._note(f"$ {entry}\n")
        begin = self.log.stat().st_size
        owner = self.database.server.owner
        with writing_to(self.log):
            output = self.log.open("ab")
        with output:
            try:
                process = owner.spawn(
                    filled, env=self._environment(), cwd=self.root, stdout=output, stderr=subprocess.STDOUT
                )
            except OSError as error:
                raise BadRequest(f"database.setup: `{entry}` cannot be run: {error}") from error
            try:
                outcome = f"ended with exit code {code}" if (code := process.wait(COMMAND_TIMEOUT_S)) else ""
            except subprocess.TimeoutExpired:
                outcome = f"took over {COMMAND_TIMEOUT_S / 60:g} min, and was stopped"
            finally:
                owner.stop(process)  # and what it has left running: nothing may disturb the rounds
        if outcome:
            said_last = "\n  ".join(_lines_since(self.log, begin)[-LOG_LINES:])
            raise NotMeasured(f"database.setup: `{entry}` {outcome}", hint=f"it said:\n  {said_last}")

    def _words(self, entry: str) -> list[str]:
        return service.words(entry, self.database.placeholders(), "database.setup")

    def _environment(self) -> dict[str, str]:
        """What `env` merely repeats from the caller's environment adds nothing: a DATABASE_URL there is not ours."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}"
        access, name = self.database.server.access, self.database.name
        added = {name: value for name, value in self.env.items() if os.environ.get(name) != value}
        return {**inherited, "PATH": path, **access.variables(name), **added}

    def _note(self, text: str) -> None:
        with writing_to(self.log), self.log.open("a", encoding="utf-8") as file:
            file.write(text)


def _lines_since(log: Path, begin: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace").splitlines()
