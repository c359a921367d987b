"""Searches for the images that carry a tag."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from services.query.search.collection import Collection
from services.query.search.cursor import Cursor
from services.query.search.hits import HitEvidence, item_of, page_of
from services.query.search.key_frames import Framed
from services.query.search.matches import Matches, of_carriers, shortest
from services.query.search.paging import Ranking
from services.query.search.result import SearchResult
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Mode, Recall
from shared.contracts.query import Metric, SearchOptions
from shared.engines.ivf.index import Candidates
from shared.engines.ivf.ties import NEXT, with_ties
from shared.maths.evidence import PLACES
from shared.snapshots.items import tag_key

Chances = Callable[[NDArray[np.int64]], list[float | None]]
"""Probabilities by ordinals; None: nothing tells."""


class TagSearch:
    """Searches one collection as of one moment by a tag."""

    def __init__(self, collection: Collection, deleted: NDArray[np.int64]) -> None:
        self.collection = collection
        self.deleted = deleted

    def run(
        self, term: str, options: SearchOptions, watch: Stopwatch, after: Cursor | None = None
    ) -> SearchResult:
        """The images that carry a tag, ranked by joint similarity. At least one must carry it."""
        with watch("probe"):
            carriers = self.collection.carriers(term, self.deleted)
            if after is not None:
                carriers = carriers[carriers <= after.newest]
            space, vector = self.space(term, carriers)
            carried = carriers
        if options.filter is not None:
            with watch("filter"):
                carriers = carriers[self.collection.allowed(options.filter)[carriers]]
        metric = options.metric or Metric.COSINE
        wanted: int | None = None
        if options.min_probability is None:
            most = options.limit if options.guarantee is None else max(options.limit, PLACES)
            wanted = (after.offset if after else options.offset) + most
        with watch("scan"):
            candidates = self._near(space, vector, carriers, metric, wanted)
            nearest = space.nearest_frames(vector, metric)
            passed = None if after is None else after.passed(self._id_of)
            framed = Framed.of(candidates, nearest, space.index, None, passed)
            candidates = framed.candidates
        compared = len(candidates.ordinals)
        with watch("count"):
            matches = None
            if after is None:
                matches = self._matches(carried, carriers, candidates, options.guarantee)
            options = shortest(options, matches)
        chances: Chances = partial(self._chances, carried)
        dropped = 0
        if options.min_probability is not None:
            # Probabilities don't fall along the ranking, so a page of it can't end at one.
            with watch("rank"):
                chances, kept = self._likely(carried, candidates.ordinals, options.min_probability)
                candidates = candidates.at(kept)
            dropped = compared - len(candidates.ordinals)
        with watch("rank"):
            candidates = candidates.without(after.shown if after else ())
            ranking = Ranking(candidates, self._id_of)
            start = ranking.start(after.place if after else None, options.offset)
            page = page_of(
                self.collection,
                space,
                ranking,
                start,
                options,
                metric,
                len(ranking),
                HitEvidence(chances=chances, frames=framed.by_frame),
            )
            cut = page.cut_off
            if cut is not None and dropped:
                cut = cut.model_copy(update={"below": cut.below + dropped})
        live = self.collection.live(self.deleted)
        recall = Recall(
            target=None,
            expected=1.0,
            nprobe=0,
            clusters=space.index.clusters,
            scanned_fraction=len(carriers) / live if live else 1.0,
            reranked=compared,
        )
        return SearchResult(
            page.hits,
            page.end,
            True,
            Mode.TAG,
            metric,
            space.fingerprint,
            recall,
            cut,
            matches,
        )

    def _near(
        self,
        space: Space,
        vector: NDArray[np.float32],
        carriers: NDArray[np.int64],
        metric: Metric,
        wanted: int | None,
    ) -> Candidates:
        """Return carriers of a tag, nearest first. wanted: how many matter; None: all may."""
        ordinals, found_distances = space.index.among(vector, carriers, metric)
        order = np.argsort(found_distances, kind="stable")
        candidates = Candidates(
            ordinals[order],
            found_distances[order],
            *_unknown(len(order)),
            scanned=len(order),
            live=len(order),
            nprobe=0,
            reranked=len(order),
        )
        first = None if wanted is None else wanted + NEXT
        return with_ties(candidates, partial(_vectors, space), vector, first)

    def _matches(
        self,
        carried: NDArray[np.int64],
        carriers: NDArray[np.int64],
        candidates: Candidates,
        guarantee: float | None,
    ) -> Matches | None:
        """Count the carriers that show the tag, whatever cuts off hits.

        carried: all that carry it; carriers: those of them that pass the filter.
        """
        first = candidates.ordinals[:PLACES]
        if guarantee is not None:
            # A promise is of the hits in their very order, which takes the ids of those that tie.
            first = candidates.ordinals[Ranking(candidates, self._id_of).page(0, PLACES)]
        chances: Chances = partial(self._chances, carried)
        return of_carriers(chances, carriers, first, self.collection.visual, guarantee)

    def _likely(
        self, carried: NDArray[np.int64], ordinals: NDArray[np.int64], least: float
    ) -> tuple[Chances, NDArray[np.bool_]]:
        """Return the probabilities of some carriers, and which of them are likely enough.

        carried: all that carry the tag. One that nothing tells of passes.
        """
        told = self._chances(carried, ordinals)
        known = dict(zip(ordinals.tolist(), told, strict=True))
        kept = np.array([chance is None or chance >= least for chance in told], bool)
        return lambda some: [known[one] for one in some.tolist()], kept

    def _chances(
        self, carriers: NDArray[np.int64], ordinals: NDArray[np.int64]
    ) -> list[float | None]:
        """How surely images show the tag that they carry, by how like the others they look."""
        visual = self.collection.visual
        if visual is None:
            return [None] * len(ordinals)
        return visual.tag_chances(carriers, ordinals)

    def space(self, term: str, carriers: NDArray[np.int64]) -> tuple[Space, NDArray[np.float32]]:
        """The joint space and the tag's vector there.

        Before a matching network was trained: the visual space, and the mean of its images.
        """
        joint, visual = self.collection.joint, self.collection.visual
        vector = self.collection.tag_vectors.get(tag_key(term))
        if joint is not None and vector is not None:
            return joint, vector
        for space in filter(None, (joint, visual)):
            stored = [v for o in carriers if (v := space.index.vector(int(o))) is not None]
            if stored:
                rows = np.stack(stored).astype(np.float64)
                norms = np.linalg.norm(rows, axis=1, keepdims=True)
                return space, (rows / np.where(norms > 0, norms, 1)).mean(axis=0).astype(np.float32)
        raise RuntimeError("images carry a tag, but no space holds them")

    def _id_of(self, ordinal: int) -> str:
        return item_of(self.collection, ordinal).id


def _vectors(space: Space, candidates: Candidates) -> NDArray[np.float32]:
    """The stored vectors of candidates, wherever they are stored."""
    vectors = (space.index.vector(ordinal) for ordinal in candidates.ordinals.tolist())
    return np.stack([np.zeros(space.index.dim) if one is None else one for one in vectors])


def _unknown(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Clusters, ranks and segments of candidates that no probing found."""
    none = np.zeros(count, np.int64)
    return none, none, none
