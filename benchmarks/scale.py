"""The size this is made for: built on disk, indexed in little memory, searched in less."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import cgroup, features, product, truth
from benchmarks.collection import Collection
from benchmarks.contenders.contender import Place
from benchmarks.harness import processors
from benchmarks.worker import Start, Worker

_K = 10
_QUERIES = 500
_TARGET = 0.95
_MIB = 2**20


class _Shards(Collection):
    """A collection whose vectors are only in the product's own feature shards."""

    @property
    def shards(self) -> list[NDArray[np.float32]]:
        folder = self.folder / "built" / "ours" / "features" / product.FINGERPRINT
        return [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        yield from self.shards

    def recalls(
        self, numbers: NDArray[np.int64], answers: list[NDArray[np.int64]], k: int, own: bool
    ) -> NDArray[np.float64]:
        shards, queries = self.shards, self.queries
        away = np.load(self.folder / "distances.npy")
        found = []
        for number, answer in zip(numbers, answers, strict=True):
            rows = np.unique(answer[:k])
            vectors = np.stack([shards[r // features.CHUNK][r % features.CHUNK] for r in rows])
            each = truth.distances(vectors, queries[number], np.arange(len(rows)))
            found.append(truth.recall(each, float(away[number, k - 1]), k))
        return np.array(found)


def measure(
    data: Path, rows: int, dim: int, search_mib: int, keep: bool, source: Path | None = None
) -> dict[str, Any]:
    """Makes, builds, searches; what that took. The data is deleted afterwards unless kept.

    source: a folder of real vectors, around which those of the collection lie.
    """
    collection = _Shards(data / f"scale-{rows}x{dim}")
    place = Place(collection, collection.folder / "built")
    try:
        if not (collection.folder / "queries.npy").exists():
            shutil.rmtree(collection.folder, ignore_errors=True)
            drawn = rows + _QUERIES
            blocks = (
                features.chunks(drawn, dim) if source is None else features.mixture(drawn, source)
            )
            _make(collection, place, rows, blocks)
        return {
            "source": "features" if source is None else "mixture",
            "rows": rows,
            "dim": dim,
            "raw_mib": rows * dim * 4 / _MIB,
            "build": _build(place),
            "search": _search(place, search_mib),
        }
    finally:
        if not keep:
            shutil.rmtree(collection.folder, ignore_errors=True)


def _make(
    collection: _Shards, place: Place, rows: int, blocks: Iterator[NDArray[np.float32]]
) -> None:
    print(f"  making {rows} rows", flush=True)
    held_out: list[NDArray[np.float32]] = []

    def indexed() -> Iterator[NDArray[np.float32]]:
        left = rows
        for block in blocks:
            if left > 0:
                yield block[:left]
            if len(block) > left:
                held_out.append(block[max(left, 0) :])
            left -= len(block)

    product.fill(place.folder("ours"), indexed())
    queries = np.concatenate(held_out)
    away, _ = truth.nearest(collection.blocks(), queries, _K)
    np.save(collection.folder / "distances.npy", away)
    np.save(collection.folder / "queries.npy", queries)


def _build(place: Place) -> dict[str, Any]:
    folder = place.folder("ours")
    for part in ("segments", "snapshots"):
        shutil.rmtree(folder / part, ignore_errors=True)
    print("  indexing", flush=True)
    with Worker(Start("ours", processors())) as worker:
        built: dict[str, Any] = worker.call("index", place=place)
    print(f"  {built}", flush=True)
    return {**built, "processors": len(processors())}


def _search(place: Place, limit_mib: int) -> dict[str, Any]:
    reason = cgroup.unavailable()
    if reason is not None:
        print(f"  no limit of memory is set: {reason}")
        with Worker(Start("ours", processors()[:1])) as worker:
            return {"left_out_limit": reason, **_asked(worker, place)}
    cgroup.forget_cached(place.folder("ours"))
    with (
        cgroup.limited(limit_mib * _MIB, "ise-bench-scale") as procs,
        Worker(Start("ours", processors()[:1], procs)) as worker,
    ):
        return {"limit_mib": limit_mib, **_asked(worker, place)}


def _asked(worker: Worker, place: Place) -> dict[str, Any]:
    """Two passes: one from a cold cache, one with what the limit lets stay."""
    worker.call("open", place=place)
    setting = worker.call("planned", target=_TARGET, k=_K)
    numbers = np.arange(_QUERIES)
    found: dict[str, Any] = {"target": _TARGET, "setting": setting}
    for name in ("cold", "warm"):
        before = worker.call("read_bytes")
        answers, seconds = worker.call("search", numbers=numbers, k=_K, setting=setting, warm=False)
        found[name] = {
            "recall": float(place.collection.recalls(numbers, answers, _K, False).mean()),
            "p50_ms": 1e3 * float(np.median(seconds)),
            "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)),
            "read_mib_per_query": (worker.call("read_bytes") - before) / len(numbers) / _MIB,
        }
    found.update(worker.call("held"))
    print(f"  {found}")
    return found
