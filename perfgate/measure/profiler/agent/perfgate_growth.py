"""What a process holds of what it allocated since the first mark, by the line of the project that asked for it."""

from __future__ import annotations

import gc
import tracemalloc
from collections import defaultdict
from typing import Any

from perfgate_places import Places  # type: ignore[import-not-found,unused-ignore]  # beside this file

FRAMES = 25
"""How deep below code of the project a library may allocate and still be laid to its door."""


class Growth:
    """Begins to trace at the first mark: what was allocated before is none of the requests' business."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def at_mark(self, mark: int) -> list[Any] | None:
        """[path, line, bytes] of what is held now; None at the first mark."""
        gc.collect()
        if mark == 1:
            tracemalloc.start(FRAMES)
            return None
        held: dict[tuple[str, int], int] = defaultdict(int)
        for trace in tracemalloc.take_snapshot().traces:
            held[self._place(trace.traceback)] += trace.size
        return [[path, line, size] for (path, line), size in sorted(held.items()) if path]

    def _place(self, traceback: tracemalloc.Traceback) -> tuple[str, int]:
        for frame in reversed(traceback):  # the innermost is the last
            path, _ = self._places.file(frame.filename)
            if path:
                return path, frame.lineno
        return "", 0
