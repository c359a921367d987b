"""Words in a picture, by PP-OCR networks that come with rapidocr, run by OpenVINO."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Any

import numpy as np
from PIL import Image
from rapidocr import EngineType, RapidOCR

from shared.contracts.text import Word
from shared.media import images

_LONGEST = 2000
"""Larger pictures are scaled to this side: text smaller than a hundredth of it is seldom meant."""
_LEAST = 0.7
"""Lines that the networks are less sure of are noise: textures, foliage, brickwork."""
_LEAST_SHORT, _SHORT = 0.93, 2
"""The same of lines of so few characters: round and square shapes look like letters."""
_LEAST_WORD = 0.5
_MOST = 2000
_RULES = 1
"""Version of what is made of the networks' answers; `again` reads anew what others have read."""


class Ocr:
    """Reader of text. Loads its networks at the first picture."""

    def __init__(self, threads: int, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        engine = {f"{part}.engine_type": EngineType.OPENVINO for part in ("Det", "Cls", "Rec")}
        self._networks = RapidOCR(
            params={
                **engine,
                "EngineConfig.openvino.inference_num_threads": threads,
                "Global.log_level": "error",
                "Global.text_score": _LEAST,
            }
        )
        self.name = f"rapidocr-{version('rapidocr')}/{_RULES}"

    def read(self, data: bytes) -> list[Word]:
        """Return the words of a picture file, in the order of reading. Raises BadImage."""
        picture = images.decode(data, self._max_pixels)
        picture.thumbnail((_LONGEST, _LONGEST))
        pixels = np.asarray(picture.convert("RGB"))[:, :, ::-1]
        found: Any = self._networks(np.ascontiguousarray(pixels), return_word_box=True)
        if not getattr(found, "txts", None):
            # There is no text, and what stands for its words has another form.
            return []
        words = getattr(found, "word_results", ())
        lines = zip(found.txts, found.scores, words, strict=True)
        return list(_words(lines, picture))[:_MOST]


def _words(
    lines: Iterable[tuple[str, float, Sequence[Any]]], picture: Image.Image
) -> Iterator[Word]:
    for number, (text, sure, pieces) in enumerate(lines):
        if len(text.strip()) <= _SHORT and sure < _LEAST_SHORT:
            continue
        for word, confidence, box in _joined(text, pieces):
            if confidence >= _LEAST_WORD:
                corners = [[_share(x, picture.width), _share(y, picture.height)] for x, y in box]
                yield Word(text=word, confidence=confidence, line=number, box=corners)


def _joined(text: str, pieces: Sequence[Any]) -> Iterator[tuple[str, float, list[Any]]]:
    """The words of a line, as its text has them: pieces are parted by gaps, which wide letters
    have, too.
    """
    words = text.split()
    parts = [(str(one[0]).strip(), float(one[1]), list(one[2])) for one in pieces]
    parts = [part for part in parts if part[0]]
    ends = set(accumulate(len(part[0]) for part in parts))
    whole = "".join(words) == "".join(part[0] for part in parts)
    if not whole or not set(accumulate(map(len, words))) <= ends:
        # The text has been put together otherwise.
        yield from parts
        return
    waiting = iter(parts)
    for word in words:
        own = [next(waiting)]
        while sum(len(part[0]) for part in own) < len(word):
            own.append(next(waiting))
        first, last = own[0][2], own[-1][2]
        yield word, min(part[1] for part in own), [first[0], last[1], last[2], first[3]]


def _share(place: float, side: int) -> float:
    return round(min(max(float(place) / side, 0.0), 1.0), 5)
