"""The browse scenario: people who look around, page by page and product by product."""

from __future__ import annotations

import random

from locust import FastHttpUser, between, task

# What seed.sql made.
PRODUCTS = 3000
CUSTOMERS = 1500
CATEGORIES = ("chairs", "tables", "beds", "lamps", "shelves", "carpets", "kitchen", "bath", "garden", "office")
MATERIALS = ("oak", "walnut", "birch", "steel", "brass", "linen", "wool", "bamboo", "glass", "leather")
THINGS = ("chair", "desk", "bed", "lamp", "shelf", "rug", "bowl", "mirror", "bench", "tray", "clock", "basket")

# Few people look further.
PAGES = 5


class Visitor(FastHttpUser):
    """Each task is one request that stands for itself.

    The waits are short, but long enough that eight visitors leave the service idle now and then: latency under a
    load that the service cannot follow tells of the queue and not of the code.
    """

    wait_time = between(0.01, 0.03)

    @task(4)
    def product_list(self) -> None:
        page = random.randint(1, PAGES)
        self.client.get(f"/products?page={page}", name="/products")

    @task(2)
    def category(self) -> None:
        category, page = random.choice(CATEGORIES), random.randint(1, PAGES)
        self.client.get(f"/products?category={category}&page={page}", name="/products?category")

    @task(2)
    def search(self) -> None:
        words = f"{random.choice(MATERIALS)}+{random.choice(THINGS)}"
        self.client.get(f"/products?q={words}", name="/products?q")

    @task(5)
    def product(self) -> None:
        self.client.get(f"/products/{random.randint(1, PRODUCTS)}", name="/products/{id}")

    @task(2)
    def orders(self) -> None:
        self.client.get(f"/customers/{random.randint(1, CUSTOMERS)}/orders", name="/customers/{id}/orders")
