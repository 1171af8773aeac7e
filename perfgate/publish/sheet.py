"""Lines of styled text for a terminal: wrapped, aligned, and counted in cells."""

from __future__ import annotations

import re
from collections.abc import Iterable

LABEL = 9
"""Cells of the column that holds statuses."""

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|[µnm]?s|[KMG]?B|min|h)(?!\w))")
_TIE = "\u00a0"


class Sheet:
    """A page in the making. Widths are cells of a terminal, of which some characters take two and some none."""

    def __init__(self, width: int) -> None:
        from rich.cells import cell_len

        self.width = width
        self.lines = 0
        self.cells = cell_len
        self._pieces: list[tuple[str, str]] = []

    def left(self, text: str, width: int) -> str:
        """The text on the left of so many cells."""
        return text + " " * (width - self.cells(text))

    def right(self, text: str, width: int) -> str:
        """The text on the right of so many cells."""
        return " " * (width - self.cells(text)) + text

    def space(self) -> None:
        self.line()

    def line(self, *pieces: tuple[str, str]) -> None:
        self._pieces.extend(pieces)
        self._pieces.append(("\n", ""))
        self.lines += 1

    def begin(self, label: str, style: str) -> None:
        """The first column of a line that goes on."""
        self._pieces += [(label, style), (" " * (LABEL - len(label)), "")]

    def rest(self, text: str, style: str = "", indent: int = LABEL) -> None:
        """What follows a first column, in as many lines as it takes."""
        first, *others = self._wrapped(text, self.width - indent)
        self.line((first, style))
        for other in others:
            self.line((" " * indent, ""), (other, style))

    def prose(self, text: str, style: str = "", indent: int = 0) -> None:
        """A sentence, where there is one."""
        if text:
            self._pieces.append((" " * indent, ""))
            self.rest(text, style, indent)

    def labelled(self, label: str, text: str, style: str, *, title: str, aside: str = "") -> None:
        """A status, what has it, and where."""
        self.begin(label, style)
        fits = self.cells(text) + 1 + self.cells(aside) <= self.width - LABEL
        if aside and fits:
            self.line((text, title), (f" {aside}", ""))
        else:
            self.rest(text, title)
            self.prose(aside, indent=LABEL)

    def fact(self, label: str, text: str, indent: int) -> None:
        self._pieces.append((f"  {self.left(label, indent - 3)} ", "dim"))
        self.rest(text, "", indent)

    def quoted(self, text: str) -> None:
        """A line of a log, broken where it is too long."""
        from rich.cells import chop_cells

        for part in chop_cells(text, self.width - LABEL - 2) or [""]:
            self.line((" " * LABEL, ""), ("│ ", "dim"), (part, ""))

    def packed(self, parts: Iterable[str], indent: int) -> None:
        """Parts side by side, as many as a line takes, none of them torn."""
        line = ""
        for part in filter(None, parts):
            longer = f"{line} · {part}" if line else part
            if line and self.cells(longer) > self.width - indent:
                self.prose(line, indent=indent)
                line = part
            else:
                line = longer
        self.prose(line, indent=indent)

    def _wrapped(self, text: str, width: int) -> list[str]:
        from rich.cells import chop_cells

        if self.cells(text) <= width:
            return [text]
        lines = [""]
        for word in _BEFORE_UNIT.sub(_TIE, text).split(" "):
            longer = f"{lines[-1]} {word}" if lines[-1] else word
            if self.cells(longer) <= width:
                lines[-1] = longer
                continue
            chopped = chop_cells(word, width)
            lines[len(lines) - (not lines[-1]) :] = chopped
        return [line.replace(_TIE, " ") for line in lines]

    def text(self, *, colour: bool) -> str:
        if not colour:
            return "".join(piece for piece, _ in self._pieces)
        from rich.color import ColorSystem
        from rich.style import Style

        styles = {name: Style.parse(name) for _, name in self._pieces if name}
        return "".join(
            styles[name].render(piece, color_system=ColorSystem.STANDARD) if name else piece
            for piece, name in self._pieces
        )
