"""The short soak: two minutes of everything at once."""

import os
import sys

import pytest

from tests.soak.levels import MIB, Level, level, rises
from tests.soak.run import soaking


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_two_minutes_of_everything_fails_nothing_and_holds_no_more_at_its_end(tmp_path):
    # The first third is not judged: a slow machine takes half a minute to warm up.
    # Long enough that the least of each fifth is without what is let go some seconds later, such as
    # segments that were removed.
    told = soaking(tmp_path, rounds=30, seconds=4)
    assert told.failures == []
    assert told.rises == []
    assert told.server_errors == []
    assert {"searches", "uploads", "deletions", "builds", "failing clients"} <= set(told.done)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_segment_that_is_held_after_its_removal_counts(tmp_path):
    path = tmp_path / "visual-1.hdf5"
    before = level(os.getpid()).files
    with path.open("w"):
        assert level(os.getpid()).files == before
        path.unlink()
        assert level(os.getpid()).files == before + 1


def test_what_rises_is_told_and_what_comes_and_goes_is_not():
    def rounds(*held: tuple[int, int]) -> list[dict[str, Level]]:
        return [{"query": Level(100 * MIB + MIB * more, 20 + files)} for more, files in held]

    assert rises(rounds(*((i % 2 * 12, i % 3 * 4) for i in range(12)))) == []
    # What is held after the first rounds is held for good.
    assert rises(rounds((0, 0), (40, 9), *[(60, 15)] * 10)) == []
    assert rises(rounds(*((4 * i, 0) for i in range(12)))) == [
        "the memory of the query rose by 28 MiB"
    ]
    # Nor is it what is open at the moment, between the least that is.
    assert rises(rounds(*((0, i * (i % 3)) for i in range(24)))) == []
    assert rises(rounds(*((0, 2 * i) for i in range(12)))) == [
        "the open files of the query rose by 14"
    ]
