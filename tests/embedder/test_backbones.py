import re

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.torchvision_backbone import drop_classifier
from services.embedder.backbones.weights import load_weights, read_weights
from services.embedder.hub import check_reachable
from services.embedder.preprocess import Preprocessing
from services.embedder.registry import load_backbone
from shared.core.errors import BadImage, Misconfigured
from tests.floats import assert_same

TIMM = {"resnet50": 2048, "inception_resnet_v2": 1536}
TORCHVISION = {
    "mobilenet_v2": 1280,
    "mobilenet_v3_small": 576,
    "squeezenet1_1": 512,
    "shufflenet_v2_x0_5": 1024,
    "mnasnet0_5": 1280,
    "googlenet": 1024,
}


@pytest.fixture
def saved(tmp_path):
    """Saves tensors as safetensors; gives the path."""

    def save(tensors):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.safetensors"
        safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path)
        return str(path)

    return save


def pixels(backbone, count, seed=0):
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, *backbone.preprocessing.crop, 3), dtype=np.uint8))


def random_weights(network):
    """Weights of the usual size; some networks start with ones that let nothing through."""
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("running_mean", "bias")):
            state[name] = torch.randn_like(tensor) / 100
    return state


@pytest.mark.parametrize(("name", "dim"), TIMM.items())
@pytest.mark.slow
def test_timm_networks_from_a_file(name, dim, timm, saved):
    weights = saved(random_weights(timm.create_model(name, num_classes=10)))
    backbone = load_backbone(name, weights)
    assert backbone.dim == dim
    assert backbone.fingerprint.startswith(f"{name}-")
    first, second = backbone.features(pixels(backbone, 2))
    assert first.shape == (dim,)
    assert first.dtype == np.float32
    assert not np.allclose(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dim", "pooling"),
    [
        ("vit_tiny_patch16_224", 192, "token"),
        # Of other kinds than its name says: with registers, and with SigLIP's attention pool.
        ("test_vit2", 64, "avg"),
        ("test_vit3", 96, "map"),
        ("vit_small_patch14_dinov2", 384, "token"),
    ],
)
def test_transformers_from_a_file(name, dim, pooling, timm, saved):
    network = timm.create_model(name, num_classes=0)
    assert network.global_pool == pooling
    network.load_state_dict(random_weights(network))
    backbone = load_backbone(name, saved(network.state_dict()))
    assert backbone.dim == dim
    batch = pixels(backbone, 2)
    first, second = backbone.features(batch)
    assert not np.allclose(first, second)
    images = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(network.default_cfg[x]).view(1, 3, 1, 1) for x in ("mean", "std"))
    with torch.no_grad():
        expected = network.eval()((images - mean) / std)
    np.testing.assert_allclose(np.stack([first, second]), expected, atol=1e-4)


@pytest.mark.parametrize(("name", "dim"), TORCHVISION.items())
def test_torchvision_networks_from_a_file(name, dim, torchvision_models, saved):
    options = {"init_weights": False} if name == "googlenet" else {}
    weights = saved(torchvision_models.get_model(name, **options).state_dict())
    backbone = load_backbone(f"torchvision/{name}", weights)
    assert backbone.dim == dim
    assert backbone.fingerprint.startswith(f"torchvision-{name}-")


@pytest.mark.parametrize(
    ("name", "dim", "side"),
    [("vgg11", 512, 64), ("convnext_tiny", 768, 64), ("vit_b_32", 768, 224), ("swin_t", 768, 64),
     ("densenet121", 1024, 64), ("efficientnet_b0", 1280, 64), ("alexnet", 256, 96)],
)  # fmt: skip
def test_the_classifier_is_found_and_dropped(name, dim, side, torchvision_models):
    with torch.device("meta"):
        network = torchvision_models.get_model(name).eval()
        drop_classifier(network)
        assert network(torch.zeros(2, 3, side, side)).shape == (2, dim)


def test_pooled_features_are_what_the_classifier_gets(torchvision_models, saved):
    network = torchvision_models.mobilenet_v2().eval()
    backbone = load_backbone("torchvision/mobilenet_v2", saved(network.state_dict()))
    batch = pixels(backbone, 1)
    images = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2) / 255
    mean, std = (
        torch.tensor(x).view(1, 3, 1, 1) for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    with torch.no_grad():
        expected = network.features((images - mean) / std).mean(dim=(2, 3))[0]
    np.testing.assert_allclose(backbone.features(batch)[0], expected, atol=1e-5)


def test_results_do_not_depend_on_the_batch():
    backbone = load_backbone("mini")
    batch = pixels(backbone, 8)
    alone = np.stack([backbone.features([one])[0] for one in batch])
    together = np.stack(backbone.features(batch))
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 2)

    def forward(self, images):
        return self.norm(self.conv(images)).mean(dim=(2, 3))


def tiny(seed=0, **preprocessing):
    torch.manual_seed(seed)
    return Backbone("tiny", Tiny(), Preprocessing((9, 9), (8, 8), **preprocessing), "mean")


