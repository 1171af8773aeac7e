"""A stand: one side's build of the service and its database, ready to be started afresh as often as need be."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from perfgate.errors import NotMeasured
from perfgate.measure import imports
from perfgate.measure import service as services
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.output import writing_to
from perfgate.measure.ownership import Owner
from perfgate.measure.service import RunningService
from perfgate.measure.stopwatch import Stopwatch
from perfgate.model import Side
from perfgate.plan import Plan, Service

PREPARE_TIMEOUT_S = 600.0

_SERVER_STATE = """
SELECT pg_postmaster_start_time()::text,
       md5(string_agg(name || '=' || setting, ',' ORDER BY name))
  FROM pg_settings
 WHERE context <> 'internal'
"""


@dataclass
class Stand:
    """The service of one side in the folder `root`, with a database of its own on `server` (None: needs none).

    `env` is added to the environment of all its commands, and PERFGATE_SIDE tells them which side they are. What was
    built for the same request before is not built again where `built` remembers it, and nothing is where `builds` is
    False, because another stand builds in the same folder. `on_built` is called after a build that succeeded.
    """

    plan: Plan
    side: Side
    root: Path
    server: Server | None
    owner: Owner
    logs: Path
    watch: Stopwatch
    say: Callable[[str], None]
    env: Mapping[str, str] = field(default_factory=dict)
    built: Path | None = None
    builds: bool = True
    on_built: Callable[[], None] = lambda: None
    database: ServiceDatabase | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.env = {**self.env, "PERFGATE_SIDE": str(self.side)}

    @property
    def service(self) -> Service:
        assert self.plan.service is not None
        return self.plan.service

    def prepare(self) -> None:
        """Build the service, fill its database and make that the template of every fresh start."""
        if self.builds:
            with self.watch("build"):
                self._build()
        asked = self.plan.database
        if self.server is None or asked is None:
            return
        with self.watch("database setup"):
            self.database = self.server.create(self.side)
            # a migration that this change adds is no part of base
            entries = [e for e in asked.setup if self.side is Side.HEAD or not e.endswith(".sql") or self._has(e)]
            self.database.setup(entries, self.root, self._settled_env(), self.log("setup"))
            if asked.prepare:
                with self.started("prepare", {}) as running:
                    self._run_prepare(asked.prepare, running)
            self.database.freeze()

    def _has(self, entry: str) -> bool:
        return (self.root / entry).is_file()

    def _build(self) -> None:
        request = json.dumps([self.service.build, self.service.cwd, dict(self.env), imports.search_path()])
        if self.built is not None and self.built.is_file() and self.built.read_text(encoding="utf-8") == request:
            return
        if self.built is not None:
            self.built.unlink(missing_ok=True)
        folders = imports.packages() if self.service.build and self.side is Side.BASE else []
        before = imports.state(folders)
        services.build(self.service, self.root, self.env, self.owner, self.log("build"))
        if imports.state(folders) != before:
            raise NotMeasured(
                f"`{self.service.build}` installs into {folders[0]}, which both sides would run from",
                hint="let service.build make an environment of its own, such as .venv, and service.command use it",
            )
        self.on_built()
        if self.built is not None:
            self.built.write_text(request, encoding="utf-8")

    @contextmanager
    def fresh(self, name: str, env: Mapping[str, str] | None = None) -> Iterator[RunningService]:
        """The service just started, with `env` added, over the database as it was frozen; stopped at the end."""
        self.restore()
        with self.started(name, env or {}) as running:
            yield running

    def restore(self) -> None:
        """Put the database, if there is one, back to what was frozen."""
        if self.database is not None:
            with self.watch("database restore"):
                self.database.restore()

    @contextmanager
    def started(self, name: str, env: Mapping[str, str]) -> Iterator[RunningService]:
        """The service just started, with `env` added, over the database as it is; stopped at the end."""
        placeholders = self.database.placeholders() if self.database else {}
        with ExitStack() as stack:
            with self.watch("service start"):
                plan = replace(self.service, env={**self.env, **self.service.env, **env})
                starting = services.start(plan, self.root, placeholders, self.owner, self.log(f"service-{name}"))
                running = stack.enter_context(starting)
            yield running
            with self.watch("service stop"):
                stack.close()

    def server_state(self) -> tuple[str, str]:
        """When the Postgres server started, and a digest of its settings: equal as long as it is the same."""
        import psycopg

        if self.server is None:
            return "", ""
        try:
            row = self.server.monitor.execute(_SERVER_STATE).fetchone()
        except psycopg.Error as error:
            raise NotMeasured(f"the Postgres server was lost: {error}", hint="see its log for the reason") from error
        assert row is not None
        return str(row[0]), str(row[1])

    def log(self, name: str) -> Path:
        """Where the output of one thing on this side is kept."""
        return self.logs / f"{self.side}-{name}.log"

    def _settled_env(self) -> dict[str, str]:
        """The service's environment as far as it is known without the service: migrations need its settings too."""
        known = self.database.placeholders() if self.database else {}
        settled = {
            name: text
            for name, text in {**self.env, **self.service.env}.items()
            if not any(word in text for word in ("{port}", "{url}"))
        }
        return {name: services.fill(text, known, f"service.env.{name}") for name, text in settled.items()}

    def _run_prepare(self, commands: tuple[str, ...], running: RunningService) -> None:
        assert self.database is not None
        filled = {**self.database.placeholders(), "url": running.url, "port": str(running.port)}
        # as in `setup`: whatever a developer's environment names, it is this database that is filled
        variables = self.database.server.access.variables(self.database.name)
        env = {**os.environ, "PATH": imports.search_path(), **self._settled_env(), **variables}
        self.log("prepare").unlink(missing_ok=True)
        for command in commands:
            argv = services.words(command, filled, "database.prepare")
            with writing_to(self.log("prepare")), self.log("prepare").open("ab") as log:
                process = self.owner.spawn(
                    argv, env=env, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
                )
                self._await(process, command)
            running.check()

    def _await(self, process: subprocess.Popen[bytes], command: str) -> None:
        try:
            code = process.wait(PREPARE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.owner.stop(process)
            code = None
        if code != 0:
            outcome = f"ended with exit code {code}" if code is not None else f"took over {PREPARE_TIMEOUT_S:.0f} s"
            tail = "\n  ".join(self.log("prepare").read_text(errors="replace").splitlines()[-10:])
            raise NotMeasured(f"prepare: `{command}` {outcome}", hint=f"its last lines:\n  {tail}")
