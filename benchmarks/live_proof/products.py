"""The load of the live proof: one endpoint of the storefront, asked for as fast as it answers."""

from __future__ import annotations

from locust import FastHttpUser, constant, task


class Browser(FastHttpUser):
    """Looks at one page of the product list after the other."""

    wait_time = constant(0)
    page = 0

    @task
    def products(self) -> None:
        self.page = self.page % 20 + 1
        self.client.get(f"/products?page={self.page}", name="/products")