def test_fingerprint_tells_weights_and_preprocessing_apart():
    same = {tiny().fingerprint, tiny().fingerprint}
    assert len(same) == 1
    others = {tiny(seed=1).fingerprint, tiny(interpolation="bicubic").fingerprint,
              tiny(mean=(0.5, 0.5, 0.5)).fingerprint}  # fmt: skip
    assert len(others | same) == 4


def test_fingerprint_is_a_folder_name_with_16_digits(timm, saved):
    weights = saved(timm.create_model("resnet18", num_classes=0).state_dict())
    fingerprint = load_backbone("resnet18", weights).fingerprint
    assert re.fullmatch(r"resnet18-[0-9a-f]{16}", fingerprint)


def test_features_that_are_not_finite_fail_alone():
    class Inverse(nn.Module):
        def forward(self, images):
            return 1 / images.mean(dim=(2, 3)).sub(0).clamp(min=0)

    backbone = Backbone("i", Inverse(), Preprocessing((8, 8), (8, 8), mean=(0, 0, 0)), "mean")
    black, grey = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 99, np.uint8)
    good, bad, also_good = backbone.features([grey, black, grey])
    assert isinstance(bad, BadImage)
    assert_same(good, also_good)


class TestWeights:
    def without(self, *names):
        return {k: v for k, v in Tiny().state_dict().items() if not k.startswith(names)}

    def test_all_but_the_classifier_and_counters_must_be_there(self):
        load_weights(Tiny(), self.without("fc", "norm.num_batches"), "file", classifier=["fc"])
        with pytest.raises(Misconfigured, match=r"missing: conv\.weight, conv\.bias\)"):
            load_weights(Tiny(), self.without("conv"), "file", classifier=["fc"])
        with pytest.raises(Misconfigured, match=r"missing: fc\.weight, fc\.bias\)"):
            load_weights(Tiny(), self.without("fc"), "file")

    def test_they_are_loaded(self):
        network, other = Tiny(), Tiny()
        load_weights(network, other.state_dict(), "file")
        torch.testing.assert_close(network.state_dict(), other.state_dict())

    def test_a_classifier_that_the_network_lacks_is_left_out(self):
        extra = self.without() | {"head.fc.weight": torch.zeros(3)}
        load_weights(Tiny(), extra, "file", classifier=["head.fc"])

    def test_leftovers_are_refused(self):
        extra = self.without() | {f"layer{i}.weight": torch.zeros(1) for i in range(8)}
        with pytest.raises(Misconfigured, match=r"unexpected: layer0\.weight, .* and 3 more"):
            load_weights(Tiny(), extra, "ISE_WEIGHTS=x")

    def test_weights_of_another_network_are_refused_with_the_ways_out(self):
        with pytest.raises(Misconfigured) as caught:
            load_weights(Tiny(), {"stem.weight": torch.zeros(1)}, "ISE_WEIGHTS=x")
        assert caught.value.detail.startswith("ISE_WEIGHTS=x doesn't fit the network (missing: ")
        assert caught.value.detail.endswith(
            "Give the weights of this network, or name the one that they are of "
            "(ISE_BACKBONE, ISE_MATCHING_BACKBONE, ISE_MATCHING)."
        )

    def test_another_shape_is_refused(self):
        wrong = self.without() | {"conv.weight": torch.zeros(4, 3, 5, 5)}
        with pytest.raises(Misconfigured, match=r"conv\.weight \(4x3x5x5 for 4x3x3x3\)"):
            load_weights(Tiny(), wrong, "file")

    def test_pickles_are_refused(self, tmp_path):
        torch.save(Tiny().state_dict(), tmp_path / "weights.pth")
        with pytest.raises(Misconfigured, match="no safetensors file"):
            read_weights(str(tmp_path / "weights.pth"))

    def test_an_absent_file_names_its_setting_and_where_it_was_looked_for(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(Misconfigured) as caught:
            read_weights("no/where", "ISE_MATCHING_WEIGHTS")
        assert caught.value.detail == (
            f"ISE_MATCHING_WEIGHTS=no/where: there is no file {tmp_path}/no/where."
        )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet5O", "Did you mean .*resnet50"),
        ("inception_resnet", "Did you mean inception_resnet_v2"),
        ("torchvision/mobilnet_v2", "Did you mean mobilenet_v2"),
        ("torchvision/squeezenet", "Did you mean squeezenet1_0, squeezenet1_1"),
        ("torchvision/0000", r"network 0000\.$"),
    ],
)
def test_unknown_networks_are_refused_and_those_spelt_like_them_named(name, hint):
    with pytest.raises(Misconfigured, match=hint) as caught:
        load_backbone(name)
    assert name.removeprefix("torchvision/") in caught.value.detail


def test_without_a_network_the_sentence_names_the_ways_out():
    with pytest.raises(Misconfigured, match=r"ISE_WEIGHTS to a local .* ISE_PROFILE=mini"):
        check_reachable("http://127.0.0.1:9/", 1.0, "resnet50", "ISE_WEIGHTS")
