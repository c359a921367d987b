"""The tags of TIFF files that Pillow can't open, as the RAW files of most cameras are.

Only numbers and texts are read, each within limits; what is damaged counts as missing.
"""

import struct
from collections.abc import Iterator
from typing import Self

IMAGE_WIDTH, IMAGE_LENGTH, COMPRESSION, PHOTOMETRIC = 0x0100, 0x0101, 0x0103, 0x0106
MAKE, ORIENTATION, SUB_IFDS, EXIF_IFD, GPS_IFD = 0x010F, 0x0112, 0x014A, 0x8769, 0x8825
_MOST_TAGS, _MOST_DIRECTORIES, _MOST_NUMBERS, _LONGEST_TEXT = 1024, 32, 64, 200
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 6: "b", 8: "h", 9: "i"}
_BYTES = {2: 1, 5: 8, 7: 1, 10: 8} | {kind: struct.calcsize(c) for kind, c in _NUMBERS.items()}
_TEXT, _RATIONAL = 2, 5


class Directory:
    """One directory: its tags, and where the next one is (0: nowhere)."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._order = ">" if data[:2] == b"MM" else "<"
        self._tags: dict[int, tuple[int, int, int]] = {}
        self.next = 0
        try:
            count = struct.unpack_from(f"{self._order}H", data, at)[0]
            for number in range(min(count, _MOST_TAGS)):
                begin = at + 2 + 12 * number
                tag, kind, values = struct.unpack_from(f"{self._order}HHI", data, begin)
                self._tags.setdefault(tag, (kind, values, begin + 8))
            self.next = struct.unpack_from(f"{self._order}I", data, at + 2 + 12 * count)[0]
        except struct.error:
            # A file that ends within a directory has the tags up to there.
            return

    @classmethod
    def first(cls, data: bytes) -> Self:
        """Return the first directory of a file; without tags where there is none."""
        order = ">" if data[:2] == b"MM" else "<"
        return cls(data, struct.unpack_from(f"{order}I", data, 4)[0] if len(data) >= 8 else 0)

    def __contains__(self, tag: int) -> bool:
        return tag in self._tags

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag, the first of them; rationals rounded down."""
        kind, count, at = self._tags.get(tag, (0, 0, 0))
        letter, size = _NUMBERS.get(kind), _BYTES.get(kind, 0)
        if letter is None and kind != _RATIONAL:
            return ()
        try:
            if size * count > 4:
                at = struct.unpack_from(f"{self._order}I", self._data, at)[0]
            count = min(count, _MOST_NUMBERS)
            if letter is not None:
                return struct.unpack_from(f"{self._order}{count}{letter}", self._data, at)
            parts = struct.unpack_from(f"{self._order}{2 * count}I", self._data, at)
        except struct.error:
            return ()
        return tuple(a // b if b else 0 for a, b in zip(parts[::2], parts[1::2], strict=True))

    def number(self, tag: int) -> int:
        """Return the first number of a tag, 0 if there is none."""
        return next(iter(self.numbers(tag)), 0)

    def text(self, tag: int) -> str:
        """Return the text of a tag, "" if there is none."""
        kind, count, at = self._tags.get(tag, (0, 0, 0))
        if kind != _TEXT:
            return ""
        if count > 4:
            if at + 4 > len(self._data):
                return ""
            at = struct.unpack_from(f"{self._order}I", self._data, at)[0]
        found = self._data[at : at + min(count, _LONGEST_TEXT)]
        return found.split(b"\0", 1)[0].decode("latin-1").strip()

    def within(self, tag: int) -> "Directory":
        """Return the directory that a tag points to; without tags where there is none."""
        at = self.number(tag)
        return Directory(self._data, at if at else len(self._data))


def directories(data: bytes) -> Iterator[Directory]:
    """Yield the directories of pictures, and those within them; each once, at most some tens."""
    order = ">" if data[:2] == b"MM" else "<"
    if len(data) < 8:
        return
    pending, seen = [struct.unpack_from(f"{order}I", data, 4)[0]], set[int]()
    while pending and len(seen) < _MOST_DIRECTORIES:
        at = pending.pop(0)
        if not at or at in seen:
            continue
        seen.add(at)
        found = Directory(data, at)
        yield found
        pending += [*found.numbers(SUB_IFDS), found.next]
