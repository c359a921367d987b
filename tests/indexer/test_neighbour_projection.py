"""A projection that scales down what pictures that look alike differ in."""

import numpy as np

from services.indexer.clustering import neighbour_projection, transforms
from shared.contracts.query import Metric
from shared.maths.distances import prepared
from shared.maths.projection import Projection
from shared.snapshots.transform import Transform

CLASSES, EACH, DIM = 60, 25, 32


def collection():
    """Classes that 12 directions tell apart, and 4 directions of wide light that tell nothing."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), EACH)
    features = rng.normal(size=(len(labels), DIM)) * 0.3
    features[:, :12] += rng.normal(size=(CLASSES, 12))[labels]
    features[:, 12:16] += rng.normal(size=(len(labels), 4)) * 1.2
    return labels, (3 + features).astype(np.float32)


def precision_at_10(vectors, labels):
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :10]
    return (labels[nearest] == labels[:, None]).mean()


def test_classes_are_told_apart_better_than_by_pca_though_nobody_names_them():
    labels, features = collection()
    by_neighbours = transforms.learned("pca:16", features, DIM)(features)
    by_pca = Transform("pca:16", DIM, Projection.learn(features, 16))(features)
    assert by_neighbours.shape == by_pca.shape
    assert precision_at_10(by_neighbours, labels) > precision_at_10(by_pca, labels) + 0.02


def test_pictures_that_it_was_not_learnt_from_gain_too():
    labels, features = collection()
    new = np.arange(len(labels)) % 5 == 0
    gained = []
    for learn in (neighbour_projection.learn, Projection.learn):
        transform = Transform("pca:16", DIM, learn(features[~new], 16))
        cosines = transform(features[new]) @ transform(features[~new]).T
        nearest = np.argsort(-cosines, axis=1)[:, :10]
        gained.append((labels[~new][nearest] == labels[new][:, None]).mean())
    assert gained[0] > gained[1] + 0.02


def test_mutual_neighbours_are_those_of_brute_force():
    rng = np.random.default_rng(1)
    points = prepared(rng.normal(size=(300, 8)).astype(np.float32), Metric.COSINE)
    cosines = points @ points.T
    np.fill_diagonal(cosines, -np.inf)
    near = np.zeros((300, 300), bool)
    np.put_along_axis(near, np.argsort(-cosines, axis=1)[:, :5], True, axis=1)
    found = neighbour_projection.mutual_neighbours(points, 5)
    assert sorted(map(tuple, found.tolist())) == [
        (a, b) for a, b in np.argwhere(near & near.T).tolist() if a < b
    ]


def test_few_pictures_and_copies_of_one_are_left_to_pca():
    _, features = collection()
    few = transforms.learned("pca:8", features[:500], DIM)
    np.testing.assert_array_equal(few.projection.axes, Projection.learn(features[:500], 8).axes)
    copies = np.repeat(features[:1], 1200, axis=0)
    found = neighbour_projection.learn(copies, 8)
    assert found.axes.shape == (DIM, 8)
    assert np.isfinite(found.axes).all()


def test_near_copies_are_left_out_so_that_neighbours_are_other_pictures():
    rng = np.random.default_rng(2)
    points = prepared(rng.normal(size=(40, 16)).astype(np.float32), Metric.COSINE)
    copies = points + 0.02 * rng.normal(size=points.shape).astype(np.float32)
    both = prepared(np.concatenate([points, copies]), Metric.COSINE)
    np.testing.assert_array_equal(neighbour_projection.without_copies(both), np.arange(40))
