"""`.npy` files of vectors, read and written as streams.

The header is taken apart by patterns, never evaluated, and nothing is ever unpickled: the files
come from outside. What it announces is held against the file's size before memory is taken.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shared.contracts.base import MAX_DIM
from shared.core.errors import InvalidInput

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_ALIGNED = 64
_MOST_ROWS = 2**40
_DESCR = re.compile(r"['\"]descr['\"]\s*:\s*['\"]([^'\"]{1,20})['\"]")
_FORTRAN = re.compile(r"['\"]fortran_order['\"]\s*:\s*(True|False)")
_SHAPE = re.compile(r"['\"]shape['\"]\s*:\s*\(([\d\s,L]{0,100})\)")
_TYPES = {"<f2", "<f4", "<f8", ">f2", ">f4", ">f8"}


class NpyFile:
    """A table of vectors in an open file, which is read once from front to back."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        """`size`: of the file, in bytes. Raises InvalidInput where it is no table of vectors."""
        self._file = file
        self._name = name
        header, begin = self._header()
        descr, fortran, shape = (_found(pattern, header) for pattern in (_DESCR, _FORTRAN, _SHAPE))
        if descr is None or fortran is None or shape is None:
            raise self._refusal("its header can't be read")
        if descr not in _TYPES:
            raise self._refusal(f"it holds {descr}; save it as float32: `array.astype('float32')`")
        lengths = [int(part) for part in re.findall(r"\d{1,15}", shape)]
        if len(lengths) != 2:
            raise self._refusal(f"its shape is ({shape.strip()}); one row a vector is needed")
        self.rows, self.dim = lengths
        if not (0 < self.rows <= _MOST_ROWS and 0 < self.dim <= MAX_DIM):
            raise self._refusal(
                f"it has {self.rows} rows of {self.dim} numbers; one row and one number are the "
                f"least, {MAX_DIM} numbers the most"
            )
        if fortran == "True" and self.rows > 1 and self.dim > 1:
            raise self._refusal("it is in Fortran order; save it with `np.ascontiguousarray`")
        self._type = np.dtype(descr)
        wanted = begin + self.rows * self.dim * self._type.itemsize
        if size != wanted:
            raise self._refusal(f"its header announces {wanted} bytes, and it has {size}")

    def blocks(self, rows: int) -> Iterator[NDArray[np.float32]]:
        """The vectors from the first to the last, so many at a time; float32 of shape (n, dim)."""
        for start in range(0, self.rows, rows):
            count = min(rows, self.rows - start)
            data = self._file.read(count * self.dim * self._type.itemsize)
            if len(data) != count * self.dim * self._type.itemsize:
                raise self._refusal("it became shorter while it was read")
            table = np.frombuffer(data, self._type).reshape(count, self.dim)
            # Values beyond float32 become infinite, which is refused.
            with np.errstate(over="ignore"):
                yield table.astype(np.float32)

    def _header(self) -> tuple[str, int]:
        """The header's text, and where the numbers begin."""
        start = self._file.read(8)
        if start[:6] != _MAGIC or len(start) != 8:
            raise self._refusal("it is not a .npy file")
        width = 2 if start[6] == 1 else 4
        if start[6] not in (1, 2, 3):
            raise self._refusal(f"it has version {start[6]}.{start[7]} of the .npy format")
        length = int.from_bytes(self._file.read(width), "little")
        if length > _LONGEST_HEADER:
            raise self._refusal(f"its header has {length} bytes")
        text = self._file.read(length)
        if len(text) != length:
            raise self._refusal("it ends within its header")
        return text.decode("latin-1"), 8 + width + length

    def _refusal(self, why: str) -> InvalidInput:
        return InvalidInput(f"{self._name} can't be used: {why}.")


def npy_header(rows: int, dim: int) -> bytes:
    """Return the bytes before the numbers of a float32 table."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}".encode()
    length = -(-(len(_MAGIC) + 4 + len(text) + 1) // _ALIGNED) * _ALIGNED - len(_MAGIC) - 4
    return _MAGIC + b"\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"


def _found(pattern: re.Pattern[str], header: str) -> str | None:
    """The one match; two could be read two ways."""
    found = pattern.findall(header)
    return found[0] if len(found) == 1 else None
