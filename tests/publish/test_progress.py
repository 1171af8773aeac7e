from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from perfgate.publish.progress import Progress
from perfgate.publish.stream import Steady

RUN = """
import sys
from perfgate.publish.progress import Progress
with Progress(sys.stdout) as progress:
    progress.phase("start Postgres")
    progress.say("docker is not there; [bold]the embedded Postgres[/bold] is used")
    progress.phase("scenario browse")
    progress.round("browse", "head", 1, 2, "281 requests")
    progress.round("browse", "head", 3, 2, "")
"""
MANY_LINES = """
import sys
from perfgate.publish.progress import Progress
with Progress(sys.stdout) as progress:
    for _ in range(5000):
        progress.say("x" * 150)
print("printed after")
sys.stderr.write("lived")
sys.exit(7)
"""


def told(stream: io.StringIO, *, quiet: bool = False) -> str:
    with Progress(stream, quiet=quiet) as progress:
        progress.phase("scenario browse")
        progress.round("browse", "head", 1, 6, "281 requests")
        progress.round("browse", "base", 7, 6, "")
        progress.say("a note\nin two lines")
    return stream.getvalue()


def test_a_log_has_a_line_for_each_event() -> None:
    assert told(io.StringIO()).splitlines() == [
        "scenario browse",
        "  browse head, round 1/6: 281 requests",
        "  browse base, round 7",
        "  a note in two lines",
    ]


def test_quiet_tells_nothing() -> None:
    assert told(io.StringIO(), quiet=True) == ""


def test_a_log_cannot_be_made_to_command_the_runner() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.say("::error::boom\x1b[2J")
        progress.phase("::set-env name=PATH::x ##[group]")
    assert stream.getvalue().splitlines() == ["  : :error::boom", ": :set-env name=PATH::x ## [group]"]


def test_a_character_that_cannot_be_encoded_is_replaced() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with Progress(stream) as progress:
        progress.phase("fünf µs")
    stream.seek(0)
    assert stream.read() == "f?nf ?s\n"


@pytest.mark.parametrize("target", ["closed pipe", "full disk", "closed"])
def test_losing_the_stream_stops_nothing_and_changes_no_exit_code(target: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    source = "import os; os.close(1)\n" + MANY_LINES if target == "closed" else MANY_LINES
    try:
        stdout = {"closed pipe": writer, "full disk": full, "closed": subprocess.DEVNULL}[target]
        done = subprocess.run([sys.executable, "-c", source], stdout=stdout, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writer)
        os.close(full)
    assert (done.returncode, done.stderr) == (7, b"lived")


def test_a_stream_that_was_closed_is_no_error(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        pass
    steady = Steady(stream)
    assert steady.write("anything") == 8
    assert steady.lost
    assert not steady.isatty()


def on_a_terminal(source: str) -> str:
    """All that a program of its own writes to a terminal of 60 columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", source], stdout=follower, stderr=follower, env={**environment, "TERM": "xterm"}
    )
    os.close(follower)
    written = bytearray()
    try:
        while chunk := os.read(leader, 4096):
            written += chunk
    except OSError:  # the other end of a terminal is gone: its way to say end of file
        pass
    finally:
        os.close(leader)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


def test_on_a_terminal_what_has_ended_stays_above_the_line_that_moves() -> None:
    text = on_a_terminal(RUN)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert "round 1/2: 281 requests" in plain
    assert "[bold]the embedded Postgres[/bold]" in plain
    assert plain.index("start Postgres") < plain.rindex("scenario browse")


def test_the_cursor_is_back_when_it_ends() -> None:
    text = on_a_terminal(RUN)
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    stopped = on_a_terminal(
        f"try:\n{re.sub('(?m)^', '    ', RUN)}\n        raise KeyboardInterrupt\nexcept KeyboardInterrupt: pass"
    )
    assert stopped.rindex("\x1b[?25h") > stopped.rindex("\x1b[?25l")
