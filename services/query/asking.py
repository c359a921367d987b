"""From a request to an answer: the query's features come from the embedder, the rest from here."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio.to_thread
import numpy as np

from services.query.search.audit import Audit
from services.query.search.cursor import Pages
from services.query.search.searcher import Found, Query, Searcher
from services.query.search.shelf import Shelf
from services.query.search.spelling import close_tags
from services.query.search.stopwatch import Stopwatch
from shared.clients import embedder
from shared.clients.transport import AsyncClient
from shared.contracts.query import Mode, SearchOptions, SearchRequest, SearchResponse
from shared.errors import BadImage, Conflict, FingerprintMismatch, NotFound, UnknownTerm
from shared.external import is_external
from shared.identity import content_id
from shared.snapshots.items import tag_key

_LONGEST = 60

T = TypeVar("T")


class Asking:
    """Answers searches on whatever snapshot is current when they come in."""

    def __init__(
        self, shelf: Shelf, client: AsyncClient, recall_target: float, audit: Audit
    ) -> None:
        self.shelf = shelf
        self.audit = audit
        self._embedder = client
        self._recall_target = recall_target

    async def searcher(self) -> Searcher:
        """The collection as of now. Opening a new snapshot waits in a thread, not in the loop."""
        collection, dead = await _in_thread(self.shelf.current)
        return Searcher(collection, dead, self._recall_target, self.audit)

    async def request(self, request: SearchRequest) -> SearchResponse:
        """Answers `POST /v1/search`."""
        if request.image is not None:
            return await self.image(request.image, request)
        if request.term is not None:
            return await self.term(request.term, request)
        if request.id is not None:
            return await self.id(request.id, request)
        return await self.vector(request.vector or [], request)

    async def image(self, data: bytes, options: SearchOptions) -> SearchResponse:
        """Images like an uploaded one. Raises BadImage, FingerprintMismatch, Unavailable."""
        watch = Stopwatch()
        pages = Pages(["image", content_id(data)], options)
        searcher = await self.searcher()
        space = searcher.collection.visual
        if space is not None and is_external(space.fingerprint) and not searcher.is_empty:
            raise Conflict(
                f"This collection's vectors are {space.fingerprint}, which no embedder here makes, "
                "so a picture can't be compared with them. Search by `vector` or by `id`."
            )
        with watch("embed"):
            rows = await self._embed(data)
        searcher = await self.searcher()
        space = searcher.collection.visual
        if space is None or (rows.fingerprint != space.fingerprint and searcher.is_empty):
            found = searcher.nothing(Mode.IMAGE, options)
            return _answer(searcher, found, options, watch, pages)
        if rows.fingerprint != space.fingerprint:
            raise FingerprintMismatch(
                f"The index holds features of {space.fingerprint}, but the embedder hosts "
                f"{rows.fingerprint}: they can't be compared. Start the embedder with the former "
                "model, or build the index anew with `ise build`.",
                index=space.fingerprint,
                embedder=rows.fingerprint,
            )
        known = searcher.collection.find(content_id(data), searcher.dead)
        itself = known.ordinal if known else None
        query = Query(rows.vectors[0], Mode.IMAGE, itself, after=pages.after)
        found = await _in_thread(lambda: searcher.nearest(space, query, options, watch))
        return _answer(searcher, found, options, watch, pages)

    async def term(self, term: str, options: SearchOptions) -> SearchResponse:
        """Images that carry a tag; where none does, images that are near to what it means.

        Raises UnknownTerm where neither images nor word2vec know the term.
        """
        watch = Stopwatch()
        term = term.strip()
        pages = Pages(["term", tag_key(term)], options)
        searcher = await self.searcher()
        found = await _in_thread(lambda: searcher.tagged(term, options, watch, pages.after))
        if found is None:
            found = await self._by_meaning(searcher, term, options, watch, pages)
        return _answer(searcher, found, options, watch, pages)

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
            raise await _unknown(
                searcher,
                term,
                f"the collection's vectors are {visual.fingerprint}, which no word is matched with",
            )
        if space is None:
            raise await _unknown(
                searcher,
                term,
                "there is no matching network yet to search by meaning: tag some images, then run "
                "`ise build`, which trains one",
            )
        with watch("embed"):
            call = embedder.embed_terms([term], network=space.fingerprint)
            try:
                rows = await self._embedder.send(call)
            except UnknownTerm as error:
                words = error.extra.get("suggestions", [])
                raise await _unknown(searcher, term, "word2vec doesn't know it", words) from None
        if rows.fingerprint != space.fingerprint:
            raise FingerprintMismatch(
                f"The joint space was made with {space.fingerprint}, but the embedder answered "
                f"with {rows.fingerprint}. Make both anew with `ise build`.",
                index=space.fingerprint,
                embedder=rows.fingerprint,
            )
        query = Query(rows.vectors[0], Mode.SEMANTIC, after=pages.after)
        return await _in_thread(lambda: searcher.nearest(space, query, options, watch))

    async def id(
        self, image_id: str, options: SearchOptions, without_itself: bool = False
    ) -> SearchResponse:
        """Images like an indexed one, by its stored vector. Raises NotFound."""
        watch = Stopwatch()
        pages = Pages(["id", image_id, without_itself], options)
        searcher = await self.searcher()

        def search() -> Found:
            item = searcher.collection.find(image_id, searcher.dead)
            space = searcher.collection.visual
            vector = space.index.vector(item.ordinal) if space and item else None
            if item is None or space is None or vector is None:
                raise NotFound(f"There is no image {image_id!r}.")
            leave_out = [item.ordinal] if without_itself else []
            query = Query(vector, Mode.IMAGE, item.ordinal, leave_out, pages.after)
            return searcher.nearest(space, query, options, watch)

        return _answer(searcher, await _in_thread(search), options, watch, pages)

    async def vector(self, vector: list[float], options: SearchOptions) -> SearchResponse:
        """Images near to a vector of the collection's own model. Raises BadVector."""
        watch = Stopwatch()
        pages = Pages(["vector", *vector], options)
        searcher = await self.searcher()
        space = searcher.collection.visual
        if space is None:
            found = searcher.nothing(Mode.IMAGE, options)
            return _answer(searcher, found, options, watch, pages)
        query = Query(np.array(vector), Mode.IMAGE, after=pages.after)
        found = await _in_thread(lambda: searcher.nearest(space, query, options, watch))
        return _answer(searcher, found, options, watch, pages)

    async def _embed(self, data: bytes) -> embedder.Rows:
        try:
            return await self._embedder.send(embedder.embed_images([data]))
        except BadImage as error:
            items = error.extra.get("items") or []
            raise BadImage(items[0]["error"] if items else error.detail) from None


