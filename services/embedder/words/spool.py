"""Large vectors in an unnamed mapped file, of which only used pages are in memory.

The file disappears with the process, so it can't become stale.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from services.embedder.words.table import WordTable

Entry = tuple[str, NDArray[np.float32]]

_LONGEST_WORD = 10_000
_LONGEST_LINE = 1 << 20


def mapped(entries: Iterator[Entry], dim: int, folder: Path | None) -> WordTable:
    """Return the first vector of each word, mapped from a file in `folder` or the temporary folder.

    Raises ValueError if there are none, or if one has another length.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, int] = {}
    with tempfile.TemporaryFile(dir=folder) as file:
        for word, vector in entries:
            if vector.shape != (dim,):
                raise ValueError(f"{word[:40]!r} has {vector.size} values where {dim} are due")
            if word not in index:
                index[word] = len(index)
                file.write(vector.tobytes())
        if not index:
            raise ValueError("there are no words in it")
        file.flush()
        vectors = np.memmap(file, np.float32, "r", shape=(len(index), dim))
    return WordTable(list(index), index, vectors)


def binary_entries(file: IO[bytes], count: int, dim: int) -> Iterator[Entry]:
    """Yield the entries of word2vec's binary format, from after its header."""
    for _ in range(count):
        word = bytearray()
        while (letter := file.read(1)) != b" ":
            if not letter or len(word) > _LONGEST_WORD:
                raise EOFError("it ends too early, or is no word2vec file")
            word += letter
        values = file.read(4 * dim)
        if len(values) < 4 * dim:
            raise EOFError("it ends too early")
        name = bytes(word).lstrip(b"\n").decode(errors="replace")
        yield name, np.frombuffer(values, "<f4")


def text_entries(file: IO[bytes], dim: int, count: int | None = None) -> Iterator[Entry]:
    """Yield entries from lines: a word, which may have spaces in it, and `dim` values; `count` is
    optional.
    """
    found = 0
    while line := file.readline(_LONGEST_LINE):
        word, *values = line.decode(errors="replace").rstrip().rsplit(" ", dim)
        yield word, np.array(values, dtype=np.float32)
        found += 1
    if count is not None and found < count:
        raise EOFError(f"it announces {count} words, and has {found}")
