"""From a request to an answer, for every kind of search."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio.to_thread

from services.query.answering.features import Embedded, Features, check_model, check_pictures
from services.query.answering.identity import identity_of
from services.query.answering.model_change import on_current
from services.query.answering.response import answered
from services.query.answering.searches import (
    EmbeddedSearch,
    IdSearch,
    ImageSearch,
    PartsSearch,
    Resolved,
    StoredSearch,
    TermSearch,
    VectorSearch,
    embed_picture,
)
from services.query.answering.term_reader import TermReader
from services.query.answering.together import answer_together, problem_answer
from services.query.read_your_writes import Waiting
from services.query.search import exploring
from services.query.search.audit import Audit
from services.query.search.cursor import Pages
from services.query.search.searcher import Searcher
from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import SearchResponse
from shared.contracts.batch import BatchAnswer
from shared.contracts.explore import SuggestedTags
from shared.contracts.query import SearchOptions, SearchRequest, Subject
from shared.core.errors import ISEError

T = TypeVar("T")

_FEW = 100
# Searches of a batch that are answered at once.
_AT_ONCE = 4


class SearchService:
    """Answers searches on whatever snapshot is current when they come in.

    The way of every search: wait for its `min_version`, open the collection, embed the subject,
    probe and re-rank, write the answer. See `_answer`.
    """

    def __init__(
        self,
        snapshots: SnapshotReader,
        features: Callable[[], Features],
        recall_target: float,
        audit: Audit,
        waiting: Waiting,
        terms: TermReader,
    ) -> None:
        """`features`: creates the embedder's client of one request."""
        self.snapshots = snapshots
        self.audit = audit
        self._features = features
        self._recall_target = recall_target
        self._waiting = waiting
        self.terms = terms

    async def searcher(self) -> Searcher:
        """The collection as of now. Opening a new snapshot waits in a thread, not in the loop."""
        return await _in_thread(self.searcher_now)

    def searcher_now(self) -> Searcher:
        """The same, for code in a thread."""
        collection, deleted = self.snapshots.current()
        return Searcher(collection, deleted, self._recall_target, self.audit)

    async def batch(self, searches: Sequence[SearchRequest]) -> list[BatchAnswer]:
        """Answers `POST /v1/search/batch`: each search as if it came alone."""
        features = self._features()
        searcher = await self.searcher()
        collection = searcher.collection
        visual, joint = collection.visual, collection.joint
        await features.prepare(
            searches, visual.fingerprint if visual else None, joint.fingerprint if joint else None
        )

        await features.prepare_terms(searches, searcher)

        stored = {
            place: found
            for place, search in enumerate(searches)
            if (found := _by_stored_vector(search)) is not None
        }
        told = await answer_together(list(stored.values()), self.searcher_now)
        answers = dict(zip(stored, told, strict=True))
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(search: SearchRequest) -> BatchAnswer:
            try:
                async with places:
                    answer = await self.request(search, features)
                return BatchAnswer(answer=answer)
            except ISEError as error:
                return problem_answer(error)

        left = [place for place in range(len(searches)) if place not in answers]
        others = await asyncio.gather(*(one(searches[place]) for place in left))
        answers |= zip(left, others, strict=True)
        return [answers[place] for place in range(len(searches))]

    async def request(
        self, request: SearchRequest, features: Features | None = None
    ) -> SearchResponse:
        """Answers `POST /v1/search`. features: those of the batch that the request is one of."""
        alone = features is None
        features = features or self._features()
        await self._wait_for_version(request)
        if request.parts is None:
            return await self._answer(await self._search(request, request, features), alone)
        first, *others = request.parts
        if others or first.crop is not None:
            return await self._answer(PartsSearch(request.parts, request, features, self.terms))
        # A single part is searched as it would be without `parts`.
        answer = await self._answer(await self._search(first, request, features), alone)
        hits = [hit.model_copy(update={"contributions": [hit.score]}) for hit in answer.hits]
        return answer.model_copy(update={"hits": hits})

    async def image(
        self, read: Callable[[], Awaitable[bytes]], options: SearchOptions
    ) -> SearchResponse:
        """Answer a search by an uploaded image file. read: returns the file's content."""
        await self._wait_for_version(options)
        data = await read()
        return await self._answer(await self._of_picture(data, options, self._features()))

    async def term(self, term: str, options: SearchOptions) -> SearchResponse:
        """Answers a search by a tag term."""
        await self._wait_for_version(options)
        return await self._answer(TermSearch(term, options, self._features(), self.terms))

    async def similar(self, image_id: str, options: SearchOptions) -> SearchResponse:
        """Answers a search by an indexed image that leaves out that image itself."""
        await self._wait_for_version(options)
        return await self._answer(IdSearch(image_id, options, without_itself=True))

    def answer_now(self, search: StoredSearch) -> SearchResponse:
        """Answers a search by an id or a vector, for code in a thread."""
        return self._answer_now(search, Pages(search.key, search.options), Stopwatch())

    async def suggestions(self, data: bytes, limit: int) -> SuggestedTags:
        """Tags that may fit an uploaded picture. Raises Conflict without probabilities, and as
        `image` does."""
        searcher = await self.searcher()
        check_pictures(searcher)
        if searcher.is_empty:
            return SuggestedTags(id=None, tags=[], neighbours=0)
        searcher, embedded = await self.embedded(data, searcher)
        space = searcher.collection.visual
        if space is None:
            return SuggestedTags(id=None, tags=[], neighbours=0)
        check_model(space, embedded.fingerprint)
        known = searcher.find(await identity_of(data))
        vector = space.placed(embedded.vector)
        labels = searcher.collection.labels.of_features(embedded.vector, embedded.fingerprint)
        return await _in_thread(
            lambda: exploring.suggestions_for(searcher, space, vector, known, limit, labels)
        )

    async def embedded(self, data: bytes, searcher: Searcher) -> tuple[Searcher, Embedded]:
        """The features of a picture, and the collection as of then, see `embed_picture`."""
        return await embed_picture(data, searcher, self._features(), self.searcher)

    async def _wait_for_version(self, options: SearchOptions) -> None:
        """Waits for the `min_version` of a search, where it names one. Raises Behind."""
        if options.min_version is not None:
            await self._waiting.until(options.min_version)

    async def _search(
        self, subject: Subject, options: SearchOptions, features: Features
    ) -> StoredSearch | EmbeddedSearch:
        """Return the search by a subject. Raises as `Features.data` does."""
        if subject.term is not None:
            return TermSearch(subject.term, options, features, self.terms)
        if subject.id is not None:
            return IdSearch(subject.id, options)
        if subject.vector is not None:
            return VectorSearch(subject.vector, options)
        return await self._of_picture(await features.data(subject), options, features)

    async def _of_picture(
        self, data: bytes, options: SearchOptions, features: Features
    ) -> ImageSearch:
        return ImageSearch(data, await identity_of(data), options, features, self.searcher)

    async def _answer(
        self, search: StoredSearch | EmbeddedSearch, alone: bool = True
    ) -> SearchResponse:
        """Answer a search: embed its subject on the current collection, probe and re-rank.

        alone: not one of many searches of a request.
        """
        watch = Stopwatch()
        pages = Pages(search.key, search.options)
        if isinstance(search, StoredSearch):
            # Switching to a thread and back would take a good part of the time of a short search.
            if alone and (searcher := self._at_once(search.options)) is not None:
                return self._answer_now(search, pages, watch, searcher)
            return await _in_thread(lambda: self._answer_now(search, pages, watch))
        resolved = await on_current(
            self.searcher, lambda searcher: search.resolve(searcher, pages.after, watch)
        )
        return await _in_thread(lambda: answered(resolved, search.options, pages, watch))

    def _answer_now(
        self,
        search: StoredSearch,
        pages: Pages,
        watch: Stopwatch,
        searcher: Searcher | None = None,
    ) -> SearchResponse:
        searcher = searcher or self.searcher_now()
        resolved = Resolved(searcher, search.resolve(searcher, pages.after))
        return answered(resolved, search.options, pages, watch)

    def _at_once(self, options: SearchOptions) -> Searcher | None:
        """Return the collection as of now if a search that needs no embedder takes milliseconds;
        else None.
        """
        limits = (options.nprobe, options.recall_target, options.filter, options.cursor)
        # A sorted one ranks all that may match and reads their records.
        is_plain = (
            not options.exact and options.sort.images is None and all(one is None for one in limits)
        )
        if not is_plain or options.offset + options.limit > _FEW:
            return None
        # Opening a new snapshot takes seconds, so that isn't done in the event loop.
        settled = self.snapshots.settled()
        if settled is None or settled[0].visual is None or not settled[0].visual.is_quick:
            return None
        return Searcher(*settled, self._recall_target, self.audit)


def _by_stored_vector(request: SearchRequest) -> StoredSearch | None:
    """Return a search that needs nothing but the collection as of now; None for any other."""
    if request.min_version is not None or request.parts is not None:
        return None
    if request.id is not None:
        return IdSearch(request.id, request)
    return None if request.vector is None else VectorSearch(request.vector, request)


async def _in_thread(work: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(work)
