"""The report people read where they typed the command: what failed first, then everything, then how it was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TextIO

from perfgate.model import Status
from perfgate.publish import words
from perfgate.publish.conduct import Trouble
from perfgate.publish.counsel import Counsel, Reason
from perfgate.publish.digest import Digest
from perfgate.publish.report import inert
from perfgate.publish.rows import Group, Row
from perfgate.publish.sheet import LABEL, Sheet
from perfgate.result import Result

PLAIN_WIDTH = 100
NARROWEST = 40
A_SCREEN = 40
"""Lines after which the verdict is told again, because the first line has scrolled away."""

_STYLES = {
    Status.FAIL: "bold red",
    Status.MISSING: "bold red",
    Status.INVALID: "bold magenta",
    Status.WARN: "yellow",
    Status.UNSURE: "yellow",
    Status.NEW: "cyan",
    Status.IMPROVED: "green",
    Status.PASS: "green",
}
MOST_SEEN = 3
"""Findings named before their cause."""
MOST_HINTS = 5
_BASE_COLUMN = 1
"""Of a table's numbers, the one that a narrow terminal goes without."""
_SIGNS = {"limit": "≤ ", "floor": "≥ ", "was": "was ", "base": "base ", "": ""}


@dataclass(frozen=True)
class Terminal:
    """Plain text of a given width in cells, in colour where asked."""

    name: ClassVar[str] = "terminal"
    suffix: ClassVar[str] = ".txt"

    width: int = PLAIN_WIDTH
    colour: bool = False

    @classmethod
    def on(cls, stream: TextIO) -> Terminal:
        """What `stream` can show: a terminal's width, and colour unless the environment says otherwise."""
        from rich.console import Console

        console = Console(file=stream)
        coloured = console.color_system is not None and not console.no_color
        return cls(console.width if stream.isatty() else PLAIN_WIDTH, coloured)

    def render(self, result: Result) -> str:
        """The whole report; every line ends with a line break."""
        digest = Digest(result)
        sheet = Sheet(max(self.width, NARROWEST))
        _story(sheet, digest)
        return inert(sheet.text(colour=self.colour))


REPORT = Terminal()


def _story(sheet: Sheet, digest: Digest) -> None:
    sheet.prose(digest.headline, _verdict(digest))
    sheet.prose(digest.subject, "dim")
    _loosened(sheet, digest.loosened)
    for block in digest.blocking:
        if isinstance(block, Trouble):
            _trouble(sheet, block)
        else:
            _group(sheet, block)
    for reason in digest.reasons:
        _reason(sheet, reason)
    for counsel in digest.advice:
        if not counsel.is_hint:
            _counsel(sheet, counsel)
    for group in digest.attention:
        _group(sheet, group)
    _hints(sheet, digest.hints)
    for scenario, rows in digest.quiet:
        _passed(sheet, scenario, rows)
    _unruled(sheet, digest)
    _how(sheet, digest)
    if sheet.lines > A_SCREEN:
        sheet.space()
        sheet.prose(digest.headline, _verdict(digest))


def _loosened(sheet: Sheet, loosened: Sequence[str]) -> None:
    if loosened:
        sheet.space()
        sheet.labelled("LOOSER", "This change loosens what it is judged by", "bold yellow", title="bold")
    for sentence in loosened:
        sheet.prose(sentence, indent=LABEL)


def _verdict(digest: Digest) -> str:
    return "bold green" if digest.passed else "bold red" if digest.measured else "bold magenta"


def _group(sheet: Sheet, group: Group) -> None:
    """Findings with one reason: a block for one, a heading and a table for several."""
    sheet.space()
    label, because = group.status.upper(), "" if group.told else group.because
    if len(group.rows) > 1:
        sheet.labelled(label, group.title, _STYLES[group.status], title="bold")
        sheet.prose(because, indent=LABEL)
        _table(sheet, group.rows, labels=False)
        return
    row = group.rows[0]
    place = " · ".join(filter(None, (f"in {row.scenario}" if row.scenario else "", row.rule)))
    sheet.labelled(label, row.name, _STYLES[group.status], title="bold", aside=place)
    sheet.prose(because, indent=LABEL)
    compared = "" if row.explained else row.compared
    sheet.packed((compared, row.certainty, words.bars(row.base, row.head)), indent=LABEL)
    sheet.prose(row.needed, indent=LABEL)
    sheet.prose(row.statement, "dim", indent=LABEL)


def _trouble(sheet: Sheet, trouble: Trouble) -> None:
    sheet.space()
    sheet.labelled("FLAW", trouble.title, _STYLES[Status.INVALID], title="bold")
    sheet.prose(trouble.because, indent=LABEL)
    for line in trouble.detail:
        sheet.quoted(line)


def _reason(sheet: Sheet, reason: Reason) -> None:
    sheet.space()
    shown = ", ".join(reason.seen[:MOST_SEEN])
    more = f" and {len(reason.seen) - MOST_SEEN} more" if len(reason.seen) > MOST_SEEN else ""
    sheet.labelled("WHY", f"{shown}{more}", "bold blue", title="bold")
    for step in reason.steps:
        sheet.prose(f"⇐ {step}", indent=LABEL)


