"""Boxes of the ISO base media file format, which MP4, CR3 and JPEG XL consist of."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_MOST = 4096
"""Boxes of one level that are read; cameras write some tens."""
_LARGE, _TO_THE_END = 1, 0


class Box(NamedTuple):
    """A box: its type, and where its content begins and ends."""

    kind: bytes
    begin: int
    end: int


def boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two offsets, until one is damaged."""
    at, last = begin, len(data) if end is None else min(end, len(data))
    for _ in range(_MOST):
        if at + 8 > last:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == _LARGE:
            if at + 16 > last:
                return
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == _TO_THE_END:
            size = last - at
        if size < head:
            return
        yield Box(kind, at + head, min(at + size, last))
        at += size


def find(data: bytes, *path: bytes) -> Box | None:
    """Return the first box at a path of types, or None."""
    begin, end, found = 0, len(data), None
    for kind in path:
        found = next((box for box in boxes(data, begin, end) if box.kind == kind), None)
        if found is None:
            return None
        begin, end = found.begin, found.end
    return found
