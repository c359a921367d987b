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
from services.indexer.clustering import assign, cluster_count, sample_rows, train_centroids
from shared.contracts.query import Metric

_K = 10
_ITERATIONS = 20
_SEED = 0
_TARGET = 0.95

Train = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


def compare(collection: Collection, rounds: int) -> dict[str, Any]:
    """Seconds of each, and what its lists are worth: recall at equal probes, vectors scanned."""
    rows = len(collection.base)
    clusters = cluster_count("auto", rows)
    sample = np.array(collection.base[sample_rows(rows, clusters, _SEED)])
    seconds: dict[str, list[float]] = {name: [] for name in _TRAINERS}
    worked: dict[str, list[float]] = {name: [] for name in _TRAINERS}
    centroids: dict[str, NDArray[np.float32]] = {}
    for number in range(rounds):
        for name, train in _TRAINERS.items():
            if name == "scikit-learn" and number:
                continue
            start, started = time.perf_counter(), time.process_time()
            centroids[name] = train(sample, clusters)
            seconds[name].append(time.perf_counter() - start)
            worked[name].append(time.process_time() - started)
            print(f"  {name}: {seconds[name][-1]:.1f} s")
    worth = {name: _worth(found, collection) for name, found in centroids.items()}
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


def _ours(sample: NDArray[np.float32], clusters: int) -> NDArray[np.float32]:
    return train_centroids(sample, clusters, Metric.L2, _SEED)


def _faiss(sample: NDArray[np.float32], clusters: int) -> NDArray[np.float32]:
    # As many points as ours takes: all of the sample.
    points = len(sample) // clusters + 1
    kmeans = faiss.Kmeans(
        sample.shape[1], clusters, niter=_ITERATIONS, seed=_SEED, max_points_per_centroid=points
    )
    kmeans.train(sample)
    return np.asarray(kmeans.centroids, np.float32)


def _sklearn(sample: NDArray[np.float32], clusters: int) -> NDArray[np.float32]:
    kmeans = KMeans(
        clusters, init="random", n_init=1, max_iter=_ITERATIONS, tol=0, random_state=_SEED
    )
    return np.asarray(kmeans.fit(sample).cluster_centers_, np.float32)


_TRAINERS: dict[str, Train] = {"ours": _ours, "faiss": _faiss, "scikit-learn": _sklearn}
