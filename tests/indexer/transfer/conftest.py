"""Two indexers without an embedder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.indexer.running import Service

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Service]:
    """An indexer without an embedder."""
    with Service(tmp_path / "data", NOWHERE, embed_attempts=1) as found:
        yield found


@pytest.fixture
def second(tmp_path: Path) -> Callable[..., Service]:
    """Another indexer, on a data folder of its own."""
    return lambda url=NOWHERE, **changes: Service(
        tmp_path / "second", url, embed_attempts=1, **changes
    )
