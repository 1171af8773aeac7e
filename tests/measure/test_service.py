"""A service is built, started, found ready, watched and stopped; whatever goes wrong is said with its last words."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from perfgate.errors import BadRequest, NotMeasured, PerfgateError
from perfgate.measure import output, procfs, service
from perfgate.measure.output import Output
from perfgate.measure.ownership import Owner
from perfgate.measure.service import RunningService
from perfgate.plan import Service
from tests.killing import eventually

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()
    def log_message(self, *arguments):
        pass
def serve(port=sys.argv[1]):
    http.server.HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Owner() as made:
        yield made
    assert made.problems == []


def command(code: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", code, *(arguments or ("{port}",))])


def plan(code: str = SERVER + "serve()", *, ready: str = "/", ready_timeout: float = 60.0, **env: str) -> Service:
    return Service(command=command(code), ready=ready, ready_timeout=ready_timeout, env=env)


class Start:
    """Starts services of one test, or says why they do not start."""

    def __init__(self, root: Path, owner: Owner) -> None:
        self.root, self.owner, self.log = root, owner, root / "service.log"

    def __call__(self, asked: Service, **placeholders: str) -> AbstractContextManager[RunningService]:
        return service.start(asked, self.root, placeholders, self.owner, self.log)

    def refused(self, asked: Service) -> PerfgateError:
        with pytest.raises(PerfgateError) as caught, self(asked):
            pass
        return caught.value


@pytest.fixture
def start(tmp_path: Path, owner: Owner) -> Start:
    return Start(tmp_path, owner)


def status(port: int, path: str = "/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    found = connection.getresponse().status
    connection.close()
    return found


def test_a_service_answers_while_the_block_lasts_and_is_gone_after_it(start: Start) -> None:
    with start(plan()) as running:
        assert running.url == f"http://127.0.0.1:{running.port}"
        assert status(running.port) == 200
        assert running.alive()
        running.check()
        assert running.processes() == [running.pid]
    assert procfs.stat(running.pid) is None


@pytest.mark.parametrize("answer", [200, 204, 302, 399])
def test_ready_takes_2xx_and_3xx(start: Start, answer: int) -> None:
    with start(plan(ready=f"/{answer}")) as running:
        assert running.alive()


@pytest.mark.parametrize("answer", [400, 404, 503])
def test_ready_takes_nothing_above_3xx(start: Start, answer: int) -> None:
    error = start.refused(plan(ready=f"/{answer}", ready_timeout=0.5))
    assert isinstance(error, NotMeasured)
    assert f"GET /{answer} answered {answer}" in error.args[0]
    assert "`tcp`" in error.hint


def test_a_path_that_is_refused_all_the_time_is_told_soon_with_paths_that_would_do(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STEADY_S", 0.3)
    code = SERVER.replace('int(self.path.strip("/") or 200)', '{"/": 200, "/health": 302}.get(self.path, 404)')
    error = start.refused(plan(code + "serve()", ready="/healthy", ready_timeout=50))
    assert isinstance(error, NotMeasured)
    assert error.args[0] == "the service runs, but GET /healthy answered 404 Not Found for 0.3 s"
    assert "these answer here: /, /health\n" in error.hint


@pytest.mark.parametrize("answer", [429, 503])
def test_a_service_that_says_wait_is_waited_for(start: Start, monkeypatch: pytest.MonkeyPatch, answer: int) -> None:
    monkeypatch.setattr(service, "STEADY_S", 0.3)
    error = start.refused(plan(ready=f"/{answer}", ready_timeout=1.0))
    assert error.args[0].startswith("the service was not ready after 1 s")


def test_an_answer_is_read_to_its_end_so_that_the_service_meets_no_broken_connection(start: Start) -> None:
    long = "; self.wfile.write(b'x' * 4_000_000) and print('written', flush=True)"
    code = SERVER.replace("self.end_headers()", "self.end_headers()" + long)
    error = start.refused(plan(code + "serve()", ready="/404", ready_timeout=0.5))
    assert "written" in error.hint
    assert "Traceback" not in start.log.read_text()


ENDLESS = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection = server.accept()[0]
    connection.recv(1000)
    try:
        connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        while True:
            connection.sendall(b"data: tick")
            time.sleep(0.01)
    except OSError:
        pass
"""


def test_an_answer_without_an_end_is_an_answer(start: Start) -> None:
    with start(plan(ENDLESS)) as running:
        assert running.alive()


