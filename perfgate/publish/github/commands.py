"""What the runner of GitHub Actions takes without a token: annotations by commands, the step's summary and outputs."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from perfgate.model import Level
from perfgate.publish.github.annotations import Annotation
from perfgate.publish.report import clean
from perfgate.publish.reports.markdown import Markdown
from perfgate.result import Result

MOST_SHOWN = 10
"""Of each kind, GitHub shows so many of a step's annotations."""

LONGEST_SUMMARY = 1024 * 1024
"""Bytes of a step's summary; GitHub throws a longer one away."""

_NAMES = {Level.FAIL: "error", Level.WARN: "warning"}


def commands(annotations: Iterable[Annotation]) -> Iterator[str]:
    """A line for each annotation that the runner shows; the annotations come worst first."""
    left = dict.fromkeys(_NAMES, MOST_SHOWN)
    for one in annotations:
        if left.get(one.level):
            left[one.level] -= 1
            yield _command(one)


def summary(result: Result, room: int = LONGEST_SUMMARY) -> str:
    """The report in at most `room` bytes of UTF-8."""
    text, units = Markdown(room).render(result), room
    while (size := len(text.encode())) > room:
        units = units * room // size - 100
        text = Markdown(units).render(result)
    return text


def add_summary(env: Mapping[str, str], result: Result) -> None:
    """Put the report beside what is in the step's summary already. Raises OSError where the file refuses."""
    path = env.get("GITHUB_STEP_SUMMARY")
    if path:
        file = Path(path)
        room = LONGEST_SUMMARY - (file.stat().st_size if file.exists() else 0) - len("\n")
        if room > 0:
            _append(file, summary(result, room) + "\n")


def add_outputs(env: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Give the step these outputs. Raises OSError where the file refuses."""
    path = env.get("GITHUB_OUTPUT")
    if path:
        _append(Path(path), "".join(_output(name, clean(value)) for name, value in values.items()))


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _output(name: str, value: str) -> str:
    end = f"end_{secrets.token_hex(16)}"  # nobody who wrote a part of the value can have known it
    return f"{name}<<{end}\n{value}\n{end}\n"


def _command(one: Annotation) -> str:
    place = {"file": one.path, "line": str(one.line)} if one.path else {}
    named = ",".join(f"{name}={_property(value)}" for name, value in {**place, "title": one.title}.items())
    return f"::{_NAMES[one.level]} {named}::{_data(clean(one.message))}"


def _data(text: str) -> str:
    """As `escapeData` of `@actions/core` has it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As `escapeProperty` of `@actions/core` has it."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
