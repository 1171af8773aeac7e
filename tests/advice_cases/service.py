"""The service of every case: what it does with a request is named by ADVICE_CASE.

Its pool is the storefront's, but for its size, which is ADVICE_POOL. It is copied into the project that is gated, and
imports nothing of perfgate or its tests.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Row: TypeAlias = dict[str, Any]
Connection: TypeAlias = AsyncConnection[Row]
Pool: TypeAlias = AsyncConnectionPool[Connection]
Answer: TypeAlias = Callable[[Pool, int], Awaitable[object]]

CASE = os.environ["ADVICE_CASE"]
URL = os.environ["DATABASE_URL"]
POOL_SIZE = int(os.environ["ADVICE_POOL"])
WAIT_SECONDS = 20.0

ELSEWHERE_SECONDS = 0.05
"""How long another service takes to answer."""
HELD_SECONDS = 1.2
BURNT_SECONDS = 0.015
LEAKED_BYTES = 65_536

HANDLERS: dict[str, Answer] = {}


def handles(*cases: str) -> Callable[[Answer], Answer]:
    """Make a function the handler of these cases."""

    def register(answer: Answer) -> Answer:
        HANDLERS.update(dict.fromkeys(cases, answer))
        return answer

    return register


async def rows(connection: Connection, sql: str, **values: object) -> list[Row]:
    return await (await connection.execute(sql.encode(), values)).fetchall()


def sends(*statements: str) -> Answer:
    """What sends statements one by one, and answers with the last one's rows.

    In them %(id)s stands for the number in the path, %(prefix)s and %(suffix)s for patterns of addresses with it.
    """

    async def answer(pool: Pool, number: int) -> object:
        values = {"id": number, "prefix": f"person{number}@%", "suffix": f"%son{number}@example.org"}
        async with pool.connection() as connection:
            for statement in statements:
                cursor = await connection.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    return answer


ORDERS = "SELECT id, placed_at FROM orders WHERE customer_id = %(id)s ORDER BY id"
ITEMS = "SELECT name, price FROM items WHERE order_id = %(order)s"


PAGED = ("n_plus_one_page", "six_lookups_page")
"""Those whose requests find as many orders each."""
if CASE in PAGED:
    ORDERS += " LIMIT 4"


@handles("n_plus_one_parameters", "n_plus_one_page")
async def one_by_one(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        found = await rows(connection, ORDERS, id=number)
        return [order | {"items": await rows(connection, ITEMS, order=order["id"])} for order in found]


@handles("n_plus_one_literals")
async def one_by_one_as_text(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        cursor = AsyncClientCursor(connection, row_factory=dict_row)
        answer = []
        for order in await (await cursor.execute(ORDERS.encode(), {"id": number})).fetchall():
            await cursor.execute(ITEMS.encode(), {"order": order["id"]})
            answer.append(order | {"items": await cursor.fetchall()})
        return answer


@handles("six_lookups", "six_lookups_page")
async def six_lookups(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        names = ("currency", "country", "theme", "shipping", "tax", "language")
        chosen = [
            await rows(connection, "SELECT value FROM preferences WHERE name = %(name)s", name=name) for name in names
        ]
        return {"chosen": chosen, "orders": await rows(connection, ORDERS, id=number)}


@handles("same_lookup")
async def same_lookup(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        return [
            order
            | {"in": await rows(connection, "SELECT value FROM preferences WHERE name = %(name)s", name="currency")}
            for order in await rows(connection, ORDERS, id=number)
        ]


@handles("batch")
async def batch(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        found = await rows(connection, ORDERS, id=number)
        wanted = [order["id"] for order in found]
        sql = "SELECT order_id, name, price FROM items WHERE order_id = ANY (%(orders)s::int[])"
        return {"orders": found, "items": await rows(connection, sql, orders=wanted)}


@handles("idle_in_transaction")
async def idle_in_transaction(pool: Pool, number: int) -> object:
    async with pool.connection() as connection, connection.transaction():
        found = await rows(connection, "SELECT id, name FROM things WHERE id = %(id)s", id=number)
        await asyncio.sleep(ELSEWHERE_SECONDS)
        return found


@handles("short_transactions")
async def short_transaction(pool: Pool, number: int) -> object:
    async with pool.connection() as connection, connection.transaction():
        found = await rows(connection, "SELECT id, name FROM things WHERE id = %(id)s", id=number)
        await connection.execute("UPDATE things SET name = name WHERE id = %(id)s", {"id": number})
    await asyncio.sleep(ELSEWHERE_SECONDS)
    return found


@handles("pool_too_small")
async def held_connection(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        found = await rows(connection, "SELECT id, name FROM things WHERE id = %(id)s", id=number)
        await asyncio.sleep(ELSEWHERE_SECONDS)
        return found


KEPT: list[AsyncConnection[Any]] = []


@handles("leaked_connections")
async def leaked_connection(pool: Pool, number: int) -> object:
    connection = await AsyncConnection.connect(URL, autocommit=True)
    KEPT.append(connection)
    cursor = await connection.execute("SELECT id, name FROM things WHERE id = %s", [number])
    found = await cursor.fetchall()
    await asyncio.sleep(6 * ELSEWHERE_SECONDS)
    return found


@handles("lock_queue")
async def lock_held(pool: Pool, number: int) -> object:
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("UPDATE counters SET n = n + 1 WHERE id = 1")
        await asyncio.sleep(HELD_SECONDS)
    return {}


@handles("cpu_hotspot")
async def burn(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        found = await rows(connection, "SELECT id, name FROM things WHERE id = %(id)s", id=number)
    done = time.thread_time() + BURNT_SECONDS
    while time.thread_time() < done:
        pass
    return found


GROWN: list[bytes] = []


@handles("memory_leak")
async def leak(pool: Pool, number: int) -> object:
    GROWN.append(b"x" * LEAKED_BYTES)
    async with pool.connection() as connection:
        return await rows(connection, "SELECT id, name FROM things WHERE id = %(id)s", id=number)


HANDLERS |= {
    "join": sends(
        "SELECT o.id, i.name, i.price FROM orders o JOIN items i ON i.order_id = o.id WHERE customer_id = %(id)s"
    ),
    "index_equality": sends("SELECT id, kind, note FROM events WHERE user_id = %(id)s"),
    "index_order_limit": sends(
        "SELECT id, kind, note FROM events WHERE id > %(id)s ORDER BY happened_at DESC LIMIT 20"
    ),
    "index_composite": sends("SELECT id, title FROM tickets WHERE tenant_id = %(id)s AND status = 'open'"),
    "index_expression": sends(
        "SELECT id, name FROM people WHERE lower(email) = lower('Person' || %(id)s || '@Example.org')"
    ),
    "leading_wildcard": sends("SELECT id, name FROM people WHERE email LIKE %(suffix)s"),
    "prefix_like": sends("SELECT id, name FROM people WHERE email LIKE %(prefix)s"),
    "temp_spill": sends("SELECT id, kind, note FROM events WHERE shelf = %(id)s ORDER BY note, happened_at"),
    "sort_in_memory": sends("SELECT id, kind, note FROM events WHERE user_id = %(id)s ORDER BY note, happened_at"),
    "duplicate_index": sends("INSERT INTO visits (user_id, page) SELECT %(id)s, n FROM generate_series(1, 5) AS n"),
    "similar_indexes": sends(
        "SELECT id FROM visits WHERE user_id = %(id)s ORDER BY page LIMIT 5",
        "SELECT id FROM visits WHERE page = %(id)s ORDER BY user_id LIMIT 5",
        "SELECT id FROM visits WHERE page = %(id)s AND fresh ORDER BY seen LIMIT 5",
        "SELECT id FROM visits WHERE user_id < %(id)s ORDER BY user_id DESC, page LIMIT 5",
        "INSERT INTO visits (user_id, page) SELECT %(id)s, n FROM generate_series(1, 5) AS n",
    ),
    "unique_never_read": sends("INSERT INTO tokens (token) SELECT gen_random_uuid() FROM generate_series(1, 5)"),
    "caching": sends("SELECT kind, count(*), (SELECT pg_sleep(0.2))::text FROM things GROUP BY kind ORDER BY kind"),
    "fast_repeated_read": sends("SELECT kind, count(*) FROM things GROUP BY kind ORDER BY kind"),
    "dead_rows": sends("UPDATE things SET seen = seen + 1 WHERE kind = %(id)s"),
    "few_updates": sends("UPDATE things SET seen = seen + 1 WHERE id = %(id)s"),
    "wide_rows": sends("SELECT * FROM documents WHERE folder = %(id)s ORDER BY id"),
    "narrow_star": sends("SELECT * FROM things WHERE id BETWEEN %(id)s AND %(id)s::int + 19"),
    "small_table": sends("SELECT id, name FROM countries WHERE region = %(id)s"),
    "unselective_filter": sends(
        "SELECT count(*), sum(a), sum(b), sum(c), sum(d), sum(e) FROM facts WHERE kind = %(id)s",
    ),
    "large_pool": sends("SELECT id, name FROM things WHERE id = %(id)s"),
    "short_row_locks": sends("UPDATE counters SET n = n + 1 WHERE id = 1"),
}


async def healthz(request: Request) -> JSONResponse:
    """Whether the database answers; connections it has closed meanwhile are replaced before anybody meets them."""
    pool: Pool = request.app.state.pool
    await pool.check()
    async with pool.connection() as connection:
        await connection.execute("SELECT 1")
    return JSONResponse({"status": "ok"})


async def answered(request: Request) -> JSONResponse:
    """GET or POST /anything/7"""
    found = await HANDLERS[CASE](request.app.state.pool, request.path_params["id"])
    return JSONResponse({"found": len(found) if isinstance(found, list) else 1, "text": str(found)[:2000]})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Opens the pool before the first request and closes it after the last."""
    pool: Pool = AsyncConnectionPool(
        URL,
        connection_class=AsyncConnection[Row],
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": None},
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        timeout=WAIT_SECONDS,
        open=False,
    )
    async with pool:
        await pool.wait(WAIT_SECONDS)
        app.state.pool = pool
        yield


app = Starlette(
    routes=[Route("/healthz", healthz), Route("/{name}/{id:int}", answered, methods=["GET", "POST"])],
    lifespan=lifespan,
)
