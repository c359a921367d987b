"""Features of the pictures and terms of one request."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from services.query.answering.uploads import Uploads
from services.query.canary import CanaryWatch
from services.query.embedders import Embedders
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from shared.clients import embedder, indexer
from shared.clients.transport import AsyncClient
from shared.contracts.crop import Crop
from shared.contracts.embedder import ImageSpace
from shared.contracts.query import Part, SearchRequest, Subject
from shared.core.budget import charge
from shared.core.errors import (
    BadImage,
    Conflict,
    FingerprintMismatch,
    ISEError,
    NotFound,
    TooLarge,
    UnknownTerm,
)
from shared.media.fetching import Fetcher
from shared.models.external import is_external
from shared.snapshots.items import tag_key

Floats = NDArray[np.float32]

_LONGEST = 60
# Pictures per call, which every embedder accepts.
_A_CALL = 64
# One term is asked for by its own search.
_FEW_TERMS = 2


@dataclass(frozen=True)
class Picture:
    """An image file, and the box of it that counts."""

    data: bytes
    crop: Crop | None = None


@dataclass(frozen=True)
class Embedded:
    """A vector, and the model that it is of."""

    vector: Floats
    fingerprint: str


@dataclass(frozen=True)
class _Wanted:
    picture: Picture
    space: ImageSpace
    fingerprint: str | None


class Features:
    """Asks the embedder, of each picture once.

    The searches of a batch share one: `prepare` then asks for all of their pictures together.
    """

    def __init__(
        self,
        embedders: Embedders,
        canary: CanaryWatch,
        fetcher: Fetcher,
        files: AsyncClient,
        uploads: Uploads,
        max_bytes: int,
    ) -> None:
        """`files`: the indexer, which has the files of indexed images."""
        self._files = files
        self._embedders = embedders
        self._canary = canary
        self._fetcher = fetcher
        self._uploads = uploads
        self._max_bytes = max_bytes
        self._fetched: dict[Hashable, asyncio.Task[bytes]] = {}
        self._meanings: dict[tuple[str, str], Floats] = {}
        self._found: dict[_Wanted, Embedded | ISEError] = {}

    async def data(self, subject: Subject) -> bytes:
        """The image file of a subject that has one. Raises TooLarge, NotFound where an indexed
        image's file is gone, and as Fetcher and Uploads do."""
        data = subject.image
        if subject.upload is not None:
            data = self._uploads.data(subject.upload)
        if subject.image_url is not None:
            url = subject.image_url
            data = await self._once(("url", url), lambda: self._fetcher.get(url))
        elif subject.id is not None:
            image_id = subject.id
            data = await self._once(("id", image_id), lambda: self._file(image_id))
        if data is None:
            raise ValueError("a subject without an image")
        if len(data) > self._max_bytes:
            raise TooLarge(f"The file is over the limit of {self._max_bytes / 2**20:g} MiB.")
        return data

    async def _once(self, key: Hashable, get: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        if key not in self._fetched:
            self._fetched[key] = asyncio.create_task(_charged(get()))
        return await self._fetched[key]

    async def _file(self, image_id: str) -> bytes:
        data, _ = await self._files.send(indexer.get_image_file(image_id))
        return data

    async def prepare(
        self, searches: Iterable[SearchRequest], model: str | None, network: str | None
    ) -> None:
        """Embed the pictures of several searches in few calls.

        Raises nothing: each search reports its own error.
        """
        wanted: list[_Wanted] = []
        for search in searches:
            subjects: Sequence[Subject] = search.parts or [search]
            for subject in subjects:
                if not subject.is_picture:
                    continue
                try:
                    picture = await self.picture(subject)
                except ISEError:
                    # The search itself will report the error.
                    continue
                if search.parts and any(part.term is not None for part in search.parts):
                    wanted.append(_Wanted(picture, ImageSpace.JOINT, network))
                else:
                    wanted.append(_Wanted(picture, ImageSpace.VISUAL, model))
        for space in ImageSpace:
            # After the searches that people make one by one.
            some = list(dict.fromkeys(one for one in wanted if one.space is space))
            await self._embed(some, bulk=True)

    async def prepare_terms(self, searches: Iterable[SearchRequest], searcher: Searcher) -> None:
        """Ask for the joint vectors of all terms that no image carries, in one call.

        Raises nothing: each search asks anew for what wasn't found, and reports its own error.
        """
        joint = searcher.collection.joint
        subjects: list[Subject] = []
        for search in searches:
            subjects += search.parts or [search]
        said = {one.term.strip() for one in subjects if one.term is not None}
        terms = sorted(term for term in said if term and not searcher.is_carried(term))
        if joint is None or len(terms) < _FEW_TERMS:
            return
        call = embedder.embed_terms(terms, network=joint.fingerprint, allow_unknown=True)
        try:
            rows = await self._embedders.send(call)
        except ISEError:
            return
        for term, vector in zip(terms, rows.vectors, strict=True):
            if rows.fingerprint == joint.fingerprint and np.isfinite(vector).all():
                self._meanings[joint.fingerprint, term] = vector

    async def picture(self, subject: Subject) -> Picture:
        """The picture of a subject that has one."""
        crop = subject.crop if isinstance(subject, Part) else None
        return Picture(await self.data(subject), crop)

    async def embedded(
        self,
        picture: Picture,
        space: ImageSpace,
        fingerprint: str | None,
    ) -> Embedded:
        """The features of a picture; of the model or network of that fingerprint where it's hosted.

        Raises BadImage, ModelDrift, Unavailable, Overloaded.
        """
        wanted = _Wanted(picture, space, fingerprint)
        if wanted not in self._found:
            await self._embed([wanted])
        found = self._found[wanted]
        if isinstance(found, ISEError):
            raise found
        return found

    async def meaning(self, searcher: Searcher, space: Space, term: str) -> Floats:
        """The joint vector of a term that no image carries. Raises UnknownTerm."""
        if (known := self._meanings.get((space.fingerprint, term))) is not None:
            return known
        try:
            call = embedder.embed_terms([term], network=space.fingerprint)
            rows = await self._embedders.send(call)
        except NotFound as error:
            raise _other_network(space.fingerprint, error) from error
        except UnknownTerm as error:
            words = error.extra.get("suggestions", [])
            raise await unknown(searcher, term, "word2vec doesn't know it", words) from None
        check_network(space, rows.fingerprint)
        vector: Floats = rows.vectors[0]
        return vector

    async def _embed(self, wanted: Sequence[_Wanted], bulk: bool = False) -> None:
        """Asks for pictures of one space."""
        for start in range(0, len(wanted), _A_CALL):
            await self._embed_some(wanted[start : start + _A_CALL], bulk)

    async def _embed_some(self, wanted: Sequence[_Wanted], bulk: bool) -> None:
        space, fingerprint = wanted[0].space, wanted[0].fingerprint
        files = [one.picture.data for one in wanted]
        crops = [one.picture.crop for one in wanted]
        network = fingerprint if space is ImageSpace.JOINT else None
        try:
            rows = await self._embedders.send(
                embedder.embed_images(files, space, network, bulk, crops),
                lambda found: fingerprint in (None, found.fingerprint),
            )
            if space is ImageSpace.VISUAL:
                rows = await self._canary.judged(rows, files, crops)
        except BadImage as error:
            bad = {item["index"]: item["error"] for item in error.extra.get("items") or []}
            if not bad:
                bad = dict.fromkeys(range(len(wanted)), error.detail)
            self._found |= {wanted[index]: BadImage(reason) for index, reason in bad.items()}
            good = [one for index, one in enumerate(wanted) if index not in bad]
            if good:
                await self._embed_some(good, bulk)
        except NotFound as error:
            self._found |= dict.fromkeys(wanted, _other_network(network, error))
        except ISEError as error:
            self._found |= dict.fromkeys(wanted, error)
        else:
            for one, vector in zip(wanted, rows.vectors, strict=True):
                self._found[one] = Embedded(vector, rows.fingerprint)


async def _charged(fetching: Coroutine[Any, Any, bytes]) -> bytes:
    """Return fetched bytes, paid for by the call that keeps them. Raises Overloaded, TooLarge."""
    data = await fetching
    charge(len(data))
    return data


def check_pictures(searcher: Searcher) -> None:
    """Raise Conflict if pictures can't be compared with the collection."""
    space = searcher.collection.visual
    if space is not None and is_external(space.fingerprint) and not searcher.is_empty:
        raise Conflict(
            f"This collection's vectors are {space.fingerprint}, which no embedder here makes, "
            "so a picture can't be compared with them. Search by `vector` or by `id`."
        )


def check_model(space: Space, fingerprint: str) -> None:
    """Raises FingerprintMismatch where a picture's features are of another model."""
    if fingerprint != space.fingerprint:
        raise FingerprintMismatch(
            f"The index holds features of {space.fingerprint}, but the embedder hosts "
            f"{fingerprint}: they can't be compared. Start the embedder with the "
            "former model, or rebuild the index with `ise build`.",
            index=space.fingerprint,
            embedder=fingerprint,
        )


def check_network(space: Space, fingerprint: str) -> None:
    """Raises FingerprintMismatch where joint vectors are of another network."""
    if fingerprint != space.fingerprint:
        raise FingerprintMismatch(
            f"The joint space was made with {space.fingerprint}, but the embedder "
            f"answered with {fingerprint}. Rebuild both with `ise build`.",
            index=space.fingerprint,
            embedder=fingerprint,
        )


def _other_network(network: str | None, error: NotFound) -> FingerprintMismatch:
    """Return the error for an embedder that lacks the joint space of the index."""
    return FingerprintMismatch(
        f"The joint space was made with {network}, which the embedder doesn't "
        "have. Restore the former models (ISE_MATCHING, ISE_WORDS), or rebuild "
        "the joint space: `ise build`.",
        index=network,
        embedder=error.detail,
    )


async def unknown(
    searcher: Searcher, term: str, reason: str, words: Sequence[str] = ()
) -> UnknownTerm:
    """The error for a term that finds nothing, with the tags and `words` that are spelt like it."""
    tags = await anyio.to_thread.run_sync(lambda: searcher.tags().close(tag_key(term)))
    keys = {tag_key(tag) for tag in tags}
    close = [*tags, *(word for word in words if tag_key(word) not in keys)]
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    shown = term if len(term) <= _LONGEST else term[:_LONGEST] + "…"
    return UnknownTerm(
        f"No image carries the tag {shown!r}, and {reason}.{hint} `GET /v1/tags` lists the tags "
        "that images carry.",
        suggestions=close,
    )
