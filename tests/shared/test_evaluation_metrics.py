"""Figures of ranked answers, against values worked out by hand."""

import numpy as np
import pytest

from shared.evaluation import metrics

RANKED = np.array([True, False, True, False, False])


def test_average_precision_counts_what_was_never_found():
    assert metrics.average_precision(RANKED, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.average_precision(RANKED, 4) == pytest.approx((1 + 2 / 3) / 4)
    assert metrics.average_precision(np.zeros(5, bool), 3) == 0


def test_precision_and_recall_at_k():
    assert metrics.precision(RANKED, 1) == 1
    assert metrics.precision(RANKED, 10) == pytest.approx(0.2)
    assert metrics.recall(RANKED, 1, 4) == 0.25
    assert metrics.recall(RANKED, 5, 4) == 0.5


def test_ndcg_is_1_where_the_best_stand_first():
    assert metrics.ndcg(np.array([True, True, False]), 10, 2) == pytest.approx(1)
    expected = (1 + 1 / 2) / (1 + 1 / np.log2(3))
    assert metrics.ndcg(RANKED, 10, 2) == pytest.approx(expected)


def test_the_interval_of_a_mean_shrinks_with_the_root_of_the_number():
    rng = np.random.default_rng(0)
    few = metrics.interval(rng.normal(1, 1, 100))
    many = metrics.interval(rng.normal(1, 1, 10_000))
    assert few.low < few.mean < few.high
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.3)
    assert few.high - few.low == pytest.approx(2 * 1.96 / 10, rel=0.25)