def _hints(sheet: Sheet, hints: Sequence[Counsel]) -> None:
    for counsel in hints[:MOST_HINTS]:
        sheet.space()
        sheet.labelled("HINT", counsel.title, "blue", title="", aside=f"({counsel.place})" if counsel.place else "")
        sheet.prose("; ".join(sentence.rstrip(".") for sentence in counsel.evidence), "dim", indent=LABEL)
    if len(hints) > MOST_HINTS:
        sheet.prose(f"and {words.many(len(hints) - MOST_HINTS, 'hint')} more in the result", "dim", indent=LABEL)


def _counsel(sheet: Sheet, counsel: Counsel) -> None:
    sheet.space()
    sheet.labelled("ADVICE", counsel.title, "bold blue", title="bold", aside=f"({counsel.about})")
    for sentence in counsel.evidence:
        sheet.prose(sentence, indent=LABEL)
    sheet.prose(f"At {counsel.code}" if counsel.code else "", indent=LABEL)
    sheet.prose(counsel.remedy, indent=LABEL)
    for statement in counsel.sql:
        sheet.prose(statement, "cyan", indent=LABEL)
    for tried in counsel.tried:
        sheet.prose(tried, "green", indent=LABEL)
    sheet.prose(f"Expect: {counsel.effect}" if counsel.effect else "", indent=LABEL)


def _passed(sheet: Sheet, scenario: str, rows: Sequence[Row]) -> None:
    sheet.space()
    sheet.prose(f"{scenario}: {words.tally(Counter(row.status for row in rows))}", "bold")
    _table(sheet, rows, labels=True)


def _table(sheet: Sheet, rows: Sequence[Row], *, labels: bool) -> None:
    """A line for each finding; a name too long for its column has a line of its own."""
    columns = list(zip(*map(_numbers, rows), strict=True))
    if _room(sheet, columns) < 0:
        del columns[_BASE_COLUMN]
    widths, room = _widths(sheet, columns), _room(sheet, columns)
    numbers = list(zip(*columns, strict=True))
    longest = max(sheet.cells(row.name) for row in rows)
    column = min(longest, max(room, 0))
    for row, cells in zip(rows, numbers, strict=True):
        sheet.begin(row.status.value if labels else "", _STYLES[row.status])
        tail = "".join(f"  {sheet.right(cell, width)}" for cell, width in zip(cells, widths, strict=True) if width)
        if sheet.cells(row.name) > column:
            sheet.rest(row.name)
            sheet.begin("", "")
            sheet.line((f"{'':{column}}{tail}".rstrip(), ""))
        else:
            sheet.line((f"{sheet.left(row.name, column)}{tail}".rstrip(), ""))


def _widths(sheet: Sheet, columns: Iterable[Sequence[str]]) -> list[int]:
    return [max(map(sheet.cells, column)) for column in columns]


def _room(sheet: Sheet, columns: Iterable[Sequence[str]]) -> int:
    """The cells that the columns leave for a name; negative where they do not fit themselves."""
    return sheet.width - LABEL - sum(width + 2 for width in _widths(sheet, columns) if width)


def _numbers(row: Row) -> tuple[str, ...]:
    """What was seen, what it was or may be, and the change; the base's value too where that is not the reference."""
    beside = f"base {row.before}" if row.before and row.against != "base" else ""
    return row.observed, beside, f"{_SIGNS[row.against]}{row.reference}", row.moved


def _unruled(sheet: Sheet, digest: Digest) -> None:
    """What was measured, of a run that no rule was applied to."""
    for scenario, samples in digest.unruled if digest.result.verdict is None else ():
        sheet.space()
        sheet.prose(scenario, "bold")
        width = max(sheet.cells(sample.value) for sample in samples)
        for sample in samples:
            sheet.fact(sheet.right(sample.value, width), sample.name, width + 4)


def _how(sheet: Sheet, digest: Digest) -> None:
    sheet.space()
    sheet.prose("How it was measured", "bold")
    spoilt = [("spoilt", f"{trouble.title}: {trouble.because}") for trouble in digest.troubles if trouble.healed]
    rounds = [("rounds", stretch.sentence) for stretch in digest.stretches]
    shares = ", ".join(f"{name} {spent} ({share})" for name, spent, share in digest.phases)
    time = [("time", shares)] if shares else []
    counts = ", ".join(f"{words.many(len(samples), 'sample')} of {scenario}" for scenario, samples in digest.unruled)
    unruled = [("no rule", counts)] if counts and digest.result.verdict else []
    notes = [("note", note) for note in digest.notes]
    facts = [*digest.facts, *rounds, *spoilt, *time, *unruled, *notes]
    indent = min(max(sheet.cells(label) for label, _ in facts) + 4, 24)
    for label, fact in facts:
        sheet.fact(label, fact, indent)
