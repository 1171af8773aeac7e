"""Lines to a server that are cut, or lead nowhere."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Line:
    """Passes on what clients and the server say, until a client says `last`; then the line is cut, for good.

    With an empty `last` it takes clients, and never passes on anything.
    """

    def __init__(self, url: str, last: bytes) -> None:
        told = conninfo_to_dict(url)
        self._server = (str(told["host"]), int(str(told["port"])))
        self._last = last
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        host, port = self._listener.getsockname()
        self.url = "postgresql://?" + "&".join(
            part.replace("'", "") for part in make_conninfo(url, host=host, port=port).split()
        )
        self.was_cut = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cut()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                if self._last:
                    server = socket.create_connection(self._server)
                    self._open.append(server)
                    threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
                    threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if from_client and self._last in data:
                    self.was_cut.set()
                    self._cut()
                    return
                target.sendall(data)

    def _cut(self) -> None:
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
