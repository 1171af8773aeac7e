"""Keeping the history: where the store is, and how a run gets there without delaying or changing anything.

A run is written to a file first, then sent with whatever waits there; what cannot be sent in time waits for the next
run. Wires the history to the project, git and the store's own Postgres.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate import files
from perfgate.errors import BadRequest, NotMeasured, PerfgateError
from perfgate.revision import git

if TYPE_CHECKING:
    from perfgate.publish.history.entry import Entry
    from perfgate.publish.history.notices import Release
    from perfgate.publish.history.spool import Sent, Spool
    from perfgate.publish.history.store import Store
    from perfgate.result import Result

STATE_FOLDER = ".perfgate"
STORE_VARIABLE = "PERFGATE_HISTORY"
NOWHERE = "none"
"""What the variable takes for: keep nothing."""
PROJECT_VARIABLE = "PERFGATE_PROJECT"
MANY_WAITING = 30
"""So many runs wait before a store of the project's own is started for them at a run's end: readers send them, too."""

PATIENCE_S = 8.0
"""How long a run's end may wait for the store."""

BATCH = 100
"""Runs that are stored in one transaction."""

SCHEMES = ("postgresql://", "postgres://")
TRUNKS = ("main", "master")
BRANCH_VARIABLES = ("CI_COMMIT_BRANCH", "BUILDKITE_BRANCH", "CIRCLE_BRANCH")
"""Where CI services say which branch they check out without being on it; unset or another in a pull request."""

_LAST_MOMENT = datetime.max.replace(tzinfo=UTC).timestamp() - 1


@dataclass(frozen=True)
class Place:
    """Where the history of a project is kept: in the server of `url`, or in one of its own where that is empty.

    Where it does not `keep`, it is only read.
    """

    root: Path
    project: str
    url: str = field(default="", repr=False)
    keeps: bool = True

    @property
    def home(self) -> Path:
        """The folder of the store's own server."""
        return self.root / STATE_FOLDER / "history"

    @property
    def spool(self) -> Path:
        """Where runs wait for the store."""
        return self.root / STATE_FOLDER / "spool"

    def __str__(self) -> str:
        from psycopg.conninfo import conninfo_to_dict

        if not self.url:
            return str(self.home)
        told = conninfo_to_dict(self.url)
        return f"{told.get('host', 'localhost')}/{told.get('dbname', '')}"


def place(root: Path, *, url: str = "", project: str = "") -> Place:
    """The place that is asked for, else that of the environment, else one of the project's own.

    Raises BadRequest for a URL that is none.
    """
    url = url or os.environ.get(STORE_VARIABLE, "")
    keeps = url != NOWHERE
    if url and keeps:
        _check_url(url)
    name = project or os.environ.get(PROJECT_VARIABLE, "") or project_name(root)
    return Place(root, name, url if keeps else "", keeps)


def _check_url(url: str) -> None:
    """Raises BadRequest for a URL that is none, or whose password ends up as something else, and repeats none of it.

    libpq would say what it cannot read, or look for a host of that name: part of the password, in the log of a build.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    if not url.startswith(SCHEMES):
        raise BadRequest(
            "the history's store is not a PostgreSQL URL",
            hint="postgresql://user@host/database, or `none` to keep nothing",
        )
    try:
        told = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise BadRequest("the URL of the history's store cannot be read", hint=_ENCODE) from None
    ports = str(told.get("port", "")).replace(",", "")
    if "@" in f"{told.get('host', '')}{told.get('dbname', '')}" or not (ports.isdecimal() or not ports):
        raise BadRequest("the URL of the history's store has a part in the wrong place", hint=_ENCODE)


_ENCODE = "write @ : / ? # [ ] % and spaces of a user's name or password as %40 %3A %2F %3F %23 %5B %5D %25 %20"


def reserved(root: Path) -> Place:
    """The place of the environment, of which what is measured gets to see nothing: it may have a password in it."""
    where = place(root)
    os.environ.pop(STORE_VARIABLE, None)
    return where


def project_name(root: Path) -> str:
    """`owner/name` as its remote has it, so that every checkout names it alike; else the name of the folder."""
    remote = git(root, "config", "--get", "remote.origin.url").removesuffix("/").removesuffix(".git")
    parts = [part for part in remote.replace(":", "/").split("/") if part]
    return "/".join(parts[-2:]) if len(parts) > 1 else root.resolve().name


@contextmanager
def opened(where: Place) -> Iterator[Store]:
    """The project's store, migrated. Raises NotMeasured where it cannot be reached, BadRequest where it is newer."""
    import psycopg

    from perfgate import storeserver
    from perfgate.publish.history.store import connect, open_store

    if not where.url:
        _prepare(where)
        with storeserver.running(where.home) as url, closing(connect(url)) as connection:
            yield open_store(connection, where.project)
        return
    try:
        connection = connect(where.url)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise NotMeasured(f"the history's store cannot be reached: {_said(error)}", hint=_REACH) from error
    with closing(connection):
        yield open_store(connection, where.project)


