"""The blocks of the documents run as they're written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.engine import REPOSITORY, Engine

_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script_of(document: Path) -> str:
    """All blocks as one shell script: what one sets, the next has."""
    parts = ["set -euo pipefail"]
    for language, block in _BLOCK.findall(document.read_text(encoding="utf-8")):
        parts.append(f"python - <<'BLOCK'\n{block}BLOCK" if language == "python" else block)
    return "\n".join(parts)


def run(script: str, engine: Engine, **env: str) -> str:
    """Runs a script against the services, wherever they listen."""
    for name, port in (("query", 8000), ("indexer", 8001), ("embedder", 8002)):
        script = script.replace(f"http://127.0.0.1:{port}", engine.group.url(name))
    urls = {f"ISE_{n.upper()}_URL": engine.group.url(n) for n in ("query", "indexer", "embedder")}
    bin_dir = Path(sys.executable).parent
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, **urls, **env, "PATH": f"{bin_dir}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture
def home(tmp_path: Path, sample: Path) -> Path:
    """A home with pictures whose folders are their tags."""
    for path in sorted(sample.parent.rglob("*.jpg"))[::2]:
        folder = tmp_path / "Pictures" / path.stem.split("-")[0]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    return tmp_path


@pytest.mark.skipif(shutil.which("jq") is None, reason="the blocks need jq (apt-get install jq)")
def test_api_document(start: Start, home: Path) -> None:
    pictures = home / "Pictures"
    picture = next(pictures.glob("tree/*.jpg"))
    with start() as engine:
        output = run(
            script_of(REPOSITORY / "docs" / "API.md"),
            engine,
            PICTURES=str(pictures),
            PICTURE=str(picture),
        )
    assert '["tag",["favourite"' in output.replace(" ", "") or '"favourite"' in output
    assert "semantic" in output
    assert "roll-back to snapshot" in output
    assert "[422," in output
