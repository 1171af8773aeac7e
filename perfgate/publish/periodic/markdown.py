"""The report in Markdown as GitHub shows it, for a wiki, an issue or the notes of a release."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.publish.periodic.sheet import Item, Section, Sheet, Table
from perfgate.publish.reports.markdown import prose


def markdown(sheet: Sheet) -> str:
    """The whole report. Names in it come from outside, and no markup in them counts."""
    return "\n\n".join(_blocks(sheet)) + "\n"


def _blocks(sheet: Sheet) -> Iterator[str]:
    yield f"## {prose(sheet.title)}"
    yield "\n".join(f"- {prose(sentence)}" for sentence in sheet.lead)
    for section in sheet.sections:
        yield from _section(section)
    yield f"<sub>{prose(sheet.foot)}</sub>"


def _section(section: Section) -> Iterator[str]:
    yield f"<details><summary>{prose(section.title)}</summary>" if section.folded else f"### {prose(section.title)}"
    for item in section.items:
        yield from _item(item)
    if len(section.sentences) == 1:
        yield prose(section.sentences[0])
    elif section.sentences:
        yield "\n".join(f"- {prose(sentence)}" for sentence in section.sentences)
    if section.table:
        yield _table(section.table)
    if section.folded:
        yield "</details>"


def _item(item: Item) -> Iterator[str]:
    yield f"**{_SIGNS[item.mark]} {prose(item.title)}**<br>{prose(item.sentence)}"
    if item.table:
        yield _table(item.table)


_SIGNS = {"worse": "🔴", "better": "🟢", "undone": "⚪"}


def _table(table: Table) -> str:
    head = _line(table.head)
    rule = "|".join("---:" if place in table.figures else "---" for place in range(len(table.head)))
    rows = [_line([_cell(text, place in table.figures) for place, text in enumerate(row)]) for row in table.rows]
    return "\n".join((head, f"|{rule}|", *rows)) + (f"\n\n{prose(table.more)}" if table.more else "")


def _cell(text: str, figure: bool) -> str:
    """Figures and their units stay on one line."""
    return prose(text).replace(" ", "\u00a0") if figure else prose(text)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"
