"""The machine that measures, as far as it decides whether two runs can be compared."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from perfgate.model import Machine


def machine() -> Machine:
    """Facts about this machine; `cores` are those that this process may use."""
    import psutil

    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(named, platform.processor() or platform.machine())
