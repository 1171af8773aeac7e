"""The Locust file for what a service was found to answer, and what was left out of it with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from perfgate.init.signs import Endpoint

MOST_TASKS = 12
"""More would leave each with too few requests for a percentile."""

_BEGINNING = '''\
"""What people do with the service; each task is one request that stands for itself. Written by `perfgate init`."""

from locust import FastHttpUser, between, task


class Visitor(FastHttpUser):
    """Asks for what the service's code says it answers."""

    wait_time = between(0.01, 0.03)
'''

_TASK = """
    @task
    def {name}(self) -> None:{source}
        self.client.get({path})
"""


def chosen(endpoints: Sequence[Endpoint], refused: Mapping[str, str]) -> list[Endpoint]:
    """Those that are asked for: answered without more than a path, and about more than health if any is."""
    able = [one for one in endpoints if one.method == "GET" and one.example and str(one) not in refused]
    telling = [one for one in able if not one.tells_health]
    return (telling or able)[:MOST_TASKS]


def text(endpoints: Sequence[Endpoint], refused: Mapping[str, str]) -> str:
    """The file. `refused` says of endpoints why they cannot be asked for."""
    asked = chosen(endpoints, refused)
    tasks = [_task(one, name) for one, name in zip(asked, _names(asked), strict=True)]
    tasks = tasks or [
        _TASK.format(name="front", path='"/"', source="  # nothing was found that answers: write what people do")
    ]
    return _BEGINNING + "".join(tasks) + "".join(_left_out(endpoints, asked, refused))


def _task(one: Endpoint, name: str) -> str:
    return _TASK.format(name=name, path=_quoted(one.example), source=f"  # {one.source}")


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _names(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    """A name for each: its words, and a number where that is taken."""
    seen: dict[str, int] = {}
    for one in endpoints:
        words = re.sub(r"\W+", "_", re.sub(r"\{(\w+)\}$", r"by_\1", one.path)).strip("_").lower() or "front"
        name = (
            f"visit_{words}" if words[0].isdigit() or words in ("client", "wait", "stop", "run", "on_start") else words
        )
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def _left_out(endpoints: Sequence[Endpoint], asked: Sequence[Endpoint], refused: Mapping[str, str]) -> Iterator[str]:
    rest = [one for one in endpoints if one not in asked and one.method not in ("HEAD", "OPTIONS")]
    if rest:
        yield "\n\n# Left out; write tasks for those that matter:\n"
    for one in rest:
        yield f"#   {one} ({one.source}): {refused.get(str(one)) or _reason(one)}\n"


def _reason(one: Endpoint) -> str:
    if one.method != "GET":
        return "changes something, and may need a body"
    if one.tells_health:
        return "tells health, which is no load"
    return "one more would leave too few requests for each" if one.example else "needs a value in its path"
