"""Second looks by other local features than the product's SIFT, to compare them: ORB and AKAZE.

AKAZE is in the package opencv-contrib-python-headless from OpenCV 5 on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.duplicates.pictures import Picture, thumbnail
from services.indexer.comparing.evidence import compare
from services.indexer.comparing.look import (
    POINTS,
    RATIO,
    Bytes,
    Features,
    Look,
    features_of,
    look_at,
)

SIFT = "sift"
KINDS = (SIFT, "orb", "orb-500", "akaze")
_EDGE = 16
"""Pixels beside the edge in which no features are looked for; half of ORB's patch."""
_TIMED = 150
"""Originals that the costs are measured on."""


@dataclass(frozen=True)
class BinaryFeatures(Features):
    """Features whose descriptors are bits. flipped: descriptors of the mirrored picture."""

    flipped: Bytes

    def mirrored(self, width: int) -> Self:
        return type(self)(self._places_mirrored(width), self.flipped, self.descriptors)

    def matched_to(self, others: Features) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        away, nearest = cv2.batchDistance(
            self.descriptors, others.descriptors, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=2
        )
        return away[:, 0] < RATIO * away[:, 1], nearest[:, 0].astype(np.int64)


def described(look: Look, kind: str) -> Look:
    """Return a look with local features of another kind."""
    return look if kind == SIFT else replace(look, features=_features(look.gray, kind))


def costs(pictures: Sequence[Picture], kind: str) -> dict[str, float]:
    """Measure the processor time of a look's features, and of a pair's comparison, in
    milliseconds."""
    originals = [one for one in pictures if not one.change][:_TIMED]
    numbers = {one.original for one in originals}
    copies = [one for one in pictures if one.change and one.original in numbers]
    looks = {one.file: look_at(thumbnail(one.file)) for one in [*originals, *copies]}
    # OpenCV and the detector prepare themselves at the first call.
    _detected(next(iter(looks.values())).gray, kind)
    started = time.process_time()
    for look in looks.values():
        _detected(look.gray, kind)
    each = (time.process_time() - started) / len(looks)
    whole = {file: described(look, kind) for file, look in looks.items()}
    of = {one.original: whole[one.file] for one in originals}
    pairs = [(of[one.original], whole[one.file]) for one in copies]
    # As many pairs that are not the same picture.
    pairs += [(a, b) for (a, _), (_, b) in zip(pairs, pairs[len(pairs) // 2 :], strict=False)]
    started = time.process_time()
    for first, second in pairs:
        compare(first, second)
    pair = (time.process_time() - started) / len(pairs)
    return {
        "features_milliseconds": each * 1000,
        "pair_milliseconds": pair * 1000,
        "features": float(np.mean([len(one.features.places) for one in whole.values()])),
    }


def _detected(gray: Bytes, kind: str) -> Features:
    return features_of(gray) if kind == SIFT else _features(gray, kind)


def _features(gray: Bytes, kind: str) -> BinaryFeatures:
    made, width = _made(kind), gray.shape[1]
    most = 2 * POINTS if kind == "orb-500" else POINTS
    found = sorted(made.detect(gray, None), key=lambda one: -one.response)
    # Beside the edges, some would be dropped in one of the two pictures.
    inside = [one for one in found if _EDGE < one.pt[0] < width - 1 - _EDGE][:most]
    points, descriptors = made.compute(gray, inside)
    mirrored = [_mirrored(one, width) for one in points]
    _, flipped = made.compute(np.ascontiguousarray(gray[:, ::-1]), mirrored)
    if descriptors is None or flipped is None:
        nothing = np.empty((0, 1), np.uint8)
        return BinaryFeatures(np.empty((0, 2), np.float32), nothing, nothing)
    if len(flipped) != len(descriptors):
        raise ValueError("a mirrored picture lacks some of the features")
    return BinaryFeatures(np.array([one.pt for one in points], np.float32), descriptors, flipped)


def _mirrored(point: Any, width: int) -> Any:
    """The same point in the mirrored picture."""
    x, y = point.pt
    angle = (180 - point.angle) % 360
    return cv2.KeyPoint(
        width - 1 - x, y, point.size, angle, point.response, point.octave, point.class_id
    )


@lru_cache(2)
def _made(kind: str) -> Any:
    cv2.setNumThreads(1)
    # Both find as many points as SIFT does where little is to be seen.
    library: Any = cv2
    if kind == "akaze":
        return library.xfeatures2d.AKAZE_create(threshold=0.0003)
    return library.ORB_create(nfeatures=1000, edgeThreshold=_EDGE, fastThreshold=8)
