"""The changes that copies are made by, and the other local features that are compared."""

import numpy as np
import pytest
from PIL import ImageOps

from benchmarks.duplicates.changes import CHANGES, moved
from benchmarks.duplicates.local_features import described
from services.indexer.comparing.evidence import compare
from services.indexer.comparing.look import look_at
from tests.indexer.duplicates.drawing import scene, thumbnail


@pytest.mark.parametrize("change", [*CHANGES.values(), moved], ids=[*CHANGES, "moved"])
def test_a_change_gives_another_picture_and_the_same_one_by_the_same_seed(change):
    first, again = (change(scene(1), np.random.default_rng(7)) for _ in range(2))
    assert first.mode == "RGB"
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert not np.array_equal(np.asarray(first), np.asarray(scene(1)))


@pytest.mark.parametrize("kind", ["orb", "orb-500"])
@pytest.mark.parametrize("change", [ImageOps.mirror, lambda image: image.rotate(90, expand=True)])
def test_bits_find_a_mirrored_and_a_turned_picture(kind, change):
    first, copy = (described(look_at(thumbnail(one)), kind) for one in (scene(3), change(scene(3))))
    other = described(look_at(thumbnail(scene(4))), kind)
    assert compare(first, copy).inliers > 20
    assert compare(first, other).inliers < 8