def _prepare(where: Place) -> None:
    """Have git leave the folder alone. Raises NotMeasured where the disk refuses."""
    ignored = where.root / STATE_FOLDER / ".gitignore"
    if not ignored.exists():
        files.write(ignored, "*\n")


_REACH = f"see that the server runs and that {STORE_VARIABLE} (or --store) names it"


def entry_of(
    result: Result,
    root: Path,
    *,
    trunk: bool | None = None,
    accepted: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Entry:
    """The result, with what git and the environment know of it; `trunk` is told by its branch where it is None."""
    from perfgate.publish.history.entry import Entry

    if trunk is None:
        branch = result.run.branch or next(filter(None, map(os.environ.get, BRANCH_VARIABLES)), "")
        trunk = branch in trunks(root) and not result.run.dirty
    return Entry(result, trunk, accepted, labels or {})


def labelled(words: Iterable[str]) -> dict[str, str]:
    """The labels that `NAME=VALUE` mean. Raises BadRequest for anything else."""
    pairs = [word.partition("=") for word in words]
    wrong = next((name + equals for name, equals, _ in pairs if not (name and equals)), None)
    if wrong is not None:
        raise BadRequest(f"--label {wrong}: is no label", hint="write it like --label checkout=on")
    return {name: value for name, _, value in pairs}


def add(where: Place, entries: Sequence[Entry]) -> int:
    """Store runs now; how many were not there. Raises NotMeasured where the store cannot be reached or is lost."""
    from perfgate.publish.history import rollups, writing

    stored = 0
    with reporting(), opened(where) as store:
        for first in range(0, len(entries), BATCH):
            stored += writing.write(store, entries[first : first + BATCH])
        rollups.refresh(store)
    return stored


def add_good(where: Place, entries: Sequence[Entry]) -> tuple[int, list[str]]:
    """Store runs now, and leave out those that the store will never take: how many were not there, and what was refused
    and why. Raises as `add` does.
    """
    from perfgate.publish.history import rollups

    stored, refused = 0, list[str]()
    with reporting(), opened(where) as store:
        for first in range(0, len(entries), BATCH):
            stored += _write_good(store, entries[first : first + BATCH], refused)
        rollups.refresh(store)
    return stored, refused


def _write_good(store: Store, entries: Sequence[Entry], refused: list[str]) -> int:
    """All at once; one by one where one of them is refused."""
    from perfgate.publish.report import one_line

    try:
        return _write(store, entries)
    except BadRequest as error:
        if len(entries) > 1:
            return sum(_write_good(store, [entry], refused) for entry in entries)
        refused += [f"the run of {one_line(entry.run.commit, 10)}: {error.args[0]}" for entry in entries]
        return 0


def trunks(root: Path) -> tuple[str, ...]:
    """What the branch may be called that makes the project's own line."""
    head = git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").partition("/")[2]
    return (head,) if head else TRUNKS


def keep(where: Place, entry: Entry, *, patience: float = PATIENCE_S) -> tuple[str, ...]:
    """Store the run, and all that waits; what there is to say of it, nothing where all went well.

    Where the store is the project's own, the run waits for whoever reads the history next, and no server is started.
    Takes `patience` seconds at most. Whatever goes wrong with the disk or the store is said and not raised.
    """
    from perfgate.publish.history.spool import Spool

    if not where.keeps:
        return ()
    spool, notes, alone = Spool(where.spool), [], []
    try:
        _prepare(where)
        spool.put(entry)
    except (OSError, NotMeasured) as error:
        reason = error.strerror if isinstance(error, OSError) else error.args[0]
        notes.append(f"history: no room to keep the run until it is stored: {reason}")
        alone.append(entry)
    if where.url or alone or len(spool.waiting()) >= MANY_WAITING:
        notes += _within(patience, lambda: _sent(where, spool, alone))
    waiting = len(spool.waiting())
    if waiting and (where.url or waiting >= MANY_WAITING):
        runs = f"{waiting} runs wait" if waiting > 1 else "1 run waits"
        notes.append(f"history: {runs} in {where.spool}; the next run or `perfgate history send` sends them")
    if alone:
        notes.append("history: this run is not in it; `perfgate history add RESULT` adds its result file")
    return tuple(notes)


def catch_up(where: Place) -> tuple[str, ...]:
    """Store what waits, and the releases that git knows, before the history is read; what there is to say of it.

    Who may only read looks at what is there.
    """
    try:
        return tuple(f"set aside: {told}" for told in send(where).aside)
    except NotMeasured as error:
        return (f"runs that wait, and releases, are left out: {error.args[0]}",)


def send(where: Place) -> Sent:
    """Send all that waits, however long it takes.

    Raises NotMeasured where the store cannot be reached or is lost, or where what waits is somebody else's.
    """
    from perfgate.publish.history.spool import Spool

    with reporting(), opened(where) as store:
        try:
            return _send(where, store, Spool(where.spool))
        except OSError as error:
            raise NotMeasured(
                f"{error.filename or where.spool}: {error.strerror}", hint=f"whose is it? ls -l {where.spool}"
            ) from error


@contextmanager
def reporting() -> Iterator[None]:
    """Turn a store that is lost, full, damaged or forbids something into NotMeasured."""
    import psycopg
    from psycopg import errors

    forbidden = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)
    damaged = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction, errors.DataCorrupted)
    try:
        yield
    except (psycopg.OperationalError, *forbidden, *damaged) as error:
        raise NotMeasured(f"the history's store: {_said(error)}", hint=_REACH) from error


