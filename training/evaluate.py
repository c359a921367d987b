"""Measures retrieval over labelled folders: the student, its teacher, colour thumbnails as a floor.

    python -m training.evaluate --photos DIR --teacher torchvision/mobilenet_v2 \
        --teacher-weights F.safetensors

The folder of a picture is its label. Every picture is a query in turn, and all others are ranked by
exact cosine.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image

from services.embedder.backbones.mini import INPUT_SIZE, RESIZE_SIZE, from_state, load_packaged_mini
from training.photos import HELD_OUT_TAGS, centre_crop, list_photos, read_rgb
from training.teacher import load_teacher, normalise, to_pixels

TEACHER_SIDES = (256, 224)
THUMBNAIL = 16
BATCH = 64

Features = NDArray[np.float32]


def retrieval(features: Features, labels: NDArray[np.str_]) -> dict[str, float]:
    """P@1, P@10 and mean average precision, leave-one-out by cosine; of (n, D) and (n,)."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]
    hits = labels[order] == labels[:, None]
    ranks = np.arange(1, hits.shape[1] + 1)
    precision = np.cumsum(hits, axis=1) / ranks
    relevant = hits.sum(axis=1)
    average = (precision * hits).sum(axis=1)[relevant > 0] / relevant[relevant > 0]
    return {
        "P@1": float(hits[:, 0].mean()),
        "P@10": float(precision[:, 9].mean()),
        "mAP": float(average.mean()),
    }


def network_features(
    network: torch.nn.Module, photos: Sequence[Path], short_side: int, side: int
) -> Features:
    """Features (n, D) of centre crops, by a network of normalised (B, 3, side, side) float32."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(photos), BATCH):
            crops = [
                centre_crop(read_rgb(path), short_side, side)
                for path in photos[start : start + BATCH]
            ]
            images = normalise(to_pixels(np.stack([np.asarray(crop) for crop in crops])))
            parts.append(network(images).numpy())
    return np.concatenate(parts)


def images_per_second(network: torch.nn.Module, side: int) -> float:
    """The speed of the network alone, on batches of 64, by the median of 20 after a first."""
    images = torch.zeros(BATCH, 3, side, side).to(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode():
        for _ in range(21):
            start = time.perf_counter()
            network(images)
            seconds.append(time.perf_counter() - start)
    return BATCH / float(np.median(seconds[1:]))


def thumbnail_features(photos: Sequence[Path]) -> Features:
    """Pictures as 16x16 RGB, less the mean over all of them, (n, 768)."""
    size = (THUMBNAIL, THUMBNAIL)
    rows = [
        np.asarray(read_rgb(path).resize(size, Image.Resampling.BOX)).ravel() for path in photos
    ]
    pixels = np.stack(rows).astype(np.float32)
    centred: Features = pixels - pixels.mean(axis=0)
    return centred


def main() -> None:
    """Prints one line a model and set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--photos", type=Path, required=True, help="a folder of folders named by label"
    )
    parser.add_argument("--weights", type=Path, help="the student's; by default the packaged ones")
    parser.add_argument("--teacher", default="torchvision/mobilenet_v2")
    parser.add_argument("--teacher-weights", type=Path, help="without it the teacher is left out")
    parser.add_argument(
        "--held-out", type=lambda text: text.split(","), default=list(HELD_OUT_TAGS)
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    photos = list_photos([args.photos])
    labels = np.array([path.parent.name for path in photos])
    student = (
        from_state(safetensors.torch.load_file(args.weights))
        if args.weights
        else load_packaged_mini()
    )
    models: dict[str, Callable[[], Features]] = {
        "thumbnails": lambda: thumbnail_features(photos),
        "mini": lambda: network_features(student, photos, RESIZE_SIZE, INPUT_SIZE),
    }
    if args.teacher_weights:
        teacher = load_teacher(args.teacher, args.teacher_weights)
        models["teacher"] = lambda: network_features(teacher, photos, *TEACHER_SIDES)
    print(f"mini {images_per_second(student, INPUT_SIZE):.0f} images/s, {args.threads} threads")
    held_out = np.isin(labels, args.held_out)
    for name, compute in models.items():
        features = compute()
        for label, chosen in (("held-out", held_out), ("all", np.ones_like(held_out))):
            found = retrieval(features[chosen], labels[chosen])
            line = "  ".join(f"{key} {value:.3f}" for key, value in found.items())
            print(f"{name:12}{label:10}{chosen.sum():5} pictures  {line}", flush=True)


if __name__ == "__main__":
    main()
