"""Candidates that a colour orders, and which of them the cut-offs let through."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.query.search.combination import Combination
from services.query.search.key_frames import Framed, FrameHits
from services.query.search.space import Space
from shared.contracts.answer import Mode
from shared.contracts.query import Metric, SearchOptions
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import Candidates
from shared.maths import distances

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Origin:
    """Source of candidates: what they were chosen by.

    nprobe: clusters that were looked at; None: all that may match were. is_whole: no other image
    may match. combination: the parts that are compared by vectors, if there are several. prepared:
    the query as codes were compared with it, where they chose the candidates. frames: those that
    videos are found by.
    """

    nprobe: int | None = None
    is_whole: bool = True
    combination: Combination | None = None
    prepared: PreparedQuery | None = None
    frames: FrameHits | None = None


@dataclass(frozen=True)
class ColoredCandidates:
    """Candidates, what orders them (0 to 1, the first has most), and their probabilities.

    chances: NaN where nothing tells.
    """

    space: Space
    mode: Mode
    metric: Metric
    candidates: Candidates
    order: Floats
    chances: Floats
    origin: Origin = field(default_factory=Origin)

    @property
    def are_told(self) -> bool:
        """True if the probability of each is known."""
        return not np.isnan(self.chances).any()

    def passing(self, options: SearchOptions) -> NDArray[np.bool_]:
        """Return which candidates the cut-offs let through.

        Neither scores nor probabilities fall along the order, so a page can't end at one that is
        too low.
        """
        kept = np.ones(len(self.order), bool)
        if options.score_threshold is not None:
            scores = distances.scores(self.candidates.distances, self.metric)
            kept &= scores >= options.score_threshold
        if options.min_probability is not None:
            # A carrier of a tag shows it unless something tells otherwise: the colour is left.
            untold = self.order if self.mode is Mode.TAG else np.zeros(len(self.order))
            likely = np.where(np.isnan(self.chances), untold, self.chances)
            kept &= likely >= options.min_probability
        return kept

    @cached_property
    def _by_ordinal(self) -> NDArray[np.int64]:
        return np.argsort(self.candidates.ordinals, kind="stable")

    def place(self, ordinal: int) -> int | None:
        """Return where an image stands among the candidates, or None."""
        ordinals = self.candidates.ordinals
        at = int(np.searchsorted(ordinals, ordinal, sorter=self._by_ordinal))
        if at == len(ordinals) or ordinals[self._by_ordinal[at]] != ordinal:
            return None
        return int(self._by_ordinal[at])

    def told(self, ordinals: NDArray[np.int64]) -> list[float | None]:
        """Return the probability of each of some candidates, where anything tells."""
        at = np.searchsorted(self.candidates.ordinals, ordinals, sorter=self._by_ordinal)
        chances: list[float] = self.chances[self._by_ordinal[at]].tolist()
        return [None if np.isnan(chance) else chance for chance in chances]


def unprobed(ordinals: NDArray[np.int64], away: Floats) -> Candidates:
    """Return images that no probing found as candidates."""
    none, count = np.zeros(len(ordinals), np.int64), len(ordinals)
    return Candidates(
        ordinals, away, none, none, none, scanned=count, live=count, nprobe=0, reranked=count
    )


def joined(found: Candidates, more: Candidates) -> Candidates:
    """Return candidates with further images."""
    return replace(
        found,
        ordinals=np.concatenate([found.ordinals, more.ordinals]),
        distances=np.concatenate([found.distances, more.distances]),
        clusters=np.concatenate([found.clusters, more.clusters]),
        ranks=np.concatenate([found.ranks, more.ranks]),
        segments=np.concatenate([found.segments, more.segments]),
        reranked=found.reranked + more.reranked,
    )


def both_frames(frames: FrameHits | None, more: Framed) -> FrameHits | None:
    """Return the frames by which either was found."""
    if frames is None or more.by_frame is None:
        return frames
    return replace(frames, ordinals=frames.ordinals | more.by_frame.ordinals)


def likeness(away: Floats) -> Floats:
    """Return how good candidates are where no probability tells: 1 for the nearest, and less by
    each standard deviation.
    """
    if not len(away):
        return away
    spread = float(away.std()) or 1.0
    found: Floats = np.exp(-(away - away.min()) / spread)
    return found
