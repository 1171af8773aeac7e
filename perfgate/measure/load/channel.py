"""The driver's end of the pipes to perfgate: one JSON value a line, read and written without stopping the users."""

from __future__ import annotations

import json
import os
from typing import Any

from gevent.fileobject import FileObjectPosix


class Channel:
    """Pipes of their own, so that nothing a locustfile prints or reads can come between."""

    def __init__(self, commands: int, replies: int) -> None:
        for number in (commands, replies):
            os.set_inheritable(number, False)  # a process that a locustfile starts must not keep them open
        self._commands = FileObjectPosix(commands, "rb")
        self._replies = FileObjectPosix(replies, "wb", bufsize=0)

    def receive(self) -> dict[str, Any]:
        """The next command; ends the process when perfgate is gone."""
        line = self._commands.readline()
        if not line:
            raise SystemExit(0)
        command: dict[str, Any] = json.loads(line)
        return command

    def send(self, **reply: object) -> None:
        """Answer perfgate."""
        self._replies.write(json.dumps(reply).encode() + b"\n")
