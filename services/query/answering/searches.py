"""Searches, a class for each kind of subject: how each comes to its target on a collection."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace

import anyio.to_thread
import numpy as np

from services.query.answering.colors import colors_among, colors_in
from services.query.answering.features import (
    Embedded,
    Features,
    Picture,
    check_model,
    check_pictures,
    unknown,
)
from services.query.answering.query_parts import QueryParts
from services.query.answering.targets import (
    Carriers,
    Neighbours,
    NoImages,
    Showing,
    Target,
)
from services.query.answering.term_reader import TermReader, corrected_terms, read_as
from services.query.search.colored import Colored
from services.query.search.cursor import Cursor
from services.query.search.query import Query
from services.query.search.searcher import Searcher
from services.query.search.shown_text import matching
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Mode
from shared.contracts.embedder import ImageSpace
from shared.contracts.query import Part, SearchOptions
from shared.core.errors import InvalidInput, NotFound, Overloaded, Unavailable, UnknownTerm
from shared.core.record import record
from shared.models.external import is_external
from shared.snapshots.image_texts import Shown
from shared.snapshots.items import tag_key
from shared.terms.color_words import ColorTerm
from shared.terms.text_words import quoted

_MOST_WORDS = 0.51
"""Least share of the words in quotation marks that a picture has to show: more than half."""

Reopen = Callable[[], Awaitable[Searcher]]
"""Returns the collection at the time of the call."""


@record
class Resolved:
    """A search's target, and the collection that it is of.

    corrected: the tags that the search's terms are read as, of those not read as written.
    """

    searcher: Searcher
    target: Target
    corrected: Mapping[str, str] = field(default_factory=dict)


class _Search:
    """A subject and the options of a search. key: identifies the subject in cursors."""

    def __init__(self, key: Sequence[str | float | bool], options: SearchOptions) -> None:
        self.key = key
        self.options = options


class StoredSearch(_Search, ABC):
    """A search whose vector is stored or given, so that it needs no embedder."""

    @abstractmethod
    def resolve(self, searcher: Searcher, after: Cursor | None) -> Target:
        """Return the target. after: the page before. May read files, so it may take time."""


class EmbeddedSearch(_Search, ABC):
    """A search that may have to ask the embedder for its vector."""

    @abstractmethod
    async def resolve(self, searcher: Searcher, after: Cursor | None, watch: Stopwatch) -> Resolved:
        """Return the target, on the given collection or on a newer one. after: the page before."""


class IdSearch(StoredSearch):
    """Images like an indexed one, by its stored vector. Raises NotFound."""

    def __init__(self, image_id: str, options: SearchOptions, without_itself: bool = False) -> None:
        super().__init__(["id", image_id, without_itself], options)
        self._image_id = image_id
        self._without_itself = without_itself

    def resolve(self, searcher: Searcher, after: Cursor | None) -> Target:
        item, space = searcher.find(self._image_id), searcher.collection.visual
        vector = space.index.vector(item.ordinal) if space and item else None
        if item is None or space is None or vector is None:
            raise NotFound(f"There is no image {self._image_id!r}.")
        leave_out = [item.ordinal] if self._without_itself else []
        query = Query(vector, Mode.IMAGE, item.ordinal, leave_out, after)
        return Neighbours(space, query, self.options)


class VectorSearch(StoredSearch):
    """Images near to a vector of the collection's own model. Raises BadVector."""

    def __init__(self, vector: list[float], options: SearchOptions) -> None:
        self._vector = np.array(vector, np.float64)
        digest = hashlib.blake2b(self._vector.tobytes(), digest_size=16).hexdigest()
        super().__init__(["vector", digest], options)

    def resolve(self, searcher: Searcher, after: Cursor | None) -> Target:
        space = searcher.collection.visual
        if space is None:
            return NoImages(Mode.IMAGE, self.options)
        vector = space.given(self._vector, self.options.metric)
        return Neighbours(space, Query(vector, Mode.IMAGE, after=after), self.options)


