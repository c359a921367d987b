"""Trains the embedded default network by distillation from a larger one, without labels.

    python -m training.distill --photos DIR [--photos DIR ...] --teacher torchvision/mobilenet_v2 \
        --teacher-weights F.safetensors --cache DIR --minutes 52 \
        --out services/embedder/assets/mini.safetensors

Target: the teacher's unit-length, centred, PCA-rotated features of fixed crops. Loss: one minus the
cosine to the target, and the divergence between the in-batch similarities of teacher and student,
after Hinton et al., "Distilling the Knowledge in a Neural Network" (2015) and Tung & Mori,
"Similarity-Preserving Knowledge Distillation" (2019).
"""

import argparse
import hashlib
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from services.embedder.backbones.mini import DIM, MiniNet, fold_norms
from training.crops import fixed_boxes, jitter_boxes, jitter_colour, sample_views
from training.photos import HELD_OUT_TAGS, list_photos, read_rgb
from training.teacher import READERS, cached_features, fit_targets, load_teacher, normalise

VERSION = "1"
CANVAS = 128
"""Side in pixels of the squares that pictures are kept at in memory."""
TEMPERATURE = 0.1
WARMUP = 0.02
"""Part of the time over which the learning rate rises."""
CHECKPOINT_SECONDS = 300
REPORT_STEPS = 100


Sides = list[tuple[float, int]]
"""From which part of the time on, in [0, 1), views have which side in pixels; sorted, from 0 on."""


@dataclass(frozen=True)
class TrainingSet:
    """Training set of n pictures.

    `canvases` (n, 3, s, s) uint8; `boxes` (crops, n, 4) float32; `targets` (crops, n, 256) float16,
    of unit length; `weights` (n,) float32, how often each picture is drawn, relatively.
    """

    canvases: Tensor
    boxes: Tensor
    targets: Tensor
    weights: Tensor


def load_canvases(photos: list[Path], side: int) -> tuple[Tensor, NDArray[np.int64]]:
    """Every photo stretched to a square, (n, 3, side, side) uint8; its width and height, (n, 2)."""
    canvases = torch.empty(len(photos), 3, side, side, dtype=torch.uint8)
    sizes = np.empty((len(photos), 2), np.int64)

    def read(row: int) -> None:
        image = read_rgb(photos[row])
        sizes[row] = image.size
        square = np.array(image.resize((side, side), Image.Resampling.BICUBIC))
        canvases[row] = torch.from_numpy(square).permute(2, 0, 1)

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, range(len(photos))))
    return canvases, sizes


def load_training_set(args: argparse.Namespace) -> TrainingSet:
    """Reads the photos and computes the targets, or takes them from the cache."""
    photos = list_photos(args.photos, args.exclude_tags)
    canvases, sizes = load_canvases(photos, CANVAS)
    print(f"{len(photos)} pictures", flush=True)
    digest = hashlib.sha256(args.teacher_weights.read_bytes()).hexdigest()
    features = cached_features(
        load_teacher(args.teacher, args.teacher_weights),
        photos,
        sizes,
        args.cache,
        key=f"{args.teacher} {digest}",
        crops=args.crops,
        side=args.teacher_side,
        seed=args.seed,
        report=lambda line: print(line, flush=True),
    )
    boxes = np.stack([fixed_boxes(sizes, index, args.seed) for index in range(args.crops)])
    large = torch.from_numpy(sizes.min(axis=1) > CANVAS)
    weights = torch.where(large, float(args.large_weight), 1.0)
    return TrainingSet(canvases, torch.from_numpy(boxes), fit_targets(features, DIM), weights)


