"""Features as `.npy` shards: `features/<fingerprint>/00000001.npy`, float32 of shape (rows, dim).

A shard is immutable, and is checked against its SHA-256 before it is read. The catalogue maps rows
to images; a shard that a killed process wrote without recording it is harmless.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from shared.core.errors import Corrupt
from shared.files import durable, npy, sums
from shared.files.mapped import let_go

_BLOCK = 16_384
CANARY = "canary.npy"


class FeatureStore:
    """Raw pooled features of every image, by model fingerprint."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "features"
        self._next: dict[str, int] = {}
        self._checked = sums.Checked()
        self._lock = threading.Lock()

    def append(self, fingerprint: str, vectors: NDArray[np.float32]) -> int:
        """Store rows durably as a new shard, float32 of shape (n, dim); return its number."""
        with self._lock:
            shard = self._next.get(fingerprint) or self._first_free(fingerprint)
            while not _claimed(self._path(fingerprint, shard)):
                shard += 1
            self._next[fingerprint] = shard + 1
        path = self._path(fingerprint, shard)
        try:
            _write(path, np.ascontiguousarray(vectors, np.float32))
        except BaseException:
            if not path.exists():
                sums.path_of(path).unlink(missing_ok=True)
            raise
        return shard

    def canary(self, fingerprint: str) -> NDArray[np.float32] | None:
        """Return the model's features of the built-in picture, (dim,); None if not stored."""
        path = self.folder / fingerprint / CANARY
        try:
            if path.exists():
                sums.check(path)
            vector: NDArray[np.float32] = npy.load(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Corrupt(f"{path} can't be read: {error}") from error
        return vector

    def keep_canary(self, fingerprint: str, vector: NDArray[np.float32]) -> None:
        """Store the features of the built-in picture."""
        path = self.folder / fingerprint / CANARY
        _write(path, np.asarray(vector, np.float32), "canary")

    def read(self, fingerprint: str, where: FeatureRows) -> NDArray[np.float32]:
        """The features at these rows, in their order; float32 of shape (n, dim)."""
        blocks = [block for _, block in self.blocks(fingerprint, where)]
        return np.concatenate(blocks) if blocks else np.empty((0, 0), np.float32)

    def has(self, fingerprint: str, shard: int, row: int) -> bool:
        """Tell whether the features of a row can be read."""
        try:
            table = self._open(fingerprint, shard)
        except (Corrupt, OSError):
            return False
        return row < len(table)

    def copy(self, fingerprint: str, where: FeatureRows, path: Path) -> None:
        """Writes the features at these rows, of which there are some, as one `.npy` file.

        Memory holds a block of them at a time.
        """
        table: NDArray[np.float32] | None = None
        for start, block in self.blocks(fingerprint, where):
            if table is None:
                shape = (len(where), block.shape[1])
                table = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)
            table[start : start + len(block)] = block

    def blocks(
        self, fingerprint: str, where: FeatureRows
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield pairs of a start and the features at rows start : start + n, at most 16,384 each.

        Reading follows the order of shards if `where` does, so each shard is opened once.
        """
        opened: tuple[int, NDArray[np.float32]] | None = None
        for start in range(0, len(where), _BLOCK):
            shards = where.shards[start : start + _BLOCK]
            rows = where.rows[start : start + _BLOCK]
            edges = np.flatnonzero(np.diff(shards)) + 1
            parts = []
            for part in np.split(np.arange(len(shards)), edges):
                shard = int(shards[part[0]])
                if opened is None or opened[0] != shard:
                    opened = (shard, self._open(fingerprint, shard))
                try:
                    parts.append(opened[1][rows[part]])
                except IndexError:
                    raise Corrupt(
                        f"{self._path(fingerprint, shard)} has fewer rows than the catalogue says."
                    ) from None
            if opened is not None:
                let_go(opened[1])
            yield start, parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _open(self, fingerprint: str, shard: int) -> NDArray[np.float32]:
        path = self._path(fingerprint, shard)
        self._checked.once(path, lambda: sums.check(path))
        return opened(path)

    def _first_free(self, fingerprint: str) -> int:
        found = [p.stem for p in (self.folder / fingerprint).glob("*.npy")]
        return max((int(stem) for stem in found if stem.isdigit()), default=0) + 1

    def _path(self, fingerprint: str, shard: int) -> Path:
        return self.folder / fingerprint / f"{shard:08d}.npy"


def opened(path: Path) -> NDArray[np.float32]:
    """A shard as a table that stays on disk, float32 of shape (rows, dim). Raises Corrupt."""
    try:
        array: NDArray[np.float32] = npy.load(path, mapped=True)
    except (OSError, ValueError) as error:
        raise Corrupt(f"{path} can't be read: {error}") from error
    if array.ndim != 2 or array.dtype != np.float32:
        raise Corrupt(f"{path} is not a table of float32 features.")
    return array


def _claimed(path: Path) -> bool:
    """Reserve a shard's name by creating its checksum file; another worker may have done so."""
    durable.make_dir(path.parent)
    try:
        os.close(os.open(sums.path_of(path), os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        return False
    return True


def _write(path: Path, table: NDArray[np.float32], what: str = "features") -> None:
    with durable.publishing(path, what) as temporary:
        with temporary.open("wb") as file:
            np.save(file, table, allow_pickle=False)
        sums.write(path, durable.sha256_of(temporary))
