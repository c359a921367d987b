"""Videos are found by their key frames, too: the nearest one counts where it is nearer than the
poster, and its time goes with the hit.

Frames lie beside the index, which has one vector an image, and all are compared: a collection has
far fewer of them than pictures. They may come between two pages of a search: a video that earlier
pages passed at its poster is then found where it was, so that no page skips or repeats it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.engine import Index
from shared.engines.ivf.index import Candidates
from shared.engines.ivf.mask import Mask
from shared.maths import distances
from shared.snapshots.frames import FrameVectors

_BLOCK = 16_384

Passed = Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.bool_]]
"""Tells, of ordinals and distances, what earlier pages have passed without showing it."""


class KeyFrames:
    """Frames of the videos of one space. Immutable."""

    def __init__(self, frames: FrameVectors, names: tuple[str, ...] = ()) -> None:
        """frames: of one video at least. names: the files that they come from."""
        self._frames = frames
        self.names = names
        self.videos, self._starts = np.unique(frames.ordinals, return_index=True)
        self._norms = np.linalg.norm(frames.vectors, axis=1).astype(np.float32)

    def nearest(self, query: NDArray[np.float32], metric: Metric) -> "NearestFrames":
        """Return the frame of each video that is nearest to a query, the first that ties."""
        blocks, errors = [], []
        for start in range(0, len(self._frames), _BLOCK):
            rows = slice(start, start + _BLOCK)
            away, error = distances.approximate(
                self._frames.vectors[rows], self._norms[rows], query, metric
            )
            blocks.append(away)
            errors.append(error)
        away = np.concatenate(blocks)
        counts = np.diff(self._starts, append=len(away))
        least = np.repeat(np.minimum.reduceat(away, self._starts), counts)
        # Roughly compared, some of a video are as near as its nearest one.
        near = np.flatnonzero(away <= least + 2 * max(errors))
        exact = distances.exact(self._frames.vectors[near], query, metric)
        order = np.lexsort((near, exact, self._frames.ordinals[near]))
        _, first = np.unique(self._frames.ordinals[near][order], return_index=True)
        best = order[first]
        return NearestFrames(self._frames.at(near[best]), exact[best])


@dataclass(frozen=True)
class NearestFrames:
    """Nearest frame of each video, and how far it is: float64, in the order of the frames."""

    frames: FrameVectors
    distances: NDArray[np.float64]

    def time_of(self, ordinal: int) -> float | None:
        """Return the seconds at which a video is nearest; None for a picture."""
        row = self._row(ordinal)
        return None if row is None else round(float(self.frames.times[row]), 3)

    def _row(self, ordinal: int) -> int | None:
        row = int(self.frames.ordinals.searchsorted(ordinal))
        there = row < len(self.frames) and int(self.frames.ordinals[row]) == ordinal
        return row if there else None

    def rows_of(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each image's frame; -1: it has none."""
        rows = np.searchsorted(self.frames.ordinals, ordinals)
        rows = np.minimum(rows, len(self.frames) - 1)
        return np.where(self.frames.ordinals[rows] == ordinals, rows, -1)