def _within(patience: float, work: Callable[[], list[str]]) -> list[str]:
    """What the work says; it goes on in the background, as long as there is one, where it takes longer."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.extend(work()), name="perfgate-history", daemon=True)
    thread.start()
    thread.join(patience)
    return [f"history: the store did not take the run within {patience:g} s"] if thread.is_alive() else said


def _sent(where: Place, spool: Spool, alone: list[Entry]) -> list[str]:
    """Send what waits, and what could not be spooled, which then leaves `alone`; what there is to say of it."""
    import psycopg

    from perfgate.publish.history import writing

    try:
        with reporting(), opened(where) as store:
            if alone:
                writing.write(store, alone)
                alone.clear()
            return [f"history: {told}" for told in _send(where, store, spool).aside]
    except PerfgateError as error:
        return [f"history: {error.args[0]}"]
    except psycopg.Error as error:
        return [f"history: the store: {_said(error)}"]
    except OSError as error:
        return [f"history: {error}"]


def _send(where: Place, store: Store, spool: Spool) -> Sent:
    from perfgate.publish.history import notices, rollups

    sent = spool.send(lambda entry: _write(store, [entry]))
    notices.add_releases(store, releases(where.root))
    rollups.refresh(store)
    return sent


def _write(store: Store, entries: Sequence[Entry]) -> int:
    """Store runs, all or none. BadRequest where the store will never take one, so that it stands in nobody's way."""
    import psycopg

    from perfgate.publish.history import writing

    try:
        return writing.write(store, entries)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise BadRequest(f"the store refuses a run: {_said(error)}", hint="remove it") from error


def releases(root: Path) -> list[Release]:
    """The tags of the project and when they were made; one that was made in no time that there is is left out."""
    from perfgate.publish.history.notices import Release

    form = "--format=%(refname:short)%09%(objectname)%09%(*objectname)%09%(creatordate:unix)"
    rows = [line.split("\t") for line in git(root, "for-each-ref", "refs/tags", form).splitlines()]
    return [
        Release(name, peeled or commit, datetime.fromtimestamp(int(made), UTC))
        for name, commit, peeled, made in (row for row in rows if len(row) == 4)
        if made.isdecimal() and int(made) <= _LAST_MOMENT
    ]


def _said(error: Exception) -> str:
    """What the server or libpq said, in one line."""
    import psycopg

    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((primary or str(error) or type(error).__name__).split())
