"""The embedded default network: its architecture, and the weights inside the package."""

import subprocess
import sys
from importlib import resources

import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn

from services.embedder.backbones.mini import (
    DIM,
    INPUT_SIZE,
    WEIGHTS,
    MiniNet,
    fold_norms,
    from_state,
    load_packaged_mini,
)

MAX_BYTES = 6 * 2**20


@pytest.fixture(scope="module")
def packaged() -> MiniNet:
    return load_packaged_mini()


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 3, INPUT_SIZE, INPUT_SIZE, generator=generator)


def weights() -> bytes:
    return resources.files("services.embedder").joinpath(WEIGHTS).read_bytes()


def test_features_are_256_finite_floats(packaged: MiniNet, images: torch.Tensor) -> None:
    features = packaged(images)
    assert features.shape == (3, DIM)
    assert features.dtype == torch.float32
    assert torch.isfinite(features).all()


def test_the_map_has_a_cell_per_32_pixels(packaged: MiniNet, images: torch.Tensor) -> None:
    maps = packaged.forward_map(images)
    assert maps.shape == (3, 256, 4, 4)
    assert (maps >= 0).all()


def test_a_feature_is_the_mean_of_its_cells(packaged: MiniNet, images: torch.Tensor) -> None:
    maps = packaged.forward_map(images)
    cells = maps.flatten(2).transpose(1, 2)
    each = packaged.forward_pooled(cells.reshape(-1, 256)).reshape(3, 16, DIM)
    torch.testing.assert_close(each.mean(dim=1), packaged(images), rtol=0, atol=1e-5)


def test_same_images_give_same_features(packaged: MiniNet, images: torch.Tensor) -> None:
    assert torch.equal(packaged(images), load_packaged_mini()(images))


def test_an_image_gives_the_same_feature_in_any_batch(
    packaged: MiniNet, images: torch.Tensor
) -> None:
    torch.testing.assert_close(packaged(images[1:2])[0], packaged(images)[1], rtol=0, atol=1e-4)


def test_features_depend_on_the_image(packaged: MiniNet, images: torch.Tensor) -> None:
    smooth = nn.functional.interpolate(images[:, :, :4, :4], size=INPUT_SIZE, mode="bilinear")
    unit = nn.functional.normalize(packaged(smooth), dim=1)
    assert (unit @ unit.T).fill_diagonal_(0).max() < 0.99


def test_packaged_weights_fit_strictly_in_half_precision() -> None:
    state = safetensors.torch.load(weights())
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    assert state.keys() == MiniNet().state_dict().keys()
    assert len(weights()) < MAX_BYTES


def test_packaged_weights_say_how_they_were_made() -> None:
    path = resources.files("services.embedder").joinpath(WEIGHTS)
    with resources.as_file(path) as on_disk, safetensors.safe_open(on_disk, "pt") as file:
        metadata = file.metadata()
    assert metadata["name"] == "mini"
    assert metadata["progress"] == "1.000"
    assert {"version", "seed", "teacher", "steps", "excluded_tags"} <= metadata.keys()


@pytest.mark.parametrize("change", ["missing", "surplus"])
def test_weights_with_a_gap_are_refused(change: str) -> None:
    state = MiniNet().state_dict()
    if change == "missing":
        del state["head.bias"]
    else:
        state["classifier.weight"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=r"head\.bias|classifier\.weight"):
        from_state(state)


def test_folding_the_norms_changes_no_feature(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    trained = MiniNet(normed=True).eval()
    for module in trained.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.get_buffer("running_mean"))
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
    with torch.no_grad():
        expected = trained(images)
    assert expected.std() > 0.01
    torch.testing.assert_close(fold_norms(trained)(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_torchvision_imports_once_its_operators_are_ensured() -> None:
    # A process of its own: what this one has imported already would hide a failure.
    script = (
        "from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops as ensure\n"
        "ensure(); ensure()\n"
        "import torchvision\n"
        "ensure()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
