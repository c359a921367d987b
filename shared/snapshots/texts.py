"""Texts of images in a snapshot: the words that were read in each, and the images of each word.

A texts file:

    ordinals      (n,)      int64    image numbers, ascending
    words_at      (n + 1,)  int64    image i has the words words_at[i] : words_at[i + 1]
    text_at       (w + 1,)  int64    word j is text[text_at[j] : text_at[j + 1]], as UTF-8
    text          bytes     uint8
    boxes         (w, 8)    uint16   corners x, y of each word, in 65535ths of the picture's sides
    confidences   (w,)      float16
    lines         (w,)      uint16
    key_at, keys            likewise: words as they are compared, ascending
    token_words   (t,)      int64    word of each token: a written word may have several, `e-mail`
    list_at       (k + 1,)  int64    key i occurs at the tokens list_tokens[list_at[i] : ...]
    list_tokens   (t,)      int64    ascending within a key; tokens of a text follow each other
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.contracts.text import Word
from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, write_arrays
from shared.terms.text_words import text_words

UNIT = 65535
MOST_WORDS = 2000
"""Words of one image that are kept, in the order of reading."""


@dataclass(frozen=True)
class ReadText:
    """The words of an image. `words`: as the catalogue keeps them, see `packed`."""

    ordinal: int
    words: Sequence[Sequence[object]]


def packed(word: Word) -> list[object]:
    """Return a word as JSON keeps it: text, confidence, line, eight coordinates."""
    corners = [min(max(round(number * UNIT), 0), UNIT) for point in word.box for number in point]
    return [word.text, round(word.confidence, 3), word.line, corners]


def write_texts(path: Path, texts: Iterable[ReadText]) -> int:
    """Write the texts of images; give their number."""
    ordered = sorted(texts, key=lambda one: one.ordinal)
    words = [word for one in ordered for word in one.words]
    written = [str(word[0]).encode(errors="replace") for word in words]
    tokens: dict[str, list[int]] = {}
    owners: list[int] = []
    for number, word in enumerate(words):
        for key in text_words(str(word[0])):
            tokens.setdefault(key, []).append(len(owners))
            owners.append(number)
    keys = sorted(tokens)
    lists = [tokens[key] for key in keys]
    boxes = np.array([word[3] for word in words], np.uint16).reshape(len(words), 8)
    text_at, text = _joined(written)
    key_at, joined_keys = _joined([key.encode() for key in keys])
    write_arrays(
        path,
        {
            "ordinals": np.array([one.ordinal for one in ordered], np.int64),
            "words_at": _starts([len(one.words) for one in ordered]),
            "text_at": text_at,
            "text": text,
            "boxes": boxes,
            "confidences": np.array([word[1] for word in words], np.float16),
            "lines": np.array([word[2] for word in words], np.uint16),
            "key_at": key_at,
            "keys": joined_keys,
            "token_words": np.array(owners, np.int64),
            "list_at": _starts([len(some) for some in lists]),
            "list_tokens": np.array([token for some in lists for token in some], np.int64),
        },
    )
    return len(ordered)


class TextsFile:
    """One texts file, read through memory maps."""

    def __init__(self, path: Path) -> None:
        file = MappedFile(path)
        self.path = path
        self.ordinals: NDArray[np.int64] = np.asarray(file["ordinals"])
        self._words_at: NDArray[np.int64] = np.asarray(file["words_at"])
        self._text_at: NDArray[np.int64] = np.asarray(file["text_at"])
        self._text: NDArray[np.uint8] = np.asarray(file["text"])
        self._boxes: NDArray[np.uint16] = np.asarray(file["boxes"])
        self.confidences: NDArray[np.float16] = np.asarray(file["confidences"])
        self._lines: NDArray[np.uint16] = np.asarray(file["lines"])
        self._token_words: NDArray[np.int64] = np.asarray(file["token_words"])
        self._list_at: NDArray[np.int64] = np.asarray(file["list_at"])
        self._list_tokens: NDArray[np.int64] = np.asarray(file["list_tokens"])
        key_at, joined = file["key_at"].tolist(), file["keys"].tobytes().decode()
        # Offsets are of bytes, which are those of the characters only in ASCII.
        encoded = joined.encode() if not joined.isascii() else None
        self.keys: list[str] = [
            joined[start:end] if encoded is None else encoded[start:end].decode()
            for start, end in pairwise(key_at)
        ]
        self._numbers = {key: number for number, key in enumerate(self.keys)}
        counts = (len(self._words_at) - 1, len(self._text_at) - 1, len(self._list_at) - 1)
        if counts != (len(self.ordinals), len(self.confidences), len(self.keys)):
            raise Corrupt(f"{path.name}: its images, words and lists don't agree.")

    def row_of(self, ordinal: int) -> int | None:
        """Return the row of an image, or None."""
        row = int(self.ordinals.searchsorted(ordinal))
        return row if row < len(self.ordinals) and self.ordinals[row] == ordinal else None

    def tokens(self, key: str) -> NDArray[np.int64]:
        """The tokens that are a word as it is compared, ascending."""
        number = self._numbers.get(key)
        if number is None:
            return np.empty(0, np.int64)
        return self._list_tokens[self._list_at[number] : self._list_at[number + 1]]

    def rows_of(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each token's image."""
        words = self._token_words[tokens]
        found: NDArray[np.int64] = np.searchsorted(self._words_at, words, "right") - 1
        return found

    def confidences_of(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """How sure each token was read."""
        return self.confidences[self._token_words[tokens]].astype(np.float32)

    def words(self, row: int) -> list[Word]:
        """The words of a row, in the order of reading."""
        return [self._word(number) for number in range(*self._words_at[row : row + 2].tolist())]

    def raw(self, row: int) -> ReadText:
        """A row as `write_texts` takes it."""
        numbers = range(*self._words_at[row : row + 2].tolist())
        return ReadText(
            int(self.ordinals[row]),
            [
                [
                    self._written(number),
                    float(self.confidences[number]),
                    int(self._lines[number]),
                    self._boxes[number].tolist(),
                ]
                for number in numbers
            ],
        )

    def _word(self, number: int) -> Word:
        corners = (self._boxes[number].astype(np.float64) / UNIT).round(4).reshape(4, 2)
        return Word(
            text=self._written(number),
            confidence=round(float(self.confidences[number]), 3),
            line=int(self._lines[number]),
            box=corners.tolist(),
        )

    def _written(self, number: int) -> str:
        start, end = self._text_at[number : number + 2].tolist()
        return self._text[start:end].tobytes().decode(errors="replace")


def _joined(parts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    return _starts([len(part) for part in parts]), np.frombuffer(b"".join(parts), np.uint8)


def _starts(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.array(lengths, np.int64))]).astype(np.int64)
