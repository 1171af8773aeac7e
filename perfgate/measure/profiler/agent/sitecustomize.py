"""Runs at the start of every Python process whose PYTHONPATH names this folder; starts the agent where it is asked for.

PERFGATE_AGENT names the folder for its reports, PERFGATE_AGENT_ROOT the project, PERFGATE_AGENT_MODE what to look at.
Python imports one `sitecustomize` only: the one that this file hides is run in its turn, and this folder taken off the
path, so that a service notices nothing. Written so that any Python 3 can read it: a service may run on an old one.
"""

import importlib.machinery
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is slow to import
OLDEST = (3, 8)
"""What the agent itself can be read by."""


def start() -> None:
    """Load the agent, if this process is to be looked at."""
    folder = os.environ.get("PERFGATE_AGENT", "")
    if sys.version_info < OLDEST or not os.path.isdir(folder):  # noqa: PTH112
        return
    import perfgate_agent  # type: ignore[import-not-found,unused-ignore]  # beside this file, which is on the path

    perfgate_agent.start(folder, os.environ.get("PERFGATE_AGENT_ROOT", ""), os.environ.get("PERFGATE_AGENT_MODE", ""))


def leave_path() -> None:
    """Take this folder off the path of this process; its children find it by their environment."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE]  # noqa: PTH100


def run_hidden() -> None:
    """Run the `sitecustomize` that would have been imported without this one."""
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    try:
        start()
    finally:
        leave_path()
        run_hidden()
