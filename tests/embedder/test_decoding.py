"""Real decoding processes, on real and on hostile files."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from services.embedder.batching.lanes import Lane
from services.embedder.decoding.decoder import DecodeLimits
from services.embedder.decoding.pool import Decoders, File
from services.embedder.decoding.task import Task
from services.embedder.images import ImageEmbedder, Limits
from services.embedder.preprocess import Preprocessing
from shared.core.budget import Budget
from shared.core.errors import BadImage, Unavailable
from shared.media.images import decode
from tests import poison

PREPROCESSING = Preprocessing(resize=(64, 64), crop=(56, 48), interpolation="bicubic")
TASK = Task(PREPROCESSING, max_pixels=100_000_000)
MIB = 2**20


def pool(count=1, seconds=30.0, memory=1024 * MIB):
    return Decoders(count, DecodeLimits(seconds, memory))


async def all_of(decoders, files):
    """Pixels or error of each file, in order."""
    lane = Lane(bulk=False)
    answers = await asyncio.gather(
        *(decoders.decode(lane, File(data, TASK)) for data in files), return_exceptions=True
    )
    return [a if isinstance(a, BaseException) else a[0].pixels for a in answers]


def test_pixels_are_those_of_decoding_here(encoded):
    files = [encoded("JPEG", seed=i) for i in range(9)] + [encoded("WEBP"), encoded("PNG")]

    async def scenario():
        async with pool(2) as decoders:
            return await all_of(decoders, files)

    for pixels, data in zip(asyncio.run(scenario()), files, strict=True):
        np.testing.assert_array_equal(pixels, PREPROCESSING(decode(data)))


def test_a_file_that_fills_many_buffers_arrives_whole(encoded, picture):
    data = encoded("BMP", picture(size=(2000, 1500)))

    async def scenario():
        async with pool() as decoders:
            return await all_of(decoders, [data])

    assert len(data) > 8 * MIB
    np.testing.assert_array_equal(asyncio.run(scenario())[0], PREPROCESSING(decode(data)))


def test_bad_files_fail_alone_and_cost_no_process(encoded):
    good = encoded()

    async def scenario():
        async with pool() as decoders:
            outcomes = await all_of(decoders, [good, *poison.quick(good), good])
            return outcomes, decoders.replaced

    (first, *bad, last), replaced = asyncio.run(scenario())
    assert all(isinstance(outcome, BadImage) for outcome in bad)
    assert "The file is empty." in bad[0].detail
    assert "1 x 1 pixels are too few" in bad[1].detail
    np.testing.assert_array_equal(first, last)
    assert replaced == 0


def test_a_file_that_takes_too_long_fails_alone(encoded):
    async def scenario():
        async with pool(2, seconds=3.0) as decoders:
            outcomes = await all_of(decoders, [encoded(), poison.scan_bomb(), encoded(), encoded()])
            return outcomes, decoders.replaced

    (first, slow, *others), replaced = asyncio.run(scenario())
    assert slow.detail == "It took over 3 seconds to decode (ISE_DECODE_SECONDS)."
    for other in others:
        np.testing.assert_array_equal(first, other)
    assert replaced == 1


def test_a_process_that_gets_no_processor_for_long_loses_no_file(encoded):
    async def scenario():
        async with pool(seconds=0.5) as decoders:
            [pid] = decoders.pids
            os.kill(pid, signal.SIGSTOP)
            answer = asyncio.create_task(all_of(decoders, [encoded()]))
            await asyncio.sleep(1.0)
            os.kill(pid, signal.SIGCONT)
            return (await answer)[0], decoders.replaced

    pixels, replaced = asyncio.run(scenario())
    np.testing.assert_array_equal(pixels, PREPROCESSING(decode(encoded())))
    assert replaced == 0


def test_a_process_that_waits_for_ever_is_replaced(encoded):
    async def scenario():
        async with pool(seconds=0.1) as decoders:
            os.kill(decoders.pids[0], signal.SIGSTOP)
            return await all_of(decoders, [encoded()]), decoders.replaced

    [stopped], replaced = asyncio.run(scenario())
    assert "ISE_DECODE_SECONDS" in stopped.detail
    assert replaced == 1


def test_a_file_that_needs_too_much_memory_fails_alone(encoded):
    files = [encoded(), poison.plain_png(9000, 9000), encoded()]

    async def scenario():
        async with pool(memory=256 * MIB) as decoders:
            return await all_of(decoders, files)

    first, large, last = asyncio.run(scenario())
    assert large.detail == (
        "It needs more memory to decode than 268,435,456 bytes (ISE_DECODE_BYTES)."
    )
    np.testing.assert_array_equal(first, last)


def test_a_file_over_which_two_processes_end_fails_alone(encoded):
    async def scenario():
        async with pool() as decoders:
            lane = Lane(bulk=False)
            slow = decoders.decode(lane, File(poison.scan_bomb(), TASK))
            working = asyncio.create_task(slow)
            others = asyncio.create_task(all_of(decoders, [encoded()] * 5))
            killed = set()
            while len(killed) < 2:
                for pid in set(decoders.pids) - killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                await asyncio.sleep(0.01)
            with pytest.raises(BadImage, match=r"The decoder broke down over it, twice\."):
                await working
            return await others, decoders.replaced

    others, replaced = asyncio.run(scenario())
    for pixels in others:
        np.testing.assert_array_equal(pixels, PREPROCESSING(decode(encoded())))
    assert replaced == 2


def test_killing_the_processes_costs_no_file(encoded):
    files = [encoded(seed=i) for i in range(200)]

    async def scenario():
        async with pool(2) as decoders:
            working = asyncio.create_task(all_of(decoders, files))
            killed = set(decoders.pids)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            outcomes = await working
            # Also one that is killed while it has nothing to do.
            idle = set(decoders.pids)
            for pid in idle:
                os.kill(pid, signal.SIGKILL)
            return outcomes + await all_of(decoders, files[:2]), killed & idle

    outcomes, same = asyncio.run(scenario())
    assert not same
    for pixels, data in zip(outcomes, files + files[:2], strict=True):
        np.testing.assert_array_equal(pixels, PREPROCESSING(decode(data)))


def test_those_who_left_are_skipped(encoded):
    async def scenario():
        async with pool() as decoders:
            leaving = asyncio.create_task(all_of(decoders, [poison.scan_bomb()] * 50))
            await asyncio.sleep(0)
            leaving.cancel()
            return await all_of(decoders, [encoded()])

    assert asyncio.run(scenario())[0].shape == (56, 48, 3)


def test_those_who_wait_at_the_end_are_answered():
    async def scenario():
        async with pool() as decoders:
            waiting = asyncio.create_task(all_of(decoders, [poison.scan_bomb()] * 3))
            await asyncio.sleep(0.1)
            pids = decoders.pids
        return await asyncio.wait_for(waiting, 60), pids

    outcomes, pids = asyncio.run(scenario())
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert not any(map(alive, pids))


def test_no_process_to_be_had_is_told_and_passes(encoded, monkeypatch):
    async def scenario():
        async with pool() as decoders:
            with monkeypatch.context() as patch:
                patch.setattr(sys, "executable", "/no/such/python")
                os.kill(decoders.pids[0], signal.SIGKILL)
                (refused,) = await all_of(decoders, [encoded()])
                while decoders.failure is None:
                    await asyncio.sleep(0.01)
                (again,) = await all_of(decoders, [encoded()])
            while decoders.failure is not None:
                await asyncio.sleep(0.05)
            return refused, again, *await all_of(decoders, [encoded()])

    refused, again, pixels = asyncio.run(scenario())
    assert isinstance(refused, Unavailable)
    assert isinstance(again, Unavailable)
    assert "No decoding process can be started" in again.detail
    assert pixels.shape == (56, 48, 3)


def test_no_process_to_be_had_at_the_start_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")

    async def scenario():
        async with pool(2):
            pass

    with pytest.raises(Unavailable, match="No decoding process can be started"):
        asyncio.run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_loads_no_torch():
    async def scenario():
        async with pool() as decoders:
            return Path(f"/proc/{decoders.pids[0]}/maps").read_text()

    maps = asyncio.run(scenario())
    assert "PIL" in maps
    assert "torch" not in maps


OWNER = """
import asyncio, sys
from services.embedder.decoding.decoder import DecodeLimits
from services.embedder.decoding.pool import Decoders, File
from services.embedder.decoding.task import Task
from services.embedder.batching.lanes import Lane
from services.embedder.preprocess import Preprocessing
from tests import poison

