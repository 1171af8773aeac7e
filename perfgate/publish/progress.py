"""What is going on while it is measured: one moving line on a terminal, plain lines in a log, nothing when quiet."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from perfgate.publish.report import inert, one_line
from perfgate.publish.stream import Steady
from perfgate.publish.words import duration

if TYPE_CHECKING:
    from rich.text import Text

REDRAWS_PER_SECOND = 1
"""Few, because the machine that draws is the machine that is measured."""
LONGEST = 200


class Progress:
    """Tells `stream` (stderr unless given) what phase it is and how each round went; a context manager.

    Nothing in here raises because of the stream, whatever becomes of it.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        steady = Steady(sys.stderr if stream is None else stream)
        moves = steady.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._teller: _Teller = _Nothing() if quiet else _MovingLine(steady) if moves else _Lines(steady)

    def __enter__(self) -> Progress:
        self._teller.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._teller.close()

    def phase(self, name: str) -> None:
        """Something else begins; what went before has ended."""
        self._teller.phase(one_line(name, LONGEST))

    def round(self, scenario: str, side: str, index: int, of: int, summary: str) -> None:
        """A round has ended, the `index`th from 1; more than `of` are taken while a rule is undecided."""
        number = f"{index}/{of}" if index <= of else str(index)
        told = f"{scenario} {side}, round {number}"
        self._teller.round(one_line(f"{told}: {summary}" if summary else told, LONGEST))

    def say(self, text: str) -> None:
        """Something worth knowing now."""
        self._teller.say(one_line(text, LONGEST))


class _Teller(Protocol):
    def open(self) -> None: ...
    def phase(self, name: str) -> None: ...
    def round(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...
    def close(self) -> None: ...


class _Nothing:
    """Tells nothing."""

    def open(self) -> None: ...
    def phase(self, name: str) -> None: ...
    def round(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...
    def close(self) -> None: ...


class _Lines:
    """A line for each event, for logs."""

    def __init__(self, stream: Steady) -> None:
        self._stream = stream

    def open(self) -> None: ...

    def phase(self, name: str) -> None:
        self._write(name)

    def round(self, text: str) -> None:
        self._write(f"  {text}")

    def say(self, text: str) -> None:
        self._write(f"  {text}")

    def close(self) -> None: ...

    def _write(self, text: str) -> None:
        self._stream.write(inert(f"{text}\n"))


class _MovingLine:
    """The phase, its time and its latest round on a line that is drawn over; what has ended stays above it."""

    def __init__(self, stream: Steady) -> None:
        from rich.console import Console
        from rich.live import Live

        self._phase = ""
        self._latest = ""
        self._since = time.monotonic()
        self._console = Console(file=cast(TextIO, stream), highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._line,
            refresh_per_second=REDRAWS_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def open(self) -> None:
        self._live.start()

    def phase(self, name: str) -> None:
        self._end()
        self._phase, self._latest, self._since = name, "", time.monotonic()
        self._live.refresh()

    def round(self, text: str) -> None:
        self._latest = text
        self._live.refresh()

    def say(self, text: str) -> None:
        self._console.print(f"  {text}", style="dim")

    def close(self) -> None:
        self._end()
        self._phase = ""
        self._live.stop()

    def _end(self) -> None:
        if self._phase:
            self._console.print(self._sentence())

    def _sentence(self) -> Text:
        from rich.text import Text

        seconds = round(time.monotonic() - self._since)
        return Text.assemble(self._phase, (f" {duration(seconds)}" if self._phase and seconds else "", "dim"))

    def _line(self) -> Text:
        line = self._sentence()
        if self._latest:
            line.append(f" · {self._latest}", "cyan")
        line.no_wrap, line.overflow = True, "ellipsis"
        return line
