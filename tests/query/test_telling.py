"""Probabilities that tell nothing are not told; those of a tag say how surely it is shown."""

import numpy as np
import pytest

from services.query.search.space import Space
from shared.contracts.calibration import TAG, Calibration
from shared.contracts.query import Metric
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from tests.query.test_space import one_list

pytestmark = pytest.mark.floats


def curve(space: str, brier: float, **more: object) -> Calibration:
    given = {
        "space": space,
        "metric": Metric.COSINE,
        "scores": [-1.0, 1.0],
        "probabilities": [0.0, 1.0],
        "queries": 1,
        "pairs": 100,
        "expected_error": 0,
        "brier": brier,
        "base_rate_brier": 0.2,
        "predicted": [],
        "matched": [],
    }
    return Calibration.model_validate(given | more)


def test_what_is_no_better_than_the_mean_is_null(tmp_path):
    index = one_list(tmp_path)
    telling = Space("model", index, calibration=[curve("visual", 0.1)])
    assert telling.chances([0.0], Metric.COSINE) == [pytest.approx(0.5)]
    silent = Space("model", index, calibration=[curve("visual", 0.2)])
    assert silent.chances([0.0], Metric.COSINE) == [None]
    assert not silent.is_calibrated(Metric.COSINE)


def test_a_tag_is_shown_the_more_surely_the_more_alike_its_carriers_are(tmp_path):
    rows = np.tile(np.float32([[1.0, 0.1], [1.0, -0.1]]), (3, 1))
    rows[5] = [-1.0, 0.3]
    writer = PostingsWriter(
        tmp_path / "p", Partition(rows[:1], Metric.COSINE), np.zeros(6, np.int64), np.arange(6)
    )
    writer.put(0, rows)
    writer.close()
    index = InvertedIndex([Postings(tmp_path / "p")], Metric.COSINE)
    space = Space("model", index, calibration=[curve(TAG, 0.1)])
    # It is no curve of scores.
    assert space.chances([0.0], Metric.COSINE) == [None]
    carriers = np.arange(6)
    told = space.tag_chances(carriers, carriers)
    assert min(told[:5]) > 0.9 > 0.1 > told[5]
    assert space.tag_chances(carriers[:3], carriers[:2]) == [None, None]
    assert Space("model", index).tag_chances(carriers, carriers[:2]) == [None, None]
