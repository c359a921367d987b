"""From the parts of a search to one query."""

from collections.abc import Sequence

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from services.query.answering.features import Features, check_model, check_network, check_pictures
from services.query.answering.identity import identity_of
from services.query.search.combination import Combination, Slots
from services.query.search.cursor import Cursor
from services.query.search.query import Query
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from shared.contracts.answer import Mode
from shared.contracts.embedder import ImageSpace
from shared.contracts.filters import Condition, Filter
from shared.contracts.query import Metric, Part, SearchOptions
from shared.core.errors import Conflict, InvalidInput, NotFound

Floats = NDArray[np.float32]


class QueryParts:
    """The parts of one search on one collection.

    With a term, all parts are compared in the joint space of pictures and words; without one, in
    the space of pictures.
    """

    def __init__(
        self,
        searcher: Searcher,
        parts: Sequence[Part],
        features: Features,
        slots: Slots | None = None,
    ) -> None:
        """slots: places of the parts among those of the request; None: they are all of these."""
        self.searcher = searcher
        self._parts = parts
        self._features = features
        self._slots = slots
        self._by_words = any(part.term is not None for part in parts)

    @property
    def mode(self) -> Mode:
        if not self._by_words:
            return Mode.IMAGE
        return Mode.SEMANTIC if all(part.term is not None for part in self._parts) else Mode.MIXED

    def space(self) -> Space | None:
        """Return the space of the comparison; None if there are no images. Raises Conflict."""
        collection = self.searcher.collection
        if self.searcher.is_empty:
            return None
        if not self._by_words:
            return collection.visual
        if collection.joint is None:
            raise Conflict(
                "Searching by pictures and words together needs a matching network: tag "
                "some images, then run `ise build`, which trains one."
            )
        return collection.joint

    def options(self, options: SearchOptions) -> SearchOptions:
        """The options, by cosine, and without the images that carry an excluded tag."""
        conditions = [
            Condition(tag=part.term.strip())
            for part in self._parts
            if part.term is not None and part.weight < 0
        ]
        given = options.filter or Filter()
        narrowed = given.model_copy(update={"must_not": [*given.must_not, *conditions]})
        return options.model_copy(
            update={
                "metric": Metric.COSINE,
                "filter": narrowed if conditions else options.filter,
            }
        )

    async def query(self, space: Space, after: Cursor | None) -> Query:
        """Return the query for the space. Raises NotFound, BadVector, UnknownTerm,
        FingerprintMismatch.
        """
        vectors = [await self._vector(part, space) for part in self._parts]
        combination = Combination(vectors, [part.weight for part in self._parts], self._slots)
        excluded = [await self._known(part) for part in self._parts if part.weight < 0]
        return Query(
            combination.vector,
            self.mode,
            leave_out=[ordinal for ordinal in excluded if ordinal is not None],
            after=after,
            combination=combination,
        )

    async def _vector(self, part: Part, space: Space) -> Floats:
        if part.term is not None:
            return await self._of_term(part.term.strip(), space)
        if part.id is not None and part.crop is None:
            return await anyio.to_thread.run_sync(self._stored, part.id, space)
        if part.vector is not None:
            if self._by_words:
                raise InvalidInput(
                    "A `vector` is of the space of pictures, so it can't be weighed with a `term`: "
                    "give the picture itself, or its `id`."
                )
            return space.given(part.vector, Metric.COSINE)
        return await self._of_picture(part, space)

    async def _of_term(self, term: str, space: Space) -> Floats:
        found = await anyio.to_thread.run_sync(self.searcher.tag_vector, term, space)
        return await self._features.meaning(self.searcher, space, term) if found is None else found

    async def _of_picture(self, part: Part, space: Space) -> Floats:
        check_pictures(self.searcher)
        picture = await self._features.picture(part)
        if not self._by_words:
            found = await self._features.embedded(picture, ImageSpace.VISUAL, space.fingerprint)
            check_model(space, found.fingerprint)
        else:
            found = await self._features.embedded(picture, ImageSpace.JOINT, space.fingerprint)
            check_network(space, found.fingerprint)
        return space.placed(found.vector)

    def _stored(self, image_id: str, space: Space) -> Floats:
        item = self.searcher.find(image_id)
        if item is None:
            raise NotFound(f"There is no image {image_id!r}.")
        vector = space.index.vector(item.ordinal)
        if vector is None:
            raise Conflict(
                f"{image_id!r} has no vector in the joint space yet: run `ise train-matching`."
            )
        return vector

    async def _known(self, part: Part) -> int | None:
        """The ordinal of an image that a part is, where it is one of the collection's."""
        if part.crop is not None:
            return None
        image_id = part.id
        if part.is_picture:
            image_id = await identity_of(await self._features.data(part))
        if image_id is None:
            return None
        item = self.searcher.find(image_id)
        return item.ordinal if item else None
