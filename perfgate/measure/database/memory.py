"""Whether a database may live in memory, where neither its speed nor its noise depends on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

# Room for a template, two sides' databases of a gigabyte each, and the WAL of a round.
ROOM = 6 * 2**30


def available() -> int:
    """Bytes of memory that processes may still take, by the kernel's estimate."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def has_room(folder: Path | None = None) -> bool:
    """Whether there is plenty of memory, and plenty of room in `folder`, a file system that lives in it."""
    try:
        free = shutil.disk_usage(folder).free if folder is not None else ROOM
    except OSError:
        return False
    return min(free, available()) >= ROOM
