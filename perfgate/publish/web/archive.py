"""The store as pages ask it: from a few threads, each with a connection of its own, opened anew when one is lost."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TypeVar

from perfgate.errors import NotMeasured, PerfgateError
from perfgate.publish.history.store import Store

T = TypeVar("T")

CONNECTIONS = 4
"""Questions that are answered at once; others wait for their turn."""
WAITING = 64
"""More questions than that are turned away."""
PATIENCE_S = 20.0

Opening = Callable[[], AbstractContextManager[Store]]


class StoreLost(NotMeasured):
    """The store cannot be reached now. What it said is kept from strangers: it may name hosts and roles."""

    def __init__(self) -> None:
        super().__init__("the history's store cannot be reached", hint="pages come back when it does")


class Busy(NotMeasured):
    """More is asked than can be answered."""

    def __init__(self) -> None:
        super().__init__("too many questions at once", hint="try again in a moment")


@dataclass
class _Line:
    """A connection, and how it is closed."""

    store: Store
    closing: ExitStack


class Archive:
    """A bounded number of read-only connections to one project, each used by one thread at a time.

    `opening` gives a store to enter; `lost` is told, for the log, why one could not be reached: once, until it is back.
    """

    def __init__(self, opening: Opening, lost: Callable[[str], None] = lambda _: None) -> None:
        self._opening, self._lost = opening, lost
        self._idle: queue.SimpleQueue[_Line] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="perfgate-web")
        self._asked = 0
        self._away = False

    async def ask(self, question: Callable[[Store], T]) -> T:
        """The answer, from another thread. Raises StoreLost, or Busy where it does not come within PATIENCE_S."""
        if self._asked >= WAITING:
            raise Busy
        future = self._threads.submit(self.answer, question)
        self._asked += 1
        future.add_done_callback(self._answered)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), PATIENCE_S)
        except TimeoutError as error:
            raise Busy from error

    def _answered(self, _: Future[T]) -> None:
        self._asked -= 1

    def answer(self, question: Callable[[Store], T]) -> T:
        """The answer, from this thread. A connection that was lost while idle is tried once more with a fresh one."""
        import psycopg

        line, fresh = self._line()
        try:
            found = question(line.store)
        except psycopg.errors.QueryCanceled as error:
            self._idle.put(line)
            raise Busy from error
        except psycopg.OperationalError as error:
            line.closing.close()
            if fresh:
                raise self._said(error) from error
            return self.answer(question)
        except BaseException:
            self._idle.put(line)
            raise
        self._idle.put(line)
        self._away = False
        return found

    def _line(self) -> tuple[_Line, bool]:
        """A connection, and whether it was opened just now."""
        import psycopg

        try:
            return self._idle.get_nowait(), False
        except queue.Empty:
            pass
        with ExitStack() as closing:
            try:
                store = closing.enter_context(self._opening())
                store.connection.read_only = True
            except (PerfgateError, psycopg.Error) as error:
                raise self._said(error) from error
            return _Line(store, closing.pop_all()), True
        raise AssertionError("an exit stack swallows nothing")

    def _said(self, error: Exception) -> StoreLost:
        if not self._away:
            self._lost(str(error).partition("\n")[0])
        self._away = True
        return StoreLost()

    def close(self) -> None:
        """Wait for what is being answered, and close all connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().closing.close()
