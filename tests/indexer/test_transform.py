"""What is done to features before they are stored and compared."""

import numpy as np
import pytest

from services.indexer.clustering import transforms
from shared.contracts.query import Metric
from shared.core.errors import BadVector, InvalidInput
from shared.maths.distances import prepared
from shared.maths.projection import Projection
from shared.snapshots.transform import Transform, read_projection, write_projection
from tests.floats import assert_same

pytestmark = pytest.mark.floats


@pytest.fixture
def features():
    """Four directions vary, each less than the one before; the rest is little noise."""
    rng = np.random.default_rng(0)
    spread = np.concatenate([[8, 4, 2, 1], np.full(28, 0.01)])
    return (100 + rng.normal(size=(400, 32)) * spread).astype(np.float32)


def test_pca_keeps_what_tells_the_collection_apart(features):
    transform = transforms.learned("pca:4", features, 32)
    vectors = transform(features)
    assert vectors.shape == (400, 4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    points = prepared(features, Metric.COSINE)
    along = (points - points.mean(axis=0)) @ np.linalg.svd(points - points.mean(axis=0))[2][:4].T
    # Whitened by a quarter: each direction is divided by the 4th root of its spread.
    expected = prepared(along / along.std(axis=0) ** 0.25, Metric.COSINE)
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=2e-2)


def test_one_vector_comes_out_as_it_does_among_others(features):
    transform = transforms.learned("pca:8", features, 32)
    together = transform(features)
    for row in range(0, 400, 37):
        np.testing.assert_allclose(transform(features[row : row + 1])[0], together[row], atol=1e-6)


def test_it_reads_as_it_was_written(features, tmp_path):
    projection = Projection.learn(features, 8)
    assert write_projection(projection, tmp_path / "transform.hdf5") == 8
    again = Transform("pca:8", 32, read_projection(tmp_path / "transform.hdf5"))
    assert_same(again(features), Transform("pca:8", 32, projection)(features))


def test_it_travels_as_it_is(features):
    projection = Projection.learn(features, 8)
    again = Projection.from_bytes(projection.to_bytes(), 32)
    np.testing.assert_array_equal(again.mean, projection.mean)
    np.testing.assert_array_equal(again.axes, projection.axes)
    for data in (b"", b"x", projection.to_bytes()[: 4 * 32], projection.to_bytes()[:-4]):
        with pytest.raises(BadVector, match="features of 32 numbers"):
            Projection.from_bytes(data, 32)
    with pytest.raises(BadVector, match="not finite"):
        Projection.from_bytes(np.full((3, 32), np.nan, "<f4").tobytes(), 32)


def test_l2_brings_to_unit_length_and_leaves_zero(features):
    features[3] = 0
    vectors = transforms.learned("l2", features, 32)(features)
    np.testing.assert_allclose(np.linalg.norm(vectors[:3], axis=1), 1, atol=1e-6)
    assert not vectors[3].any()


@pytest.mark.parametrize(
    ("fingerprint", "rows", "dim", "expected"),
    [
        ("resnet50-1", 2500, 2048, "pca:128"),
        ("resnet50-1", 500, 2048, "none"),
        ("mini-1", 2500, 256, "none"),
        ("external:mine-2048", 2500, 2048, "none"),
    ],
)
def test_auto_is_what_measured_best(fingerprint, rows, dim, expected):
    assert transforms.chosen("auto", fingerprint, rows, dim) == expected


@pytest.mark.parametrize(
    ("wanted", "fingerprint", "said"),
    [("pca:300", "mini-1", "Ask for 256 at most"), ("l2", "external:mine-256", "Ask for `none`")],
)
def test_what_a_collection_cannot_have_is_refused(wanted, fingerprint, said):
    with pytest.raises(InvalidInput, match=said):
        transforms.chosen(wanted, fingerprint, 1000, 256)
