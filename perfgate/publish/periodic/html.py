"""The report as one page to keep and to send on: no network, no script; by day, by night and on paper."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.publish.periodic.drawing import LEFT, SMALL, TOP, WIDE, Chart, chart
from perfgate.publish.periodic.sheet import Drawn, Sheet
from perfgate.publish.report import quoted

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_FOLDERS = (Path(__file__).parent, Path(__file__).parents[1] / "reports")
"""The page, and the look that it shares with the reports of single runs."""


def html(sheet: Sheet) -> str:
    """The whole page."""

    def drawn(one: Drawn, small: bool) -> Chart | None:
        return chart(one.course, sheet.since, SMALL if small else WIDE)

    return _template().render(sheet=sheet, drawn=drawn)


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDERS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(digest=_digest, quoted=_quoted)
    environment.globals.update(left=LEFT, top=TOP)
    return environment.get_template("periodic.html.j2")


def _digest(text: str) -> str:
    """How a content security policy names the one style that it lets through."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _quoted(text: str) -> Markup:
    """A sentence whose `quoted` parts are code."""
    from markupsafe import Markup

    code = Markup("<code>{}</code>")
    return Markup().join(code.format(part) if number % 2 else part for number, part in enumerate(quoted(text)))
