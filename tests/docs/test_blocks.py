"""The blocks of the documents run as they're written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.embedder.config import EmbedderSettings
from services.indexer.config import IndexerSettings
from services.query.config import QuerySettings
from tests.e2e.conftest import Start
from tests.e2e.engine import REPOSITORY, Engine

_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


# What sets up anew, and what serves until it is ended.
_OTHERS = re.compile(r"^make |ise up$", re.MULTILINE)


def script_of(document: Path) -> str:
    """All blocks as one shell script: what one sets, the next has."""
    parts = ["set -euo pipefail"]
    for language, block in _BLOCK.findall(document.read_text(encoding="utf-8")):
        if _OTHERS.search(block):
            continue
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


needs_programs = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("curl")),
    reason="the blocks need curl and jq (apt-get install curl jq)",
)


@needs_programs
def test_readme(start: Start, home: Path) -> None:
    # `curl` fails as it does not by itself, where a call is refused.
    script = script_of(REPOSITORY / "README.md").replace("curl ", "curl -sSf ")
    with start() as engine:
        output = run(script, engine, HOME=str(home))
    assert "1.000" in output
    assert '"mode":"semantic"' in output
    assert '"state":"queued"' in output


def test_every_setting_of_the_example_is_one() -> None:
    text = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^#ISE_([A-Z_]+)=", text, re.MULTILINE)
    kinds = (EmbedderSettings, IndexerSettings, QuerySettings)
    known = {name.upper() for kind in kinds for name in kind.model_fields}
    assert set(named) <= known
    assert len(named) == len(set(named))


def test_what_errors_name_is_in_the_example() -> None:
    example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    sources = [p for top in ("services", "shared") for p in (REPOSITORY / top).rglob("*.py")]
    named = {name for p in sources for name in re.findall(r"ISE_[A-Z_]+[A-Z]", p.read_text())}
    assert {name for name in named if name not in example} == {"ISE_DEBUG"}


@needs_programs
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
