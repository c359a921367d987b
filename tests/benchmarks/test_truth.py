"""What counts as found is decided by distance, in float64."""

import numpy as np
import pytest

from benchmarks import truth


def test_any_of_several_equally_far_ones_counts():
    vectors = np.array([[0], [1], [-1], [1], [3]], np.float32)
    query = np.zeros(1, np.float32)
    away, _ = truth.nearest([vectors], query[None], k=2)

    def recall_of(*rows):
        measured = truth.distances(vectors, query, np.array(rows))
        return truth.recall(measured, away[0, 1], k=2)

    assert recall_of(0, 1) == recall_of(0, 2) == recall_of(0, 3) == 1
    assert recall_of(1, 2) == 1
    assert recall_of(0, 4) == 0.5
    assert recall_of(4) == 0


def test_more_ties_than_k_are_no_more_than_all():
    measured = np.array([1.0, 1.0, 1.0])
    assert truth.recall(measured, kth=1.0, k=2) == 1


def test_a_distance_beyond_rounding_is_a_miss():
    assert truth.recall(np.array([1 + 1e-9]), kth=1.0, k=1) == 0


@pytest.mark.parametrize("cuts", [(), (7,), (20, 90)])
def test_exact_answers_do_not_depend_on_the_blocks(cuts):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(120, 5)).astype(np.float32)
    queries = rng.normal(size=(9, 5)).astype(np.float32)
    away, rows = truth.nearest(np.split(vectors, cuts), queries, k=4)
    brute = np.linalg.norm(vectors.astype(float)[None] - queries.astype(float)[:, None], axis=2)
    np.testing.assert_array_equal(rows, np.argsort(brute, axis=1)[:, :4])
    np.testing.assert_allclose(away, np.sort(brute, axis=1)[:, :4], rtol=1e-12)


def test_vectors_that_float32_can_not_tell_apart_are_ordered():
    # Far from zero, where squares cancel out.
    vectors = np.array([[1000, 0.003], [1000, 0.001], [1000, 0.002]], np.float32)
    _, rows = truth.nearest([vectors], np.array([[1000, 0]], np.float32), k=3)
    assert rows.tolist() == [[1, 2, 0]]
