"""The teacher: a network whose pooled features the student copies, and a cache of them on disk."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from services.embedder.backbones.mini import MEAN, STD
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from training.crops import cut, fixed_boxes
from training.photos import read_rgb

BATCH = 128
READERS = 2


def load_teacher(name: str, weights: Path) -> nn.Module:
    """A network of (B, 3, H, W) images -> (B, D) pooled features, in evaluation mode.

    `name` is any timm name, or `torchvision/<name>` of a network that pools before a layer named
    `classifier` or `fc`. Classifier keys may be missing from the safetensors file, or be in it
    without use; any other gap is an error.
    """
    ensure_torchvision_ops()
    heads = ("classifier.", "fc.", "head.")
    network: nn.Module
    if name.startswith("torchvision/"):
        from torchvision.models import get_model

        network = get_model(name.removeprefix("torchvision/"), weights=None)
        for head in ("classifier", "fc"):
            if hasattr(network, head):
                setattr(network, head, nn.Identity())
    else:
        import timm

        network = timm.create_model(name, pretrained=False, num_classes=0)
    state = safetensors.torch.load_file(weights)
    kept = {key: value for key, value in state.items() if not key.startswith(heads)}
    network.load_state_dict(kept, strict=True)
    fused: nn.Module = fuse(network.eval())
    return fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def normalise(pixels: Tensor) -> Tensor:
    """(B, 3, h, w) RGB in [0, 1] -> less ImageNet's mean, over its deviation; channels last."""
    mean = torch.tensor(MEAN)[:, None, None]
    std = torch.tensor(STD)[:, None, None]
    return ((pixels - mean) / std).to(memory_format=torch.channels_last)


def to_pixels(images: NDArray[np.uint8]) -> Tensor:
    """(B, h, w, 3) uint8 -> (B, 3, h, w) float32 in [0, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)


def cached_features(
    network: nn.Module,
    photos: Sequence[Path],
    sizes: NDArray[np.int64],
    folder: Path,
    *,
    key: str,
    crops: int,
    side: int,
    seed: int,
    report: Callable[[str], None],
) -> NDArray[np.float16]:
    """The teacher's features of every fixed crop, (crops, n, D) float16; computed where missing.

    `key` names the teacher and its weights; the photos, the side and the seed are added to it, so
    that a folder may serve several runs. One file a crop: an interrupted run goes on from there.
    """
    listing = "\n".join([key, str(side), str(seed), *map(str, photos)])
    home = folder / hashlib.sha256(listing.encode()).hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True)
    parts = []
    for index in range(crops):
        file = home / f"crop-{index}.npy"
        if not file.exists():
            report(f"teacher: crop {index + 1} of {crops}")
            boxes = fixed_boxes(sizes, index, seed)
            features = np.concatenate(list(_features(network, photos, boxes, side)))
            partial = file.with_suffix(".partial")
            with partial.open("wb") as out:
                np.save(out, features)
            partial.rename(file)
        parts.append(np.load(file))
    return np.stack(parts)


def _features(
    network: nn.Module, photos: Sequence[Path], boxes: NDArray[np.float32], side: int
) -> Iterator[NDArray[np.float16]]:
    def read(row: int) -> NDArray[np.uint8]:
        return cut(read_rgb(photos[row]), boxes[row], side)

    # bfloat16 is enough for a target that the student meets to two digits, and 2.7 times as fast.
    autocast = torch.autocast("cpu", torch.bfloat16)
    with ThreadPoolExecutor(READERS) as pool, torch.inference_mode(), autocast:
        for start in range(0, len(photos), BATCH):
            images = np.stack(list(pool.map(read, range(start, min(start + BATCH, len(photos))))))
            yield network(normalise(to_pixels(images))).float().numpy().astype(np.float16)


def fit_targets(features: NDArray[np.float16], dim: int) -> Tensor:
    """(crops, n, D) features -> (crops, n, dim) float16 targets of unit length, centred, by PCA.

    Not whitened: whitening lowers the teacher's own precision.
    """
    crops, count, _ = features.shape
    rows = features.reshape(crops * count, -1)
    sample = _unit(rows[:: max(1, len(rows) // 50_000)])
    mean = sample.mean(axis=0)
    covariance = np.cov(sample - mean, rowvar=False)
    _, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :dim].astype(np.float32)
    parts = [_unit((_unit(part) - mean) @ axes).astype(np.float16) for part in features]
    return torch.from_numpy(np.stack(parts))


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    wide = rows.astype(np.float32)
    unit: NDArray[np.float32] = wide / np.maximum(
        np.linalg.norm(wide, axis=1, keepdims=True), 1e-12
    )
    return unit
