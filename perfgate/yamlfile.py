"""YAML with the line of every key: plain values, where each of them stands, and the mistakes that are in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfgate.errors import BadRequest

Place = tuple[str | int, ...]

MOST_PLACES = 20_000
"""More keys and items than any real file has; aliases of aliases would otherwise grow without end."""


@dataclass(frozen=True)
class Document:
    """A file's content as plain values; `lines` maps the path of keys and indexes to the line it stands on."""

    name: str
    value: Any
    lines: Mapping[Place, int]

    def where(self, place: Place) -> str:
        """`budgets.yaml:12` for a place, or the closest one above it that is in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.name}:{self.lines.get(place, 1)}"


class Complaints:
    """Mistakes in a file, collected so that all of them are told at once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._said: list[tuple[int, str]] = []

    def add(self, place: Place, message: str) -> None:
        where = self._document.where(place)
        self._said.append((int(where.rpartition(":")[2]), f"{where}: {message}"))

    def raise_any(self) -> None:
        """Raise BadRequest with everything added so far, in the order of the file."""
        if not self._said:
            return
        lines = [text for _, text in sorted(self._said)]
        count = "" if len(lines) == 1 else f"\n  {len(lines)} mistakes"
        raise BadRequest("\n".join(lines) + count)


def read(path: Path, name: str) -> Document:
    """Read a YAML file. Raises BadRequest, with the line, for what is not readable, not YAML, or says a key twice."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadRequest(f"{name}: there is no such file", hint="name it with `--config FILE`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{name}: cannot be read: {error}", hint="it has to be a text file in UTF-8") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Place, int] = {}
        value = _plain(node, (), lines, name, set()) if node is not None else None
    except yaml.YAMLError as error:
        raise BadRequest(f"{_mark(error, name)}: not YAML: {_problem(error)}", hint=_remedy(error, text)) from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{name}: not usable YAML: {error}", hint="use plain mappings, lists and texts") from error
    return Document(name, value, lines)


def _mark(error: Exception, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{name}:{mark.line + 1}" if mark else name


def _remedy(error: Exception, text: str) -> str:
    """What to type on the line that is not YAML: most often it begins a text with a brace."""
    mark = getattr(error, "problem_mark", None)
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    brace = re.search(r"\{\w+\}", line)
    return f'quote a text with {brace[0]} in it: "...{brace[0]}..."' if brace else "mend the syntax"


def _problem(error: Exception) -> str:
    return getattr(error, "problem", None) or str(error).partition("\n")[0]


def _plain(node: Any, place: Place, lines: dict[Place, int], name: str, above: set[int]) -> Any:
    """Build the value of a node and note its lines. An alias to what contains it would never end, so it is refused."""
    import yaml

    lines.setdefault(place, node.start_mark.line + 1)
    if len(lines) > MOST_PLACES:
        raise BadRequest(f"{name}: more than {MOST_PLACES} keys and items", hint="write fewer, without nested aliases")
    if id(node) in above:
        raise BadRequest(f"{name}:{node.start_mark.line + 1}: an alias contains itself", hint="write it out")
    inside = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*place, i), lines, name, inside) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, lines, name, inside)
    return yaml.SafeLoader("").construct_object(node, deep=True)


def _mapping(node: Any, place: Place, lines: dict[Place, int], name: str, above: set[int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in result:
            first = lines[(*place, key)]
            raise BadRequest(f"{name}:{line}: {key!r} stands here again; first in line {first}", hint="keep one")
        lines[(*place, key)] = line
        result[key] = _plain(value_node, (*place, key), lines, name, above)
    return result
