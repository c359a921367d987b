"""The form of codes is chosen by counted work."""

import numpy as np
import pytest

from services.indexer.clustering import code_choice
from services.indexer.clustering.code_choice import learned_codes
from services.indexer.clustering.streaming import assign, train_centroids
from shared.contracts.query import Metric
from tests.shared.indexes import clustered

pytestmark = pytest.mark.floats


@pytest.fixture(scope="module")
def collection():
    vectors = clustered(4000, 48)
    centroids = train_centroids(vectors, 40, Metric.L2, seed=0)
    return vectors, assign([(0, vectors)], len(vectors), centroids, Metric.L2), centroids


def chosen(collection):
    vectors, lists, centroids = collection
    return learned_codes(vectors, vectors, lists, centroids, Metric.L2, 0)


def test_a_small_collection_is_given_the_usual_codes_without_a_trial(collection):
    codec, codes = chosen(collection)
    assert (codes.directions, codes.bytes, codes.trials) == (48, 12, [])
    assert codec.code_size == 12


def test_what_is_chosen_takes_the_least_work_of_all_and_is_the_same_each_time(
    collection, monkeypatch
):
    monkeypatch.setattr(code_choice, "_WORTH_A_TRIAL", 0)
    codec, codes = chosen(collection)
    again, told = chosen(collection)
    assert told == codes
    assert np.array_equal(again.codebooks, codec.codebooks)
    assert np.array_equal(again.projection, codec.projection)
    usual = codes.trials[0]
    assert (usual.directions, usual.bytes) == (48, 12)
    assert {(one.directions, one.bytes) for one in codes.trials} == {
        (48, 12), (24, 6), (24, 12), (48, 24)
    }  # fmt: skip
    [picked] = [one for one in codes.trials if (one.bytes, one.directions) == _form(codes)]
    assert picked is usual or picked.cost <= 0.9 * usual.cost
    assert picked is not usual or min(one.cost for one in codes.trials) > 0.9 * usual.cost
    assert codec.code_size == codes.bytes


def test_longer_codes_need_no_deeper_look(collection, monkeypatch):
    monkeypatch.setattr(code_choice, "_WORTH_A_TRIAL", 0)
    trials = {(one.directions, one.bytes): one for one in chosen(collection)[1].trials}
    for shallow, deep in (((48, 24), (48, 12)), ((48, 12), (24, 6))):
        pairs = zip(trials[shallow].depth, trials[deep].depth, strict=True)
        assert all(less <= more for less, more in pairs)
    # All look at the same lists.
    assert len({tuple(one.compared) for one in trials.values()}) == 1


def test_where_exact_looks_cost_nothing_short_codes_are_chosen(collection, monkeypatch):
    monkeypatch.setattr(code_choice, "_WORTH_A_TRIAL", 0)
    monkeypatch.setattr(code_choice, "_ROW_NS", 0.0)
    monkeypatch.setattr(code_choice, "_DIMENSION_NS", 0.0)
    assert chosen(collection)[1].bytes == 6
    monkeypatch.setattr(code_choice, "_DIMENSION_NS", 1e3)
    assert chosen(collection)[1].bytes > 12


def _form(codes):
    return codes.bytes, codes.directions


def test_a_part_of_too_few_rows_is_given_the_usual_codes(monkeypatch):
    # Beside a few images lies one list of more rows than are looked at, as of blank pages.
    few = np.arange(5 * 16, dtype=np.float32).reshape(5, 16)
    vectors = np.concatenate([few, np.full((300, 16), 100, np.float32)])
    lists = np.concatenate([np.zeros(5, np.int64), np.ones(300, np.int64)])
    centroids = np.stack([few.mean(axis=0), vectors[-1]])
    monkeypatch.setattr(code_choice, "_WORTH_A_TRIAL", 0)
    monkeypatch.setattr(code_choice, "_MOST_ROWS", 100)
    for seed in range(8):
        _, codes = learned_codes(vectors, vectors, lists, centroids, Metric.L2, seed)
        assert codes.bytes
