"""K-means side by side: the same sample, the same number of clusters and rounds."""

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from benchmarks.collection import Collection
from benchmarks.contenders.contender import steps
from services.indexer.clustering.streaming import (
    assign,
    cluster_count,
    sample_rows,
    train_centroids,
)
from shared.contracts.query import Metric

_K = 10
_ITERATIONS = 20
_SAMPLE_SEED = 0
_TARGET = 0.95

Train = Callable[[NDArray[np.float32], int, int], NDArray[np.float32]]


def compare(collection: Collection, rounds: int) -> dict[str, Any]:
    """Seconds of each, and what its lists are worth: recall at equal probes, vectors scanned.

    Each round has a seed of its own: one differs from another by about 0.3 points of recall.
    """
    rows = len(collection.base)
    clusters = cluster_count("auto", rows)
    sample = np.array(collection.base[sample_rows(rows, clusters, _SAMPLE_SEED)])
    seconds: dict[str, list[float]] = {name: [] for name in _TRAINERS}
    worked: dict[str, list[float]] = {name: [] for name in _TRAINERS}
    centroids: dict[str, list[NDArray[np.float32]]] = {name: [] for name in _TRAINERS}
    for number in range(rounds):
        for name, train in _TRAINERS.items():
            if name == "scikit-learn" and number:
                continue
            start, started = time.perf_counter(), time.process_time()
            centroids[name].append(train(sample, clusters, number))
            seconds[name].append(time.perf_counter() - start)
            worked[name].append(time.process_time() - started)
            print(f"  {name}: {seconds[name][-1]:.1f} s")
    worth = {
        name: np.mean([_worth(one, collection) for one in found], axis=0)
        for name, found in centroids.items()
    }
    # What faiss's own lists need for the recall, all are asked for.
    reference = worth["faiss"]
    probes = steps(1, clusters)
    at = int(np.searchsorted(reference[0], _TARGET))
    return {
        "collection": collection.name,
        "rows": rows,
        "sample": len(sample),
        "clusters": clusters,
        "iterations": _ITERATIONS,
        "nprobe": probes[at],
        "trainers": {
            name: {
                "seconds": float(np.median(seconds[name])),
                "times_faiss": float(np.median(seconds["faiss"]) / np.median(seconds[name])),
                "recall": float(worth[name][0][at]),
                "scanned": float(worth[name][1][at]),
                # Fewer probes of longer lists may cost the same: this is what a recall costs.
                "scanned_at_target": float(np.interp(_TARGET, *worth[name])),
                "processor_seconds": float(np.median(worked[name])),
            }
            for name in _TRAINERS
        },
    }


def _worth(
    centroids: NDArray[np.float32], collection: Collection
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall, and share of the vectors scanned, at each number of probes of `steps`."""
    rows, clusters = len(collection.base), len(centroids)
    starts = np.cumsum([0, *(len(block) for block in collection.blocks())])
    blocks = zip(starts.tolist(), collection.blocks(), strict=False)
    lists = assign(blocks, rows, centroids, Metric.L2)
    sizes = np.bincount(lists, minlength=clusters)
    queries = collection.queries
    _, order = faiss.knn(queries, np.ascontiguousarray(centroids), clusters)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(clusters), order.shape), axis=1)
    of_neighbours = np.take_along_axis(ranks, lists[collection.neighbours[:, :_K]], axis=1)
    scanned = np.cumsum(sizes[order], axis=1).mean(axis=0) / rows
    probes = np.array(steps(1, clusters))
    recall = np.array([float(np.mean(of_neighbours < nprobe)) for nprobe in probes])
    return recall, scanned[probes - 1]


def _ours(sample: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.float32]:
    return train_centroids(sample, clusters, Metric.L2, seed)


def _faiss(sample: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.float32]:
    # As many points as ours takes: all of the sample.
    points = len(sample) // clusters + 1
    kmeans = faiss.Kmeans(
        sample.shape[1], clusters, niter=_ITERATIONS, seed=seed, max_points_per_centroid=points
    )
    kmeans.train(sample)
    return np.asarray(kmeans.centroids, np.float32)


def _sklearn(sample: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.float32]:
    kmeans = KMeans(
        clusters, init="random", n_init=1, max_iter=_ITERATIONS, tol=0, random_state=seed
    )
    return np.asarray(kmeans.fit(sample).cluster_centers_, np.float32)


_TRAINERS: dict[str, Train] = {"ours": _ours, "faiss": _faiss, "scikit-learn": _sklearn}
