"""Services of benchmarks get ports that no connection takes meanwhile."""

import pytest

from tests.ports import free_port

# Those that start services by `shared.cli.service.free_port`, whose port is anybody's until then.
_STARTING = ("serving", "live", "embedding.contenders", "embedding.ingest")


@pytest.fixture(autouse=True)
def _ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _STARTING:
        monkeypatch.setattr(f"benchmarks.{name}.free_port", free_port)
