"""Words in a picture, by PP-OCR networks that come with rapidocr, run by OpenVINO."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from PIL import Image
from rapidocr import EngineType, RapidOCR

from shared.contracts.text import Word
from shared.media import images

_LONGEST = 2000
"""Larger pictures are scaled to this side: text smaller than a hundredth of it is seldom meant."""
_LEAST = 0.6
"""Lines that the networks are less sure of are noise: textures, foliage, brickwork."""
_LEAST_WORD = 0.5
_MOST = 2000


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
        self.name = f"rapidocr-{version('rapidocr')}"

    def read(self, data: bytes) -> list[Word]:
        """Return the words of a picture file, in the order of reading. Raises BadImage."""
        picture = images.decode(data, self._max_pixels)
        picture.thumbnail((_LONGEST, _LONGEST))
        pixels = np.asarray(picture.convert("RGB"))[:, :, ::-1]
        found = self._networks(np.ascontiguousarray(pixels), return_word_box=True)
        lines = getattr(found, "word_results", None)
        return list(_words(lines or (), picture))[:_MOST]


def _words(lines: Sequence[Sequence[Any]], picture: Image.Image) -> Iterator[Word]:
    for number, line in enumerate(lines):
        for text, confidence, box in line:
            if text and text.strip() and confidence >= _LEAST_WORD:
                corners = [[_share(x, picture.width), _share(y, picture.height)] for x, y in box]
                yield Word(
                    text=text.strip(), confidence=float(confidence), line=number, box=corners
                )


def _share(place: float, side: int) -> float:
    return round(min(max(float(place) / side, 0.0), 1.0), 5)
