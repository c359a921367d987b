"""Real services as processes, over HTTP, on real files."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from demo.sample import draw_sample
from tests.e2e.engine import REFERENCE, Engine, running

Start = Callable[..., AbstractContextManager[Engine]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts the services on this test's data folder: `with start(ISE_X="y") as engine`."""
    return lambda **env: running(tmp_path / "data", tmp_path / "logs", **env)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a drawn collection."""
    return draw_sample(tmp_path_factory.mktemp("sample"), count=160, seed=3)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Engine]:
    """Services that have the drawn collection. Tests that change it put it back."""
    folder = tmp_path_factory.mktemp("engine")
    with running(folder / "data", folder / "logs") as running_engine:
        running_engine.ingest(sample, clusters=8)
        yield running_engine


@pytest.fixture(scope="session")
def reference() -> Path:
    if not REFERENCE.is_dir():
        pytest.skip(f"the reference data is not at {REFERENCE}; ISE_REFERENCE_DATA names it")
    return REFERENCE


@pytest.fixture(scope="session")
def photos(reference: Path) -> list[Path]:
    """2,500 real photos; the folder of each is its tag."""
    return sorted((reference / "photos" / "caltech101").glob("*/*.jpg"))


@pytest.fixture
def shuffled(photos: list[Path]) -> list[Path]:
    return random.Random(1).sample(photos, len(photos))
