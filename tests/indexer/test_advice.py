"""What an index's health advises, and the figures that it goes by."""

import numpy as np
import pytest

from services.indexer.measuring.cluster_quality import imbalance
from services.indexer.segments import health


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clusters": 1, "images": 3000}, "3,000 images are one cluster, scanned whole."),
        ({"drift": 1.5}, "1.50 times as far"),
        ({"growth": 3.0, "images": 6000}, "3.0 times the images"),
        ({"growth": 3.0, "images": 60}, None),
        ({"imbalance": 4.0, "imbalance_at_build": 1.5}, "uneven (4.00, 1.50 when"),
        ({}, None),
    ],
)
def test_the_advice_says_why_and_what_to_do(changes, said):
    whole = {"snapshot": 1, "clusters": 64, "images": 2500, "imbalance": 1.2, "drift": 1.01}
    found = health._advice(health.IndexHealth(**(whole | changes)))
    if said is None:
        assert found is None
    else:
        assert said in found
        assert "`ise build`" in found


@pytest.mark.parametrize(
    ("sizes", "expected"), [([5, 5, 5], 1), ([9, 0, 0], 3), ([], 1), ([0, 0], 1), ([1, 3], 1.25)]
)
def test_imbalance_is_the_work_relative_to_even_lists(sizes, expected):
    assert imbalance(np.array(sizes, np.int64)) == pytest.approx(expected)
