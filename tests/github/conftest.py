from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.github.fake import Hub, serve


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve() as served:
        yield served