SILENT = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(1000)
"""


def test_a_service_that_accepts_and_says_nothing_is_ready_by_tcp_and_not_by_path(start: Start) -> None:
    with start(plan(SILENT, ready="tcp")) as running:
        assert running.alive()
    assert "GET / had no answer" in start.refused(plan(SILENT, ready_timeout=0.5)).args[0]


def test_a_service_that_is_ready_late_is_waited_for(start: Start) -> None:
    with start(plan(SERVER + "import time; time.sleep(0.5); serve()")) as running:
        assert status(running.port) == 200


def test_a_service_that_dies_says_its_last_words(start: Start) -> None:
    error = start.refused(plan("import sys; print('loading'); sys.exit('no such table: users')"))
    assert isinstance(error, NotMeasured)
    assert error.args[0] == "the service ended with exit code 1 before it was ready"
    assert "no such table: users" in error.hint
    assert "loading" in error.hint


def test_a_service_that_never_listens_is_told_where_to(start: Start) -> None:
    error = start.refused(plan("import time; print('dreaming', flush=True); time.sleep(1000)", ready_timeout=0.5))
    assert isinstance(error, NotMeasured)
    assert "not ready after 0.5 s: nothing listens on 127.0.0.1:" in error.args[0]
    assert "dreaming" in error.hint
    portless = Service("sleep 1000", ready_timeout=0.2)
    assert "write {port} in service.command" in start.refused(portless).hint


def test_a_port_that_was_taken_meanwhile_is_replaced_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = service._free_port
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken: int = other.getsockname()[1]
        ports = iter([taken, choose()])
        monkeypatch.setattr(service, "_free_port", lambda: next(ports))
        with start(plan()) as running:
            assert running.port != taken
        ports = iter([taken, taken])
        assert isinstance(start.refused(plan()), service.PortTaken)


def test_check_says_how_the_service_died_under_load(start: Start) -> None:
    with start(plan(SERVER + "print('serving', flush=True); serve()")) as running:
        os.kill(running.pid, signal.SIGKILL)
        assert eventually(lambda: not running.alive())
        with pytest.raises(NotMeasured, match="was ended by SIGKILL") as caught:
            running.check()
        assert "serving" in caught.value.hint


def test_placeholders_are_filled_into_words_and_environment(start: Start) -> None:
    code = SERVER + "print(sys.argv[2:], os.environ['WHERE'], os.environ['PYTHONHASHSEED'], flush=True); serve()"
    asked = Service(
        command=command(code, "{port}", "{database_url}", '{"a": {"b": 1}}', "{tenant}"),
        env={"WHERE": "{url} {database_name}"},
    )
    url = "postgresql://u:a b'\"@x/y"
    with start(asked, database_url=url, database_name="shop") as running:
        assert eventually(running.tail)
        words = [url, '{"a": {"b": 1}}', "{tenant}"]
        assert running.tail() == f"{words} {running.url} shop 0"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("serve {ports}", "unknown placeholder {ports}", "did you mean 'port'?"),
        ("serve {databse_url}", "unknown placeholder {databse_url}", "did you mean 'database_url'?"),
        ("serve {database_url}", "{database_url} means nothing here", "known here: {port}, {url}"),
        ("serve 'it", "No closing quotation", "quotes come in pairs"),
        ("", "the command is empty", "write the program"),
        ("make && serve", "no shell to understand '&&'", "write: sh -c 'make && serve'"),
        ("no-such-program-anywhere", "cannot start 'no-such-program-anywhere': No such file", "looked for in PATH"),
        ("DEBUG=1 serve", "there is no shell to set 'DEBUG=1'", "write it under service.env"),
        ("make; serve", "no shell to understand ';'", "write: sh -c 'make; serve'"),
        ("serve >log", "no shell to understand '>'", "sh -c"),
        ("serve 2>&1", "no shell to understand '2>'", "sh -c"),
        ("serve&&stop", "no shell to understand '&&'", "sh -c"),
        ("serve | tee log", "no shell to understand '|'", "sh -c"),
        ("serve &", "no shell to understand '&'", "sh -c"),
        ("serve a\0b", "NUL byte", "no argument"),
    ],
)
def test_a_command_that_cannot_be_meant_so_is_a_bad_request(start: Start, text: str, message: str, hint: str) -> None:
    error = start.refused(Service(command=text))
    assert isinstance(error, BadRequest)
    assert error.args[0].startswith("service.command: ")
    assert message in error.args[0]
    assert hint in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "sh -c 'A=1 exec serve --port ${port} > log; true'",
        'serve http://x/?a=1&b=2 --only a|b a;b --name "<it>; " \\;',
        'serve {} {a} {"port": 1} ${PORT} $port A=1',
    ],
)
def test_what_merely_looks_like_a_shells_is_left_as_it_is(text: str) -> None:
    assert service.words(text, {"port": "80"}, "service.command") == shlex.split(text)


@pytest.mark.parametrize(
    ("ready", "hint"),
    [("/é", "'/%C3%A9'"), ("é", "'/%C3%A9'"), ("/a b", "'/a%20b'"), ("/a\n", "'/a%0A'"), ("http://x/", "or 'tcp'")],
)
def test_a_ready_path_that_no_request_can_ask_for_is_a_bad_request(ready: str, hint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        service.check_ready(ready)
    assert hint in caught.value.hint


@pytest.mark.parametrize("ready", ["/", "tcp", "/a?b=c&d=%20", "/~x/y.z;1"])
def test_a_ready_path_may_be_any_that_can_be_asked_for(ready: str) -> None:
    service.check_ready(ready)


def test_a_folder_or_ready_path_that_cannot_be_is_a_bad_request(start: Start) -> None:
    nowhere = start.refused(Service(command="true", cwd="nowhere"))
    pathless = start.refused(Service(command="true", ready="healthz"))
    assert isinstance(nowhere, BadRequest)
    assert "service.cwd" in nowhere.args[0]
    assert isinstance(pathless, BadRequest)
    assert "write '/healthz'" in pathless.hint


FLOOD = """
line = b"x" * 99 + b"\\n"
sys.stdout.buffer.write(b"the first line\\n")
for _ in range(1000):
    sys.stdout.buffer.write(line * 1000)
