"""The service under test: built, started on a free port of 127.0.0.1, watched, and stopped with all its processes."""

from __future__ import annotations

import difflib
import http.client
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from perfgate.errors import BadRequest, NotMeasured, suggestion
from perfgate.measure import procfs
from perfgate.measure.output import Output
from perfgate.measure.ownership import Owner
from perfgate.plan import Service

HOST = "127.0.0.1"
PLACEHOLDERS = (
    *("port", "url", "database_url", "database_host", "database_port"),
    *("database_name", "database_user", "database_password"),
)
BUILD_TIMEOUT_S = 1800.0
"""How long `service.build` may take: a compiler is slow, but one that waits for an answer never ends."""
ANSWER_TIMEOUT_S = 10.0
STEADY_S = 10.0
"""How long the ready path may be refused in the same words before it counts as the wrong one."""
USUAL_PATHS = ("/", "/health", "/healthz", "/ready", "/ping", "/status", "/docs", "/api")
SEARCH_AFTER_S = 1.0
"""How old the list of re-parented processes may be; the tree itself is always walked afresh."""

_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
_OPERATOR = re.compile(r"&&|\|\||^(?:[0-9&]?>|<|[|;&])|[;|&]$")
"""What only a shell understands, in an unquoted word: an operator within one may be part of a URL or a pattern."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PLACEHOLDER = re.compile(r"(?<!\$)\{(\w+)\}")
_REFUSED = re.compile(r" answered 4(?!08|25|29)\d\d ")  # these three say that it is too early, or too much
_READY = re.compile(r"/[!-~]*")
_PORT_TAKEN = re.compile(
    r"address (is )?already in use|EADDRINUSE|connection in use|port .{0,20}already", re.IGNORECASE
)


class PortTaken(NotMeasured):
    """Somebody else bound the port between its choice and the service's start."""


class RunningService:
    """A service that answered. `pid` is its first process, `url` has no slash at the end."""

    def __init__(self, process: subprocess.Popen[bytes], family: procfs.Family, port: int, output: Output) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.pid = process.pid
        self._process = process
        self._family = family
        self._output = output
        self._names: dict[tuple[int, float], str] = {}

    def processes(self) -> list[int]:
        """The whole family, re-parented members too, parents before children, zombies included. For one thread."""
        return self._family.pids(search_after=SEARCH_AFTER_S)

    def alive(self) -> bool:
        """Whether the first process runs."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise NotMeasured, with the last lines that it said, if the first process ended."""
        if not self.alive():
            self._output.settle()
            raise NotMeasured(f"the service {ended(self._process.returncode)}", hint=self.last_words())

    def tail(self, lines: int = 15) -> str:
        """The last lines that it wrote, to stdout or stderr."""
        return self._output.tail(lines)

    def last_words(self) -> str:
        """The last lines as a hint."""
        return self._output.last_words()

    def snapshot(self) -> Mapping[int, float]:
        """The processes that are alive: pid to start time (seconds since boot), which together name one for good."""
        found = self._family.members()
        self._names |= {(member.pid, member.start): member.name for member in found}
        return {member.pid: member.start for member in found}

    def lost(self, since: Mapping[int, float]) -> list[str]:
        """The processes of a former snapshot that are gone: `gunicorn (process 4711)`."""
        now = self.snapshot()
        gone = [(pid, start) for pid, start in since.items() if now.get(pid) != start]
        return [f"{self._names.get(process, 'a process')} (process {process[0]})" for process in gone]


def build(plan: Service, root: Path, env: Mapping[str, str], owner: Owner, log: Path) -> None:
    """Run the build command, if there is one, in the service's folder; `env` is added to the environment.

    What it says goes to `log`. Raises NotMeasured with its last lines when it fails, or is not done after
    BUILD_TIMEOUT_S.
    """
    if not plan.build:
        return
    argv = words(plan.build, {}, "service.build")
    with Output(log) as output:
        process = _spawn(argv, _environment(env), plan, root, owner, output, "service.build")
        try:
            outcome = ended(code) if (code := process.wait(BUILD_TIMEOUT_S)) else ""
        except subprocess.TimeoutExpired:
            outcome = f"took over {BUILD_TIMEOUT_S / 60:g} min"
        finally:
            owner.stop(process)
        output.settle()
        if outcome:
            raise NotMeasured(f"service.build: `{plan.build}` {outcome}", hint=output.last_words())


