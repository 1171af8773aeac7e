"""The pytest plugin: an option and fixtures. Everything else is imported only when `--perfgate` is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfgate.gate import Recorder, ServiceUnderTest

_GATE = "perfgate-gate"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add perfgate's options."""
    group = parser.getgroup("perfgate", "performance budgets")
    group.addoption("--perfgate", action="store_true", help="Measure, and add a test for each rule of budgets.yaml.")
    group.addoption("--perfgate-config", metavar="FILE", default="budgets.yaml", help="The budgets file.")
    group.addoption("--perfgate-profile", metavar="NAME", help="A profile of the budgets file.")
    group.addoption("--perfgate-base", metavar="REF", default="", help="Measure this commit beside yours; or `none`.")
    group.addoption("--perfgate-strict", action="store_true", help="What could not be decided fails.")


def pytest_configure(config: pytest.Config) -> None:
    """Bring in the gate when it is wanted."""
    if config.getoption("--perfgate"):
        from perfgate.gate import Gate

        config.pluginmanager.register(Gate(config), _GATE)


def _needed(request: pytest.FixtureRequest) -> object:
    gate = request.config.pluginmanager.get_plugin(_GATE)
    if gate is None:
        pytest.skip("needs `pytest --perfgate`")
    return gate


@pytest.fixture(scope="session")
def perfgate_service(request: pytest.FixtureRequest) -> Iterator[ServiceUnderTest]:
    """The service of budgets.yaml, running over a freshly made database: `.url`, `.database_url`."""
    gate = _needed(request)
    with gate.service() as service:  # type: ignore[attr-defined]
        yield service


@pytest.fixture
def perfgate_sample(request: pytest.FixtureRequest) -> Recorder:
    """Adds a value of a metric of the test's own: `perfgate_sample("custom.search", 0.12, unit="s")`."""
    gate = _needed(request)
    recorder: Recorder = gate.recorder  # type: ignore[attr-defined]
    return recorder
