"""faiss OnDiskInvertedLists: the same lists as raw vectors in one file."""

from pathlib import Path
from typing import Any, ClassVar

import faiss
import numpy as np
from faiss.contrib.ondisk import merge_ondisk

from benchmarks.contenders.contender import Place
from benchmarks.contenders.faiss_ivfflat import FaissIvfFlat, on_centroids

_FILE = "lists.faiss"
_VECTORS = "lists.ivfdata"


class FaissOnDisk(FaissIvfFlat):
    name: ClassVar[str] = "faiss-ondisk"

    def build(self, place: Place) -> dict[str, Any]:
        folder = place.folder(self.name)
        parts: list[Path] = []
        start = 0
        for block in place.collection.blocks():
            part = on_centroids(place.centroids)
            part.add_with_ids(block, np.arange(start, start + len(block)))
            start += len(block)
            parts.append(folder / f"part-{len(parts)}.faiss")
            faiss.write_index(part, str(parts[-1]))
        merged = on_centroids(place.centroids)
        merge_ondisk(merged, [str(part) for part in parts], str(folder / _VECTORS))
        faiss.write_index(merged, str(folder / _FILE))
        for part in parts:
            part.unlink()
        return {}

    def open(self, place: Place) -> None:
        path = place.folder(self.name) / _FILE
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_ONDISK_SAME_DIR)
