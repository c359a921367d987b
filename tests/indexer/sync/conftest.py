"""A collection that follows a folder."""

from pathlib import Path

import pytest

from tests.indexer.following import collection
from tests.indexer.sync.sources import folder


@pytest.fixture
def here(tmp_path):
    with collection(tmp_path / "data") as found:
        yield found


@pytest.fixture
def root(tmp_path) -> Path:
    return folder(tmp_path / "source", {"a.png": "a", "dog/b.png": "b", "dog/c.png": "c"})
