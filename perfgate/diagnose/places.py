"""Where in the code a statement comes from: its first parent there."""

from __future__ import annotations

from perfgate.diagnose.subject import Subject
from perfgate.model import Scope, Side


def sender(subject: Subject, where: Scope, statement: str) -> str:
    """The place in the code that sends a statement: by its own comment, else where its endpoint spends CPU on sending.

    "" where neither is known.
    """
    examined = subject.heads.get(where.scenario)
    if examined is None:
        return ""
    said = next((e.code for e in examined.of(statement, where.endpoint) if e.code), "")
    profile, asking = subject.profile(where.scenario), examined.asked_by(statement)
    endpoint = where.endpoint or (asking[0] if asking else "")
    found = profile.sender(endpoint, subject.profile(where.scenario, Side.BASE)) if profile and not said else None
    return found.code if found else said