@dataclass(frozen=True)
class Framed:
    """Candidates in which videos stand at their nearest frame.

    candidates: nearest first. nearest: None where the space has no frames. is_by_frame: whether
    each candidate stands where its frame is.
    """

    candidates: Candidates
    nearest: NearestFrames | None
    is_by_frame: NDArray[np.bool_]
    _index: Index
    _found: Candidates

    @classmethod
    def of(
        cls,
        found: Candidates,
        nearest: NearestFrames | None,
        index: Index,
        mask: Mask | None,
        passed: Passed | None = None,
    ) -> "Framed":
        """Put videos at their nearest frame.

        found: what a scan found, nearest first if there is a mask. mask: rows that may be hits;
        None: no others than those found are. passed: tells which videos earlier pages have passed
        where these would stand by their frames, without showing them: their frames came later.
        """
        if nearest is None:
            return cls(found, None, np.zeros(len(found.ordinals), bool), index, found)
        rows = nearest.rows_of(found.ordinals)
        own = np.where(rows >= 0, nearest.distances[rows], np.inf)
        by_frame = own < found.distances
        whole = replace(_plain(found), distances=np.where(by_frame, own, found.distances))
        count = len(found.ordinals)
        if mask is not None and count:
            # A frame beyond the last one found may have other images before it.
            more = nearest.distances <= found.distances[-1]
            more &= ~np.isin(nearest.frames.ordinals, found.ordinals)
            if more.any():
                whole = _joined(whole, nearest, np.flatnonzero(more), index, mask)
                by_frame = np.append(by_frame, np.ones(len(whole.ordinals) - count, bool))
        kept = np.ones(len(by_frame), bool)
        if passed is not None:
            framed = np.flatnonzero(by_frame)
            by_frame[framed] = ~passed(whole.ordinals[framed], whole.distances[framed])
            whole.distances[:count] = np.where(by_frame[:count], own, found.distances)
            kept[count:] = by_frame[count:]
        whole = replace(whole, ranks=np.where(by_frame, 0, whole.ranks))
        order = np.flatnonzero(kept)
        order = order[np.argsort(whole.distances[order], kind="stable")]
        return cls(whole.at(order), nearest, by_frame[order], index, found)

    def vectors(self, candidates: Candidates) -> NDArray[np.float32]:
        """The vectors that some of the candidates stand for: frames', or the stored ones."""
        if self.nearest is None:
            return self._index.vectors(candidates)
        place = {one: at for at, one in enumerate(self._found.ordinals.tolist())}
        vectors = np.empty((len(candidates.ordinals), self._index.dim), np.float32)
        framed = np.isin(candidates.ordinals, self.candidates.ordinals[self.is_by_frame])
        rows = self.nearest.rows_of(candidates.ordinals[framed])
        vectors[framed] = self.nearest.frames.vectors[rows]
        others = [place[one] for one in candidates.ordinals[~framed].tolist()]
        if others:
            vectors[~framed] = self._index.vectors(self._found.at(np.array(others, np.int64)))
        return vectors

    @property
    def by_frame(self) -> "FrameHits | None":
        """Return the frames by which hits were found; None where the space has none."""
        if self.nearest is None:
            return None
        ordinals = self.candidates.ordinals[self.is_by_frame]
        return FrameHits(self.nearest, frozenset(ordinals.tolist()))


@dataclass(frozen=True)
class FrameHits:
    """Frames that hits are told of. ordinals: the videos that stand where their frame is."""

    nearest: NearestFrames
    ordinals: frozenset[int]

    def vector(self, ordinal: int) -> NDArray[np.float32] | None:
        """Return the vector of the frame that a video stands at; None where it doesn't."""
        if ordinal not in self.ordinals:
            return None
        row = int(self.nearest.rows_of(np.array([ordinal]))[0])
        return np.array(self.nearest.frames.vectors[row], np.float32)


def _plain(found: Candidates) -> Candidates:
    """Return candidates without what an engine has of them besides."""
    return Candidates(
        found.ordinals,
        found.distances,
        found.clusters,
        found.ranks,
        found.segments,
        found.scanned,
        found.live,
        found.nprobe,
        found.reranked,
    )


def _joined(
    found: Candidates, nearest: NearestFrames, rows: NDArray[np.int64], index: Index, mask: Mask
) -> Candidates:
    """Return candidates and the videos of some frames, of those that may be hits."""
    ordinals = nearest.frames.ordinals[rows]
    segments = np.full(len(rows), -1, np.int64)
    for number, segment in enumerate(index.segments):
        places = segment.find(ordinals)
        there = places >= 0
        allowed = mask.rows(number)
        if allowed is not None:
            there[there] = allowed[places[there]]
        segments[there] = number
    kept = segments >= 0
    count = int(kept.sum())
    none = np.zeros(count, np.int64)
    return replace(
        found,
        ordinals=np.concatenate([found.ordinals, ordinals[kept]]),
        distances=np.concatenate([found.distances, nearest.distances[rows[kept]]]),
        clusters=np.concatenate([found.clusters, none]),
        ranks=np.concatenate([found.ranks, none]),
        segments=np.concatenate([found.segments, segments[kept]]),
    )
