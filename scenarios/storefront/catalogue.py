"""Products: pages of them, in a category or with given words, and one with all there is to know of it."""

from __future__ import annotations

from scenarios.storefront.database import Connection, Row

PAGE_SIZE = 24

# The page is cut before the joins, so that skipped products are not joined for nothing.
PAGE = """
    SELECT page.id, page.name, page.price_cents, categories.slug AS category, stock.quantity > 0 AS in_stock
    FROM (
        SELECT id, category_id, name, price_cents
        FROM products
        ORDER BY name, id
        LIMIT %(limit)s OFFSET %(offset)s
    ) AS page
    JOIN categories ON categories.id = page.category_id
    JOIN stock ON stock.product_id = page.id
    ORDER BY page.name, page.id
"""

PAGE_OF_CATEGORY = """
    SELECT page.id, page.name, page.price_cents, %(category)s::text AS category, stock.quantity > 0 AS in_stock
    FROM (
        SELECT id, name, price_cents
        FROM products
        WHERE category_id = (SELECT id FROM categories WHERE slug = %(category)s)
        ORDER BY name, id
        LIMIT %(limit)s OFFSET %(offset)s
    ) AS page
    JOIN stock ON stock.product_id = page.id
    ORDER BY page.name, page.id
"""

PAGE_OF_SEARCH = """
    SELECT products.id, products.name, products.price_cents, categories.slug AS category,
           stock.quantity > 0 AS in_stock
    FROM products
    JOIN categories ON categories.id = products.category_id
    JOIN stock ON stock.product_id = products.id
    WHERE products.words @@ websearch_to_tsquery('english', %(words)s)
      AND (%(category)s = '' OR categories.slug = %(category)s)
    ORDER BY products.name, products.id
    LIMIT %(limit)s OFFSET %(offset)s
"""


async def page(connection: Connection, number: int, category: str = "", words: str = "") -> tuple[list[Row], bool]:
    """The products of page `number` (counted from 1) by name, and whether there is a next page.

    One row more than fits is asked for: cheaper than a count of everything, and all that a "next" link needs to know.
    """
    statement = PAGE_OF_SEARCH if words else PAGE_OF_CATEGORY if category else PAGE
    values = {"category": category, "words": words, "limit": PAGE_SIZE + 1, "offset": (number - 1) * PAGE_SIZE}
    rows = await (await connection.execute(statement, values)).fetchall()
    return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE


PRODUCT = """
    SELECT products.id, products.name, products.description, products.price_cents, categories.slug AS category,
           stock.quantity AS in_stock, rating.stars, rating.reviewed
    FROM products
    JOIN categories ON categories.id = products.category_id
    JOIN stock ON stock.product_id = products.id
    CROSS JOIN LATERAL (
        SELECT round(avg(reviews.stars), 2)::float8 AS stars, count(*) AS reviewed
        FROM reviews
        WHERE reviews.product_id = products.id
    ) AS rating
    WHERE products.id = %(product)s
"""

LATEST_REVIEWS = """
    SELECT reviews.stars, reviews.body, reviews.written_at, customers.name AS written_by
    FROM reviews
    JOIN customers ON customers.id = reviews.customer_id
    WHERE reviews.product_id = %(product)s
    ORDER BY reviews.written_at DESC
    LIMIT 5
"""


async def product(connection: Connection, product: int) -> Row | None:
    """A product with category, stock, rating and its latest reviews; None when there is no such product."""
    values = {"product": product}
    found = await (await connection.execute(PRODUCT, values)).fetchone()
    if found is None:
        return None
    return found | {"reviews": await (await connection.execute(LATEST_REVIEWS, values)).fetchall()}
