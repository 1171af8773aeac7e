"""What the storefront answers to: requests in, JSON out."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from scenarios.storefront import baskets, catalogue, orders
from scenarios.storefront.database import Pool

MOST_PAGES = 1000
MOST_PIECES = 99


class Json(JSONResponse):
    """JSON with moments in ISO 8601."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, default=datetime.isoformat, ensure_ascii=False, separators=(",", ":")).encode()


def pool(request: Request) -> Pool:
    """The pool that the service opened when it started."""
    return cast(Pool, request.app.state.pool)


async def healthz(request: Request) -> Json:
    """Whether the database answers; connections it has closed meanwhile are replaced before anybody meets them."""
    await pool(request).check()
    async with pool(request).connection() as connection:
        await connection.execute("SELECT 1")
    return Json({"status": "ok"})


async def product_list(request: Request) -> Json:
    """GET /products?page=1&category=chairs&q=folding+oak"""
    number, category, words = page_number(request), text(request, "category"), text(request, "q")
    async with pool(request).connection() as connection:
        products, more = await catalogue.page(connection, number, category, words)
    return Json({"page": number, "more": more, "products": products})


async def product(request: Request) -> Json:
    """GET /products/{id}"""
    async with pool(request).connection() as connection:
        found = await catalogue.product(connection, request.path_params["id"])
    if found is None:
        raise HTTPException(404, "no such product")
    return Json(found)


async def basket(request: Request) -> Json:
    """GET /basket/{customer}"""
    async with pool(request).connection() as connection:
        lines = await baskets.content(connection, request.path_params["customer"])
    return Json({"items": lines, "total_cents": sum(line["price_cents"] * line["quantity"] for line in lines)})


async def add_to_basket(request: Request) -> Json:
    """POST /basket/{customer} {"product_id": 7, "quantity": 2}"""
    wanted = await body(request)
    product_id, quantity = wanted.get("product_id"), wanted.get("quantity", 1)
    if not isinstance(product_id, int) or not isinstance(quantity, int) or not 1 <= quantity <= MOST_PIECES:
        raise HTTPException(400, f"wanted: a product_id, and a quantity from 1 to {MOST_PIECES}")
    async with pool(request).connection() as connection:
        line = await baskets.add(connection, request.path_params["customer"], product_id, quantity)
    if line is None:
        raise HTTPException(404, "no such customer or product")
    return Json(line, status_code=201)


async def checkout(request: Request) -> Json:
    """POST /checkout/{customer}"""
    async with pool(request).connection() as connection:
        try:
            order = await baskets.checkout(connection, request.path_params["customer"])
        except baskets.EmptyBasket:
            raise HTTPException(409, "the basket is empty") from None
        except baskets.SoldOut:
            raise HTTPException(409, "sold out") from None
    return Json(order, status_code=201)


async def customer_orders(request: Request) -> Json:
    """GET /customers/{id}/orders?page=1"""
    number = page_number(request)
    async with pool(request).connection() as connection:
        found = await orders.page(connection, request.path_params["id"], number)
    return Json({"page": number, "orders": found})


def page_number(request: Request) -> int:
    """The page asked for; the first unless the request says otherwise."""
    digits = text(request, "page") or "1"
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits) <= MOST_PAGES):
        raise HTTPException(400, f"page goes from 1 to {MOST_PAGES}")
    return int(digits)


def text(request: Request, name: str) -> str:
    """A parameter of the request; "" when there is none. Text in Postgres holds no NUL."""
    return request.query_params.get(name, "").replace("\0", " ").strip()


async def body(request: Request) -> dict[str, Any]:
    """The JSON object a request came with."""
    try:
        content = await request.json()
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(content, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return content


ROUTES = [
    Route("/healthz", healthz),
    Route("/products", product_list),
    Route("/products/{id:int}", product),
    Route("/basket/{customer:int}", basket),
    Route("/basket/{customer:int}", add_to_basket, methods=["POST"]),
    Route("/checkout/{customer:int}", checkout, methods=["POST"]),
    Route("/customers/{id:int}/orders", customer_orders),
]
