"""Planted regressions: what STOREFRONT_FAULT (names with commas between) makes the storefront do wrong.

Each is what such a mistake looks like in a real service, and each has something else of it to be caught by:

    slow            a product list costs 15 ms of CPU more
    slower_5        a product list costs 5 % more CPU than requests do on average
    slower_10       the same, 10 %
    slower_50       the same, 50 %
    n_plus_one      the orders page asks for the items of each order on its own
    missing_index   order_items has no index on order_id
    leak            each request leaves 64 KB behind
    errors          every 20th product page answers 500
    bloat           the front end ships a vendor chunk that nobody needs
    hang            the product page stops answering after the first 50
    crash_mid_load  the process dies at its 200th request

Where perfgate measures a base beside this work tree, base has none of them (PERFGATE_SIDE tells).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from scenarios.storefront.database import Connection, Row

SLOW_SECONDS = 0.015
LEAKED_BYTES = 65_536
ERROR_EVERY = 20
HANG_AFTER = 50
CRASH_AT = 200
VENDOR_BYTES = 150_000


class Fault(StrEnum):
    """The names that STOREFRONT_FAULT may hold."""

    SLOW = "slow"
    SLOWER_5 = "slower_5"
    SLOWER_10 = "slower_10"
    SLOWER_50 = "slower_50"
    N_PLUS_ONE = "n_plus_one"
    MISSING_INDEX = "missing_index"
    LEAK = "leak"
    ERRORS = "errors"
    BLOAT = "bloat"
    HANG = "hang"
    CRASH_MID_LOAD = "crash_mid_load"


def named(text: str) -> frozenset[Fault]:
    """The faults named in `text`; ends the program when it names one that does not exist."""
    names = {name.strip() for name in text.split(",")} - {""}
    if unknown := names - set(Fault):
        raise SystemExit(
            f"storefront: STOREFRONT_FAULT names unknown {', '.join(sorted(unknown))}; known: {', '.join(Fault)}"
        )
    return frozenset(Fault(name) for name in names)


PLANTED = named("" if os.environ.get("PERFGATE_SIDE") == "base" else os.environ.get("STOREFRONT_FAULT", ""))


def plant(app: ASGIApp) -> ASGIApp:
    """`app` with every planted fault that shows at the HTTP door."""
    for fault, wrap in AT_THE_DOOR.items():
        if fault in PLANTED:
            app = wrap(app)
    return app


def path(scope: Scope) -> str:
    """The path of a request of a user; "" for whatever else a server tells an application, and for health checks."""
    return "" if scope["type"] != "http" or scope["path"] == "/healthz" else str(scope["path"])


def is_product_page(scope: Scope) -> bool:
    """Whether this asks for /products/{id}."""
    return path(scope).startswith("/products/")


def slow(app: ASGIApp) -> ASGIApp:
    """Burns CPU before each product list. CPU time is what is counted, so a busy machine does not excuse it."""

    async def slowed(scope: Scope, receive: Receive, send: Send) -> None:
        if path(scope) == "/products":
            done = time.thread_time() + SLOW_SECONDS
            while time.thread_time() < done:
                pass
        await app(scope, receive, send)

    return slowed


def slower(share: float) -> Callable[[ASGIApp], ASGIApp]:
    """Has each product list burn `share` of the CPU time that a request has taken on average so far."""

    def wrap(app: ASGIApp) -> ASGIApp:
        served, burnt, began = 0, 0.0, time.process_time()

        async def slowed(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal served, burnt
            if path(scope) == "/products" and served:
                extra = share * (time.process_time() - began - burnt) / served
                done, burnt = time.thread_time() + extra, burnt + extra
                while time.thread_time() < done:
                    pass
            await app(scope, receive, send)
            served += bool(path(scope))

        return slowed

    return wrap


def leak(app: ASGIApp) -> ASGIApp:
    """Keeps something of each request for ever. It is written to: untouched pages would cost no memory."""
    kept: list[bytes] = []

    async def leaking(scope: Scope, receive: Receive, send: Send) -> None:
        if path(scope):
            kept.append(b"x" * LEAKED_BYTES)
        await app(scope, receive, send)

    return leaking


def errors(app: ASGIApp) -> ASGIApp:
    """Answers 500 to one product page in ERROR_EVERY."""
    seen = itertools.count(1)

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        if is_product_page(scope) and next(seen) % ERROR_EVERY == 0:
            await JSONResponse({"error": "planted"}, status_code=500)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return failing


def hang(app: ASGIApp) -> ASGIApp:
    """Answers no product page after the first HANG_AFTER; everything else goes on."""
    seen = itertools.count(1)

    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        if is_product_page(scope) and next(seen) > HANG_AFTER:
            await asyncio.Event().wait()
        await app(scope, receive, send)

    return hanging


def crash_mid_load(app: ASGIApp) -> ASGIApp:
    """Ends the process with exit code 70 at request CRASH_AT, without cleaning up, as a crash in native code does."""
    seen = itertools.count(1)

    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        if path(scope) and next(seen) == CRASH_AT:
            print(f"storefront: planted crash at request {CRASH_AT}", file=sys.stderr, flush=True)
            os._exit(70)
        await app(scope, receive, send)

    return crashing


AT_THE_DOOR: dict[Fault, Callable[[ASGIApp], ASGIApp]] = {
    Fault.SLOW: slow,
    Fault.SLOWER_5: slower(0.05),
    Fault.SLOWER_10: slower(0.10),
    Fault.SLOWER_50: slower(0.50),
    Fault.LEAK: leak,
    Fault.ERRORS: errors,
    Fault.HANG: hang,
    Fault.CRASH_MID_LOAD: crash_mid_load,
}

FetchItems = Callable[[Connection, list[int]], Awaitable[list[Row]]]


def one_by_one(fetch: FetchItems) -> FetchItems:
    """n_plus_one: the statement that serves all orders at once, sent for each of them."""

    async def fetch_one_by_one(connection: Connection, orders: list[int]) -> list[Row]:
        return [item for order in orders for item in await fetch(connection, [order])]

    return fetch_one_by_one


async def drop_index(connection: Connection) -> None:
    """missing_index, for each connection of the pool as it opens.

    Each, and not once at the start: a database may be put back to its template, index and all, under a service that
    is running. Where the index is gone already, nothing happens.
    """
    await connection.execute("SET client_min_messages = warning")
    await connection.execute("DROP INDEX IF EXISTS order_items_by_order")


def vendor_chunk() -> str:
    """bloat: a script of VENDOR_BYTES that compresses no better than the real thing, the same at each build."""
    return f"var vendor='{''.join(itertools.islice(itertools.chain.from_iterable(noise()), VENDOR_BYTES))}';\n"


def noise() -> Iterator[str]:
    """Characters without end, out of a hash of a counter."""
    for number in itertools.count():
        yield base64.b64encode(hashlib.sha512(f"vendor {number}".encode()).digest()).decode().rstrip("=")
