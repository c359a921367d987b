"""The end-to-end tests' services and pictures, and a home that has some."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import pytest_runtest_makereport, sample, start

__all__ = ["pytest_runtest_makereport", "sample", "start"]


@pytest.fixture
def home(tmp_path: Path, sample: Path) -> Path:
    """A home with pictures whose folders are their tags."""
    for path in sorted(sample.parent.rglob("*.jpg"))[::2]:
        folder = tmp_path / "home" / "Pictures" / path.stem.split("-")[0]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    return tmp_path / "home"
