"""Small folders of photos, by the command that a new user gives, with the services as processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.clients import indexer, query
from tests.e2e.engine import REPOSITORY, Engine, running
from tests.indexer.running import until

TAGS = ["dog", "car", "tree", "house", "horse", "boat", "bird", "chair", "xqzzt", "train", "qvvxj"]
A_FOLDER = 6


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("small")
    with running(folder / "data", folder / "logs") as found:
        yield found


def photos(root: Path, folders: int) -> Path:
    """Six pictures in each of some folders; other ones for each number of folders."""
    for number in range(folders * A_FOLDER):
        blocks = np.random.default_rng([folders, number]).integers(0, 256, (4, 5, 3), np.uint8)
        path = root / TAGS[number % folders] / f"{folders}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blocks).resize((64, 48), Image.Resampling.NEAREST).save(path)
    return root


def ise(engine: Engine, *arguments: str) -> Any:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ISE_")}
    env |= {
        "ISE_DATA_DIR": str(engine.data_dir),
        "ISE_QUERY_URL": engine.group.url("query"),
        "ISE_INDEXER_URL": engine.group.url("indexer"),
        "ISE_EMBEDDER_URL": engine.group.url("embedder"),
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ise")), *arguments, "--json"],
        cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_eight_folders_of_six_photos_each_are_taken_in_by_one_command(
    engine: Engine, tmp_path: Path
) -> None:
    job = ise(engine, "ingest", str(photos(tmp_path / "photos", 8)))
    assert job["state"] == "succeeded"
    assert (job["result"]["images"], job["result"]["failed"]) == (48, 0)
    assert job["result"]["report"]["terms"] == 8
    assert "skipped_steps" not in job["result"]
    assert job["progress"]["eta_s"] is None
    assert {"embedding", "training the matching network", "clustering", "publishing"} <= set(
        job["progress"]["seconds"]
    )
    for tag in TAGS[:8]:
        assert len(engine.ask(query.search_term(tag, limit=100)).hits) == A_FOLDER
    assert engine.ask(query.search_term("puppy", limit=5)).mode == "semantic"
    until(
        lambda: (
            engine.ask(query.get_stats()).learning
            == engine.indexer.send(indexer.get_stats()).learning
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("folders", [1, 2, 9, 10, 11])
def test_any_number_of_folders_is_taken_in_by_one_command(folders: int, tmp_path: Path) -> None:
    with running(tmp_path / "data", tmp_path / "logs") as engine:
        job = ise(engine, "ingest", str(photos(tmp_path / "photos", folders)))
        assert job["result"]["images"] == folders * A_FOLDER
        for tag in TAGS[:folders]:
            assert len(engine.ask(query.search_term(tag, limit=100)).hits) == A_FOLDER
