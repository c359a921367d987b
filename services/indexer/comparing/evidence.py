"""Second look at a pair: whether one picture, moved and turned, lies on the other."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.indexer.comparing.look import Features, Look
from shared.maths.linear_algebra import one_thread

_LEAST_MATCHES, _LEAST_INLIERS = 5, 5
_LEAST_FIT = 0.4
"""Correlation of the whole pictures, tiny, from which they are laid on each other as they are."""
_NEAR = 4.0
"""Pixels by which a feature may lie beside its place."""
_FRAME = 160
"""Longer side of the frame that pixels are compared in."""
_TILES = 8
_FLAT = 3.0
"""Deviation of gray below which a tile shows nothing."""
_SCALES = (0.12, 8.0)
"""Sizes of one picture in the other; a transform beyond is nonsense."""

Matrix = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Evidence:
    """How well the second picture lies on the first.

    inliers: local features that agree on the transform; inlier_share: of all matches; off: median
    of the pixels by which they miss their place. middle, low: median and lowest fifth of the tiles'
    correlation; alike: share of tiles above 0.8. covers_first: share of what the first picture
    shows that the second one shows, too; covers_second: likewise.
    """

    inliers: float
    inlier_share: float
    off: float
    middle: float
    low: float
    alike: float
    covers_first: float
    covers_second: float

    def numbers(self) -> Floats:
        """The inputs of the judge."""
        less, more = sorted((self.covers_first, self.covers_second))
        return np.array(
            [
                np.log1p(self.inliers),
                self.inlier_share,
                self.off,
                self.middle,
                self.low,
                self.alike,
                less,
                more,
            ],
            np.float32,
        )


NOTHING = Evidence(0, 0, _NEAR, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class _Laying:
    """Transform of the second picture's pixels into the first one's, and what speaks for it."""

    matrix: Matrix
    inliers: float = 0.0
    share: float = 0.0
    off: float = _NEAR


def compare(first: Look, second: Look) -> Evidence:
    """Return the best evidence of all ways to lay the second picture on the first."""
    best, features = NOTHING, None
    for laying in _layings(first, second):
        if features is None or laying.inliers > features.inliers:
            features = laying
        found = _laid(first, second, laying.matrix)
        if (found.alike, found.middle) > (best.alike, best.middle):
            best = found
    if features is None:
        return best
    # Where the whole frames fit best, the features that agree speak for it, too.
    return replace(best, inliers=features.inliers, inlier_share=features.share, off=features.off)


def _layings(first: Look, second: Look) -> Iterator[_Laying]:
    for is_mirrored in (False, True):
        found = _by_features(first.features, second.features, second.size[0], is_mirrored)
        if found is not None:
            yield found
    whole = _whole(first, second)
    if whole is not None:
        yield _Laying(whole)


def _by_features(
    first: Features, second: Features, width: int, is_mirrored: bool
) -> _Laying | None:
    """Return the transform that most matches agree on; is_mirrored: after a mirror."""
    if is_mirrored:
        second = second.mirrored(width)
    if len(first.places) < 2 or len(second.places) < _LEAST_MATCHES:
        return None
    # The product is so short that threads would mostly wait for each other.
    with one_thread():
        chosen, best = second.matched_to(first)
    if np.count_nonzero(chosen) < _LEAST_MATCHES:
        return None
    found: Any = cv2.estimateAffinePartial2D(
        second.places[chosen],
        first.places[best[chosen]],
        method=cv2.RANSAC,
        ransacReprojThreshold=_NEAR,
        maxIters=500,
    )
    matrix, inside = found
    if matrix is None:
        return None
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    agree = inside.ravel() > 0
    # Several features at one place are one witness.
    where = second.places[chosen][agree]
    inliers = len(np.unique(np.round(where / _NEAR), axis=0))
    if inliers < _LEAST_INLIERS or not _SCALES[0] <= scale <= _SCALES[1]:
        return None
    beside = where @ matrix[:, :2].T + matrix[:, 2] - first.places[best[chosen]][agree]
    # In pixels of the first picture as it is laid: of a smaller one, each is worth more.
    off = float(np.median(np.hypot(*beside.T))) / min(1.0, max(scale, 0.25))
    matrix = np.vstack([matrix, [0, 0, 1]])
    if is_mirrored:
        matrix = matrix @ np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])
    return _Laying(matrix, float(inliers), inliers / np.count_nonzero(chosen), min(off, _NEAR))


def _whole(first: Look, second: Look) -> Matrix | None:
    """Return the second picture on the whole frame of the first, by the turn that fits best."""
    turns = [(turn, flip) for flip in (False, True) for turn in range(4)]
    small = second.small
    fits = [
        float((np.rot90(small[:, ::-1] if flip else small, turn) * first.small).sum())
        for turn, flip in turns
    ]
    if max(fits) < _LEAST_FIT:
        return None
    turn, flip = turns[int(np.argmax(fits))]
    (w, h), (to_w, to_h) = second.size, first.size
    matrix: Any = np.array([[-1.0, 0, w], [0, 1, 0], [0, 0, 1]]) if flip else np.eye(3)
    for _ in range(turn):
        # A quarter counter-clockwise, as of `rot90`: x' = y, y' = width - x.
        matrix = np.array([[0.0, 1, 0], [-1, 0, w], [0, 0, 1]]) @ matrix
        w, h = h, w
    whole: Matrix = np.diag([to_w / w, to_h / h, 1.0]) @ matrix
    return whole


def _laid(first: Look, second: Look, matrix: Matrix) -> Evidence:
    scale = _FRAME / max(first.size)
    size = max(8, round(first.size[0] * scale)), max(8, round(first.size[1] * scale))
    frame = np.diag([size[0] / first.size[0], size[1] / first.size[1], 1.0])
    total = frame @ matrix
    if abs(np.linalg.det(total[:2, :2])) < 1e-6:
        return NOTHING
    here = cv2.resize(first.gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    there, inside = _warped(second, total, size)
    covers_first = _covered(here, inside)
    covers_second = _covered_back(second, total, size)
    correlation, weight = _tiles(here, there, inside)
    used = correlation[weight]
    if len(used) < 4:
        return replace(NOTHING, covers_first=covers_first, covers_second=covers_second)
    return replace(
        NOTHING,
        middle=float(np.median(used)),
        low=float(np.quantile(used, 0.2)),
        alike=float(np.mean(used > 0.8)),
        covers_first=covers_first,
        covers_second=covers_second,
    )


def _warped(second: Look, total: Matrix, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """The second picture in the frame of the first, and where it has pixels there."""
    gray: Any = second.gray
    shrink = float(np.sqrt(abs(np.linalg.det(total[:2, :2]))))
    if shrink < 0.6:
        # Warping drops pixels; without a blur before, what is left of fine structure is noise.
        gray = cv2.GaussianBlur(gray, (0, 0), 0.45 / shrink)
    there = cv2.warpAffine(gray, total[:2], size, flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.ones_like(gray), total[:2], size, flags=cv2.INTER_NEAREST)
    return there.astype(np.float32), inside.astype(np.float32)


def _tiles(here: Floats, there: Floats, inside: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The correlation of each tile, and whether it tells anything."""
    blurred: list[Any] = [cv2.GaussianBlur(one, (0, 0), 1.0) for one in (here, there)]
    here, there = blurred

    def mean(values: Floats) -> Floats:
        means = cv2.resize(values * inside, (_TILES, _TILES), interpolation=cv2.INTER_AREA)
        return means.astype(np.float32)

    part = mean(np.ones_like(here))
    safe = np.maximum(part, 1e-3)
    first, second = mean(here) / safe, mean(there) / safe
    one = np.maximum(mean(here * here) / safe - first**2, 0)
    two = np.maximum(mean(there * there) / safe - second**2, 0)
    both = mean(here * there) / safe - first * second
    # A tile that shows something in one picture and nothing in the other differs.
    floor = np.float32(_FLAT**2)
    correlation = both / np.sqrt(np.maximum(one, floor) * np.maximum(two, floor))
    shown = np.maximum(one, two) > floor
    return correlation, (part > 0.5) & shown


def _covered(gray: Floats, inside: Floats) -> float:
    """Share of what a picture shows, by its edges, that lies inside."""
    # Plain borders have no edges, so that a framed picture shows no more than the picture.
    edges = np.abs(cv2.Laplacian(gray, cv2.CV_32F)) + 0.05
    return float((edges * inside).sum() / edges.sum())


def _covered_back(second: Look, total: Matrix, size: tuple[int, int]) -> float:
    scale = _FRAME / max(second.size)
    own = max(8, round(second.size[0] * scale)), max(8, round(second.size[1] * scale))
    frame = np.diag([own[0] / second.size[0], own[1] / second.size[1], 1.0])
    back = frame @ np.linalg.inv(total)
    small = cv2.resize(second.gray, own, interpolation=cv2.INTER_AREA).astype(np.float32)
    ones = np.ones((size[1], size[0]), np.float32)
    inside = cv2.warpAffine(ones, back[:2], own, flags=cv2.INTER_NEAREST)
    return _covered(small, inside.astype(np.float32))
