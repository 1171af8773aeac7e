"""People who read: the front page, sections, articles and the search."""

import random

from locust import FastHttpUser, between, task

# What `manage.py fill` made.
SECTIONS = ("arts", "books", "cities", "food", "garden", "music", "science", "sport", "travel", "work")
WORDS = ("amber", "anchor", "apple", "autumn", "bridge", "candle", "copper", "forest", "garden", "harbour")
ARTICLES = 20


class Reader(FastHttpUser):
    """Goes from page to page; each task is one request that stands for itself."""

    wait_time = between(0.02, 0.06)

    @task
    def front(self) -> None:
        self.client.get("/", name="/")

    @task
    def section(self) -> None:
        self.client.get(f"/{random.choice(SECTIONS)}/", name="/{section}/")

    @task(2)
    def article(self) -> None:
        section, number = random.choice(SECTIONS), random.randint(1, ARTICLES)
        self.client.get(f"/{section}/{section}-{number}/", name="/{section}/{article}/")

    @task
    def search(self) -> None:
        self.client.get(f"/search/?query={random.choice(WORDS)}", name="/search/")
