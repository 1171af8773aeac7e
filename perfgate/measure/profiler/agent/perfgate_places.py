"""Whose code a frame runs, and which frame of a stack is the one to tell the project's authors of."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

NOBODY = ("", 0, "", False, False)
"""The place of a stack without any code of the project."""

DRIVERS = {"psycopg", "psycopg_c", "psycopg2", "asyncpg", "pg8000", "sqlalchemy", "aiopg", "peewee", "tortoise", "pony"}
POOLS = {"psycopg_pool"}
"""What is done below these keeps connections, and is no statement of whoever asked for one."""
DJANGO = ("django", "db")
INSTALLED = {"site-packages", "dist-packages", ".venv", "venv", "node_modules", ".tox", ".nox"}

_OTHERS, _DRIVER, _POOL = 0, 1, 2


class Places:
    """Tells the frames of the project from those of libraries; `root` is the project's folder."""

    def __init__(self, root: str) -> None:
        self._here = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
        self._roots = [path + os.sep for path in {root, os.path.realpath(root)}]
        self._known: dict[str, tuple[str, int]] = {}

    def file(self, name: str) -> tuple[str, int]:
        """The path below the root of a file of the project, "" for others; and what kind of library another is of."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._judged(name)
        return known

    def _judged(self, name: str) -> tuple[str, int]:
        if not name or name.startswith("<"):
            return "", _OTHERS
        path = os.path.join(self._here, name)  # noqa: PTH118
        for candidate in (path, os.path.realpath(path)):
            for root in self._roots:
                below = candidate[len(root) :] if candidate.startswith(root) else ""
                if below and not INSTALLED & set(below.split(os.sep)):  # noqa: PTH206
                    return below, _OTHERS
        return "", _library(path.split(os.sep))  # noqa: PTH206

    def of(self, frame: Any) -> tuple[Any, list[Any]]:
        """The innermost place of the project on a stack, and the (path, line) of those that called it.

        A place is (path, line, function, whether a database driver is at work below it, whether it works itself).
        """
        place, kind, callers, innermost = NOBODY, _OTHERS, [], True
        while frame is not None:
            code = frame.f_code
            path, library = self.file(code.co_filename)
            if path and place == NOBODY:
                place = (path, frame.f_lineno, code.co_name, kind == _DRIVER, innermost)
            elif path:
                callers.append((path, frame.f_lineno))
            elif place == NOBODY:
                kind = max(kind, library)
            innermost = False
            frame = frame.f_back
        return place, callers

    def waiting(self, frames: Any) -> list[Any]:
        """The places of all threads, and of all tasks of asyncio, that are in code of the project."""
        threads = (self.of(frame)[0][:3] for frame in frames.values())
        return sorted({place for place in (*threads, *self._tasks()) if place[0]})

    def _tasks(self) -> Iterator[tuple[str, int, str]]:
        tasks = sys.modules.get("asyncio.tasks")
        every: Any = getattr(tasks, "_scheduled_tasks", None) or getattr(tasks, "_all_tasks", ())
        try:
            known = list(every)
        except RuntimeError:  # tasks come and go meanwhile; there is another look soon
            return
        for task in known:
            found = NOBODY[:3]
            for frame in _awaited(task.get_coro()):
                path, _ = self.file(frame.f_code.co_filename)
                if path:
                    found = (path, frame.f_lineno, frame.f_code.co_name)
            yield found


def _library(parts: list[str]) -> int:
    if POOLS & set(parts):
        return _POOL
    is_django = any(tuple(parts[i : i + 2]) == DJANGO for i in range(len(parts)))
    return _DRIVER if is_django or DRIVERS & set(parts) else _OTHERS


def _awaited(coroutine: Any) -> Iterator[Any]:
    """The frames of a coroutine and of those that it waits for, innermost last."""
    while coroutine is not None:
        frame = next((f for name in ("cr", "gi", "ag") if (f := getattr(coroutine, name + "_frame", None))), None)
        if frame is not None and frame.f_lineno is not None:
            yield frame
        names = ("cr_await", "gi_yieldfrom", "ag_await")
        coroutine = next((below for name in names if (below := getattr(coroutine, name, None)) is not None), None)