class ImageSearch(EmbeddedSearch):
    """Images like an image file. Raises BadImage, FingerprintMismatch, Unavailable."""

    def __init__(
        self,
        data: bytes,
        image_id: str,
        options: SearchOptions,
        features: Features,
        reopen: Reopen,
    ) -> None:
        """image_id: the id of the content."""
        self._image_id = image_id
        super().__init__(["image", self._image_id], options)
        self._data = data
        self._features = features
        self._reopen = reopen

    async def resolve(self, searcher: Searcher, after: Cursor | None, watch: Stopwatch) -> Resolved:
        check_pictures(searcher)
        with watch("embed"):
            searcher, embedded = await embed_picture(
                self._data, searcher, self._features, self._reopen
            )
        space = searcher.collection.visual
        if space is None or (embedded.fingerprint != space.fingerprint and searcher.is_empty):
            return Resolved(searcher, NoImages(Mode.IMAGE, self.options))
        check_model(space, embedded.fingerprint)
        known = searcher.find(self._image_id)
        itself = known.ordinal if known else None
        query = Query(space.placed(embedded.vector), Mode.IMAGE, itself, after=after)
        return Resolved(searcher, Neighbours(space, query, self.options))


class TermSearch(EmbeddedSearch):
    """Images that carry a tag; if there are none, images that show the term as text, and those
    close to its meaning.

    A term in quotation marks is searched as text alone. A term that equals no tag may be corrected,
    see `TermReader`. Raises UnknownTerm if neither images nor word2vec know the term.
    """

    def __init__(
        self, term: str, options: SearchOptions, features: Features, terms: TermReader
    ) -> None:
        self._term = term.strip()
        super().__init__(["term", tag_key(self._term)], options)
        self._features = features
        self._terms = terms

    async def resolve(self, searcher: Searcher, after: Cursor | None, watch: Stopwatch) -> Resolved:
        newest = None if after is None else after.newest
        text = quoted(self._term)
        if text is not None and not searcher.is_carried(self._term, newest):
            return await self._by_text(text, searcher, after, watch)
        colored = colors_in(self._term, searcher, self.options)
        with watch("probe"):
            is_color = colored is not None and not colored.rest
            # A colour is no misspelling of a tag.
            terms = [] if is_color else [self._term]
            corrected = await corrected_terms(self._terms, searcher, terms, self.options)
            term = corrected.get(self._term, self._term)
            is_carried = searcher.is_carried(term, newest)
        if is_carried:
            return Resolved(searcher, Carriers(term, self.options, after), corrected)
        shown = await self._shown(searcher, term, after, watch)
        if colored is not None and (is_color or not len(shown)):
            found = await self._by_color(colored, searcher, after, watch)
            if found is not None:
                return found
        try:
            target = await self._by_meaning(term, searcher, after, watch)
        except (UnknownTerm, Unavailable, Overloaded):
            if not len(shown):
                shown = await self._shown(searcher, term, after, watch, near=True)
            if not len(shown):
                raise
            return Resolved(searcher, Showing(shown, self.options, after), corrected)
        if len(shown) and isinstance(target, Neighbours):
            meaning = (target.space, target.query)
            target = Showing(shown, self.options, after, meaning)
        return Resolved(searcher, target, corrected)

    async def _by_color(
        self, colored: ColorTerm, searcher: Searcher, after: Cursor | None, watch: Stopwatch
    ) -> Resolved | None:
        """Order by colour what the other words find; None: nothing is known of these."""
        target = Colored(colored.colors, self.options, after)
        words = self._term if colored.is_also_thing else colored.rest
        if not words:
            return Resolved(searcher, target)
        with watch("probe"):
            rest = [colored.rest] if colored.rest else []
            corrected = await corrected_terms(self._terms, searcher, rest, self.options)
            words = corrected.get(words, words)
        if colored.rest and searcher.is_carried(words, None if after is None else after.newest):
            return Resolved(searcher, replace(target, tag=words), corrected)
        try:
            found = await self._by_meaning(words, searcher, None, watch)
        except (UnknownTerm, Unavailable, Overloaded) as error:
            if colored.rest:
                if isinstance(error, UnknownTerm):
                    return None
                raise
            return Resolved(searcher, target)
        if isinstance(found, Neighbours):
            meaning = (found.space, found.query)
            target = replace(target, meaning=meaning, is_either=colored.is_also_thing)
        return Resolved(searcher, target, corrected)

    async def _by_text(
        self, text: str, searcher: Searcher, after: Cursor | None, watch: Stopwatch
    ) -> Resolved:
        """Words in quotation marks: near spellings too, unless all are asked for as written."""
        near = not self.options.exact_term
        shown = await self._shown(searcher, text, after, watch, near, _MOST_WORDS)
        return Resolved(searcher, Showing(shown, self.options, after))

    async def _shown(
        self,
        searcher: Searcher,
        text: str,
        after: Cursor | None,
        watch: Stopwatch,
        near: bool = False,
        part: float = 1.0,
    ) -> Shown:
        with watch("text"):
            return await anyio.to_thread.run_sync(matching, searcher, text, near, part, after)

    async def _by_meaning(
        self, term: str, searcher: Searcher, after: Cursor | None, watch: Stopwatch
    ) -> Target:
        space, visual = searcher.collection.joint, searcher.collection.visual
        if searcher.is_empty:
            return NoImages(Mode.SEMANTIC, self.options)
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
                "searching by meaning needs a matching network: tag some images, then run "
                "`ise build`, which trains one",
            )
        with watch("embed"):
            vector = await self._features.meaning(searcher, space, term)
        if tag_key(term) not in searcher.collection.tag_vectors:
            head = searcher.collection.labels.head
            is_label = head is not None and bool(head.named(term))
            space = space.for_untrained(vector, is_label)
        return Neighbours(space, Query(vector, Mode.SEMANTIC, after=after), self.options)


