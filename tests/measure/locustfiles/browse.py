"""An ordinary scenario: everything that a counting pass has to walk through."""

from __future__ import annotations

import os
import random

from locust import FastHttpUser, MarkovTaskSet, SequentialTaskSet, TaskSet, constant, task, transition


class Checkout(SequentialTaskSet):
    @task
    def fill(self) -> None:
        self.client.post("/fast/cart", json={"product": 7})

    @task
    def pay(self) -> None:
        self.client.post("/fast/pay")
        self.interrupt()  # type: ignore[no-untyped-call]

    @task
    def never(self) -> None:
        self.client.get("/fast/never")


class Reading(TaskSet):
    def on_start(self) -> None:
        self.client.get("/fast/reading")

    @task(3)
    def read(self) -> None:
        self.client.get(f"/fast/reviews/{random.randrange(10**6)}")

    @task
    def leave(self) -> None:
        self.interrupt(reschedule=False)  # type: ignore[no-untyped-call]

    @task
    class Deeper(TaskSet):
        @task
        def deep(self) -> None:
            self.client.get("/fast/deep")
            self.wait()  # type: ignore[no-untyped-call]


class Wandering(MarkovTaskSet):
    @transition("there")
    def here(self) -> None:
        self.client.get("/fast/here")

    @transition("here")
    def there(self) -> None:
        self.client.get("/fast/there")


class Visitor(FastHttpUser):
    wait_time = constant(1000)
    tasks = [Checkout, Wandering]  # noqa: RUF012

    def on_start(self) -> None:
        for _ in range(os.urandom(1)[0]):
            random.random()  # the counted part must not depend on how much chance came before it
        self.client.post("/fast/login", json={"chance": random.random()})

    def on_stop(self) -> None:
        self.client.post("/fast/logout")

    @task(5)
    def products(self) -> None:
        self.client.get(f"/fast/products?page={random.randrange(10**6)}")
        with self.client.get("/status/404/x", name="missing", catch_response=True) as response:
            response.success()

    @task
    def broken(self) -> None:
        self.client.get("/status/500")

    reading = task(Reading)


class Admin(FastHttpUser):
    fixed_count = 1

    @task
    def report(self) -> None:
        self.client.get("/fast/report")
