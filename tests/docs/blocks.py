"""The code blocks of a document, and how they are run: as they're written, by bash."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.engine import Engine

_PARTS = re.compile(
    r"^## (?P<section>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_SHOWN = ("", "json")
"""What is there to be looked at: drawings, answers."""

needs_programs = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("curl")),
    reason="the blocks need curl and jq (apt-get install curl jq)",
)


class Block(NamedTuple):
    section: str
    language: str
    text: str

    @property
    def script(self) -> str:
        if self.language == "sh":
            return self.text
        assert self.language == "python", f"nothing here runs {self.language}"
        return f"python - <<'BLOCK'\n{self.text}BLOCK\n"


def blocks_of(document: Path) -> list[Block]:
    """All that a reader may run, in order."""
    found, section = [], ""
    for part in _PARTS.finditer(document.read_text(encoding="utf-8")):
        if part["section"]:
            section = part["section"]
        elif part["language"] not in _SHOWN:
            found.append(Block(section, part["language"], part["text"]))
    return found


def script_of(blocks: Iterable[Block]) -> str:
    """Blocks as one script: what one sets, the next has."""
    return "\n".join(["set -euo pipefail", *(block.script for block in blocks)])


def environment(**changes: str) -> dict[str, str]:
    """This process's, less what a user's has not; `ise` and `python` are those that run the tests.

    The tests may be run by `make`, which tells its own what it calls so.
    """
    ours = ("ISE_", "MAKE", "MFLAGS", "PYTEST_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    # Reading text would take the processor from what is shown, and publish beside it.
    kept["ISE_OCR"] = "off"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # The engine's client looks for its settings and plugins in a home that may be another one.
    docker = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    return {**kept, "PATH": path, "DOCKER_CONFIG": docker, **changes}


def urls_of(engine: Engine) -> dict[str, str]:
    """Settings by which `ise` finds services on ports that aren't the usual ones."""
    return {f"ISE_{n.upper()}_URL": engine.group.url(n) for n in ("query", "indexer", "embedder")}


def run(script: str, folder: Path, env: dict[str, str], timeout: float = 240) -> str:
    """Runs a script to its end, which must be a good one; gives what it printed."""
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@contextmanager
def serving(
    script: str, folder: Path, env: dict[str, str], log: Path
) -> Iterator[Callable[[], bool]]:
    """Runs a script that serves until Ctrl-C, which the end of the `with` block presses.

    Gives a function that says whether it still runs.
    """
    with log.open("w") as out:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield lambda: process.poll() is None
    finally:
        if process.poll() is None:
            # As a terminal does, to all that run in it.
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def until(condition: Callable[[], bool], seconds: float, log: Path) -> None:
    """Waits for something to be true; fails with the end of a log."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, log.read_text()[-4000:]
        time.sleep(0.5)
