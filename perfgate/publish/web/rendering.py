"""From a page's values to HTML, for the server and for a folder of files alike: all links are relative."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfgate.model import Scope
from perfgate.publish import words
from perfgate.publish.report import clean
from perfgate.publish.web.asked import PERIODS, Asked
from perfgate.publish.web.charts import day, moment, shown
from perfgate.units import percent

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
SECTIONS = {
    "overview": "Overview",
    "endpoints": "Endpoints",
    "statements": "Statements",
    "resources": "Resources",
    "connections": "Connections",
    "runs": "Runs",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    )
)
"""What a page may load: nothing from elsewhere, and no script or style that stands in the page itself."""


@dataclass(frozen=True)
class Page:
    """A page to be: its template and what is on it; `name` is what links call it, `section` where it belongs."""

    name: str
    section: str
    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] | None = None
    pending: bool = False


@dataclass(frozen=True)
class Frame:
    """What surrounds every page. In a folder of files links end in `.html`, and there is nobody to ask anything.

    `known` names the pages that there are, None for whatever may be asked for.
    """

    project: str
    asked: Asked
    scenarios: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    files: bool = False
    known: frozenset[str] | None = None
    secured: bool = False

    def link(self, name: str) -> str:
        """The way to a page, with the filters; "" where it is not there."""
        if self.known is not None and name not in self.known:
            return ""
        if self.files:
            return "index.html" if name == "overview" else f"{name}.html"
        return f"{'./' if name == 'overview' else name}{self.asked.query}"

    def series(self, number: int) -> str:
        """The way to the page of a series."""
        return self.link(f"series-{number}") if number else ""

    def run(self, number: int) -> str:
        """The way to a run's page."""
        return self.link(f"run-{number}") if number else ""

    @property
    def runs(self) -> list[int] | None:
        """The runs that have a page, None for all."""
        names = (name.partition("-") for name in self.known or ())
        return None if self.known is None else sorted(int(rest) for kind, _, rest in names if kind == "run")


def place_name(scope: Scope) -> str:
    """A short name for an endpoint or a statement of a scenario, fit for addresses and files."""
    text = "\0".join((scope.scenario, scope.endpoint, scope.statement))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def html(page: Page, frame: Frame) -> str:
    """The whole page."""
    template = _environment().get_template(page.template)
    around = {"page": page, "frame": frame, "sections": SECTIONS, "periods": PERIODS, "policy": POLICY}
    return template.render(**around, version=version(), document=_linked(page, frame), **page.values)


def _linked(page: Page, frame: Frame) -> Mapping[str, Any] | None:
    """What the page's charts are drawn from, with the ways from a point to its run or to its day's runs."""
    if page.document is None:
        return None
    days = "" if frame.files else "runs?period=custom"
    link = "run-0.html" if frame.files else f"run-0{frame.asked.query}"
    return {**page.document, "link": link, "known": frame.runs, "days": days}


def login(*, wrong: bool) -> str:
    """The page that asks for the token."""
    return _environment().get_template("login.html.j2").render(version=version(), wrong=wrong)


def embedded(document: object) -> Markup:
    """JSON that no page takes for markup, whatever the names in it are."""
    from markupsafe import Markup

    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


@cache
def version() -> str:
    """What changes with any file that pages load, so that nobody's browser shows an old one."""
    found = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        embedded=embedded, percent=percent, commit=words.commit, day=day, moment=moment, duration=words.duration
    )
    environment.globals.update(shown=shown, many=words.many, place_name=place_name)
    return environment


def _seen(value: object) -> object:
    """Names come from outside: none turns the direction of what stands beside it, or hides. Markup is ours."""
    return clean(value) if type(value) is str else value
