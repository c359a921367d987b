"""The parts of a form share one file without a name, which ends with the last of them."""

import gc
import os

import pytest

from shared.web.spool import Spool


def test_a_spool_that_nobody_closed_closes_with_its_parts(tmp_path):
    spool = Spool(str(tmp_path))
    part = spool.begin()
    part.write(b"abc")
    fd = part.fileno()
    # As of a request that was cancelled, in one circle with its traceback.
    part.circle = spool.circle = [part, spool]
    del part, spool
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_part_of_a_spool_reads_as_a_file(tmp_path):
    spool = Spool(str(tmp_path))
    first = spool.begin()
    first.write(b"first")
    lines = spool.begin()
    lines.write(b"one\ntwo\n" + b"x" * 100_000 + b"\nlast")
    lines.seek(0)
    assert [len(line) for line in lines] == [4, 4, 100_001, 4]
    lines.seek(-4, os.SEEK_END)
    assert (lines.read(), lines.read(5), lines.tell()) == (b"last", b"", 100_013)
    first.seek(1)
    assert first.read(100) == b"irst"
    descriptor = first.fileno()
    for part in (first, first, lines):
        part.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
