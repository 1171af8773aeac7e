"""A small HTTP service for tests: `python service.py PORT_FILE [options]`.

Answers on paths that say what to do, remembers every request, and tells what it remembers:

    /fast/…            at once                     /slow/5/…        after 5 ms
    /hang              never                       /drip            a byte now and then, for ever
    /status/500        with that status            /size/1000       with so many bytes
    /to/x/…            with a redirect to /x?from=…
    /_log              its log, and forgets it: [[epoch seconds, method, path], …]
    /_open             how many other connections are open
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from pathlib import Path
from typing import ClassVar


class Service(asyncio.Protocol):
    """One connection. One that was idle for `stale` seconds is closed at the moment in which a request comes."""

    log: ClassVar[list[tuple[float, str, str]]] = []
    connections: ClassVar[set[Service]] = set()
    stale = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer, self.used = transport, b"", time.monotonic()
        self.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            if time.monotonic() - self.used > self.stale:
                self.transport.abort()
                return
            method, path, _ = lines[0].split(" ")
            self.answer(method, path)

    def answer(self, method: str, path: str) -> None:
        first, _, rest = path.lstrip("/").partition("?")[0].partition("/")
        number = rest.partition("/")[0]
        if first == "_log":
            self.send(body=json.dumps(self.log).encode())
            self.log.clear()
            return
        if first == "_open":
            self.send(body=str(len(self.connections) - 1).encode())
            return
        self.log.append((time.time(), method, path))
        if first == "slow":
            asyncio.get_running_loop().call_later(float(number) / 1000, self.send)
        elif first == "drip":
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            self.drip()
        elif first == "to":
            self.send(302, head=f"location: /{number}?from={path}\r\n")
        elif first != "hang":
            self.send(int(number) if first == "status" else 200, b"x" * int(number) if first == "size" else b"ok")

    def send(self, status: int = 200, body: bytes = b"ok", head: str = "") -> None:
        head = f"HTTP/1.1 {status} Whatever\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n{head}\r\n"
        self.transport.write(head.encode() + body)
        self.used = time.monotonic()

    def drip(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"x")
            asyncio.get_running_loop().call_later(0.1, self.drip)


async def stall(every: float, seconds: float) -> None:
    """Stop the whole service again and again, as a long garbage collection would."""
    while True:
        await asyncio.sleep(every - seconds)
        time.sleep(seconds)


async def serve(arguments: argparse.Namespace) -> None:
    Service.stale = arguments.stale
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=1000)
    unfinished = arguments.port_file.with_suffix(".tmp")
    unfinished.write_text(str(server.sockets[0].getsockname()[1]))
    unfinished.rename(arguments.port_file)
    if arguments.stall:
        await stall(1.0, arguments.stall)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--stale", type=float, default=math.inf, help="close connections used again after so long")
    parser.add_argument("--stall", type=float, default=0.0, help="seconds in each second in which nothing happens")
    asyncio.run(serve(parser.parse_args()))
