"""The service of the held-out cases: the other one, with handlers of their own."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from .service import ELSEWHERE_SECONDS, HANDLERS, URL, Pool, Row, app, handles, rows, sends

__all__ = ["HANDLERS", "app"]

BATCH = 20
LISTED = 200
THREADS = 4
SLOTS = 12


@handles("two_levels")
async def board(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        lanes = await rows(connection, "SELECT id, title FROM lanes WHERE board_id = %(board)s", board=number)
        for lane in lanes:
            sql = "SELECT id, member_id, title FROM cards WHERE lane_id = %(lane)s"
            lane["cards"] = await rows(connection, sql, lane=lane["id"])
            for card in lane["cards"]:
                sql = "SELECT handle FROM members WHERE id = %(member)s"
                card["member"] = await rows(connection, sql, member=card["member_id"])
        return lanes


@handles("lazy_load")
async def lazily_loaded(pool: Pool, number: int) -> object:
    """As a session with an identity map does: an author is asked for when first touched, and between other things."""
    async with pool.connection() as connection, connection.transaction():
        sql = """
            SELECT articles.id AS articles_id, articles.author_id AS articles_author_id, articles.title
              FROM articles WHERE articles.section_id = %(section)s ORDER BY articles.id
        """
        seen: dict[int, Row] = {}
        articles = await rows(connection, sql, section=number)
        for article in articles:
            author = article["articles_author_id"]
            if author not in seen:
                sql = """
                    SELECT authors.id AS authors_id, authors.name AS authors_name, authors.biography
                      FROM authors WHERE authors.id = %(author)s
                """
                seen[author] = (await rows(connection, sql, author=author))[0]
            if article is articles[0]:
                await rows(connection, "SELECT sections.name FROM sections WHERE sections.id = %(id)s", id=number)
                sql = "UPDATE articles SET views = views + 1 WHERE id = %(id)s"
                await connection.execute(sql.encode(), {"id": article["articles_id"]})
        return [article | seen[article["articles_author_id"]] for article in articles]


@handles("jsonb_containment")
async def contained(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        sql = "SELECT id, title FROM listings WHERE attributes @> %(wanted)s"
        return await rows(connection, sql, wanted=Jsonb({"brand": f"brand-{number}"}))


@cache
def threads_pool() -> ConnectionPool[Any]:
    """A pool for threads: beside it, the other one has but the connection that is asked for health."""
    return ConnectionPool(URL, min_size=THREADS, max_size=THREADS, open=True)


def transferred(number: int) -> int:
    """Asks somebody else, who takes a while, between reading and writing."""
    with threads_pool().connection() as connection:
        found = connection.execute("SELECT balance FROM accounts WHERE id = %s FOR UPDATE", [number]).fetchall()
        time.sleep(ELSEWHERE_SECONDS)
        connection.execute("UPDATE accounts SET balance = balance - 1 WHERE id = %s", [number])
    return len(found)


@handles("threaded_transaction")
async def threaded(pool: Pool, number: int) -> object:
    return await asyncio.to_thread(transferred, number)


@handles("connection_each_time")
async def connected_anew(pool: Pool, number: int) -> object:
    async with await AsyncConnection.connect(URL, autocommit=True) as connection:
        cursor = await connection.execute("SELECT owner, balance FROM accounts WHERE id = %s", [number])
        return await cursor.fetchall()


@handles("bulk_insert")
async def inserted(pool: Pool, number: int) -> object:
    async with pool.connection() as connection, connection.transaction():
        [last] = await rows(connection, "SELECT max(id) AS id FROM journal")
        for offset in range(1, BATCH + 1):
            sql = """
                INSERT INTO journal (id, topic, amount, entered_on, line)
                VALUES (%(id)s, %(topic)s, 1, '2026-12-01', 'an entry') ON CONFLICT DO NOTHING
            """
            await connection.execute(sql.encode(), {"id": last["id"] + offset, "topic": number})
    return {"inserted": BATCH}


@handles("skip_locked_poll")
async def polled(pool: Pool, number: int) -> object:
    async with pool.connection() as connection, connection.transaction():
        sql = "SELECT id, payload FROM jobs WHERE state = 'waiting' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        jobs = await rows(connection, sql)
        for job in jobs:
            await connection.execute(b"UPDATE jobs SET state = 'done' WHERE id = %(id)s", {"id": job["id"]})
        return jobs


CACHED: dict[int, list[list[Row]]] = {}


@handles("warmed_cache")
async def cached(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        if number not in CACHED:
            CACHED[number] = [
                await rows(connection, "SELECT name FROM tenants WHERE id = %(id)s", id=number),
                await rows(connection, "SELECT name FROM plans WHERE tenant_id = %(id)s", id=number),
                await rows(connection, "SELECT name FROM flags WHERE tenant_id = %(id)s", id=number),
                await rows(connection, "SELECT name FROM roles WHERE tenant_id = %(id)s", id=number),
            ]
        sql = "SELECT id, title FROM pages WHERE tenant_id = %(id)s ORDER BY id LIMIT 10"
        return {"tenant": CACHED[number], "pages": await rows(connection, sql, id=number)}


@handles("in_list")
async def listed(pool: Pool, number: int) -> object:
    async with pool.connection() as connection:
        wanted = {f"n{n}": (number + n * 97) % 20000 + 1 for n in range(LISTED)}
        places = ", ".join(f"%({name})s" for name in wanted)
        return await rows(connection, f"SELECT id, value FROM readings WHERE id IN ({places})", **wanted)


@handles("upsert_loop")
async def put(pool: Pool, number: int) -> object:
    async with pool.connection() as connection, connection.transaction():
        for slot in range(1, SLOTS + 1):
            sql = """
                INSERT INTO slots (basket_id, slot, quantity) VALUES (%(basket)s, %(slot)s, 1)
                ON CONFLICT (basket_id, slot) DO UPDATE SET quantity = slots.quantity + 1
            """
            await connection.execute(sql.encode(), {"basket": number, "slot": slot})
        return await rows(connection, "SELECT slot, quantity FROM slots WHERE basket_id = %(id)s", id=number)


PENDING = """
    SELECT id, address, due_at
      FROM shipments
     WHERE status = 'pending'
       AND due_at >= timestamptz '2026-01-01' + %(id)s::int * interval '1 day'
       AND due_at < timestamptz '2026-01-01' + (%(id)s::int + 3) * interval '1 day'
     ORDER BY due_at
     LIMIT 20
