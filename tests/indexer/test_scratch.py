import numpy as np
import pytest

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.segments.scratch_vectors import kept_on_disk


def rows_of(ordinals):
    places = np.zeros(len(ordinals), np.int64)
    return FeatureRows(np.array(ordinals, np.int64), places, places)


def blocks(table):
    for start in range(0, len(table), 7):
        yield start, table[start : start + 7]


def test_vectors_are_read_as_often_as_one_likes_whole_or_in_part_and_then_are_gone(tmp_path):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(20, 3)).astype(np.float32)
    where = rows_of(rng.permutation(20) + 100)
    with kept_on_disk(tmp_path, where, blocks(table)) as read:
        for _ in range(2):
            found = np.concatenate([block for _, block in read(where)])
            assert np.array_equal(found, table)
        some = rows_of(where.ordinals[[3, 11, 12]])
        assert [start for start, _ in read(some)] == [0]
        assert np.array_equal(next(iter(read(some)))[1], table[[3, 11, 12]])
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_making_them_fails(tmp_path):
    def broken():
        yield 0, np.ones((2, 3), np.float32)
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(OSError, match="No space"),
        kept_on_disk(tmp_path, rows_of([1, 2]), broken()),
    ):
        pytest.fail("it went on")
    assert list(tmp_path.iterdir()) == []
