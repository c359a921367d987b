"""Explanations of similarities, by heat maps that the embedder computes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.query.answering.features import check_model
from services.query.answering.model_change import on_current
from services.query.answering.service import SearchService
from services.query.embedders import Embedders
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from shared.clients import embedder, indexer
from shared.clients.transport import AsyncClient
from shared.contracts.embedder import ImageSpace
from shared.contracts.explanation import Why
from shared.core.budget import charge
from shared.core.errors import Conflict, FingerprintMismatch, InvalidInput, NotFound
from shared.models.external import is_external
from shared.snapshots.items import tag_key
from shared.snapshots.transform import Transform

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Reason:
    """Request of an explanation to the embedder: `files`, or one and a term; and whose features to
    compare.
    """

    files: list[bytes]
    space: ImageSpace
    fingerprint: str
    score: float | None
    term: str | None = None
    transform: Transform | None = None

    @property
    def network(self) -> str | None:
        return self.fingerprint if self.space is ImageSpace.JOINT else None

    @property
    def projection(self) -> bytes | None:
        """The index's map of features, as the embedder takes it; `l2` changes no cosine."""
        found = None if self.transform is None else self.transform.projection
        return None if found is None else found.to_bytes()

    def drift(self, cosine: float) -> float | None:
        """Difference between the stored score and the newly computed cosine."""
        return None if self.score is None else self.score - cosine

    def check(self, fingerprint: str) -> None:
        """Raises FingerprintMismatch where another model explained it."""
        if self.fingerprint != fingerprint:
            raise FingerprintMismatch(
                f"The index was made with {self.fingerprint}, but the embedder explains "
                f"by {fingerprint}. Start the embedder with the former model, or rebuild "
                "the index with `ise build`.",
                index=self.fingerprint,
                embedder=fingerprint,
            )


ReasonOf = Callable[[], Awaitable[Reason]]
"""Returns the request of an explanation, by the collection at the time of the call."""


class Reasons:
    """Finds the pictures and their stored vectors, and has the embedder explain them."""

    def __init__(self, searches: SearchService, embedders: Embedders, files: AsyncClient) -> None:
        self._searches = searches
        self._embedders = embedders
        self._indexer = files

    async def of_images(self, image_id: str, other_id: str) -> Reason:
        """Explain an indexed image and another one. Raises NotFound, Conflict."""
        searcher = await self._searches.searcher()
        space = _visual(searcher)
        stored = [_stored(searcher, space, name) for name in (image_id, other_id)]
        files = [await self._file(name) for name in (image_id, other_id)]
        return _by_features(space, files, _cosine(*stored))

    async def of_upload(self, data: bytes, other_id: str) -> Reason:
        """Explain an uploaded picture and an indexed image."""
        searcher = await self._searches.searcher()
        # Fail before the work if there is no such image.
        _stored(searcher, _visual(searcher), other_id)
        searcher, found = await self._searches.embedded(data, searcher)
        space = _visual(searcher)
        check_model(space, found.fingerprint)
        # The collection may have gone over to another model, whose vectors these are.
        stored = _stored(searcher, space, other_id)
        files = [data, await self._file(other_id)]
        return _by_features(space, files, _cosine(space.placed(found.vector), stored))

    async def of_term(self, image_id: str, term: str) -> Reason:
        """Explain an indexed image and a term, in the joint space."""
        searcher = await self._searches.searcher()
        space = searcher.collection.joint
        if space is None:
            raise Conflict(
                "Comparing images with terms needs a matching network. Tag some images, "
                "then run `ise build`, which trains one."
            )
        term = await self._searches.terms.read(searcher, term) or term
        stored = _stored(searcher, space, image_id)
        vector = searcher.collection.tag_vectors.get(tag_key(term))
        score = None if vector is None else _cosine(stored, vector)
        files = [await self._file(image_id)]
        return Reason(files, ImageSpace.JOINT, space.fingerprint, score, term)

    async def for_subject(self, image_id: str, to: str | None, term: str | None) -> Reason:
        """Explain an indexed image and the subject that a request names. Raises InvalidInput."""
        if to is not None and term is None:
            return await self.of_images(image_id, to)
        if term is not None and to is None:
            return await self.of_term(image_id, term.strip())
        raise InvalidInput("Give one of `to` (an image's id) and `term`.")

    async def why(self, reason_of: ReasonOf) -> Why:
        """The numbers. Raises FingerprintMismatch, Conflict, Unavailable."""

        async def explained(_: Searcher) -> Why:
            return await self._why(await reason_of())

        return await on_current(self._searches.searcher, explained)

    async def overlay(self, reason_of: ReasonOf) -> bytes:
        """The heat over the first picture, as a PNG."""

        async def drawn(_: Searcher) -> bytes:
            return await self._overlay(await reason_of())

        return await on_current(self._searches.searcher, drawn)

    async def _why(self, reason: Reason) -> Why:
        call = embedder.explain_images(
            reason.files, reason.space, reason.term, reason.network, reason.projection
        )
        found = await self._embedders.send(call, lambda e: e.fingerprint == reason.fingerprint)
        reason.check(found.fingerprint)
        first = found.heats[0]
        other = found.heats[1] if len(found.heats) > 1 else None
        return Why(
            grid=first.grid,
            other_grid=other and other.grid,
            crop=first.seen,
            other_crop=other and other.seen,
            cosine=found.cosine,
            score=reason.score,
            drift=reason.drift(found.cosine),
            transform=None if reason.transform is None else reason.transform.name,
            approximate=found.approximate,
            model=found.fingerprint,
        )

    async def _overlay(self, reason: Reason) -> bytes:
        call = embedder.explain_overlay(
            reason.files, reason.space, reason.term, reason.network, reason.projection
        )
        drawn, model = await self._embedders.send(call, lambda e: e[1] == reason.fingerprint)
        reason.check(model)
        return drawn

    async def _file(self, image_id: str) -> bytes:
        data, _ = await self._indexer.send(indexer.get_image_file(image_id))
        charge(len(data))
        return data


def _by_features(space: Space, files: list[bytes], score: float) -> Reason:
    return Reason(files, ImageSpace.VISUAL, space.fingerprint, score, transform=space.transform)


def _visual(searcher: Searcher) -> Space:
    space = searcher.collection.visual
    if space is None:
        raise NotFound("There are no images yet.")
    if is_external(space.fingerprint):
        raise Conflict(
            f"This collection's vectors are {space.fingerprint}, which no embedder "
            "here computes, so similarities can't be traced to parts of a picture."
        )
    return space


def _stored(searcher: Searcher, space: Space, image_id: str) -> Vector:
    item = searcher.find(image_id)
    vector = None if item is None else space.index.vector(item.ordinal)
    if vector is None:
        raise NotFound(f"There is no image {image_id!r}.")
    return vector


def _cosine(one: Vector, other: Vector) -> float:
    a, b = one.astype(np.float64), other.astype(np.float64)
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0
