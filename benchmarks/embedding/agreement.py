"""Agreement of an engine's features with eager fp32: their cosine, and what searches find by them.

Recall shift: one IVF index holds the fp32 features and another those of the engine, over the same
centroids, learned from the fp32 ones. Each is asked for every photo by its own features, and its
recall is of its own exact top 10. The shift is the difference of these two. Overlap is how much of
the exact top 10 by fp32 features is in the exact top 10 by the engine's. P@10: of these, those in
the photo's own folder, where folders are kinds.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.embedding import speed
from benchmarks.embedding.contenders import Floats, in_process
from services.embedder.backbones.backbone import Backbone
from services.embedder.engines.calibration import calibration_of
from services.embedder.engines.choice import AGREEMENT
from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.quantized import QuantizedNetwork

_K = 10
_LISTS = 32
_PROBES = 4
_BATCH = 8


def compare(
    backbone: Backbone,
    photos: Sequence[bytes],
    kinds: Sequence[str],
    calibration: Path | None = None,
    cache_dir: Path | None = None,
) -> dict[str, Any]:
    """Compare each engine but eager fp32; `calibration`: with int8, too, of a folder's pictures.

    `kinds`: the folder of each photo.
    """
    engines = speed.engines(backbone)
    if calibration is not None:
        size, network = backbone.preprocessing.crop, backbone.network
        given = calibration_of(calibration, backbone.preprocessing)
        int8 = QuantizedNetwork(network, size, backbone.fingerprint, given, cache_dir)
        # Also one whose features are refused: this tells by how much they are off.
        engines = [EagerEngine(network), int8.unchecked()]
    with ThreadPoolExecutor(torch.get_num_threads()) as decoders:
        features = {
            engine.name: in_process(backbone, engine, _BATCH, decoders)(photos)
            for engine in engines
        }
    expected = features.pop("eager-fp32")
    centroids = _centroids(_unit(expected))
    exact, recall = _exact(_unit(expected)), _ivf_recall(_unit(expected), centroids)
    precision = _precision(exact, kinds)
    told = {}
    for name, found in features.items():
        cosines = speed.cosines(found, expected)
        own = _exact(_unit(found))
        told[name] = {
            "least_cosine": float(cosines.min()),
            "mean_cosine": float(cosines.mean()),
            "under_agreement": int((cosines < AGREEMENT).sum()),
            "recall_shift_points": 100 * (_ivf_recall(_unit(found), centroids) - recall),
            "precision_shift_points": 100 * (_precision(own, kinds) - precision),
            "overlap": _share(own, exact),
        }
    return {
        "photos": len(photos),
        "recall": recall,
        "precision": precision,
        "probes": _PROBES,
        "engines": told,
    }


def _precision(nearest: NDArray[np.int64], kinds: Sequence[str]) -> float:
    of = np.array(kinds)
    return float((of[nearest] == of[:, None]).mean())


def _unit(features: Floats) -> Floats:
    unit: Floats = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit


def _exact(unit: Floats) -> NDArray[np.int64]:
    """The nearest others of each row."""
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    order: NDArray[np.int64] = np.argsort(-similar, axis=1, kind="stable")[:, :_K]
    return order


def _centroids(unit: Floats) -> Floats:
    kmeans = faiss.Kmeans(unit.shape[1], _LISTS, niter=20, seed=1)
    kmeans.train(unit)
    centroids: Floats = kmeans.centroids
    return centroids


def _ivf_recall(unit: Floats, centroids: Floats) -> float:
    quantizer = faiss.IndexFlatL2(unit.shape[1])
    quantizer.add(centroids)
    index = faiss.IndexIVFFlat(quantizer, unit.shape[1], _LISTS)
    index.add(unit)
    index.nprobe = _PROBES
    _, found = index.search(unit, _K + 1)
    others = [[i for i in row if i != number][:_K] for number, row in enumerate(found.tolist())]
    return _share(np.array(others), _exact(unit))


def _share(found: NDArray[np.int64], expected: NDArray[np.int64]) -> float:
    both = [len(set(a) & set(b)) for a, b in zip(found.tolist(), expected.tolist(), strict=True)]
    return sum(both) / expected.size
