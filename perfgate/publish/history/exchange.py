"""A branch of a remote repository, without any checkout: fetched into a repository of our own, changed there, pushed.

The user's repository is only asked where the remote is and how to log in to it. It gets no object, no ref and no
`shallow` file, and what is checked out in it does not matter: a detached head in a shallow clone is as good as any.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import BadRequest, NotMeasured
from perfgate.publish.report import one_line

_TIMEOUT_S = 300.0
_REMOTE = "origin"
_HERE = "refs/heads/history"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
"""What may name a branch or a remote: neither an option nor a refspec; git itself is asked for the rest."""

_LOGIN = re.compile(r"(?:http|credential|ssh|protocol|core\.(?:sshcommand|askpass|gitproxy))\b.*", re.IGNORECASE)
"""Settings of the user's repository that reaching its remote may need: CI services keep their tokens in such."""

_REDIRECTING = re.compile(
    r"GIT_(?:DIR|WORK_TREE|INDEX_FILE|.*OBJECT_DIRECTOR.*|COMMON_DIR|NAMESPACE|SHALLOW_FILE|.*PREFIX)"
)
_CREDENTIALS = re.compile(r"(?<=://)[^\s/@'\"]+(?=@)")
_OVERTAKEN = re.compile(
    r"\[rejected\]|cannot lock ref|failed to update ref|already exists|but expected|incorrect old value|stale info"
)
"""How git says that somebody else was quicker."""

_WRITTEN_BY = "perfgate <perfgate@localhost>"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a commit: `kind` is git's mode, `size` is in bytes, None where only the name was fetched."""

    path: str
    blob: str
    kind: str
    size: int | None = None

    @property
    def is_plain(self) -> bool:
        return self.kind == "100644"


