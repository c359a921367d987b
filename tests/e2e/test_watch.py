"""`ise ingest --sync --watch` as a process, over real services."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.clients import query
from shared.media.identity import content_id
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine


def ids(engine: Engine, picture: Path) -> set[str]:
    answer = engine.ask(query.search_image(picture.read_bytes(), limit=1000))
    return {hit.id for hit in answer.hits}


def until(engine: Engine, picture: Path, wanted: set[Path]) -> None:
    end = time.monotonic() + 120
    expected = {content_id(path.read_bytes()) for path in wanted}
    while (found := ids(engine, picture)) != expected:
        assert time.monotonic() < end, f"{len(found)} images, not {len(expected)}"
        time.sleep(0.2)


@pytest.mark.slow
def test_a_watched_folder_is_followed_until_ctrl_c(
    start: Start, sample: Path, tmp_path: Path
) -> None:
    pictures = sorted(sample.parent.rglob("*.jpg"))[:8]
    folder = tmp_path / "watched"
    folder.mkdir()
    for path in pictures[:4]:
        shutil.copyfile(path, folder / path.name)
    with start() as engine:
        command = [sys.executable, "-m", "shared.cli.main", "ingest", str(folder)]
        env = {**os.environ, "ISE_INDEXER_URL": engine.group.url("indexer")}
        watching = subprocess.Popen(
            [*command, "--sync", "--watch", "--no-build"],
            env=env,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        try:
            until(engine, pictures[0], set(pictures[:4]))
            shutil.copyfile(pictures[5], folder / "new.jpg")
            until(engine, pictures[0], {*pictures[:4], pictures[5]})
            (folder / pictures[1].name).unlink()
            until(engine, pictures[0], {*pictures[:4], pictures[5]} - {pictures[1]})
            watching.send_signal(signal.SIGINT)
            _, said = watching.communicate(timeout=60)
        finally:
            watching.kill()
            watching.wait()
    assert watching.returncode == 0, said
    assert said.rstrip().endswith("is no longer watched.")
