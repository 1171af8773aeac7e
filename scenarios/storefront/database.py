"""How the storefront reaches its Postgres: one pool for the life of the process."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

Row: TypeAlias = dict[str, Any]
Connection: TypeAlias = AsyncConnection[Row]
Pool: TypeAlias = AsyncConnectionPool[Connection]

POOL_SIZE = 8
WAIT_SECONDS = 10.0


def pool(configure: Callable[[Connection], Awaitable[None]] | None = None) -> Pool:
    """A pool, not yet opened, to the database that DATABASE_URL names; ends the program when it names none.

    `configure` is awaited with each connection before its first use.

    Statements are committed one by one unless they stand in a `connection.transaction()`. They are planned for the
    values at hand each time (`prepare_threshold`): a prepared one gets a generic plan after some ten executions, so
    what a request reads would depend on the connection it was given.
    """
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        raise SystemExit("storefront: set DATABASE_URL, for example postgresql://postgres@127.0.0.1:5432/shop")
    return AsyncConnectionPool(
        url,
        connection_class=AsyncConnection[Row],
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": None},
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        timeout=WAIT_SECONDS,
        configure=configure,
        open=False,
        name="storefront",
    )
