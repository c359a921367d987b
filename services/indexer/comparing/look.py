"""Look of a picture: the pixels and local features that pairs are compared by.

It is made from the thumbnail, a JPEG of our own making: whatever a hostile file holds was decoded
in a process of limited memory and time (`shared/media/limited`).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.core.errors import BadImage

PIXELS = 320
"""Longer side of the picture that is looked at."""
POINTS = 250
"""Most local features of a picture."""
RATIO = 0.8
"""Lowe's ratio: of a match's distance to that of the second nearest."""
_SMALL = 16
# A SIFT descriptor has 4 x 4 cells of 8 directions, in the frame of its feature's own direction.
# A mirror turns the rows of cells round and the sense of directions, so nothing is computed anew.
_ROWS, _COLUMNS, _WAYS = np.mgrid[0:4, 0:4, 0:8]
_MIRRORED = (((3 - _ROWS) * 4 + _COLUMNS) * 8 + (-_WAYS) % 8).ravel()

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Places, float32 (n, 2), and SIFT descriptors, uint8 (n, 128), of local features."""

    places: Floats
    descriptors: Bytes

    def mirrored(self, width: int) -> Self:
        """Return the features of the mirrored picture, which has that width."""
        return type(self)(self._places_mirrored(width), self.descriptors[:, _MIRRORED])

    def matched_to(self, others: "Features") -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which features have a match by Lowe's ratio, and the nearest of the others."""
        # Of unit vectors, so that the dot product orders as the distance does.
        products = self._units() @ others._units().T
        two = np.argpartition(-products, 1, axis=1)[:, :2]
        values = np.take_along_axis(products, two, axis=1)
        best = np.where(values[:, 0] >= values[:, 1], two[:, 0], two[:, 1])
        near = np.sqrt(np.maximum(2 - 2 * values.max(axis=1), 0))
        far = np.sqrt(np.maximum(2 - 2 * values.min(axis=1), 1e-9))
        return near < RATIO * far, best

    def _places_mirrored(self, width: int) -> Floats:
        flipped = self.places * np.array([-1, 1], np.float32) + np.array([width - 1, 0], np.float32)
        return flipped.astype(np.float32)

    def _units(self) -> Floats:
        """The descriptors at length 1, but for rounding."""
        return self.descriptors.astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class Look:
    """Pixels of a picture, as comparisons need them.

    gray: at most PIXELS on its longer side. small: 16 x 16, of mean 0 and length 1; zeros if the
    picture is of one colour.
    """

    gray: Bytes
    features: Features
    small: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.gray.shape[1], self.gray.shape[0]


def look_at(thumbnail: bytes) -> Look:
    """Return the look of a JPEG. Raises BadImage."""
    coded = np.frombuffer(thumbnail, np.uint8)
    gray: Any = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) if len(coded) else None
    if gray is None:
        raise BadImage("Its thumbnail can't be decoded.")
    longest = max(gray.shape)
    if longest > PIXELS:
        size = [max(1, round(side * PIXELS / longest)) for side in gray.shape[::-1]]
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(gray, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    norm = float(np.linalg.norm(small))
    unit = small / norm if norm > 1 else np.zeros_like(small)
    return Look(gray, features_of(gray), unit)


def features_of(gray: Bytes) -> Features:
    """Return the local features of a picture."""
    points, descriptors = _sift().detectAndCompute(gray, None)
    if descriptors is None:
        return Features(np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8))
    # The square roots of shares (RootSIFT) are compared, which tells features better apart.
    sums = descriptors.sum(axis=1, keepdims=True)
    rooted = np.sqrt(descriptors / np.where(sums > 0, sums, 1)) * 255
    places = np.array([point.pt for point in points], np.float32)
    return Features(places[:POINTS], np.rint(rooted[:POINTS]).astype(np.uint8))


@lru_cache(1)
def _sift() -> Any:
    # Beside searches, one core is enough.
    cv2.setNumThreads(1)
    make: Any = getattr(cv2, "SIFT_create")  # noqa: B009  (its types lack it)
    return make(nfeatures=POINTS, contrastThreshold=0.02)
