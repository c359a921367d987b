"""Vectors that are dear to make and read several times: kept on disk while they're needed."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering.streaming import Blocks
from shared.files.durable import TEMPORARY_SUFFIX
from shared.files.mapped import let_go

_BLOCK = 16_384


@contextmanager
def kept_on_disk(
    folder: Path, where: FeatureRows, blocks: Blocks
) -> Iterator[Callable[[FeatureRows], Blocks]]:
    """Writes the vectors of some images, in the order of `where`, to a file that goes at the end.

    Gives what reads them, or those of some of these images, as often as one likes.
    """
    path = folder / f".scratch.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    by_ordinal = np.argsort(where.ordinals)
    try:
        table = _written(path, len(where), blocks)

        def read(rows: FeatureRows) -> Blocks:
            at = np.searchsorted(where.ordinals, rows.ordinals, sorter=by_ordinal)
            places = by_ordinal[at]
            for start in range(0, len(rows), _BLOCK):
                yield start, np.array(table[places[start : start + _BLOCK]])
                let_go(table)

        yield read
    finally:
        path.unlink(missing_ok=True)


def _written(path: Path, rows: int, blocks: Blocks) -> NDArray[np.float32]:
    table: NDArray[np.float32] | None = None
    for start, block in blocks:
        if table is None:
            shape = (rows, block.shape[1])
            table = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)
        table[start : start + len(block)] = block
        let_go(table)
    return np.empty((0, 0), np.float32) if table is None else table
