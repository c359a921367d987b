"""From a query vector or a tag to hits: rank clusters, probe, re-rank exactly, answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.query.search.audit import Answer, Audit
from services.query.search.collection import Collection
from services.query.search.cursor import Cursor
from services.query.search.hits import HitEvidence, cut_off, item_of, page_of
from services.query.search.lookup import Lookup, SpaceSearch
from services.query.search.matches import of_neighbours, shortest
from services.query.search.probing import FilterEstimate, Plan, expected_recall, plan
from services.query.search.query import Query
from services.query.search.result import FirstLook, PreparedSearch, SearchResult
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from services.query.search.tag_search import TagSearch
from services.query.search.tags import Tags
from shared.contracts.answer import Mode, Recall
from shared.contracts.labels import LabelCounts, LabelsQuery
from shared.contracts.query import Metric, SearchOptions
from shared.engines.engine import is_small
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import Candidates
from shared.engines.ivf.mask import Mask
from shared.snapshots.items import Item

_NO_DELETIONS = np.empty(0, np.int64)


class Searcher:
    """Searches one collection as of one moment."""

    def __init__(
        self,
        collection: Collection,
        deleted: NDArray[np.int64],
        recall_target: float,
        audit: Audit | None = None,
    ) -> None:
        self.collection = collection
        self.deleted = deleted
        self.recall_target = recall_target
        self._audit = audit

    @property
    def is_empty(self) -> bool:
        """True if there are no images, or all were deleted."""
        return self.collection.live(self.deleted) == 0

    def find(self, image_id: str) -> Item | None:
        """Return the image with an id, or None."""
        return self.collection.find(image_id, self.deleted)

    def is_carried(self, term: str, newest: int | None = None) -> bool:
        """Tell whether an image carries a tag. newest: only images up to that ordinal count."""
        return self.collection.is_carried(term, self.deleted, newest)

    def tags(self) -> Tags:
        """Return the tags that images carry."""
        return self.collection.tags(self.deleted)

    def label_counts(self, asked: LabelsQuery) -> LabelCounts:
        """Return the labels that images show, with their counts."""
        return self.collection.labels.counts(
            asked,
            self.collection.live(self.deleted),
            self.deleted,
            lambda name: self.collection.carriers(name, _NO_DELETIONS),
        )

    def nothing(self, mode: Mode, options: SearchOptions) -> SearchResult:
        """The answer of an empty collection."""
        recall = Recall(
            target=None, expected=1.0, nprobe=0, clusters=0, scanned_fraction=1.0, reranked=0
        )
        metric = options.metric or Metric.COSINE
        return SearchResult([], None, True, mode, metric, None, recall, cut_off([], 0, options))

    def nearest(
        self, space: Space, query: Query, options: SearchOptions, watch: Stopwatch
    ) -> SearchResult:
        """Return the images nearest to a vector.

        Raises BadVector, and Conflict if a probability is requested that was not fitted.
        """
        return self.finish(self.prepare(space, query, options, watch), watch)

    def prepare(
        self, space: Space, query: Query, options: SearchOptions, watch: Stopwatch
    ) -> PreparedSearch:
        """Return what `finish` needs for the images nearest to a vector. Raises as `nearest`."""
        index, ordinary = space.index, options
        metric = options.metric or index.metric
        if options.min_probability is not None:
            space.check_calibrated(metric, "`min_probability`")
        with watch("probe" if options.filter is None else "filter"):
            mask = self._mask(space, query.after, options)
        with watch("probe"):
            prepared = index.ask(space.checked(query.vector))
        with watch("count"):
            looked_at = self.collection, self.deleted, self.recall_target
            matches = of_neighbours(*looked_at, space, query, prepared, options)
            options = shortest(options, matches)
        with watch("probe"):
            chosen = self._plan(space, prepared, query, mask, metric, options)
        search = SpaceSearch(space, query, options, metric, prepared, mask)
        lookup = Lookup(search, chosen, self._id_of)
        return PreparedSearch(search, lookup, chosen, matches, ordinary)

    def look(self, works: Sequence[PreparedSearch]) -> list[FirstLook]:
        """Return what the first look of each search finds; searches of one index share it, and
        records are read together.
        """
        found: dict[int, Candidates] = {}
        by_index: dict[int, list[int]] = {}
        for place, work in enumerate(works):
            by_index.setdefault(id(work.search.space.index), []).append(place)
        for places in by_index.values():
            index = works[places[0]].search.space.index
            told = index.search_many([works[place].lookup.first for place in places])
            found |= zip(places, told, strict=True)
        near = [found[place].ordinals[: work.lookup.wanted] for place, work in enumerate(works)]
        ordinals = np.unique(np.concatenate([*near, _NO_DELETIONS]))
        read = zip(ordinals.tolist(), self.collection.items(ordinals), strict=True)
        records = {ordinal: item for ordinal, item in read if item is not None}
        return [FirstLook(found[place], records) for place in range(len(works))]

    def finish(
        self, work: PreparedSearch, watch: Stopwatch, found: FirstLook | None = None
    ) -> SearchResult:
        """Probe, re-rank, and look up the hits. found: what `look` returned for the search."""
        search, lookup, chosen = work.search, work.lookup, work.plan
        space, query, options = search.space, search.query, search.options
        index, metric, prepared, mask = space.index, search.metric, search.prepared, search.mask
        looked_up = lookup.run(watch, None if found is None else found.candidates)
        if options.guarantee is not None and looked_up.has_frames(options.limit):
            # A promise is learnt of the pictures that stand where their own vectors are.
            plain = work.ordinary.model_copy(update={"guarantee": None})
            return self.nearest(space, query, plain, watch)
        candidates, nprobe = looked_up.candidates, looked_up.candidates.nprobe
        expected = expected_recall(chosen.curve, nprobe, index.clusters, looked_up.near)
        if self._audit is not None and nprobe < index.clusters:
            number = self.collection.manifest.number
            self._audit.offer(
                Answer(number, index, prepared, lookup.wanted, metric, mask, candidates, expected)
            )
        by_codes = chosen.depth is not None and nprobe < index.clusters and index.is_coded(metric)
        with watch("rank"):
            page = page_of(
                self.collection,
                space,
                looked_up.ranking,
                looked_up.start,
                options,
                metric,
                candidates.live - looked_up.left_out,
                HitEvidence(
                    lambda ordinal: ordinal == query.itself and space.is_calibrated(metric),
                    query.combination,
                    prepared if by_codes else None,
                    frames=looked_up.frames,
                ),
                found.records if found else {},
            )
        recall = Recall(
            target=chosen.target,
            expected=expected,
            nprobe=nprobe,
            clusters=index.clusters,
            scanned_fraction=candidates.scanned / candidates.live if candidates.live else 1.0,
            reranked=candidates.reranked,
        )
        complete = page.is_full or candidates.reranked >= candidates.live
        return SearchResult(
            page.hits,
            page.end,
            complete,
            query.mode,
            metric,
            space.fingerprint,
            recall,
            page.cut_off,
            work.matches,
        )

    def tagged(
        self, term: str, options: SearchOptions, watch: Stopwatch, after: Cursor | None = None
    ) -> SearchResult:
        """The images that carry a tag, ranked by joint similarity. At least one must carry it."""
        return TagSearch(self.collection, self.deleted).run(term, options, watch, after)

    def _mask(self, space: Space, after: Cursor | None, options: SearchOptions) -> Mask:
        newest = None if after is None else after.newest
        return self.collection.narrowed(space, self.deleted, options.filter, newest)

    def _plan(
        self,
        space: Space,
        prepared: PreparedQuery,
        query: Query,
        mask: Mask,
        metric: Metric,
        options: SearchOptions,
    ) -> Plan:
        k = (query.after.offset if query.after else options.offset) + options.limit
        # The query image itself is always found, so recall concerns the others.
        wanted = min(k, space.index.rows - 1)
        if options.filter is None and options.nprobe is None and not options.exact:
            return space.plans.of(metric, wanted, options, self.recall_target)
        kept = None if options.filter is None else FilterEstimate(space.index, prepared, mask)
        return plan(
            space.curves,
            metric,
            wanted,
            space.index.clusters,
            options,
            self.recall_target,
            kept,
            is_small(space.index),
        )

    def _id_of(self, ordinal: int) -> str:
        return item_of(self.collection, ordinal).id

    def tag_vector(self, term: str, space: Space) -> NDArray[np.float32] | None:
        """Return the vector of a tag in the joint space; None if no image carries it."""
        carriers = self.collection.carriers(term, self.deleted)
        if not len(carriers):
            return None
        found_in, vector = self.tag_space(term, carriers)
        return vector if found_in is space else None

    def tag_space(
        self, term: str, carriers: NDArray[np.int64]
    ) -> tuple[Space, NDArray[np.float32]]:
        """The joint space and the tag's vector there; see `TagSearch`."""
        return TagSearch(self.collection, self.deleted).space(term, carriers)