sys.stdout.buffer.write(b"the last line\\n")
sys.stdout.flush()
"""


def test_a_hundred_megabytes_of_output_neither_block_nor_fill_the_disk(start: Start) -> None:
    with start(plan(SERVER + FLOOD + "serve()")) as running:
        assert running.tail(1) == "the last line"
    kept = start.log.read_bytes()
    assert len(kept) <= 4 * output.KEPT
    assert kept.startswith(b"the first line\n")
    assert kept.endswith(b"the last line\n")
    gap = re.search(rb"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n", kept)
    assert gap is not None
    assert int(gap[1]) + len(kept) - len(gap[0]) == 100_000_000 + len("the first line\nthe last line\n")


def test_output_that_cannot_be_written_is_drained_and_owned_up_to(owner: Owner) -> None:
    with Output(Path("/dev/full")) as said:
        with said.writing() as pipe:
            process = owner.spawn([sys.executable, "-c", "import sys;" + FLOOD], stdout=pipe)
        assert process.wait() == 0
    assert said.tail(1) == "[the rest could not be written: No space left on device]"


def test_the_log_keeps_what_former_starts_said_within_bounds(start: Start) -> None:
    start.refused(plan("import sys; sys.exit('no such table: users')"))
    for _ in range(2):
        with start(plan(SERVER + FLOOD + "serve()")) as running:
            assert "no such table" not in running.tail(100_000)
    kept = start.log.read_text()
    assert len(kept) <= 5 * output.KEPT
    assert kept.count("==== started ") == 1  # the flood of the first start has pushed out what was said before
    with start(plan(SERVER + "print('now', flush=True); serve()")) as running:
        assert eventually(lambda: running.tail() == "now")
    assert re.search(r"the last line\n==== started [-0-9]+ [:0-9]+ ====\nnow\n$", start.log.read_text())


def test_the_log_of_a_start_that_failed_outlives_the_next_start(start: Start) -> None:
    start.refused(plan("import sys; sys.exit('no such table: users')"))
    with start(plan()) as running:
        assert running.tail() == ""
    assert start.log.read_text().startswith("no such table: users\n==== started ")


def test_a_log_that_cannot_be_written_is_not_measured(start: Start) -> None:
    start.log.mkdir()
    error = start.refused(plan())
    assert isinstance(error, NotMeasured)
    assert error.args[0] == f"{start.log}: cannot be written: Is a directory"
    assert str(start.log) in error.hint


FAMILY = """
import subprocess, time
worker = [sys.executable, "-c", "import time; time.sleep(1000)"]
subprocess.Popen(worker)
daemon = "import os,subprocess,sys; subprocess.Popen(sys.argv[1:], start_new_session=True)"
subprocess.run([sys.executable, "-c", daemon, *worker])
serve()
"""


def test_processes_holds_workers_and_re_parented_daemons(start: Start) -> None:
    with start(plan(SERVER + FAMILY)) as running:
        assert eventually(lambda: len(running.processes()) == 3)
        everybody = running.processes()
        assert everybody[0] == running.pid
        parents = [found.parent for found in map(procfs.stat, everybody) if found]
        assert parents[1] == running.pid
        assert parents[2] not in everybody
    assert not any(found.alive for found in map(procfs.stat, everybody) if found)


def test_a_worker_that_ended_is_named_and_one_that_came_is_not(start: Start) -> None:
    with start(plan(SERVER + FAMILY)) as running:
        assert eventually(lambda: len(running.snapshot()) == 3)
        before = running.snapshot()
        assert running.lost(before) == []
        worker = running.processes()[1]
        found = procfs.stat(worker)
        assert found is not None
        os.kill(worker, signal.SIGKILL)
        assert eventually(lambda: running.lost(before) == [f"{found.name} (process {worker})"])
        assert running.lost({pid: start for pid, start in before.items() if pid != worker}) == []


def test_a_build_that_works_leaves_its_product_and_one_that_fails_is_quoted(tmp_path: Path, owner: Owner) -> None:
    def build(text: str, **env: str) -> None:
        asked = Service(command="true", build=text, cwd="app")
        service.build(asked, tmp_path, env, owner, tmp_path / "build.log")

    (tmp_path / "app").mkdir()
    build("")
    build("sh -c 'echo $KIND > made'", KIND="fast")
    assert (tmp_path / "app" / "made").read_text() == "fast\n"
    with pytest.raises(NotMeasured, match="ended with exit code 3") as caught:
        build("sh -c 'echo cannot link >&2; exit 3'")
    assert "cannot link" in caught.value.hint
    with pytest.raises(BadRequest, match="means nothing here"):
        build("make {port}")
