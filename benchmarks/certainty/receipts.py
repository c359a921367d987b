"""Receipt of a model change: does what came lie in the interval that a sample of 500 gave before?

Each trial draws a collection from tagged photos and two of the models. The sample is chosen,
ranked and judged as the indexer does it; what came is P@10 of all photos by the default order.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.certainty.collections import Floats, Labels, drawn, stored
from benchmarks.matching import photos
from services.indexer.clustering import transforms
from services.indexer.measuring import model_change
from shared.contracts.query import Metric
from shared.engines.ivf.rerank import CANDIDATES, averaged_distances
from shared.maths.linear_algebra import one_thread
from shared.maths.model_change import HITS

_OF_A_TAG = 15
"""Photos of a tag in the folders beside the first one."""
_LEAST = 3

Model = tuple[str, str, Floats]


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `python -m benchmarks`."""
    parser = commands.add_parser("receipt", help="expected and real change of P@10 by a model")
    parser.add_argument(
        "--photos", type=Path, action="append", required=True, help="a folder of a folder a tag"
    )
    parser.add_argument(
        "--network",
        metavar="NETWORK[=FILE]",
        action="append",
        required=True,
        help="two or more; with a safetensors file, if it has one",
    )
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument(
        "--per-tag",
        type=int,
        help=f"photos of a folder at most; by default all of the first, {_OF_A_TAG} of others",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print and return the figures."""
    sources = [
        _source(
            folder,
            args.network,
            args.data / "matching",
            args.per_tag or (_OF_A_TAG if number else None),
        )
        for number, folder in enumerate(args.photos)
    ]
    trials = []
    with one_thread():
        for seed in range(args.trials):
            name, labels, models = sources[seed % len(sources)]
            trials.append({"photos": name, **_trial(labels, models, seed)})
            print(f"  {json.dumps(trials[-1])}", flush=True)
    found = figures(trials)
    print(json.dumps({name: value for name, value in found.items() if name != "trials"}, indent=1))
    return found


def figures(trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how often what came lay inside, and how far off what was expected was."""
    inside = [one["low"] <= one["came"] <= one["high"] for one in trials]
    off = np.array([one["expected"] - one["came"] for one in trials])
    return {
        "trials": list(trials),
        "inside": float(np.mean(inside)),
        "half_width": float(np.median([(one["high"] - one["low"]) / 2 for one in trials])),
        "error": float(np.sqrt((off**2).mean())),
        "bias": float(off.mean()),
    }


def _source(
    folder: Path, networks: Sequence[str], cache: Path, per_tag: int | None
) -> tuple[str, Labels, list[Model]]:
    models: list[Model] = []
    labels: Labels = np.empty(0, np.int64)
    for given in networks:
        network, _, weights = given.partition("=")
        labels, fingerprint, features = photos.labelled(folder, network, weights, cache, per_tag)
        models.append((network, fingerprint, np.asarray(features, np.float32)))
    return folder.name, labels, models


def _trial(labels: Labels, models: Sequence[Model], seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    rows = _collection(labels, rng)
    pairs = list(permutations(range(len(models)), 2))
    former, new = (models[i] for i in pairs[int(rng.integers(len(pairs)))])
    tags = {number: [str(label)] for number, label in enumerate(labels[rows].tolist())}
    sample = model_change.tag_sample(tags, seed)
    rankings, precision = [], []
    for _, fingerprint, features in (former, new):
        name = transforms.chosen("auto", fingerprint, len(rows), features.shape[1])
        width = int(name[4:]) if name.startswith("pca:") else None
        rankings.append(model_change.ranked(features[rows][sample.ordinals], width))
        precision.append(_precision(stored(fingerprint, features[rows]), labels[rows]))
    change = model_change.expected_of(sample, tags, rankings[0], rankings[1], seed)
    if change is None:
        raise ValueError("a collection of the benchmark has too few tags")
    return {
        "former": former[0],
        "new": new[0],
        "pictures": len(rows),
        "sample": len(sample.ordinals),
        "expected": change.value,
        "low": change.low,
        "high": change.high,
        "came": precision[1] - precision[0],
    }


def _collection(labels: Labels, rng: np.random.Generator) -> Labels:
    """Draw all photos, those of half of the tags, half of them, or few to all of each tag."""
    kind = int(rng.integers(4))
    distinct = np.unique(labels)
    if kind == 0:
        return np.arange(len(labels))
    if kind == 1:
        return np.flatnonzero(np.isin(labels, rng.permutation(distinct)[: len(distinct) // 2]))
    if kind == 2:
        return np.sort(rng.permutation(len(labels))[: len(labels) // 2])
    return drawn(labels, _LEAST, rng)


def _precision(vectors: Floats, labels: Labels) -> float:
    """P@10 of all photos as queries, by the default order."""
    points = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    right = 0
    for query in range(len(points)):
        cosines = points @ points[query]
        cosines[query] = -np.inf
        near = np.argpartition(-cosines, CANDIDATES)[:CANDIDATES]
        moved = averaged_distances(np.vstack([points[query][None], points[near]]), Metric.COSINE)
        first = near[np.argsort(moved, kind="stable")[:HITS]]
        right += int((labels[first] == labels[query]).sum())
    return right / (HITS * len(points))