def distillation_loss(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """One minus the cosine, and the divergence of in-batch similarities: means, of (B, 256)."""
    student = functional.normalize(features, dim=1)
    cosine = (1 - (student * targets).sum(dim=1)).mean()
    itself = torch.eye(len(student), dtype=torch.bool)
    wanted = (targets @ targets.T / TEMPERATURE).masked_fill(itself, -math.inf).softmax(dim=1)
    # A row is no neighbour of itself. The mask is finite: 0 * -inf would make the divergence NaN.
    given = (student @ student.T / TEMPERATURE).masked_fill(itself, -1e4).log_softmax(dim=1)
    return cosine, functional.kl_div(given, wanted, reduction="batchmean")


def learning_rate(progress: float, peak: float) -> float:
    """A linear rise, then half a cosine to zero; `progress` is the part of the time gone."""
    if progress < WARMUP:
        return peak * progress / WARMUP
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


def scheduled(sides: Sides, progress: float) -> int:
    """The side of the student's input now: small at first, which is quick, and at last as served.

    After Touvron et al., "Fixing the train-test resolution discrepancy" (2019).
    """
    return [side for start, side in sides if start <= progress][-1]


def draw_batch(
    data: TrainingSet, batch: int, side: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Normalised views (B, 3, side, side) float32 and their targets (B, 256) float32."""
    rows = torch.multinomial(data.weights, batch, replacement=False, generator=generator)
    crops = torch.randint(len(data.boxes), (batch,), generator=generator)
    boxes = jitter_boxes(data.boxes[crops, rows], generator)
    views = sample_views(data.canvases[rows], boxes, side, generator)
    return normalise(jitter_colour(views, generator)), data.targets[crops, rows].float()


def save(network: MiniNet, out: Path, figures: dict[str, str]) -> None:
    """Writes the served form as float16 safetensors, atomically; the figures are its metadata."""
    network.eval()
    state = {
        name: tensor.half().contiguous()
        for name, tensor in fold_norms(network).state_dict().items()
    }
    network.train()
    partial = out.with_suffix(".partial")
    partial.write_bytes(safetensors.torch.save(state, metadata=figures))
    partial.rename(out)


def train(data: TrainingSet, args: argparse.Namespace) -> None:
    """Trains for `args.minutes` of wall time and writes `args.out`, at times and at the end."""
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    network = MiniNet(normed=True).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    matrices = [value for value in network.parameters() if value.ndim > 1]
    vectors = [value for value in network.parameters() if value.ndim == 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": args.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
    )
    start = saved = time.monotonic()
    step, sums = 0, np.zeros(2)
    while (progress := (time.monotonic() - start) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress, args.rate)
        side = scheduled(args.sides, progress)
        views, targets = draw_batch(data, args.batch, side, generator)
        with torch.autocast("cpu", torch.bfloat16):
            features = network(views)
        cosine, divergence = distillation_loss(features, targets)
        optimiser.zero_grad()
        (cosine + divergence).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        sums += cosine.item(), divergence.item()
        if step % REPORT_STEPS == 0:
            print(f"{progress:5.1%} step {step} cosine {sums[0] / REPORT_STEPS:.4f}", end=" ")
            print(f"divergence {sums[1] / REPORT_STEPS:.4f}", flush=True)
            sums[:] = 0
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save(network, args.out, figures(data, args, step, progress))
            saved = time.monotonic()
    save(network, args.out, figures(data, args, step, 1.0))


def figures(
    data: TrainingSet, args: argparse.Namespace, step: int, progress: float
) -> dict[str, str]:
    """Return the metadata of the weights."""
    return {
        "name": "mini",
        "version": VERSION,
        "seed": str(args.seed),
        "teacher": args.teacher,
        "teacher_side": str(args.teacher_side),
        "pictures": str(len(data.canvases)),
        "crops_per_picture": str(len(data.boxes)),
        "sides": ",".join(f"{start:g}:{side}" for start, side in args.sides),
        "batch": str(args.batch),
        "rate": str(args.rate),
        "weight_decay": str(args.weight_decay),
        "large_weight": str(args.large_weight),
        "temperature": str(TEMPERATURE),
        "minutes": str(args.minutes),
        "progress": f"{progress:.3f}",
        "steps": str(step),
        "excluded_tags": ",".join(args.exclude_tags),
    }


def parse_sides(text: str) -> Sides:
    """`0:64,0.5:128` is 64 pixels from the start and 128 from half the time on."""
    parts = [part.split(":") for part in text.split(",")]
    sides = sorted((float(start), int(side)) for start, side in parts)
    if sides[0][0] != 0:
        raise argparse.ArgumentTypeError("the first side must begin at 0")
    return sides


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; the defaults are the recipe of the packaged weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--photos", type=Path, action="append", required=True, help="a folder; may be repeated"
    )
    parser.add_argument("--teacher", default="torchvision/mobilenet_v2")
    parser.add_argument("--teacher-weights", type=Path, required=True)
    parser.add_argument("--teacher-side", type=int, default=160, help="pixels")
    parser.add_argument(
        "--cache", type=Path, required=True, help="a folder for the teacher's features"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=52.0, help="wall time of the training proper"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crops", type=int, default=10, help="fixed crops per picture")
    parser.add_argument(
        "--sides",
        type=parse_sides,
        default=parse_sides("0:64,0.25:96,0.8:128"),
        help="PART:PIXELS,...: the student's input from which part of the time on",
    )
    parser.add_argument("--batch", type=int, default=192)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument(
        "--large-weight", type=float, default=2.0, help="how much oftener larger photos are drawn"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--exclude-tags", type=lambda text: text.split(","), default=list(HELD_OUT_TAGS)
    )
    return parser.parse_args(argv)


def main() -> None:
    """Reads, caches, trains, writes."""
    args = parse()
    torch.set_num_threads(args.threads)
    train(load_training_set(args), args)


if __name__ == "__main__":
    main()