class PartsSearch(EmbeddedSearch):
    """Images by several parts together.

    Raises Conflict without the network that terms need, and the errors of each part.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        options: SearchOptions,
        features: Features,
        terms: TermReader,
    ) -> None:
        written = [part.model_dump_json(exclude_defaults=True) for part in parts]
        super().__init__(["parts", *written], options)
        self._parts = parts
        self._features = features
        self._terms = terms

    async def resolve(self, searcher: Searcher, after: Cursor | None, watch: Stopwatch) -> Resolved:
        terms = [part.term.strip() for part in self._parts if part.term is not None]
        for term in terms:
            if quoted(term) is not None and not searcher.is_carried(term):
                raise InvalidInput(
                    f"Text in quotation marks can't be combined with other parts: search {term} "
                    "alone, or leave the marks out."
                )
        colored = colors_among(self._parts, searcher, self.options)
        given, options = self._parts, self.options
        if colored is not None:
            given, options = colored.rest, colored.narrowed(options)
            if not given:
                return Resolved(searcher, Colored(colored.colors, options, after))
            terms = [part.term.strip() for part in given if part.term is not None]
        corrected = await corrected_terms(self._terms, searcher, terms, options)
        slots = None if colored is None else colored.slots
        parts = QueryParts(searcher, read_as(given, corrected), self._features, slots)
        space = parts.space()
        if space is None:
            return Resolved(searcher, NoImages(parts.mode, options), corrected)
        with watch("embed"):
            query = await parts.query(space, after)
        options = parts.options(options)
        if colored is None or not colored.colors:
            return Resolved(searcher, Neighbours(space, query, options), corrected)
        # The colour is a word beside the pictures.
        mode = Mode.MIXED if parts.mode is Mode.IMAGE else parts.mode
        meaning = (space, replace(query, mode=mode))
        return Resolved(
            searcher, Colored(colored.colors, options, after, meaning=meaning), corrected
        )


async def embed_picture(
    data: bytes, searcher: Searcher, features: Features, reopen: Reopen
) -> tuple[Searcher, Embedded]:
    """Return the features of a picture, and the collection as of then, whose model made them if
    an embedder hosts it."""
    while True:
        before = searcher.collection.visual
        model = None if before is None else before.fingerprint
        embedded = await features.embedded(Picture(data), ImageSpace.VISUAL, model)
        searcher = await reopen()
        now = searcher.collection.visual
        # If the collection changed its model meanwhile, embed with the new one.
        if before is None or now is None or now.fingerprint in (model, embedded.fingerprint):
            return searcher, embedded
