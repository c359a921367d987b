"""Many clients at once, some of whom send poison, on a real embedder."""

import os
import random
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.clients import embedder
from shared.core.errors import BadImage, ISEError
from tests import poison
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine
from tests.e2e.processes import children, resident_bytes

CLIENTS = 16
MIB = 2**20

Outcome = NDArray[np.float32] | ISEError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def good(sample: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(sample.parent.rglob("*.jpg"))]


def embedded(engine: Engine, data: bytes) -> Outcome:
    try:
        return engine.embedder.send(embedder.embed_images([data])).vectors[0]
    except ISEError as error:
        return error


def under_load(engine: Engine, files: Sequence[bytes], kill_after: int) -> list[Outcome]:
    """Each file's outcome; once so many are answered, the processes that decode are killed."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        working = [clients.submit(embedded, engine, data) for data in files]
        working[kill_after].result()
        for pid in children(engine.group.pids()["embedder"]):
            # One that meets a bad file may have ended by itself.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return [future.result() for future in working]


def mixed(good: list[bytes], bad: list[bytes], count: int) -> list[bytes]:
    """So many files in random order, one of twenty bad, each kind of bad among them."""
    rng = random.Random(1)
    poisoned = [bad[i % len(bad)] for i in range(max(len(bad), count // 20))]
    files = poisoned + [rng.choice(good) for _ in range(count - len(poisoned))]
    rng.shuffle(files)
    return files


def check(files: list[bytes], outcomes: list[Outcome], alone: dict[bytes, Outcome]) -> None:
    for data, outcome in zip(files, outcomes, strict=True):
        if data in alone:
            assert isinstance(outcome, np.ndarray), outcome
            assert cosine(outcome, alone[data]) >= 0.999
        else:
            assert isinstance(outcome, BadImage), outcome
            assert [item["index"] for item in outcome.extra["items"]] == [0]
            assert outcome.extra["items"][0]["error"]


def cosine(one: Outcome, other: Outcome) -> float:
    assert isinstance(one, np.ndarray)
    assert isinstance(other, np.ndarray)
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def test_poison_among_many_requests_hurts_nobody(engine: Engine, good: list[bytes]) -> None:
    alone = {data: embedded(engine, data) for data in good[:40]}
    files = mixed(good[:40], poison.quick(good[0]), 160)
    outcomes = under_load(engine, files, kill_after=40)
    engine.group.wait_ready(timeout=300)
    check(files, outcomes, alone)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(1200)
def test_a_thousand_requests_and_poison_that_costs_time_and_memory(
    start: Start, good: list[bytes]
) -> None:
    bad = [*poison.quick(good[0]), poison.scan_bomb(), poison.plain_png(9000, 9000)]
    limits = {"ISE_DECODE_SECONDS": "10", "ISE_DECODE_BYTES": str(256 * MIB)}
    with start(**limits) as engine:
        pid = engine.group.pids()["embedder"]
        alone = {data: embedded(engine, data) for data in good}
        files = mixed(good, bad, 1000)
        first = under_load(engine, files, kill_after=300)
        after_one = resident_bytes(pid)
        second = under_load(engine, files, kill_after=700)
        after_two = resident_bytes(pid)
        engine.group.wait_ready(timeout=300)
    check(files, first, alone)
    check(files, second, alone)
    assert after_two - after_one < 64 * MIB