async def main():
    async with Decoders(2, DecodeLimits(600, 2**30)) as decoders:
        print(*decoders.pids, flush=True)
        task = Task(Preprocessing((64, 64), (56, 48)), 10**8)
        await decoders.decode(Lane(False), File(poison.scan_bomb(), task))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux sees to it")
def test_processes_end_with_a_service_that_is_killed():
    repository = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=repository, stdout=subprocess.PIPE, text=True
    ) as owner:
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        owner.kill()
    end = time.monotonic() + 120
    while any(map(alive, pids)):
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # One that ended and that nobody has asked about is still listed.
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_picture_that_waits_too_long_for_a_process_is_told_so() -> None:
    class Waiting:
        async def decode(self, *_: object) -> None:
            await asyncio.sleep(60)

    backbone = SimpleNamespace(
        features=lambda batch: batch, preprocessing=TASK.preprocessing, fingerprint="m"
    )
    limits = Limits(1, 1, 10**6, 10**6, seconds=0.01)
    budget = Budget(10**9, "ISE_MEMORY")
    embedder = ImageEmbedder(backbone, lambda: backbone, Waiting(), limits, budget)
    with pytest.raises(Unavailable, match="ISE_EMBED_SECONDS"):
        asyncio.run(embedder.decode(b"picture"))
    assert budget.taken == 0
