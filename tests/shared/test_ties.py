"""Copies of a picture tie, whatever the last bits of their features are."""

import numpy as np
import pytest

from shared.contracts.query import Metric
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.ties import with_ties
from shared.maths.floats import SAME_FEATURES, furthest
from tests.shared.indexes import index_of

pytestmark = pytest.mark.floats

RNG = np.random.default_rng(3)
DIM = 32


def noisy(vectors, size=2e-6):
    """The vectors, as another engine would give them."""
    noise = RNG.normal(size=vectors.shape)
    noise *= np.linalg.norm(vectors, axis=1, keepdims=True) / np.linalg.norm(
        noise, axis=1, keepdims=True
    )
    return (vectors + size * noise).astype(np.float32)


def nearest(index: InvertedIndex, query, metric, k):
    asked = index.ask(query)
    found = index.scan(asked, index.rank(asked, index.clusters), k, metric)
    return found, with_ties(found, index.vectors, query)


@pytest.mark.parametrize("metric", Metric)
def test_copies_stand_together_at_one_distance_and_others_keep_theirs(tmp_path, metric):
    pictures = RNG.normal(size=(200, DIM)).astype(np.float32) * 7
    copies = noisy(np.repeat(pictures[:20], 3, axis=0))
    index = index_of(tmp_path, np.concatenate([pictures, copies]), 4, metric)
    query = noisy(pictures[:1], 0.5)[0]
    plain, found = nearest(index, query, metric, 260)
    assert len(found.ordinals) == 260
    assert np.all(np.diff(found.distances) >= 0)
    away = dict(zip(found.ordinals.tolist(), found.distances.tolist(), strict=True))
    for number in range(20):
        ordinals = [number, *range(200 + 3 * number, 203 + 3 * number)]
        assert len({away[ordinal] for ordinal in ordinals}) == 1
    assert len(set(away.values())) == 200
    before = dict(zip(plain.ordinals.tolist(), plain.distances.tolist(), strict=True))
    assert all(away[ordinal] == before[ordinal] for ordinal in range(20, 200))


def test_pictures_at_one_distance_that_are_no_copies_keep_their_order(tmp_path):
    query = np.zeros(DIM, np.float32)
    query[0] = 1
    # As far as each other from the query within 1e-7, in all directions.
    around = np.eye(DIM, dtype=np.float32)[1:]
    vectors = query + around * (1 + 1e-7 * np.arange(DIM - 1)[:, None]).astype(np.float32)
    index = index_of(tmp_path, vectors.astype(np.float32), 1, Metric.COSINE)
    plain, found = nearest(index, query, Metric.COSINE, 10)
    np.testing.assert_array_equal(found.ordinals, plain.ordinals)
    np.testing.assert_array_equal(found.distances, plain.distances)


def test_the_tolerance_lies_between_rounding_and_lower_precision():
    vectors = RNG.normal(size=(50, DIM)).astype(np.float32)
    assert furthest(noisy(vectors), vectors) <= SAME_FEATURES
    assert furthest(noisy(vectors, 2e-3), vectors) > SAME_FEATURES
    assert furthest(np.zeros_like(vectors), np.zeros_like(vectors)) == 0
    assert furthest(vectors, np.zeros_like(vectors)) == np.inf
    assert np.isnan(furthest(vectors[1:], vectors))
    assert np.isnan(furthest(vectors * np.nan, vectors))
