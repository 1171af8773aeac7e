"""What the pages share that are sent as one file: how templates are read, and two filters of theirs."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.publish.report import quoted

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def environment(*folders: Path) -> Environment:
    """Templates of these folders: every value is escaped, and one that is not there is an error.

    The filter `digest` is how a content security policy names the one style or script that it lets through; `quoted`
    is a sentence whose quoted parts are code.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(digest=_digest, quoted=_quoted)
    return made


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _quoted(text: str) -> Markup:
    from markupsafe import Markup

    code = Markup("<code>{}</code>")
    return Markup().join(code.format(part) if number % 2 else part for number, part in enumerate(quoted(text)))