@contextmanager
def start(
    plan: Service, root: Path, placeholders: Mapping[str, str], owner: Owner, log: Path
) -> Iterator[RunningService]:
    """The service, ready to answer; it is stopped with all its processes when the block ends.

    Raises BadRequest when the command cannot be meant so, NotMeasured when it ends or is not ready in time.
    """
    with ExitStack() as stack:
        try:
            service = stack.enter_context(_started(plan, root, placeholders, owner, log))
        except PortTaken:
            service = stack.enter_context(_started(plan, root, placeholders, owner, log))
        yield service


@contextmanager
def _started(
    plan: Service, root: Path, placeholders: Mapping[str, str], owner: Owner, log: Path
) -> Iterator[RunningService]:
    check_ready(plan.ready)
    port = _free_port()
    values = {**placeholders, "port": str(port), "url": f"http://{HOST}:{port}"}
    argv = words(plan.command, values, "service.command")
    env = {name: fill(text, values, f"service.env.{name}") for name, text in plan.env.items()}
    with Output(log) as output:
        process = _spawn(argv, _environment(env), plan, root, owner, output, "service.command")
        try:
            service = RunningService(process, owner.family(process), port, output)
            _await_ready(service, plan)
            yield service
        finally:
            owner.stop(process, timeout=plan.stop_timeout)


def _spawn(
    argv: list[str], env: Mapping[str, str], plan: Service, root: Path, owner: Owner, output: Output, key: str
) -> subprocess.Popen[bytes]:
    folder = root / plan.cwd
    if not folder.is_dir():
        raise BadRequest(f"service.cwd: there is no folder {folder}", hint="it is relative to the configuration file")
    try:
        with output.writing() as pipe:
            return owner.spawn(argv, env=env, cwd=folder, stdout=pipe, stderr=subprocess.STDOUT)
    except OSError as error:
        looked = f"it is looked for in PATH, {Path(sys.executable).parent} first, or from {folder} with a slash in it"
        raise BadRequest(f"{key}: cannot start {argv[0]!r}: {error.strerror}", hint=looked) from error


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    """Ours, with the programs of our own Python first and Python's hash seed fixed: runs shall repeat exactly."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PYTHONHASHSEED": "0", "PATH": path, **added}


def check_ready(ready: str) -> None:
    """BadRequest for what is neither `tcp` nor the path of a URL."""
    if ready != "tcp" and not _READY.fullmatch(ready):
        path = urllib.parse.quote(f"/{ready.lstrip('/')}", safe="/%?=&:@!$'()*+,;~-._")
        raise BadRequest(f"service.ready: {ready!r} is not a path", hint=f"write '{path}', or 'tcp'")


def words(command: str, values: Mapping[str, str], key: str) -> list[str]:
    """Split a command as a shell would, then fill in the placeholders, so that a blank in a value splits nothing.

    BadRequest for what only a shell could run; `key` says where the command stands.
    """
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise BadRequest(
            f"{key}: {error}: {command}", hint="quotes come in pairs; quote a quote with a backslash"
        ) from error
    if not found:
        raise BadRequest(f"{key}: the command is empty", hint="write the program and its arguments")
    if "\0" in command:
        raise BadRequest(f"{key}: there is a NUL byte in it", hint="no argument of a program can hold one")
    for word in _QUOTED.sub("_", command).split():
        if operator := _OPERATOR.search(word):
            hint = f"write: sh -c {shlex.quote(command)}"
            raise BadRequest(f"{key}: there is no shell to understand {operator[0]!r}", hint=hint)
    if _ASSIGNMENT.match(found[0]):
        hint = "write it under service.env" if key == "service.command" else f"write: env {command}"
        raise BadRequest(f"{key}: there is no shell to set {found[0]!r}", hint=hint)
    return [fill(word, values, key) for word in found]


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """Replace `{name}` by its value. Other braces stay, `${name}` too, which is a shell's.

    BadRequest for what looks like a placeholder misspelt.
    """

    def replaced(match: re.Match[str]) -> str:
        word = match[1]
        if word in values:
            return values[word]
        if word in PLACEHOLDERS:
            raise BadRequest(f"{where}: {{{word}}} means nothing here", hint=f"known here: {_listed(values)}")
        if difflib.get_close_matches(word.lower(), PLACEHOLDERS, cutoff=0.8):
            raise BadRequest(f"{where}: unknown placeholder {{{word}}}", hint=suggestion(word.lower(), PLACEHOLDERS))
        return match[0]

    return _PLACEHOLDER.sub(replaced, text)


def is_told_port(plan: Service) -> bool:
    """Whether the service is told which port to listen on, by its command or its environment."""
    texts = (plan.command, *plan.env.values())
    return any(name in ("port", "url") for text in texts for name in _PLACEHOLDER.findall(text))


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(values)) or "no placeholders"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _await_ready(service: RunningService, plan: Service) -> None:
    """Ask until it answers. Raises NotMeasured when it ends before, or does not in time; PortTaken when that is why."""
    end = time.monotonic() + plan.ready_timeout
    refused, since = "", 0.0
    pause, patience = 0.01, 0.5  # not much: where another has the port, the service ends while we wait for that one
    while answer := _ask(service.port, plan.ready, max(0.1, min(patience, end - time.monotonic()))):
        if not service.alive():
            raise _died(service)
        if time.monotonic() > end:
            raise NotMeasured(
                f"the service was not ready after {plan.ready_timeout:g} s: {answer}",
                hint=f"{_remedy(answer, plan)}\n  {service.last_words()}",
            )
        if answer != refused:
            refused, since = answer, time.monotonic()
        if _REFUSED.search(answer) and time.monotonic() - since > STEADY_S:
            raise _wrong_path(service, answer)
        time.sleep(pause)
        pause, patience = min(pause * 1.5, 0.1), min(patience * 2, ANSWER_TIMEOUT_S)
    if not service.alive():  # then it was not the service that answered
        raise _died(service)


def _wrong_path(service: RunningService, answer: str) -> NotMeasured:
    """The service refuses its ready path; which of the usual ones it does not."""
    good = [path for path in USUAL_PATHS if not _ask(service.port, path, 1.0)]
    found = (
        f"these answer here: {', '.join(good)}" if good else f"none of {', '.join(USUAL_PATHS)} does; `tcp` asks none"
    )
    hint = f"set service.ready to a path that answers with 2xx or 3xx; {found}\n  {service.last_words()}"
    return NotMeasured(f"the service runs, but {answer} for {STEADY_S:g} s", hint=hint)


def _ask(port: int, ready: str, timeout: float) -> str:
    """Ask once: "" when ready, else what happened instead."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.connect()
        return "" if ready == "tcp" else _ask_path(connection, ready, time.monotonic() + timeout)
    except ConnectionRefusedError:
        return f"nothing listens on {HOST}:{port}"
    except TimeoutError:
        return f"GET {ready} had no answer after {timeout:.1f} s"
    except (OSError, http.client.HTTPException) as error:
        return f"GET {ready} failed: {type(error).__name__} {error}"
    finally:
        connection.close()


