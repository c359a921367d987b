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
from shared.core.record import record
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
        self.videos, self._starts, self._counts = np.unique(
            frames.ordinals, return_index=True, return_counts=True
        )
        self._norms = np.linalg.norm(frames.vectors, axis=1).astype(np.float32)

    def nearest(self, query: NDArray[np.float32], metric: Metric) -> "NearestFrames":
        """Return the frame of each video that is nearest to a query, the first that ties."""
        found = [
            distances.approximate(
                self._frames.vectors[start : start + _BLOCK],
                self._norms[start : start + _BLOCK],
                query,
                metric,
            )
            for start in range(0, len(self._frames), _BLOCK)
        ]
        away = np.concatenate([one for one, _ in found])
        slack = max(slack for _, slack in found)
        least = np.minimum.reduceat(away, self._starts)
        near = np.flatnonzero(away <= np.repeat(least, self._counts) + 2 * slack)
        starts = np.searchsorted(near, self._starts)
        return NearestFrames(self._frames, self.videos, least, slack, near, starts, query, metric)


@dataclass(frozen=True)
class NearestFrames:
    """Nearest frame of each video: how far it is, roughly; exactly once somebody asks.

    Exact distances of all take several times as long. ordinals: of the videos, ascending.
    approximate, slack: see `distances.approximate`. near: rows of the frames that may be nearest,
    video by video; starts: where those of each begin.
    """

    frames: FrameVectors
    ordinals: NDArray[np.int64]
    approximate: NDArray[np.float32]
    slack: float
    near: NDArray[np.int64]
    starts: NDArray[np.int64]
    query: NDArray[np.float32]
    metric: Metric

    def exact(self, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows and distances of the nearest frames of some videos.

        at: their places among all.
        """
        counts = np.append(self.starts, len(self.near))[at + 1] - self.starts[at]
        firsts = np.cumsum(counts) - counts
        rows = self.near[np.repeat(self.starts[at] - firsts, counts) + np.arange(counts.sum())]
        away = distances.exact(self.frames.vectors[rows], self.query, self.metric)
        order = np.lexsort((rows, away, np.repeat(np.arange(len(at)), counts)))
        nearest = order[firsts]
        return rows[nearest], away[nearest]

    def distances(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the exact distances of some videos, by their places among all."""
        return self.exact(at)[1]

    def vectors(self, at: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of the nearest frames of some videos."""
        return self.frames.vectors[self.exact(at)[0]]

    def within(self, distance: float) -> NDArray[np.int64]:
        """Return the places of the videos that may be no farther than a distance."""
        most = distance if self.metric is Metric.COSINE else distance**2
        return np.flatnonzero(self.approximate <= most + self.slack)

    def time_of(self, ordinal: int) -> float | None:
        """Return the seconds at which a video is nearest; None for a picture."""
        at = self.places_of(np.array([ordinal]))
        if at[0] < 0:
            return None
        [row], _ = self.exact(at)
        return round(float(self.frames.times[row]), 3)

    def places_of(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of each image among the videos; -1: it has no frames."""
        at = np.searchsorted(self.ordinals, ordinals)
        at = np.minimum(at, len(self.ordinals) - 1)
        return np.where(self.ordinals[at] == ordinals, at, -1)


@record
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
        is_all: bool = False,
    ) -> "Framed":
        """Put videos at their nearest frame.

        found: what a scan found, nearest first if there is a mask. mask: rows that may be hits;
        None: no others than those found are. passed: tells which videos earlier pages have passed
        where these would stand by their frames, without showing them: their frames came later.
        is_all: the scan found all that the search looks at, so that all other frames follow.
        """
        if nearest is None:
            return cls(found, None, np.zeros(len(found.ordinals), bool), index, found)
        at = nearest.places_of(found.ordinals)
        own = np.full(len(at), np.inf)
        own[at >= 0] = nearest.distances(at[at >= 0])
        by_frame = own < found.distances
        whole = replace(_plain(found), distances=np.where(by_frame, own, found.distances))
        count = len(found.ordinals)
        if mask is not None and (count or is_all):
            # A frame beyond the last one found may have other images before it.
            last = np.inf if is_all else float(found.distances[-1])
            more = nearest.within(last)
            more = more[~np.isin(nearest.ordinals[more], found.ordinals)]
            if len(more):
                whole = _joined(whole, nearest, more, last, index, mask)
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
        at = self.nearest.places_of(candidates.ordinals[framed])
        vectors[framed] = self.nearest.vectors(at)
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
        at = self.nearest.places_of(np.array([ordinal]))
        return self.nearest.vectors(at).reshape(-1)


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
    found: Candidates,
    nearest: NearestFrames,
    at: NDArray[np.int64],
    last: float,
    index: Index,
    mask: Mask,
) -> Candidates:
    """Return candidates and some of the videos, of those that may be hits and are no farther than
    the last candidate.
    """
    ordinals = nearest.ordinals[at]
    segments = np.full(len(at), -1, np.int64)
    for number, segment in enumerate(index.segments):
        places = segment.find(ordinals)
        there = places >= 0
        allowed = mask.rows(number)
        if allowed is not None:
            there[there] = allowed[places[there]]
        segments[there] = number
    joining = np.flatnonzero(segments >= 0)
    away = nearest.distances(at[joining])
    kept, away = joining[away <= last], away[away <= last]
    count = len(kept)
    none = np.zeros(count, np.int64)
    return replace(
        found,
        ordinals=np.concatenate([found.ordinals, ordinals[kept]]),
        distances=np.concatenate([found.distances, away]),
        clusters=np.concatenate([found.clusters, none]),
        ranks=np.concatenate([found.ranks, none]),
        segments=np.concatenate([found.segments, segments[kept]]),
    )
