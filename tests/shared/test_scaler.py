"""Thumbnails are made in processes of limited memory and time, which a bad file ends alone."""

import io
import os
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image

from shared.core.budget import MIB, Budget
from shared.core.errors import BadImage
from shared.core.settings import ServiceSettings
from shared.media.limited.scaler import ScaleLimits, Scaler
from shared.media.limited.weight import decoding_weight

RESTING = 512 * MIB


def png(width: int, height: int) -> bytes:
    """A picture of one colour: few bytes for its many pixels."""
    row = b"\0" + b"\x40\x80\xc0" * width
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        summed = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + summed

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def small_jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(out, "JPEG")
    return out.getvalue()


@contextmanager
def scaling(**options: object) -> Iterator[Scaler]:
    scaler = Scaler(**options)
    try:
        yield scaler
    finally:
        scaler.close()


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_thumbnail_is_a_jpeg_of_the_size_that_was_asked_for():
    with scaling() as scaler:
        with Image.open(io.BytesIO(scaler.thumbnail(small_jpeg(), 64, 10**8))) as found:
            assert (found.format, found.size) == ("JPEG", (64, 48))
        with pytest.raises(BadImage, match="format"):
            scaler.thumbnail(b"no picture", 64, 10**8)
        assert scaler.replaced == 0


def test_a_picture_of_too_much_memory_fails_alone_and_takes_none_of_the_service():
    large = png(6000, 6000)
    with scaling(limits=ScaleLimits(memory_bytes=RESTING - 200 * MIB), count=1) as scaler:
        scaler.thumbnail(small_jpeg(), 64, 10**8)
        before = resident()
        with pytest.raises(BadImage, match="ISE_DECODE_BYTES"):
            scaler.thumbnail(large, 64, 10**8)
        assert resident() - before < 36 * MIB
        assert scaler.thumbnail(small_jpeg(), 64, 10**8)


def test_a_picture_of_too_much_time_fails_alone():
    limits = ScaleLimits(seconds=0.05)
    with scaling(limits=limits, count=1) as scaler:
        with pytest.raises(BadImage, match="ISE_DECODE_SECONDS"):
            scaler.thumbnail(png(6000, 6000), 64, 10**8)
        assert scaler.replaced == 1


def test_a_process_that_gets_no_processor_for_long_loses_no_file():
    with scaling(limits=ScaleLimits(seconds=0.5), count=1) as scaler:
        scaler.thumbnail(small_jpeg(), 64, 10**8)
        [process] = scaler._idle
        pid = process._process.pid
        os.kill(pid, signal.SIGSTOP)
        later = threading.Timer(1.0, os.kill, (pid, signal.SIGCONT))
        later.start()
        # More than the socket holds, so that sending waits too.
        assert scaler.thumbnail(png(64, 64) + bytes(4 * MIB), 64, 10**8)
        later.join()
        assert scaler.replaced == 0


def test_a_process_that_waits_for_ever_is_replaced():
    with scaling(limits=ScaleLimits(seconds=0.1), count=1) as scaler:
        scaler.thumbnail(small_jpeg(), 64, 10**8)
        os.kill(scaler._idle[0]._process.pid, signal.SIGSTOP)
        with pytest.raises(BadImage, match="ISE_DECODE_SECONDS"):
            scaler.thumbnail(small_jpeg(), 64, 10**8)
        assert scaler.replaced == 1


def test_a_process_that_was_killed_loses_no_file():
    with scaling(count=1) as scaler:
        scaler.thumbnail(small_jpeg(), 64, 10**8)
        [process] = scaler._idle
        os.kill(process._process.pid, signal.SIGKILL)
        process._process.wait()
        assert scaler.thumbnail(small_jpeg(), 64, 10**8)
        assert scaler.replaced == 1


def test_large_pictures_are_decoded_one_after_the_other_within_the_budget():
    large = png(3000, 3000)
    weight = decoding_weight(large)
    assert weight >= 3000 * 3000 * 8
    budget = Budget(int(1.5 * weight), "ISE_MEMORY")
    with scaling(memory=budget, count=2) as scaler:
        found: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: found.append(scaler.thumbnail(large, 64, 10**8)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 3
    assert budget.highest == weight + len(large)
    assert budget.taken == 0


def pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


@pytest.mark.slow
@pytest.mark.alone
def test_two_pictures_of_100_megapixels_stay_within_the_memory_of_a_service():
    settings = ServiceSettings(_env_file=None)
    large = png(10_000, 10_000)
    assert len(large) < 2 * MIB
    budget = Budget(settings.memory * MIB, "ISE_MEMORY")
    limits = ScaleLimits(settings.decode_seconds, settings.decoder_bytes)
    found: list[bytes] = []
    with scaling(limits=limits, memory=budget, count=2) as scaler:
        # Both processes are at rest before.
        begun = [scaler._taken() for _ in range(2)]
        for process in begun:
            scaler._give_back(process)
        pids = [process._process.pid for process in begun]
        before = resident() + sum(map(pss, pids))
        threads = [
            threading.Thread(target=lambda: found.append(scaler.thumbnail(large, 320, 10**8)))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        most = before
        while any(thread.is_alive() for thread in threads):
            with suppress(OSError):
                most = max(most, resident() + sum(map(pss, pids)))
        assert scaler.replaced == 0
    assert len(found) == 2
    assert most - before < settings.memory * MIB


@pytest.mark.parametrize(
    ("kind", "options", "least", "most"),
    [
        ("JPEG", {}, 2, 3),
        ("JPEG", {"progressive": True}, 8, 9),
        ("JPEG", {"comment": "x" * 60_000}, 2, 3),
        ("PNG", {}, 9, 10),
        ("WEBP", {}, 9, 10),
    ],
)
def test_the_memory_of_a_picture_is_known_by_its_head(kind, options, least, most):
    out = io.BytesIO()
    Image.new("RGB", (3000, 2000), "teal").save(out, kind, **options)
    pixels = 3000 * 2000
    assert least * pixels <= decoding_weight(out.getvalue()) < most * pixels


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"]
)
def test_a_file_without_a_head_counts_for_little(data):
    assert decoding_weight(data) == 4 * MIB


def test_a_file_that_waits_for_a_process_holds_no_memory(monkeypatch):
    budget = Budget(1024 * MIB, "ISE_MEMORY")
    began, go_on = threading.Event(), threading.Event()
    with scaling(memory=budget, count=1) as scaler:
        scaled = scaler._scaled

        def slow(*args: object) -> bytes:
            began.set()
            assert go_on.wait(60)
            return scaled(*args)

        monkeypatch.setattr(scaler, "_scaled", slow)
        data = small_jpeg()
        threads = [
            threading.Thread(target=scaler.thumbnail, args=(data, 64, 10**6)) for _ in range(3)
        ]
        try:
            threads[0].start()
            assert began.wait(60)
            for thread in threads[1:]:
                thread.start()
            threads[1].join(0.2)
            assert budget.taken == decoding_weight(data) + len(data)
        finally:
            go_on.set()
            for thread in threads:
                thread.join(60)
        assert budget.taken == 0
