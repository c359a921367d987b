"""The changes that copies are made by."""

import numpy as np
import pytest

from benchmarks.duplicates.changes import CHANGES, moved
from tests.indexer.duplicates.drawing import scene


@pytest.mark.parametrize("change", [*CHANGES.values(), moved], ids=[*CHANGES, "moved"])
def test_a_change_gives_another_picture_and_the_same_one_by_the_same_seed(change):
    first, again = (change(scene(1), np.random.default_rng(7)) for _ in range(2))
    assert first.mode == "RGB"
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert not np.array_equal(np.asarray(first), np.asarray(scene(1)))
