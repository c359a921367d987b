"""Asks every route of the three services what their OpenAPI allows, and what it doesn't.

Schemathesis (Hatfield-Dodds & Dygalo, "Deriving Semantics-Aware Fuzzers from Web API Schemas",
ICSE 2022) makes up the calls and checks the answers; here it gets real services to ask.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.sample import draw_sample
from tests.e2e.engine import REPOSITORY, running

SERVICES = ("query", "indexer", "embedder")
PICTURES = "ISE_FUZZ_PICTURES"
"""Tells Schemathesis' process of a folder of pictures: the one that may be ingested."""

_CONFIG = Path(__file__).with_name("schemathesis.toml")
_KEY = "a-key-for-the-campaign"
_UNEXPECTED = ("unexpected ", "Traceback ")
"""What a service logs where something happened that nobody thought of."""

_SHOWN = 5000


@dataclass(frozen=True)
class Outcome:
    """What became of one service; `faults` is empty where all answers were in order."""

    service: str
    told: str
    faults: list[str]


def outcomes(
    folder: Path, examples: int, seed: int, services: Sequence[str] = SERVICES
) -> Iterator[Outcome]:
    """Asks one service after the other, which all run; `examples`: of each operation and phase."""
    sample = draw_sample(folder / "sample", count=40, seed=3)
    logs = folder / "logs"
    with running(folder / "data", logs, ISE_API_KEY=_KEY, ISE_VERSION_SECONDS="1") as engine:
        engine.ingest(sample, clusters=4)
        for name in services:
            url = f"{engine.group.url(name)}/openapi.json"
            asked = _ask(url, sample.parent, examples, seed)
            faults = [f"a check failed (exit code {asked.returncode})"] if asked.returncode else []
            engine.group.check()
            faults += [found for log in logs.glob("*.log") if (found := _unexpected(log))]
            yield Outcome(name, asked.stdout, faults)


def _ask(url: str, pictures: Path, examples: int, seed: int) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("schemathesis")
    return subprocess.run(
        [
            command,
            *("--config-file", _CONFIG),
            *("run", url, "--no-color", "--checks", "all"),
            *("--max-examples", str(examples), "--seed", str(seed)),
        ],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "ISE_API_KEY": _KEY,
            PICTURES: str(pictures),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _unexpected(log: Path) -> str:
    """The first that nobody thought of, with the lines after it; empty where all was thought of."""
    text = log.read_text()
    places = [text.find(sign) for sign in _UNEXPECTED if sign in text]
    return f"{log.name}: {text[min(places) :][:_SHOWN]}" if places else ""
