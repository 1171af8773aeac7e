"""An editor who logs in and looks through the pages in Wagtail's admin."""

import random
import re

from locust import FastHttpUser, between, task

WORDS = ("amber", "anchor", "apple", "autumn", "bridge", "candle", "copper", "forest", "garden", "harbour")
LOGIN = {"username": "editor", "password": "a password for measurements"}
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Editor(FastHttpUser):
    """Has a session of Django's, kept in a cookie; each task is one request of somebody who is logged in."""

    wait_time = between(0.02, 0.06)

    def on_start(self) -> None:
        """Log in as a browser does: with the token of the form."""
        form = TOKEN.search(self.client.get("/admin/login/").text or "")
        assert form, "there is no form to log in with"
        self.client.post("/admin/login/", data={**LOGIN, "csrfmiddlewaretoken": form[1]})
        assert "sessionid" in {cookie.name for cookie in self.client.cookiejar}, "the login was refused"

    @task
    def dashboard(self) -> None:
        self.client.get("/admin/", name="/admin/")

    @task(2)
    def listing(self) -> None:
        self.client.get("/admin/pages/3/", name="/admin/pages/{id}/")

    @task
    def search(self) -> None:
        self.client.get(f"/admin/pages/search/?q={random.choice(WORDS)}", name="/admin/pages/search/")
