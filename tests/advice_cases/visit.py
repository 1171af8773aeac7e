"""The load of every case: its endpoints, which stand in a file beside this one, with ids that chance chooses."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from locust import FastHttpUser, between

ENDPOINTS = json.loads(Path(__file__).with_name("endpoints.json").read_text(encoding="utf-8"))


def visiting(method: str, path: str, ids: int) -> Callable[[FastHttpUser], None]:
    """A task that asks for `path` with an id from 1 to `ids`."""

    def visit(visitor: FastHttpUser) -> None:
        visitor.client.request(method, path.format(id=random.randint(1, ids)), name=path)

    return visit


class Visitor(FastHttpUser):
    """Waits a little, so that the service is idle now and then."""

    wait_time = between(0.005, 0.015)
    tasks = [visiting(**endpoint) for endpoint in ENDPOINTS]  # noqa: RUF012
