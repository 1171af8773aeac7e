from __future__ import annotations

import io
import os
import pty
import re

import pytest
from rich.cells import cell_len

from perfgate.publish.reports.terminal import Terminal

from .literals import ALL, FAILED, HOSTILE, PASSED, hostile, many


@pytest.mark.parametrize("width", [40, 80, 140])
@pytest.mark.parametrize("name", sorted(ALL))
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    assert max(map(cell_len, Terminal(width).render(ALL[name]).splitlines())) <= width


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_outside_widens_colours_or_commands(text: str) -> None:
    lines = Terminal(80).render(hostile(text)).split("\n")
    assert max(cell_len(line.replace("## [", "##[")) for line in lines) <= 81  # one cell for a command made inert
    assert not any(line.lstrip().startswith("::") or "##[" in line or "\x1b" in line for line in lines)


def test_colour_changes_nothing_but_the_colour() -> None:
    coloured = Terminal(80, colour=True).render(FAILED)
    assert "\x1b[1;31mFAILED" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == Terminal(80).render(FAILED)


def test_the_verdict_is_told_again_where_the_first_line_has_scrolled_away() -> None:
    long = Terminal().render(FAILED).rstrip().splitlines()
    assert long[-1] == long[0]
    short = Terminal().render(PASSED).rstrip().splitlines()
    assert short[-1] != short[0]


def test_numbers_that_the_reason_tells_are_not_told_twice() -> None:
    text = Terminal().render(FAILED)
    assert text.count("412 ms, was 298 ms") == 1
    assert "151 ms, was 150 ms" in text  # its reason has no numbers


def test_every_finding_is_there() -> None:
    assert Terminal().render(many(500)).count("GET /things/") == 500


def test_a_pipe_gets_plain_text() -> None:
    assert Terminal.on(io.StringIO()) == Terminal(100, colour=False)


def test_a_terminal_gets_its_width_and_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.delenv("NO_COLOR", raising=False)
    leader, follower = pty.openpty()
    with os.fdopen(leader), os.fdopen(follower, "w") as stream:
        assert Terminal.on(stream) == Terminal(77, colour=True)
        monkeypatch.setenv("NO_COLOR", "1")
        assert Terminal.on(stream) == Terminal(77, colour=False)
