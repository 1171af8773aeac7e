"""A service that sends every visitor to one page has not been measured, however well it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.projects import visit

REDIRECT = """\
plain = self.end_headers

def end_headers():
    self.send_header("Location", "/login?next=" + self.path)
    del self.end_headers
    plain()

self.status = 302 if self.path in {away} else 200
if self.status == 302:
    self.end_headers = end_headers
"""
LOCUSTFILE = """\
from locust import FastHttpUser, constant, task


class Visitor(FastHttpUser):
    wait_time = constant(0.005)

    @task
    def look(self):
        for page in ("/home", "/basket", "/orders"):
            self.client.get(page)
"""


@pytest.mark.parametrize("counting", ["counting: 0", "counting: 1"])
@pytest.mark.parametrize(("away", "code"), [(("/home", "/basket", "/orders"), 3), (("/home",), 0)])
def test_a_service_that_sends_all_pages_to_its_login_is_not_measured(
    tmp_path: Path, counting: str, away: tuple[str, ...], code: int
) -> None:
    project = visit(tmp_path)
    project.replace("budgets.yaml", "counting: 0", counting)
    project.write("visit.py", LOCUSTFILE)
    project.write("behaviour.py", REDIRECT.replace("{away}", repr(away)))
    ended, output, document = project.gate()
    assert ended == code, output
    assert ("3 of 3 pages ended on /login instead" in output) == (code == 3)
    assert {found["status"] for found in document["findings"]} == ({"invalid"} if code else {"pass"})
