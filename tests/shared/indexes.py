"""Indexes of made-up vectors, and what brute force says of those."""

import itertools

import numpy as np

from services.indexer.clustering.streaming import assign, train_centroids
from shared.contracts.query import Metric
from shared.engines.ivf.codec import CodecTraining, CodeForm
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from shared.maths.distances import prepared

HALF = ("random", "duplicates", "zeros")
KINDS = ("random", "duplicates", "zeros", "scaled", "huge", "tiny", "near", "skewed")


def vectors_of(kind, rows, dim, rng):
    base = rng.normal(size=(rows, dim))
    if kind == "duplicates":
        base = base[rng.integers(0, max(1, rows // 4), rows)]
    elif kind == "zeros":
        base[rng.random(rows) < 0.5] = 0
    elif kind == "scaled":
        base = base[rng.integers(0, max(1, rows // 4), rows)] * 2.0 ** rng.integers(
            -9, 9, (rows, 1)
        )
    elif kind == "huge":
        base = base * 1e14
    elif kind == "tiny":
        base = base * 1e-24
    elif kind == "near":
        base = base[:1] * 100 + base * 1e-4
    elif kind == "skewed":
        base = base * 10.0 ** rng.integers(-6, 6, (rows, 1))
    return base.astype(np.float32)


def brute(vectors, query, metric):
    points, point = vectors.astype(np.float64), query.astype(np.float64)
    if metric is Metric.L2:
        return np.linalg.norm(points - point, axis=1)
    lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(point)
    with np.errstate(invalid="ignore"):
        return 1 - np.where(lengths > 0, points @ point / lengths, 0)


def tolerance(vectors, query, metric):
    """Rounding in float64: of a cosine, absolute; of an L2 distance, relative to the lengths."""
    if metric is Metric.COSINE:
        return 1e-12
    return 1e-12 * (np.abs(vectors).max(initial=0) + np.abs(query).max())


def index_of(
    folder,
    vectors,
    clusters,
    metric,
    cuts=(),
    coded=False,
    dtype="float32",
    compiled=True,
    form=None,
):
    """form: of the codes; None: the usual one."""
    folder.mkdir(exist_ok=True)
    bounds = [0, *sorted(cuts), len(vectors)]
    centroids = train_centroids(vectors, clusters, metric, seed=0)
    codec = None
    if coded:
        training = CodecTraining(prepared(vectors, metric), 0)
        codec = training.codec(form or CodeForm.usual(vectors.shape[1]))
    partition = Partition(centroids, metric, codec, dtype)
    segments = []
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        block = vectors[start:end]
        lists = assign([(0, block)] if len(block) else [], len(block), centroids, metric)
        path = folder / f"{number}.hdf5"
        writer = PostingsWriter(path, partition, lists, np.arange(start, end), is_first=number == 0)
        writer.put(0, block)
        writer.close()
        segments.append(Postings(path))
    return InvertedIndex(segments, metric, compiled=compiled)


def clustered(rows, dim, seed=0):
    """Points as real features lie: in clusters, near to a plane of few dimensions."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, 12))
    latent = centres[rng.integers(0, 40, rows)] + 0.6 * rng.normal(size=(rows, 12))
    features = np.maximum(latent @ rng.normal(size=(12, dim)), 0)
    return (features + 0.1 * rng.normal(size=(rows, dim))).astype(np.float32)
