"""Against real photos and weights, where they are: skipped elsewhere."""

import random

import numpy as np
import pytest

from services.embedder.explaining.explainer import Explainer
from services.embedder.registry import load_backbone
from shared.media.images import decode

MOBILENET = "weights/mobilenet_v2_features.safetensors"
PHOTOS = "photos/caltech101"


def features(backbone, paths):
    rows = []
    for path in paths:
        pixels = backbone.preprocessing(decode(path.read_bytes()))
        rows.append(backbone.features([pixels])[0])
    unit = np.stack(rows)
    return unit / np.linalg.norm(unit, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def mobilenet(reference_data):
    return load_backbone("torchvision/mobilenet_v2", str(reference_data / MOBILENET))


def test_mobilenet_sees_that_likes_are_alike(mobilenet, reference_data):
    assert mobilenet.dim == 1280
    tags = ["butterfly", "airplanes", "sunflower"]
    folders = [reference_data / PHOTOS / tag for tag in tags]
    unit = features(mobilenet, [path for f in folders for path in sorted(f.glob("*.jpg"))[:6]])
    similar = (unit @ unit.T).reshape(3, 6, 3, 6).mean(axis=(1, 3))
    assert (similar.argmax(axis=1) == np.arange(3)).all()


def test_squeezenet_loads(reference_data):
    weights = str(reference_data / "weights/squeezenet1_1.safetensors")
    assert load_backbone("torchvision/squeezenet1_1", weights).dim == 512


@pytest.mark.slow
def test_mobilenet_retrieves_as_well_as_was_measured(mobilenet, reference_data):
    """mAP 0.600, P@1 0.831, leave-one-out over the 2,500 photos."""
    paths = sorted((reference_data / PHOTOS).glob("*/*.jpg"))
    unit = features(mobilenet, paths)
    tags = np.array([path.parent.name for path in paths])
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    relevant = tags[np.argsort(-similar, axis=1)[:, :-1]] == tags[:, None]
    precision = np.cumsum(relevant, axis=1) / np.arange(1, len(paths))
    mean_average_precision = ((precision * relevant).sum(1) / relevant.sum(1)).mean()
    assert mean_average_precision == pytest.approx(0.600, abs=0.005)
    assert relevant[:, 0].mean() == pytest.approx(0.831, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mini", "mobilenet"])
def test_heat_maps_of_100_pairs_sum_to_their_cosine(name, mobilenet, reference_data):
    backbone = mobilenet if name == "mobilenet" else load_backbone("mini")
    paths = random.Random(0).sample(sorted((reference_data / PHOTOS).glob("*/*.jpg")), 200)
    pictures = [backbone.preprocessing(decode(path.read_bytes())) for path in paths]
    unit = features(backbone, paths)
    explainer = Explainer()
    for i in range(0, 200, 2):
        found = explainer.pair(backbone, pictures[i : i + 2])
        assert not found.approximate
        assert found.cosine == pytest.approx(float(unit[i] @ unit[i + 1]), abs=1e-5)
        for grid in found.grids:
            assert abs(grid.sum() - found.cosine) < 1e-5