"""

HANDLERS |= {
    "range_status_limit": sends(PENDING),
    "partial_index": sends(PENDING),
    "join_unindexed": sends(
        """
        SELECT i.id, i.issued_on, sum(p.amount) AS paid
          FROM invoices AS i
          JOIN payments AS p ON p.invoice_id = i.id
         WHERE i.account_id = %(id)s
         GROUP BY i.id
        """
    ),
    "parent_delete": sends("DELETE FROM projects WHERE id = %(id)s"),
    "date_function": sends("SELECT id, agent FROM logins WHERE date(started_at) = date '2026-01-01' + %(id)s::int"),
    "hash_spill": sends(
        """
        SELECT r.sensor_id, avg(r.value - c.zero) AS mean
          FROM readings AS r
          JOIN calibrations AS c ON c.serial = r.serial
         WHERE r.value >= %(id)s
         GROUP BY r.sensor_id
        """
    ),
    "deep_offset": sends("SELECT id, amount, line FROM journal ORDER BY id LIMIT 20 OFFSET 10000 + %(id)s::int * 80"),
    "whole_report": sends(
        """
        SELECT topic, date_trunc('month', entered_on) AS month, count(*), sum(amount), max(length(line)) AS longest
          FROM journal
         GROUP BY topic, month
         ORDER BY topic, month
        """
    ),
    "lookup_join": sends(
        """
        SELECT s.id, s.amount * c.rate AS converted, c.name
          FROM sales AS s
          JOIN currencies AS c ON c.code = s.currency
         WHERE s.shop_id = %(id)s
         ORDER BY s.id
        """
    ),
    "index_only": sends(
        """
        SELECT taken_at, value
          FROM readings
         WHERE sensor_id = %(id)s AND taken_at >= timestamptz '2026-01-05'
         ORDER BY taken_at
         LIMIT 30
        """
    ),
}
