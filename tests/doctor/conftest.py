"""Nothing is set where these tests run."""

import os
from pathlib import Path

import pytest

from tests.postgres import postgres

__all__ = ["postgres"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ISE_")]:
        monkeypatch.delenv(name)
    # Where no `.env` is.
    monkeypatch.chdir(tmp_path)
