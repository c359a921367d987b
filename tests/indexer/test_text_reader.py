"""The process that reads text in pictures ends on none of them for good."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from services.indexer.reading.reader import ReaderProcess, TextReader, is_installed
from shared.core.errors import BadImage, Unavailable
from tests.indexer.signs import sign

needs_ocr = pytest.mark.skipif(not is_installed(), reason="the extra `ocr` is not installed")


def test_a_reader_that_can_not_start_takes_no_picture_for_unreadable(monkeypatch) -> None:
    started = []

    def ending(_, **options):
        started.append(subprocess.Popen([sys.executable, "-c", ""], **options))
        return started[-1]

    monkeypatch.setattr(
        "services.indexer.reading.reader.subprocess", SimpleNamespace(PIPE=-1, Popen=ending)
    )
    process = ReaderProcess("1", "100000000", "120", "1000000000")
    for _ in range(3):
        # Not BadImage, after which the picture would count as read.
        with pytest.raises(Unavailable, match="can't start"):
            process.read(b"picture")
    assert all(child.returncode is not None for child in started)
    process.close()


@needs_ocr
@pytest.mark.slow
def test_what_is_no_picture_takes_nothing_along() -> None:
    with TextReader(1, 10**8).opened() as reader:
        with pytest.raises(BadImage):
            reader.read(b"no picture")
        child = reader._child
        assert child is not None
        child.kill()
        with pytest.raises(BadImage, match="ended on this picture"):
            reader.read(sign("gone"))
        assert [word.text for word in reader.read(sign("back again"))] == ["back", "again"]
        assert reader.read(sign()) == []


@needs_ocr
@pytest.mark.slow
def test_a_picture_that_takes_too_much_of_the_processor_ends_its_reader_alone() -> None:
    with TextReader(1, 10**8, picture_cpu_s=0.01).opened() as reader:
        for _ in range(2):
            with pytest.raises(BadImage, match="took too long"):
                reader.read(sign("long"))


@needs_ocr
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_picture_that_takes_too_much_memory_costs_its_reader_nothing_else(huge_picture) -> None:
    with TextReader(1, 10**9, memory_bytes=2**28).opened() as reader:
        with pytest.raises(BadImage, match="Not enough memory"):
            reader.read(huge_picture)
        child = reader._child
        assert [word.text for word in reader.read(sign("small"))] == ["small"]
        assert reader._child is child


@needs_ocr
def test_a_reading_that_is_cancelled_ends_in_the_middle_of_a_picture() -> None:
    class Cancelled(Exception):
        pass

    stopped = []

    def check() -> None:
        if children and not stopped:
            stopped.append(os.kill(children[0].pid, signal.SIGSTOP))
        elif stopped:
            raise Cancelled

    children: list[subprocess.Popen[bytes]] = []
    with TextReader(1, 10**8).opened(check) as reader:
        reader.start()
        child = reader._child
        assert child is not None
        children.append(child)
        # It is as if it never got the processor, of which it has the lowest share.
        with pytest.raises(Cancelled):
            reader.read(sign("never"))
    assert child.returncode == -signal.SIGKILL
