"""`perfgate serve` as people start it."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from perfgate.web_commands import serve
from tests.web import history

COMMAND = [sys.executable, "-c", "from perfgate.web_commands import serve; serve()"]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_says_where_it_is_and_ends_when_it_is_told_to(filled: str, tmp_path: Path) -> None:
    place = ("--store", filled, "--project", history.PROJECT, "--config", str(tmp_path / "budgets.yaml"))
    with started("--port", "0", *place) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = said.split()[0]
        assert filled not in said
        with urllib.request.urlopen(f"{address}health", timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_another_host_is_refused_before_anything_listens(tmp_path: Path) -> None:
    done = CliRunner().invoke(serve, ["--host", "0.0.0.0", "--config", str(tmp_path / "budgets.yaml")])
    assert "there is no token" in str(done.exception)
    assert "--make-token" in str(done.exception)


def test_a_token_is_printed_once_and_not_kept(tmp_path: Path) -> None:
    made = [CliRunner().invoke(serve, ["--make-token", "--config", str(tmp_path / "budgets.yaml")]) for _ in range(2)]
    tokens = [done.stdout.strip() for done in made]
    assert [done.exit_code for done in made] == [0, 0]
    assert tokens[0] != tokens[1]
    kept = (tmp_path / ".perfgate" / "serve-token").read_text()
    assert not [token for token in tokens if token in kept]


def test_a_port_that_is_taken_is_said(filled: str, tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        place = ["--store", filled, "--project", history.PROJECT, "--config", str(tmp_path / "budgets.yaml")]
        done = CliRunner().invoke(serve, ["--port", port, *place])
    assert "cannot be had" in str(done.exception)
    assert done.exception is not None
    with pytest.raises(type(done.exception), match="--port"):
        raise done.exception
