"""Words and their vectors, as a file has them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WordTable:
    """Words, most frequent first, and a row of `vectors` for each."""

    index_to_key: list[str]
    key_to_index: dict[str, int]
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, words: list[str], vectors: NDArray[np.float32]) -> "WordTable":
        """Return the table of distinct words and their rows."""
        return cls(words, {word: row for row, word in enumerate(words)}, vectors)