def _ask_path(connection: http.client.HTTPConnection, path: str, end: float) -> str:
    connection.request("GET", path, headers={"User-Agent": "perfgate"})
    response = connection.getresponse()
    with suppress(OSError, http.client.HTTPException):  # the status is the answer, also where the rest never ends
        while response.read1(1 << 20) and time.monotonic() < end:  # read, or the service meets a broken connection
            pass
    return "" if 200 <= response.status < 400 else f"GET {path} answered {response.status} {response.reason}"


def _remedy(answer: str, plan: Service) -> str:
    if " answered " in answer:
        return "set service.ready to a path that answers with 2xx or 3xx, or to `tcp` if none does"
    if not is_told_port(plan):
        return "perfgate chooses the port: write {port} in service.command or service.env"
    return f"have it listen on {HOST} and the port {{port}}; if it is only slow to start, raise service.ready_timeout"


def _died(service: RunningService) -> NotMeasured:
    try:
        service.check()
    except NotMeasured as error:
        kind = PortTaken if _PORT_TAKEN.search(service.tail(50)) else NotMeasured
        return kind(f"{error.args[0]} before it was ready", hint=error.hint)
    raise AssertionError("only for a service that ended")


def ended(code: int) -> str:
    """How a process ended, in words: `ended with exit code 1`, `was ended by SIGKILL`."""
    if code >= 0:
        return f"ended with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by {names.get(-code, f'signal {-code}')}"
