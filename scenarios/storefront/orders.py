"""A customer's orders, latest first, with what is in them."""

from __future__ import annotations

from collections import defaultdict

from scenarios.storefront import faults
from scenarios.storefront.database import Connection, Row

PAGE_SIZE = 10

PAGE = """
    SELECT id, placed_at, status, total_cents
    FROM orders
    WHERE customer_id = %(customer)s
    ORDER BY placed_at DESC, id DESC
    LIMIT %(limit)s OFFSET %(offset)s
"""

ITEMS = """
    SELECT order_id, product_id, product_name, price_cents, quantity
    FROM order_items
    WHERE order_id = ANY (%(orders)s::bigint[])
    ORDER BY order_id, product_id
"""


async def items(connection: Connection, orders: list[int]) -> list[Row]:
    """The items of all the orders, in one statement."""
    return await (await connection.execute(ITEMS, {"orders": orders})).fetchall()


fetch_items = faults.one_by_one(items) if faults.Fault.N_PLUS_ONE in faults.PLANTED else items


async def page(connection: Connection, customer: int, number: int) -> list[Row]:
    """The orders of page `number` (counted from 1), each with its items; none when there is no such customer."""
    values = {"customer": customer, "limit": PAGE_SIZE, "offset": (number - 1) * PAGE_SIZE}
    orders = await (await connection.execute(PAGE, values)).fetchall()
    of_order: dict[int, list[Row]] = defaultdict(list)
    for item in await fetch_items(connection, [order["id"] for order in orders]):
        of_order[item.pop("order_id")].append(item)
    return [order | {"items": of_order[order["id"]]} for order in orders]
