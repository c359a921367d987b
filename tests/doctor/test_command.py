"""`ise doctor` as a command, beside real services."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.conftest import start as start
from tests.e2e.engine import REPOSITORY, Engine

pytestmark = pytest.mark.slow


def doctor(engine: Engine, **env: str) -> tuple[int, list[dict[str, Any]]]:
    told = {f"ISE_{name.upper()}_URL": engine.group.url(name) for name in engine.group.pids()}
    told |= {"ISE_DATA_DIR": str(engine.data_dir)} | env
    done = subprocess.run(
        [sys.executable, "-m", "shared.cli.main", "doctor", "--json"],
        cwd=REPOSITORY,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("ISE_")}, **told},
        capture_output=True,
        text=True,
        timeout=240,
    )
    body = json.loads(done.stdout)
    assert body["ok"] == (done.returncode == 0), done.stderr
    return done.returncode, body["findings"]


def test_a_set_up_that_works_and_the_same_with_a_wrong_key_and_model(start: Start) -> None:
    with start(ISE_API_KEY="right") as engine:
        code, found = doctor(engine, ISE_API_KEY="right")
        levels = {one["subject"]: one["level"] for one in found}
        assert code == 0, found
        assert {levels[name] for name in ("query", "indexer", "embedder", "key", "model")} == {"ok"}

        code, found = doctor(engine, ISE_API_KEY="wrong", ISE_WEIGHTS="/none.safetensors")
        told = [one["sentence"] for one in found if one["level"] == "problem"]
        assert code == 1
        assert sum("refuses the key" in one for one in told) == 3
        assert any("there is no file /none.safetensors" in one for one in told)
