"""From a request to an answer: the query's features come from the embedder, the rest from here."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import anyio.to_thread

from services.query.answering.features import (
    Embedded,
    Features,
    Picture,
    check_model,
    check_pictures,
    unknown,
)
from services.query.answering.query_parts import QueryParts
from services.query.answering.response import answer_of
from services.query.answering.term_reader import TermReader
from services.query.read_your_writes import Waiting
from services.query.search import exploring
from services.query.search.audit import Audit
from services.query.search.cursor import Pages
from services.query.search.query import Query
from services.query.search.searcher import Found, Searcher
from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Mode, SearchResponse
from shared.contracts.embedder import ImageSpace
from shared.contracts.explore import SuggestedTags
from shared.contracts.problem import Problem
from shared.contracts.query import BatchAnswer, Part, SearchOptions, SearchRequest, Subject
from shared.core.errors import ISEError, NotFound
from shared.media.identity import content_id
from shared.models.external import is_external
from shared.snapshots.items import tag_key
from shared.web import problem

T = TypeVar("T")

_FEW = 100


class SearchService:
    """Answers searches on whatever snapshot is current when they come in."""

    def __init__(
        self,
        shelf: SnapshotReader,
        features: Callable[[], Features],
        recall_target: float,
        audit: Audit,
        waiting: Waiting,
        terms: TermReader,
    ) -> None:
        """`features`: makes what one request asks the embedder with."""
        self.shelf = shelf
        self.audit = audit
        self._features = features
        self._recall_target = recall_target
        self._waiting = waiting
        self.terms = terms

    async def reach(self, options: SearchOptions) -> None:
        """Waits for the `min_version` of a search, where it names one. Raises Behind."""
        if options.min_version is not None:
            await self._waiting.until(options.min_version)

    async def searcher(self) -> Searcher:
        """The collection as of now. Opening a new snapshot waits in a thread, not in the loop."""
        return await _in_thread(self.searcher_now)

    def searcher_now(self) -> Searcher:
        """The same, for code in a thread."""
        collection, deleted = self.shelf.current()
        return Searcher(collection, deleted, self._recall_target, self.audit)

    async def batch(self, searches: Sequence[SearchRequest]) -> list[BatchAnswer]:
        """Answers `POST /v1/search/batch`: each search as if it came alone."""
        features = self._features()
        collection = (await self.searcher()).collection
        visual, joint = collection.visual, collection.joint
        await features.prepare(
            searches, visual.fingerprint if visual else None, joint.fingerprint if joint else None
        )

        async def one(search: SearchRequest) -> BatchAnswer:
            try:
                return BatchAnswer(answer=await self.request(search, features))
            except ISEError as error:
                return BatchAnswer(problem=Problem.model_validate(problem.body_of(error)))

        return list(await asyncio.gather(*map(one, searches)))

    async def request(
        self, request: SearchRequest, features: Features | None = None
    ) -> SearchResponse:
        """Answers `POST /v1/search`."""
        alone = features is None
        features = features or self._features()
        await self.reach(request)
        if request.parts is not None:
            return await self._parts(request.parts, request, features)
        return await self._subject(request, request, features, alone)

    async def _subject(
        self, subject: Subject, options: SearchOptions, features: Features, alone: bool = False
    ) -> SearchResponse:
        if subject.term is not None:
            return await self.term(subject.term, options)
        if subject.id is not None:
            return await self.id(subject.id, options, alone=alone)
        if subject.vector is not None:
            return await self.vector(subject.vector, options, alone)
        return await self.image(await features.data(subject), options, features)

    async def _parts(
        self, parts: Sequence[Part], options: SearchOptions, features: Features
    ) -> SearchResponse:
        """Images by several parts together; one alone, uncropped, is asked as such."""
        first, *others = parts
        if not others and first.crop is None:
            answer = await self._subject(first, options, features)
            hits = [hit.model_copy(update={"contributions": [hit.score]}) for hit in answer.hits]
            return answer.model_copy(update={"hits": hits})
        watch = Stopwatch()
        asked = [part.model_dump_json(exclude_defaults=True) for part in parts]
        pages = Pages(["parts", *asked], options)
        searcher = await self.searcher()
        corrected = await self._corrected(searcher, parts, options)
        resolved = QueryParts(searcher, _read_as(parts, corrected), features)
        searcher, space = resolved.searcher, resolved.space()
        if space is None:
            found = searcher.nothing(resolved.mode, options)
            return answer_of(searcher, found, options, watch, pages, corrected)
        with watch("embed"):
            query = await resolved.query(space, pages.after)
        narrowed = resolved.options(options)
        found = await _in_thread(lambda: searcher.nearest(space, query, narrowed, watch))
        return answer_of(searcher, found, options, watch, pages, corrected)

    async def _corrected(
        self, searcher: Searcher, parts: Sequence[Part], options: SearchOptions
    ) -> dict[str, str]:
        """Return the tags that terms of the parts are read as, of those not read as written."""
        terms = dict.fromkeys(part.term.strip() for part in parts if part.term is not None)
        found = {term: await self.terms.read(searcher, term, options.exact_term) for term in terms}
        return {term: tag for term, tag in found.items() if tag is not None}

    async def image(
        self, data: bytes, options: SearchOptions, features: Features | None = None
    ) -> SearchResponse:
        """Images like an uploaded one. Raises BadImage, FingerprintMismatch, Unavailable."""
        features = features or self._features()
        watch = Stopwatch()
        pages = Pages(["image", content_id(data)], options)
        searcher = await self.searcher()
        check_pictures(searcher)
        with watch("embed"):
            searcher, embedded = await self.embedded(data, searcher, features)
        space = searcher.collection.visual
        if space is None or (embedded.fingerprint != space.fingerprint and searcher.is_empty):
            found = searcher.nothing(Mode.IMAGE, options)
            return answer_of(searcher, found, options, watch, pages)
        check_model(space, embedded.fingerprint)
        known = searcher.collection.find(content_id(data), searcher.deleted)
        itself = known.ordinal if known else None
        query = Query(space.placed(embedded.vector), Mode.IMAGE, itself, after=pages.after)
        found = await _in_thread(lambda: searcher.nearest(space, query, options, watch))
        return answer_of(searcher, found, options, watch, pages)

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
        known = searcher.collection.find(content_id(data), searcher.deleted)
        vector = space.placed(embedded.vector)
        return await _in_thread(
            lambda: exploring.suggestions_for(searcher, space, vector, known, limit)
        )

    async def embedded(
        self, data: bytes, searcher: Searcher, features: Features | None = None
    ) -> tuple[Searcher, Embedded]:
        """The features of a picture, and the collection as of then, which they fit if any do."""
        features = features or self._features()
        while True:
            before = searcher.collection.visual
            model = None if before is None else before.fingerprint
            found = await features.embedded(Picture(data), ImageSpace.VISUAL, model)
            searcher = await self.searcher()
            now = searcher.collection.visual
            # Where the collection went over to another model meanwhile, that one is asked.
            if before is None or now is None or now.fingerprint in (model, found.fingerprint):
                return searcher, found

    async def term(self, term: str, options: SearchOptions) -> SearchResponse:
        """Images that carry a tag; where none does, images that are near to what it means.

        A term that no tag equals may be read as one, see `TermReader`. Raises UnknownTerm where
        neither images nor word2vec know the term.
        """
        watch = Stopwatch()
        term = term.strip()
        pages = Pages(["term", tag_key(term)], options)
        searcher = await self.searcher()
        with watch("probe"):
            tag = await self.terms.read(searcher, term, options.exact_term)
        read = term if tag is None else tag
        found = await _in_thread(lambda: searcher.tagged(read, options, watch, pages.after))
        if found is None:
            found = await self._by_meaning(searcher, read, options, watch, pages)
        corrected = {} if tag is None else {term: tag}
        return answer_of(searcher, found, options, watch, pages, corrected)

    async def _by_meaning(
        self,
        searcher: Searcher,
        term: str,
        options: SearchOptions,
        watch: Stopwatch,
        pages: Pages,
    ) -> Found:
        space = searcher.collection.joint
        if searcher.is_empty:
            return searcher.nothing(Mode.SEMANTIC, options)
        visual = searcher.collection.visual
        if visual is not None and is_external(visual.fingerprint):
            raise await unknown(
                searcher,
                term,
                f"the collection's vectors are {visual.fingerprint}, which no word is matched with",
            )
        if space is None:
            raise await unknown(
                searcher,
                term,
                "searching by meaning needs a matching network: tag some images, then "
                "run `ise build`, which trains one",
            )
        with watch("embed"):
            vector = await self._features().meaning(searcher, space, term)
        if tag_key(term) not in searcher.collection.tag_vectors:
            space = space.for_untrained
        query = Query(vector, Mode.SEMANTIC, after=pages.after)
        return await _in_thread(lambda: searcher.nearest(space, query, options, watch))

    async def id(
        self,
        image_id: str,
        options: SearchOptions,
        without_itself: bool = False,
        alone: bool = True,
    ) -> SearchResponse:
        """Images like an indexed one, by its stored vector. Raises NotFound.

        alone: not one of many searches of a request.
        """
        search = partial(self.id_now, image_id, options, without_itself, Stopwatch())
        return await self._done(search, alone and self._is_short(options))

    def id_now(
        self,
        image_id: str,
        options: SearchOptions,
        without_itself: bool = False,
        watch: Stopwatch | None = None,
    ) -> SearchResponse:
        """The same, for code that nobody waits beside. `watch`: where time counts already."""
        watch = watch or Stopwatch()
        pages = Pages(["id", image_id, without_itself], options)
        searcher = self.searcher_now()
        item = searcher.collection.find(image_id, searcher.deleted)
        space = searcher.collection.visual
        vector = space.index.vector(item.ordinal) if space and item else None
        if item is None or space is None or vector is None:
            raise NotFound(f"There is no image {image_id!r}.")
        leave_out = [item.ordinal] if without_itself else []
        query = Query(vector, Mode.IMAGE, item.ordinal, leave_out, pages.after)
        found = searcher.nearest(space, query, options, watch)
        return answer_of(searcher, found, options, watch, pages)

    async def vector(
        self, vector: list[float], options: SearchOptions, alone: bool = True
    ) -> SearchResponse:
        """Images near to a vector of the collection's own model. Raises BadVector."""
        watch = Stopwatch()
        pages = Pages(["vector", *vector], options)

        def search() -> SearchResponse:
            searcher = self.searcher_now()
            space = searcher.collection.visual
            if space is None:
                found = searcher.nothing(Mode.IMAGE, options)
            else:
                query = Query(space.given(vector, options.metric), Mode.IMAGE, after=pages.after)
                found = searcher.nearest(space, query, options, watch)
            return answer_of(searcher, found, options, watch, pages)

        return await self._done(search, alone and self._is_short(options))

    async def _done(self, search: Callable[[], T], is_short: bool) -> T:
        """Searches at once where that is short, else in a thread, so that other requests go on.

        To wake a thread and to be woken by it takes a good part of the time of a short one.
        """
        return search() if is_short else await _in_thread(search)

    def _is_short(self, options: SearchOptions) -> bool:
        asked = (options.nprobe, options.recall_target, options.filter, options.cursor)
        is_plain = not options.exact and all(one is None for one in asked)
        if not is_plain or options.offset + options.limit > _FEW:
            return False
        # To open a new snapshot takes seconds.
        collection = self.shelf.settled()
        return (
            collection is not None and collection.visual is not None and collection.visual.is_quick
        )


def _read_as(parts: Sequence[Part], corrected: Mapping[str, str]) -> list[Part]:
    """Return the parts with their terms as they are read."""
    return [
        part
        if part.term is None or (tag := corrected.get(part.term.strip())) is None
        else part.model_copy(update={"term": tag})
        for part in parts
    ]


async def _in_thread(work: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(work)