class Exchange:
    """One branch of one remote. Objects are fetched without their history: the last commit alone."""

    def __init__(self, folder: Path, environment: Mapping[str, str], branch: str) -> None:
        self._folder = folder
        self._environment = environment
        self.branch = branch

    def fetch(self, *, contents: bool) -> str:
        """The branch's last commit, "" where the remote has no such branch.

        Without `contents` a remote that can leaves the files out, and those that are read are fetched one by one.
        """
        narrow = [] if contents else ["--filter=blob:none"]
        wanted = f"+refs/heads/{self.branch}:{_HERE}"
        for last in (False, True):  # the branch may be replaced just while it is fetched
            done = self._git("fetch", "--quiet", "--depth=1", "--no-tags", "--force", *narrow, _REMOTE, wanted)
            if done.returncode == 0:
                return self._output("rev-parse", "--verify", _HERE).strip()
            if b"couldn't find remote ref" in done.stderr:
                return ""
            if last:
                raise _failed("cannot be fetched", self.branch, done.stderr)
        raise AssertionError("unreachable")

    def files(self, commit: str, *, sizes: bool = False) -> list[File]:
        """The files of a commit. Sizes are to be asked for only where contents were fetched."""
        listing = self._output("ls-tree", "-r", "-z", *(["--long"] if sizes else []), commit)
        return [_file(line) for line in listing.split("\0") if line]

    def is_root(self, commit: str) -> bool:
        """Whether nothing came before the commit."""
        header = self._output("cat-file", "commit", commit).partition("\n\n")[0]
        return not any(line.startswith("parent ") for line in header.splitlines())

    def contents(self, files: Iterable[File]) -> Iterator[tuple[File, bytes]]:
        """The content of each file, one at a time."""
        wanted = list(files)
        with tempfile.TemporaryFile(dir=self._folder) as asked:
            asked.write(b"".join(f"{file.blob}\n".encode() for file in wanted))
            asked.seek(0)
            with subprocess.Popen(
                self._command("cat-file", "--batch"),
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            ) as reader:
                assert reader.stdout is not None
                for file in wanted:
                    header = reader.stdout.readline().split()
                    if len(header) != 3:
                        raise NotMeasured(f"{self.branch}: {file.path} cannot be read", hint="try again")
                    yield file, reader.stdout.read(int(header[2]) + 1)[:-1]

    def commit(
        self, message: str, added: Mapping[str, bytes], *, parent: str = "", kept: str = "", removed: Iterable[str] = ()
    ) -> str:
        """A commit with these files added to those of its `parent`; or one without a parent that begins with the files
        of the commit `kept`, without those that are `removed`.
        """
        stream = [f"commit {_HERE}-next\ncommitter {_WRITTEN_BY} now\n".encode(), _data(message.encode())]
        if parent:
            stream.append(f"from {parent}\n".encode())
        if kept:
            tree = self._output("rev-parse", "--verify", f"{kept}^{{tree}}").strip()
            stream.append(f'M 040000 {tree} ""\n'.encode())
        stream += [f"D {path}\n".encode() for path in removed]
        for path, content in added.items():
            stream += [f"M 100644 inline {path}\n".encode(), _data(content)]
        done = self._git("fast-import", "--quiet", "--force", "--date-format=now", given=b"".join(stream) + b"done\n")
        if done.returncode != 0:
            raise _failed("cannot be written", self.branch, done.stderr)
        return self._output("rev-parse", "--verify", f"{_HERE}-next").strip()

    def push(self, commit: str, *, instead_of: str = "") -> bool:
        """Make the commit the branch's last. False where the branch has moved on meanwhile; nothing was done then.

        With `instead_of` the commit takes the place of that one and of all that came before it.
        """
        there = f"refs/heads/{self.branch}"
        lease = [f"--force-with-lease={there}:{instead_of}"] if instead_of else []
        done = self._git("push", "--porcelain", "--no-verify", *lease, _REMOTE, f"{commit}:{there}")
        if done.returncode == 0:
            return True
        if _OVERTAKEN.search((done.stdout + done.stderr).decode(errors="replace")):
            return False
        raise _failed("cannot be pushed", self.branch, done.stderr)

    def _output(self, *arguments: str) -> str:
        done = self._git(*arguments)
        if done.returncode != 0:
            raise _failed("cannot be read", self.branch, done.stderr)
        return done.stdout.decode(errors="surrogateescape")

    def _git(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return _run(self._command(*arguments), self._environment, given)

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-c", f"core.hooksPath={os.devnull}", "-c", "gc.auto=0", "-C", str(self._folder), *arguments]


@contextmanager
def exchange(repository: Path, remote: str, branch: str) -> Iterator[Exchange]:
    """The branch of the remote that `repository`, any folder of a work tree or a bare repository, calls `remote`.

    Raises BadRequest for names that do not fit or that git does not know.
    """
    environment = _environment()
    _check_names(repository, remote, branch, environment)
    with tempfile.TemporaryDirectory(prefix="perfgate-history-") as name:
        own = {**environment, **_logins(repository, environment)}
        made = Exchange(Path(name), own, branch)
        made._output("init", "--quiet", "--bare", ".")
        made._output("remote", "add", _REMOTE, _address(repository, remote, environment))
        made._output("remote", "set-url", "--push", _REMOTE, _address(repository, remote, environment, "--push"))
        yield made


def _check_names(repository: Path, remote: str, branch: str, environment: Mapping[str, str]) -> None:
    valid = _NAME.fullmatch(branch) and _ask(repository, environment, "check-ref-format", f"refs/heads/{branch}")
    if not valid:
        raise BadRequest(f"{branch!r} cannot be the name of a branch", hint="like perfgate-history")
    inside = _ask(repository, environment, "rev-parse", "--git-dir")
    if not inside or inside.returncode != 0:
        raise BadRequest(f"{repository}: is in no git repository", hint="go to the project's folder")
    known = _ask(repository, environment, "remote")
    if not _NAME.fullmatch(remote) or not known or remote not in known.stdout.decode().split("\n"):
        raise BadRequest(f"git knows no remote {remote!r}", hint="`git remote -v` lists them")


def _ask(
    repository: Path, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[bytes] | None:
    """What git says of the user's repository; None where it says no."""
    done = _run(["git", "-C", str(repository), *arguments], environment)
    return done if done.returncode == 0 else None


def _address(repository: Path, remote: str, environment: Mapping[str, str], *push: str) -> str:
    """Where the remote is. A relative path is relative to the top of the user's repository."""
    found = _ask(repository, environment, "remote", "get-url", *push, remote)
    address = found.stdout.decode().strip() if found else ""
    if not address:
        raise BadRequest(f"the remote {remote!r} has no address", hint="`git remote -v` lists them")
    if "://" in address or re.match(r"[^/]+:", address):
        return address
    top = _ask(repository, environment, "rev-parse", "--show-toplevel")
    return str((Path(top.stdout.decode().strip()) if top else repository) / address)


def _logins(repository: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The user's repository's own settings for reaching remotes, as variables: no other process can read them there."""
    listed = _ask(repository, environment, "config", "--local", "--includes", "--null", "--list")
    entries = listed.stdout.decode(errors="surrogateescape").split("\0") if listed else []
    pairs = [entry.partition("\n")[::2] for entry in entries if _LOGIN.fullmatch(entry.partition("\n")[0])]
    first = int(environment.get("GIT_CONFIG_COUNT") or 0)
    made = {"GIT_CONFIG_COUNT": str(first + len(pairs))}
    for number, (name, value) in enumerate(pairs, start=first):
        made |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return made


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _REDIRECTING.fullmatch(name)}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _run(command: list[str], environment: Mapping[str, str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command, input=given, capture_output=True, timeout=_TIMEOUT_S, check=False, env=environment
        )
    except FileNotFoundError as error:
        raise NotMeasured("there is no git", hint="install git") from error
    except subprocess.TimeoutExpired as error:
        raise NotMeasured(f"git did not answer within {_TIMEOUT_S:.0f} s", hint="try again") from error


def _file(line: str) -> File:
    about, _, path = line.partition("\t")
    kind, _, blob, *size = about.split()
    return File(path, blob, kind, int(size[0]) if size and size[0].isdecimal() else None)


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def _failed(what: str, branch: str, said: bytes) -> NotMeasured:
    """What git said, without passwords in it; a remote may say anything, so only one line of it is told."""
    text = _CREDENTIALS.sub("***", said.decode(errors="replace"))
    return NotMeasured(f"the branch {branch} {what}", hint=one_line(text) or "git does not say why")
