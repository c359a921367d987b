"""The fake services in a thread, and `ise` run against them in this process."""

import importlib.util
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.cli.main import main


def _load() -> ModuleType:
    name = "ise_fake_services"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "fake_services.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def services() -> ModuleType:
    """The module of the fake services."""
    return _load()


@dataclass
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def fake(services: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The state of running fake services, which the settings point to."""
    state = services.Fake()
    server = services.Server(state)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        for name in ("QUERY", "INDEXER", "EMBEDDER"):
            monkeypatch.setenv(f"ISE_{name}_URL", server.url)
        monkeypatch.chdir(tmp_path)  # Away from anyone's `.env`.
        yield state
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def ise(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command: `ise("search", "--term", "cat")`."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(arguments)
        return Outcome(code, *capsys.readouterr())

    return run
