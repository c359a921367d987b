"""HDF5 files read around h5py, which has one lock for all files and is used only to find datasets.

Each dataset is contiguous and uncompressed; its byte offset is resolved once, and then it is a
read-only memory map that many threads can read.
"""

import errno
import json
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from shared.core.errors import Corrupt, Unavailable

_PAGE = 4096
_PIECE = 1 << 23  # rows of an array that are copied at a time
_NO_DAMAGE = (errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.ENOMEM)


class MappedFile:
    """The datasets of one HDF5 file as read-only arrays on disk.

    Raises Corrupt if the file is damaged or missing, Unavailable if it can't be opened now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrays: dict[str, NDArray[Any]] = {}
        try:
            with h5py.File(path, "r") as file:
                places = {
                    name: (data.dtype, data.shape, data.id.get_offset())
                    for name, data in file.items()
                }
            for name, (dtype, shape, offset) in places.items():
                self._arrays[name] = _mapped(path, dtype, shape, offset)
        except (
            *(OSError, ValueError, KeyError, AttributeError),
            *(RuntimeError, TypeError, MemoryError),
        ) as error:
            if isinstance(error, OSError) and error.errno in _NO_DAMAGE:
                raise Unavailable(
                    f"{path} can't be opened: {os.strerror(error.errno)}. Look at its permissions, "
                    "and at how many open files the process may have (`ulimit -n`).",
                    retry_after=5,
                ) from error
            raise Corrupt(f"{path.name} can't be read as a segment: {error}") from error

    def sizes(self) -> dict[str, int]:
        """The bytes of each dataset."""
        return {name: array.nbytes for name, array in self._arrays.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            return self._arrays[name]
        except KeyError:
            raise Corrupt(f"{self.path.name} has no dataset {name!r}.") from None

    def json(self, name: str) -> Any:
        """Return the JSON value in a dataset of bytes. Raises Corrupt."""
        try:
            return json.loads(self[name].tobytes())
        except (ValueError, RecursionError) as error:
            raise Corrupt(f"{self.path.name}: {name} can't be read: {error}") from error


def _mapped(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int | None
) -> NDArray[Any]:
    if 0 in shape:
        return np.empty(shape, dtype)
    if offset is None:
        raise ValueError("a dataset is not contiguous")
    return np.memmap(path, dtype, "r", offset, shape)


def expect_scattered_reads(array: NDArray[Any]) -> None:
    """Read only requested pages, instead of 31 more beside each missing one."""
    memory = getattr(array, "_mmap", None)
    if memory is not None:
        memory.madvise(mmap.MADV_RANDOM)


def offsets_of(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where lists begin that lie one after another, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)


def let_go(array: NDArray[Any]) -> None:
    """Release a map's pages from this process's memory; written data is kept.

    Otherwise, one pass over a large file makes the process as large as the file.
    """
    memory = getattr(array, "_mmap", None)
    if memory is not None:
        memory.madvise(mmap.MADV_DONTNEED)


class MappedWriter:
    """Writes a file for `MappedFile`: datasets are laid out first, then filled in any order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._specs: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

    def declare(self, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        """Announces a dataset; all must be announced before `allocate`."""
        self._specs[name] = (np.dtype(dtype), shape)

    def allocate(self) -> dict[str, NDArray[Any]]:
        """Create the file and return each dataset as a writable map; flush them when filled."""
        with h5py.File(
            self.path, "w", libver="latest", alignment_threshold=_PAGE, alignment_interval=_PAGE
        ) as file:
            for name, (dtype, shape) in self._specs.items():
                plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                plan.set_layout(h5py.h5d.CONTIGUOUS)
                plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
                plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                space = h5py.h5s.create_simple(shape)
                h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype), space, dcpl=plan)
            places = {name: file[name].id.get_offset() for name in self._specs}
        return {
            name: np.empty(shape, dtype)
            if 0 in shape
            else np.memmap(self.path, dtype, "r+", places[name], shape)
            for name, (dtype, shape) in self._specs.items()
        }


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Writes a file for `MappedFile` from arrays in memory."""
    writer = MappedWriter(path)
    for name, array in arrays.items():
        writer.declare(name, array.dtype, array.shape)
    for name, target in writer.allocate().items():
        # Piece by piece, so that neither map of a large array is in memory as a whole.
        for start in range(0, len(target), _PIECE):
            piece = slice(start, start + _PIECE)
            target[piece] = arrays[name][piece]
            let_go(target)
            let_go(arrays[name])
        if isinstance(target, np.memmap):
            target.flush()
