"""What a service writes into the comments of its statements: which request asked, and the place in the code.

Understood are sqlcommenter's form (`/*route='%2Forders',file='app.py'*/`, values URL-encoded) and that of marginalia
and ActiveRecord's query logs (`/*controller:orders,line:/app/orders.rb:12*/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_QUOTED = re.compile(r"([\w.\-%]+)='((?:[^'\\]|\\.)*)'")
_PLAIN = re.compile(r"([\w.\-]+):([^,]*)")
_PATHS = ("code.file.path", "code.filepath", "file", "filepath", "source_location", "caller", "line")
_LINES = ("code.line.number", "code.lineno", "lineno", "line_number", "line")
_PLACE = re.compile(r"(?P<path>[^\s:]+\.\w+)(?::(?P<line>\d+))?")
_NUMBER = re.compile(r"\d+")


def tags(text: str) -> dict[str, str]:
    """All keys and values in the comments of a statement."""
    found: dict[str, str] = {}
    for comment in _COMMENT.findall(text):
        quoted = _QUOTED.findall(comment)
        if quoted:
            found.update((unquote(key), unquote(value.replace("\\'", "'"))) for key, value in quoted)
        else:
            found.update((key, value.strip()) for key, value in _PLAIN.findall(comment))
    return found


def place(found: Mapping[str, str]) -> str:
    """`path:line` of the code that sent the statement, as far as its tags tell; "" where they do not."""
    for key in _PATHS:
        match = _PLACE.match(found.get(key, ""))
        if match:
            line = match["line"] or next((found[k] for k in _LINES if _NUMBER.fullmatch(found.get(k, ""))), "")
            return f"{match['path']}:{line}" if line else match["path"]
    return ""


def trace(found: Mapping[str, str]) -> str:
    """What names the one request that a statement belongs to, by W3C trace context or a request's number; or ""."""
    parent = found.get("traceparent", "").split("-")
    return parent[1] if len(parent) == 4 else found.get("trace_id", "") or found.get("request_id", "")


def route(found: Mapping[str, str]) -> str:
    """The kind of request that a statement belongs to, in the service's own words, or ""."""
    handler = "#".join(filter(None, (found.get("controller", ""), found.get("action", ""))))
    return found.get("route", "") or handler
