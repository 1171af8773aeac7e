"""The trend is part of the vocabulary: it computes, and knows neither rooms nor the world."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_house import IMPURE_MODULES, PACKAGE, imports

MAY_IMPORT = {"model", "units", "stats", "errors", "trend"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "trend").rglob("*.py")), ids=lambda path: path.name)
def test_the_trend_imports_the_vocabulary_and_neither_clock_disk_nor_numpy(path: Path) -> None:
    names = [name.split(".") for name in imports(path)]
    assert {name[1] for name in names if name[0] == "perfgate"} <= MAY_IMPORT
    assert not {name[0] for name in names} & {*IMPURE_MODULES, "numpy", "scipy"}
