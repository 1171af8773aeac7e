"""The checkout scenario: people who know what they want, fill a basket, look at it and buy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from locust import FastHttpUser, between, task

# What seed.sql made.
PRODUCTS = 3000
CUSTOMERS = 1500

# So many worker processes can shop at a time, each as customers of its own.
MOST_WORKERS = 10

shopping: set[int] = set()


@contextmanager
def somebody(worker: int) -> Iterator[int]:
    """A customer whom no other user is shopping as: two with one basket would buy it from under each other."""
    own = range(worker % MOST_WORKERS + 1, CUSTOMERS + 1, MOST_WORKERS)
    customer = random.choice([number for number in own if number not in shopping])
    shopping.add(customer)
    try:
        yield customer
    finally:
        shopping.discard(customer)


class Shopper(FastHttpUser):
    """Each task is a whole purchase, so that it can be made at any time and leaves the basket empty."""

    wait_time = between(0.05, 0.15)

    @task(3)
    def buy_one(self) -> None:
        self.buy(products=1)

    @task(1)
    def buy_several(self) -> None:
        self.buy(products=4)

    def buy(self, products: int) -> None:
        """Adds that many different products to the basket of somebody, looks at the basket and buys what is in it."""
        with somebody(getattr(self.environment.runner, "worker_index", 0)) as customer:
            for product in random.sample(range(1, PRODUCTS + 1), products):
                wanted = {"product_id": product, "quantity": random.randint(1, 3)}
                self.client.post(f"/basket/{customer}", json=wanted, name="/basket/{customer}")
            self.client.get(f"/basket/{customer}", name="/basket/{customer}")
            self.client.post(f"/checkout/{customer}", name="/checkout/{customer}")
