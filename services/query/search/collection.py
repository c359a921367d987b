"""One snapshot, held open: its spaces, its images, its tags. Immutable but for deletions."""

import logging
from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.query.search.extras import frames_of, labels_of, texts_of
from services.query.search.folders import folders_below
from services.query.search.order import Orders
from services.query.search.place_names import PlaceNames, live
from services.query.search.recent import Recent
from services.query.search.segment_cache import SegmentCache as SegmentCache
from services.query.search.space import Space
from services.query.search.tags import Tags, Vocabulary
from shared.contracts.browsing import Folder
from shared.contracts.filters import Filter
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.reader import Postings
from shared.snapshots.filtering import Bits, Filtering
from shared.snapshots.folders import FOLDER
from shared.snapshots.image_colors import ImageColors
from shared.snapshots.items import Item, ItemsFile, tag_key
from shared.snapshots.manifest import (
    Manifest,
)
from shared.snapshots.tag_vectors import read_tag_vectors
from shared.snapshots.transform import Transform, read_projection

log = logging.getLogger(__name__)

T = TypeVar("T")

# A filter on millions of images takes some MB.
_FILTERS_KEPT = 16
# Carriers of a tag checked at a time until one is found that is not deleted.
_A_LOOK = 1024


class Collection:
    """Open snapshot that requests search. A request keeps the one it began with.

    former: the one before, most of whose files are still in use.
    """

    def __init__(
        self, manifest: Manifest, cache: SegmentCache, former: "Collection | None" = None
    ) -> None:
        self.manifest = manifest
        spaces = (None, None) if former is None else (former.visual, former.joint)
        self.visual: Space | None = _space(manifest, "visual", cache, spaces[0])
        self.joint: Space | None = _space(manifest, "joint", cache, spaces[1])
        self._items = [cache.open(file, ItemsFile) for file in manifest.items]
        self.tag_vectors: dict[str, NDArray[np.float32]] = {}
        for file in manifest.tag_vectors:
            self.tag_vectors |= cache.open(file, read_tag_vectors)
        # Each with the deletions that it was computed for, an array that never changes.
        self._counted: tuple[NDArray[np.int64], Tags] | None = None
        self._places: tuple[NDArray[np.int64], PlaceNames] | None = None
        self._vocabulary = None if former is None else former.vocabulary
        self._masks: dict[int, tuple[NDArray[np.int64], Mask]] = {}
        self.labels = labels_of(manifest.labels, cache)
        self.texts = texts_of(manifest.texts, cache)
        self._filtering = Filtering(self._items, self.labels)
        self.colors = ImageColors(self._items, self._filtering.size)
        self._allowed = Recent[Bits](_FILTERS_KEPT)
        self._narrowed: tuple[NDArray[np.int64] | None, Recent[Mask]] = None, Recent(0)
        # The newest file with a record of an image is valid.
        self._superseded: list[NDArray[np.int64]] = [
            np.unique(np.concatenate([later.ordinals for later in self._items[i + 1 :]]))
            if self._items[i + 1 :]
            else np.empty(0, np.int64)
            for i in range(len(self._items))
        ]
        self.orders: Orders = Orders(
            self._items, self._superseded, None if former is None else former.orders
        )

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The fingerprints of the model and of the matching network; None: there is none."""
        return (
            None if self.visual is None else self.visual.fingerprint,
            None if self.joint is None else self.joint.fingerprint,
        )

    def folders(self, path: str, deleted: NDArray[np.int64]) -> list[Folder]:
        """Return the folders right below a path, each with the id of an image as its cover."""
        found = []
        for folder, newest in folders_below(self._items, self._superseded, deleted, path):
            item = self.item(newest)
            found.append(folder.model_copy(update={"cover": item.id if item else None}))
        return found

    def records(self, alive: Bits) -> list[tuple[ItemsFile, Bits]]:
        """Return the files of records, each with those of the live images whose record it has."""
        found = []
        for file, superseded in zip(self._items, self._superseded, strict=True):
            valid = np.zeros(len(alive), bool)
            valid[file.ordinals] = alive[file.ordinals]
            valid[superseded] = False
            found.append((file, valid))
        return found

    def item(self, ordinal: int) -> Item | None:
        """The newest record of an image."""
        for file in reversed(self._items):
            row = file.row_of(ordinal)
            if row is not None:
                return file.item(row)
        return None

    def items(self, ordinals: NDArray[np.int64]) -> list[Item | None]:
        """The newest record of each image; None where there is none."""
        found: list[Item | None] = [None] * len(ordinals)
        left = np.arange(len(ordinals))
        for file in reversed(self._items):
            rows = file.rows_of(ordinals[left])
            there = rows >= 0
            read = file.items(rows[there])
            for place, item in zip(left[there].tolist(), read, strict=True):
                found[place] = item
            left = left[~there]
            if not len(left):
                break
        return found

    def has(self, ordinals: NDArray[np.int64]) -> Bits:
        """Return whether each of some images has a record."""
        found = np.zeros(len(ordinals), bool)
        for file in self._items:
            found |= _among(ordinals, file.ordinals)
        return found

    def find(self, image_id: str, deleted: NDArray[np.int64]) -> Item | None:
        """The image with an id, unless it was deleted."""
        for file in reversed(self._items):
            for row in file.rows_of_id(image_id):
                ordinal = int(file.ordinals[row])
                if not _contains(deleted, ordinal):
                    return self.item(ordinal)
        return None

    def carriers(self, term: str, deleted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ordinals of the images that carry a tag, matched by its normal form."""
        key = tag_key(term)
        parts = [
            np.setdiff1d(file.carriers(key), superseded, assume_unique=True)
            for file, superseded in zip(self._items, self._superseded, strict=True)
        ]
        found = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        return np.setdiff1d(found, deleted, assume_unique=True)

    def cover(self, term: str, deleted: NDArray[np.int64]) -> str | None:
        """Return the id of the image with a tag that was added last, or None."""
        found = self.carriers(term, deleted)
        item = self.item(int(found[-1])) if len(found) else None
        return None if item is None else item.id

    def is_carried(self, term: str, deleted: NDArray[np.int64], newest: int | None = None) -> bool:
        """Tell whether a live image carries a tag, reading no more of the list than needed.

        newest: only images up to that ordinal count.
        """
        key = tag_key(term)
        for file, superseded in zip(self._items, self._superseded, strict=True):
            found = file.carriers(key)
            for start in range(0, len(found), _A_LOOK):
                block = found[start : start + _A_LOOK]
                if newest is not None:
                    block = block[block <= newest]
                if not (_among(block, superseded) | _among(block, deleted)).all():
                    return True
        return False

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The index of the tags, where something has asked for it."""
        return self._vocabulary

    def tags(self, deleted: NDArray[np.int64]) -> Tags:
        """Return the tags that live images carry, with their counts.

        Counted once for each state of the deletions; the index of their words is made once, and
        taken over by the next snapshot where that has the same tags.
        """
        counted = self._counted
        if counted is None or counted[0] is not deleted:
            keys = sorted(set().union(*(file.tags for file in self._items)))
            if self._vocabulary is None or self._vocabulary.keys != keys:
                self._vocabulary = Vocabulary(keys)
            gone = [np.union1d(superseded, deleted) for superseded in self._superseded]
            lists = [file.tags for file in self._items]
            counted = (deleted, Tags.of(self._vocabulary, zip(lists, gone, strict=True)))
            self._counted = counted
        return counted[1]

    def places(self, deleted: NDArray[np.int64]) -> PlaceNames:
        """Return the places where live images were taken, counted once for each state of the
        deletions.
        """
        counted = self._places
        if counted is None or counted[0] is not deleted:
            counted = (deleted, PlaceNames(self.records(live(self.newest + 1, deleted))))
            self._places = counted
        return counted[1]

    def unknown_keys(self, keys: Iterable[str]) -> list[str]:
        """Return the keys that no image has a value of."""
        return [
            key
            for key in keys
            if key != FOLDER and not any(file.metadata.has(key) for file in self._items)
        ]

    def mask(self, space: Space, deleted: NDArray[np.int64]) -> Mask:
        """The rows of a space that may be hits: those of images that were not deleted."""
        # A search by a word that is no tag makes a space of its own over the same index.
        made = self._masks.get(id(space.index))
        if made is None or made[0] is not deleted:
            made = (deleted, space.index.mask(deleted))
            self._masks[id(space.index)] = made
        return made[1]

    @property
    def newest(self) -> int:
        """The largest ordinal; -1 where there is no image."""
        return self._filtering.size - 1

    def after(self, ordinal: int) -> NDArray[np.int64]:
        """The images that came after one, by ordinal."""
        parts = [f.ordinals[np.searchsorted(f.ordinals, ordinal, "right") :] for f in self._items]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    def allowed(self, wanted: Filter) -> Bits:
        """Return whether each image, by ordinal, meets a filter."""
        return self._allowed.get(
            wanted.model_dump_json(exclude_defaults=True), lambda: self._filtering.allowed(wanted)
        )

    def narrowed(
        self, space: Space, deleted: NDArray[np.int64], wanted: Filter | None, newest: int | None
    ) -> Mask:
        """The mask of a space, narrowed to a filter, and to the images up to an ordinal."""
        if newest is not None and newest >= self.newest:
            newest = None
        if wanted is None and newest is None:
            return self.mask(space, deleted)

        def make() -> Mask:
            later = np.empty(0, np.int64) if newest is None else self.after(newest)
            allowed = None if wanted is None else self.allowed(wanted)
            return space.index.mask(np.union1d(deleted, later), allowed, wanted)

        filtered = wanted and wanted.model_dump_json(exclude_defaults=True)
        of, narrowed = self._narrowed
        if of is not deleted:
            narrowed = Recent[Mask](_FILTERS_KEPT)
            self._narrowed = deleted, narrowed
        return narrowed.get((id(space.index), filtered, newest), make)

    def live(self, deleted: NDArray[np.int64]) -> int:
        """The number of images, less those deleted."""
        return 0 if self.visual is None else self.mask(self.visual, deleted).live


def _space(whole: Manifest, name: str, cache: SegmentCache, former: Space | None) -> Space | None:
    manifest = whole.spaces.get(name)
    if manifest is None:
        return None
    transform = None
    if (kept := manifest.transform) is not None:
        learned = cache.open(kept.file, read_projection) if kept.file else None
        transform = Transform(kept.name, kept.features_dim, learned)
    return Space(
        manifest.fingerprint,
        cache.engines.open(
            manifest,
            [cache.open(file, Postings) for file in manifest.postings],
            None if former is None else former.index,
        ),
        manifest.recall,
        manifest.calibration,
        transform,
        former=former,
        counting=manifest.counting,
        tag_spread=manifest.tag_spread,
        frames=frames_of(whole.frames_of(name), manifest, cache, former),
    )


def _among(values: NDArray[np.int64], ascending: NDArray[np.int64]) -> Bits:
    """Return a mask of the values that are among the others, which may be very many."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: Bits = ascending[at] == values
    return found


def _contains(ascending: NDArray[np.int64], value: int) -> bool:
    at = int(np.searchsorted(ascending, value))
    return at < len(ascending) and int(ascending[at]) == value