async def _unknown(
    searcher: Searcher, term: str, reason: str, words: Sequence[str] = ()
) -> UnknownTerm:
    """The error for a term that finds nothing, with the tags and `words` that are spelt like it."""
    counts = searcher.collection.tag_counts(searcher.dead)
    tags = await _in_thread(lambda: close_tags(term, counts))
    keys = {tag_key(tag) for tag in tags}
    close = [*tags, *(word for word in words if tag_key(word) not in keys)]
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    shown = term if len(term) <= _LONGEST else term[:_LONGEST] + "…"
    return UnknownTerm(
        f"No image carries the tag {shown!r}, and {reason}.{hint} `GET /v1/tags` lists the tags "
        "that images carry.",
        suggestions=close,
    )


def _answer(
    searcher: Searcher, found: Found, options: SearchOptions, watch: Stopwatch, pages: Pages
) -> SearchResponse:
    collection = searcher.collection
    return SearchResponse(
        hits=found.hits,
        limit=options.limit,
        offset=pages.offset,
        next=pages.next(found.end, found.mode, found.model, collection.newest),
        complete=found.complete,
        cut_off=found.cut_off,
        mode=found.mode,
        metric=found.metric,
        snapshot=collection.manifest.number,
        model=found.model,
        recall=found.recall,
        timings_ms=watch.timings_ms(),
    )


async def _in_thread(work: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(work)
