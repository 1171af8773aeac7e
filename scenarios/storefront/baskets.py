"""Baskets, and what becomes of them at the checkout."""

from __future__ import annotations

from scenarios.storefront.database import Connection, Row

CONTENT = """
    SELECT basket_items.product_id, products.name, products.price_cents, basket_items.quantity,
           stock.quantity >= basket_items.quantity AS in_stock
    FROM basket_items
    JOIN products ON products.id = basket_items.product_id
    JOIN stock ON stock.product_id = basket_items.product_id
    WHERE basket_items.customer_id = %(customer)s
    ORDER BY basket_items.product_id
"""


async def content(connection: Connection, customer: int) -> list[Row]:
    """The lines of a customer's basket, by product; none when it is empty or there is no such customer."""
    return await (await connection.execute(CONTENT, {"customer": customer})).fetchall()


ADD = """
    INSERT INTO basket_items (customer_id, product_id, quantity)
    SELECT customers.id, products.id, %(quantity)s
    FROM customers, products
    WHERE customers.id = %(customer)s AND products.id = %(product)s
    ON CONFLICT (customer_id, product_id) DO UPDATE
    SET quantity = basket_items.quantity + excluded.quantity
    RETURNING product_id, quantity
"""


async def add(connection: Connection, customer: int, product: int, quantity: int) -> Row | None:
    """Puts more of a product into a basket and returns that line; None when customer or product does not exist."""
    values = {"customer": customer, "product": product, "quantity": quantity}
    return await (await connection.execute(ADD, values)).fetchone()


class EmptyBasket(Exception):
    """There is nothing to buy."""


class SoldOut(Exception):
    """There is less in stock than the basket asks for."""


# Locks are taken after the sort: two checkouts with products in common meet in the same order and cannot deadlock.
LOCK = """
    SELECT basket_items.product_id, products.name, products.price_cents, basket_items.quantity,
           stock.quantity AS in_stock
    FROM basket_items
    JOIN products ON products.id = basket_items.product_id
    JOIN stock ON stock.product_id = basket_items.product_id
    WHERE basket_items.customer_id = %(customer)s
    ORDER BY basket_items.product_id
    FOR UPDATE OF basket_items, stock
"""

PLACE = """
    INSERT INTO orders (customer_id, total_cents)
    VALUES (%(customer)s, %(total)s)
    RETURNING id, placed_at, status, total_cents
"""

PLACE_ITEMS = """
    INSERT INTO order_items (order_id, product_id, product_name, price_cents, quantity)
    SELECT %(order)s, products.id, products.name, products.price_cents, bought.quantity
    FROM unnest(%(products)s::integer[], %(quantities)s::integer[]) AS bought (product_id, quantity)
    JOIN products ON products.id = bought.product_id
    ORDER BY products.id
"""

TAKE_FROM_STOCK = """
    UPDATE stock
    SET quantity = stock.quantity - bought.quantity
    FROM unnest(%(products)s::integer[], %(quantities)s::integer[]) AS bought (product_id, quantity)
    WHERE stock.product_id = bought.product_id
"""

# Only what was bought: something put into the basket since it was locked stays there.
EMPTY = """
    DELETE FROM basket_items
    WHERE customer_id = %(customer)s AND product_id = ANY (%(products)s::integer[])
"""


async def checkout(connection: Connection, customer: int) -> Row:
    """Turns a basket into an order, all or nothing, and returns the order. Raises EmptyBasket or SoldOut."""
    async with connection.transaction():
        lines = await (await connection.execute(LOCK, {"customer": customer})).fetchall()
        total = payable(lines)
        order = await (await connection.execute(PLACE, {"customer": customer, "total": total})).fetchone()
        assert order is not None
        values = {
            "customer": customer,
            "order": order["id"],
            "products": [line["product_id"] for line in lines],
            "quantities": [line["quantity"] for line in lines],
        }
        for statement in (PLACE_ITEMS, TAKE_FROM_STOCK, EMPTY):
            await connection.execute(statement, values)
    return order


def payable(lines: list[Row]) -> int:
    """What the lines of a basket cost, in cents. Raises EmptyBasket or SoldOut when they cannot be bought."""
    if not lines:
        raise EmptyBasket
    if any(line["quantity"] > line["in_stock"] for line in lines):
        raise SoldOut
    return sum(line["price_cents"] * line["quantity"] for line in lines)
