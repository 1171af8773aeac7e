"""The report as one page to keep and to send on: no network, no script; by day, by night and on paper."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.publish.markup import environment
from perfgate.publish.periodic.drawing import LEFT, SMALL, TOP, WIDE, Chart, chart
from perfgate.publish.periodic.sheet import Drawn, Sheet

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDERS = (Path(__file__).parent, Path(__file__).parents[1] / "reports")
"""The page, and the look that it shares with the reports of single runs."""


def html(sheet: Sheet) -> str:
    """The whole page."""

    def drawn(one: Drawn, small: bool) -> Chart | None:
        return chart(one.course, sheet.since, SMALL if small else WIDE)

    return _template().render(sheet=sheet, drawn=drawn)


@cache
def _template() -> Template:
    made = environment(*_FOLDERS)
    made.globals.update(left=LEFT, top=TOP)
    return made.get_template("periodic.html.j2")
