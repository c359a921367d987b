"""Damaged pictures through real decoding processes: none ends, none grows."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from services.embedder.batching.lanes import Lane
from services.embedder.decoding.decoder import Decoded, DecodeLimits
from services.embedder.decoding.pool import Decoders, File
from services.embedder.decoding.task import Task
from services.embedder.preprocess import Preprocessing
from shared.core.errors import BadImage
from tests import bombs
from tests.e2e.processes import resident_bytes
from tests.fuzz.mutation import mutants

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIC")
MIB = 2**20
TASK = Task(Preprocessing((64, 64), (56, 48)), max_pixels=1_000_000)
_AT_ONCE = 64

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def seeds() -> Iterator[bytes]:
    """Pictures of each format, and of its other kinds: animated, progressive, tagged."""
    exif = Image.Exif()
    exif[0x0112] = 6
    other = [Image.radial_gradient("L").resize((64, 48))]
    for kind in KINDS:
        yield bombs.saved(kind)
    yield bombs.saved("JPEG", progressive=True, exif=exif)
    yield bombs.saved("PNG", image=Image.linear_gradient("L").convert("P"), exif=exif)
    yield bombs.saved("TIFF", compression="tiff_lzw", exif=exif)
    for kind in ("GIF", "WEBP", "PNG"):
        yield bombs.saved(kind, save_all=True, append_images=other)


def damaged(count: int) -> list[bytes]:
    """So many, as many of each."""
    originals = list(seeds())
    each = -(-count // len(originals))
    return [mutant for n, data in enumerate(originals) for mutant in mutants(data, each, seed=n)][
        :count
    ]


async def outcomes(decoders: Decoders, files: list[bytes]) -> Counter[str]:
    """How many are pictures, and how many are refused with a sentence."""
    lane = Lane(bulk=False)
    found: Counter[str] = Counter()
    for start in range(0, len(files), _AT_ONCE):
        some = files[start : start + _AT_ONCE]
        answers = await asyncio.gather(
            *(decoders.decode(lane, File(data, TASK)) for data in some), return_exceptions=True
        )
        for data, answer in zip(some, answers, strict=True):
            if isinstance(answer, BadImage):
                assert answer.detail.endswith("."), answer.detail
                found["refused"] += 1
            else:
                assert not isinstance(answer, BaseException), (answer, data[:200])
                assert isinstance(answer[0], Decoded)
                found["decoded"] += 1
    return found


def state_of(pid: int) -> tuple[int, int]:
    """Bytes of memory, and open files."""
    return resident_bytes(pid), len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.slow
def test_ten_thousand_damaged_pictures_end_no_process_and_leak_nothing() -> None:
    # The first tenth warms the processes up; the rest must leave them as they are then.
    count = 10_000
    files = damaged(count)
    files = files[::10] + [data for n, data in enumerate(files) if n % 10]

    async def scenario() -> tuple[Counter[str], list[tuple[int, int]], list[tuple[int, int]], int]:
        async with Decoders(2, DecodeLimits(20.0, 1024 * MIB)) as decoders:
            found = await outcomes(decoders, files[: count // 10])
            before = [state_of(pid) for pid in decoders.pids]
            found += await outcomes(decoders, files[count // 10 :])
            return found, before, [state_of(pid) for pid in decoders.pids], decoders.replaced

    found, before, after, replaced = asyncio.run(scenario())
    assert replaced == 0
    assert found["refused"] + found["decoded"] == count
    assert found["refused"] > count // 10
    assert found["decoded"] > count // 10
    assert max(memory for memory, _ in after) - min(memory for memory, _ in before) < 64 * MIB
    assert {fds for _, fds in after} == {fds for _, fds in before}
