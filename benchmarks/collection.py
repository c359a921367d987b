"""Collections to measure on: vectors, queries held out of the same draw, exact answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import features, truth

K_MAX = 100
QUERIES = 1000
_BLOCK = 50_000


@dataclass(frozen=True)
class Collection:
    """A folder of `base.npy`, `queries.npy`, and the exact answers to these.

    Beside the queries, some of the base's own rows are asked: as a search by id asks.
    """

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def base(self) -> NDArray[np.float32]:
        """float32 (rows, dim), a read-only memory map."""
        return self._load("base")

    @property
    def queries(self) -> NDArray[np.float32]:
        """float32 (queries, dim)."""
        return np.array(self._load("queries"))

    @property
    def neighbours(self) -> NDArray[np.int64]:
        """Rows of each query's exact nearest, int64 (queries, K_MAX)."""
        rows: NDArray[np.int64] = np.load(self.folder / "neighbours.npy")
        return rows

    @property
    def own_rows(self) -> NDArray[np.int64]:
        """The base's rows that are asked by number, int64 (queries,)."""
        rows: NDArray[np.int64] = np.load(self.folder / "own-rows.npy")
        return rows

    def recalls(
        self, numbers: NDArray[np.int64], answers: list[NDArray[np.int64]], k: int, own: bool
    ) -> NDArray[np.float64]:
        """The recall of each answer, in rows of the base, to the queries of these numbers."""
        base = self.base
        asked = base[self.own_rows] if own else self.queries
        away = self._load("own-distances" if own else "distances")
        found = []
        for number, answer in zip(numbers, answers, strict=True):
            measured = truth.distances(base, asked[number], np.unique(answer[:k]))
            found.append(truth.recall(measured, float(away[number, k - 1]), k))
        return np.array(found)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        base = self.base
        for start in range(0, len(base), _BLOCK):
            yield np.array(base[start : start + _BLOCK])

    def _load(self, name: str) -> NDArray[np.float32]:
        array: NDArray[np.float32] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return array

    def answer_exactly(self) -> None:
        """Finds the exact answers, where they aren't there yet."""
        if (self.folder / "own-distances.npy").exists():
            return
        base = self.base
        k = min(K_MAX, len(base))
        away, rows = truth.nearest(self.blocks(), self.queries, k)
        np.save(self.folder / "neighbours.npy", rows)
        np.save(self.folder / "distances.npy", away)
        own = np.random.default_rng(0).choice(len(base), len(away), replace=len(base) < len(away))
        np.save(self.folder / "own-rows.npy", own)
        away, _ = truth.nearest(self.blocks(), np.array(base[own]), k)
        np.save(self.folder / "own-distances.npy", away)


def generated(data: Path, rows: int, dim: int, queries: int = QUERIES) -> Collection:
    """Realistic features; made once for each size."""
    collection = Collection(data / f"features-{rows}x{dim}")
    if not (collection.folder / "queries.npy").exists():
        collection.folder.mkdir(parents=True, exist_ok=True)
        shape = (rows, dim)
        base = np.lib.format.open_memmap(collection.folder / "base.npy", "w+", np.float32, shape)
        held_out = np.empty((queries, dim), np.float32)
        start = 0
        for block in features.chunks(rows + queries, dim):
            inside = max(0, min(len(block), rows - start))
            base[start : start + inside] = block[:inside]
            first = max(0, start - rows)
            held_out[first : first + len(block) - inside] = block[inside:]
            start += len(block)
        base.flush()
        np.save(collection.folder / "queries.npy", held_out)
    collection.answer_exactly()
    return collection


def real(data: Path, source: Path) -> Collection:
    """The features in `base_*.npy` and `query_*.npy` of a folder."""
    base, queries = (next(source.glob(f"{kind}_f16_*.npy")) for kind in ("base", "query"))
    collection = Collection(data / "real-{}x{}".format(*np.load(base, mmap_mode="r").shape))
    if not (collection.folder / "queries.npy").exists():
        collection.folder.mkdir(parents=True, exist_ok=True)
        np.save(collection.folder / "base.npy", np.load(base).astype(np.float32))
        np.save(collection.folder / "queries.npy", np.load(queries).astype(np.float32))
    collection.answer_exactly()
    return collection
