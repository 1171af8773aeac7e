"""The storefront as an ASGI application: `uvicorn scenarios.storefront.service:app`, with DATABASE_URL set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from scenarios.storefront import database, faults
from scenarios.storefront.build import DIST
from scenarios.storefront.routes import ROUTES, Json


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Opens the pool before the first request and closes it after the last."""
    configure = faults.drop_index if faults.Fault.MISSING_INDEX in faults.PLANTED else None
    async with database.pool(configure) as pool:
        await pool.wait(database.WAIT_SECONDS)
        app.state.pool = pool
        yield


async def refused(request: Request, error: Exception) -> Json:
    """What the shop says to a request it understood and refuses."""
    assert isinstance(error, HTTPException)
    return Json({"error": error.detail}, status_code=error.status_code)


async def without_database(request: Request, error: Exception) -> Json:
    """What the shop says while its database is away."""
    return Json({"error": f"the database does not answer: {error}"}, status_code=503)


def routes() -> list[BaseRoute]:
    """The JSON routes, and the front end at /shop/ where it has been built."""
    front_end = [Mount("/shop", StaticFiles(directory=DIST, html=True))] if DIST.is_dir() else []
    return [*ROUTES, *front_end]


app = faults.plant(
    Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: refused, psycopg.OperationalError: without_database},
    )
)
