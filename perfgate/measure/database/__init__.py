"""Postgres for a service: in a container, from installed binaries, or a server that is there already."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from perfgate.errors import NotMeasured
from perfgate.measure.database import container, embedded, url
from perfgate.measure.database.server import Server, ServiceDatabase
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

__all__ = ["Server", "ServiceDatabase", "start"]


def start(plan: Database, owner: Owner, say: Callable[[str], None]) -> AbstractContextManager[Server]:
    """The server that `plan` asks for; `say` is told which it is and why. It ends with the `with` block.

    BadRequest for settings and URLs that are wrong, NotMeasured when no server can be had.
    """
    if plan.provider == "url":
        return url.start(plan, owner, say)
    if plan.provider == "embedded":
        return embedded.start(plan, owner, say)
    try:
        engine = container.engine(plan.image, say)
    except NotMeasured as reason:
        if plan.provider == "docker":
            raise
        say(f"database: embedded rather than docker, because {reason.args[0]}")
        return embedded.start(plan, owner, say)
    if plan.provider == "auto":
        say("database: docker, because it answers")
    return container.start(plan, engine, owner, say)
