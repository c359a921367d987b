"""Writes the files that snapshots are made of. Each is durable and hashed before it's named."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering.streaming import Blocks
from services.indexer.measuring.cluster_quality import imbalance, spread
from shared.contracts.query import Metric
from shared.core import failpoints
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.writer import PostingsWriter
from shared.files import durable, sums
from shared.labels.head import LabelHead
from shared.snapshots.frames import FrameVectors, write_frames
from shared.snapshots.items import Item, ItemsFile, write_items
from shared.snapshots.labels import write_head, write_labels
from shared.snapshots.manifest import Built, Manifest, SegmentFile, SpaceManifest, TransformManifest
from shared.snapshots.store import SnapshotStore
from shared.snapshots.tag_vectors import read_tag_vectors, write_tag_vectors
from shared.snapshots.texts import ReadText, write_texts
from shared.snapshots.transform import Transform, read_projection, write_projection

# Below this size, comparing every vector of the probed lists costs no more than codes.
CODED_ROWS = 10_000


class SegmentStore:
    """The folder `segments/`. A file in it never changes."""

    def __init__(self, data_dir: Path) -> None:
        self._store = SnapshotStore(data_dir)
        self.folder = self._store.segments
        # Files by the thread that wrote them.
        self._unpublished: dict[str, int] = {}
        self._opened: dict[str, Postings] = {}
        self._checked = sums.Checked()
        # Files that a preparation or a job reads, which a publication beside it must not remove.
        self._used: Counter[str] = Counter()
        self._using = threading.Lock()

    def path(self, file: SegmentFile) -> Path:
        return self.folder / file.name

    def intact(self, file: SegmentFile) -> Path:
        """Return the path of a file after its checksum matched its manifest. Raises Corrupt."""
        path = self.path(file)
        self._checked.once(path, lambda: self._store.verified(file))
        return path

    def open(self, file: SegmentFile) -> Postings:
        """A file of posting lists; it stays open while `keep_open` names it. Raises Corrupt."""
        opened = self._opened.get(file.name)
        if opened is None:
            # `keep_open` may replace the dictionary meanwhile.
            opened = self._opened[file.name] = Postings(self.intact(file))
        return opened

    @contextmanager
    def using(self, files: Iterable[SegmentFile]) -> Iterator[None]:
        """Context manager in which these files aren't removed, whatever is published meanwhile."""
        names = [file.name for file in files]
        with self._using:
            self._used.update(names)
        try:
            yield
        finally:
            with self._using:
                self._used -= Counter(names)

    def keep_open(self, files: Iterable[SegmentFile]) -> None:
        """Closes all other files."""
        kept = {file.name for file in files}
        self._opened = {name: opened for name, opened in self._opened.items() if name in kept}

    def items(self, items: Iterable[Item], is_ascending: bool = False) -> SegmentFile:
        return self._write("items", lambda path: write_items(path, items, is_ascending))

    def tag_vectors(self, vectors: dict[str, NDArray[np.float32]]) -> SegmentFile:
        return self._write("tags", lambda path: write_tag_vectors(path, vectors))

    def label_head(self, head: LabelHead) -> SegmentFile:
        return self._write("label-head", lambda path: write_head(path, head))

    def labels(
        self,
        ordinals: NDArray[np.int64],
        ids: NDArray[np.uint16],
        chances: NDArray[np.float16],
        classes: int,
    ) -> SegmentFile:
        return self._write(
            "labels", lambda path: write_labels(path, ordinals, ids, chances, classes)
        )

    def texts(self, texts: Iterable[ReadText]) -> SegmentFile:
        return self._write("texts", lambda path: write_texts(path, texts))

    def frames(self, frames: FrameVectors) -> SegmentFile:
        return self._write("frames", lambda path: write_frames(path, frames))

    def postings(
        self,
        space: str,
        partition: Partition,
        blocks: Blocks,
        assignments: NDArray[np.int64],
        ordinals: NDArray[np.int64],
        is_first: bool = True,
    ) -> SegmentFile:
        """Posting lists; `blocks` are (start, vectors) in the order of `assignments`."""

        def write(path: Path) -> int:
            coded = len(ordinals) >= CODED_ROWS
            writer = PostingsWriter(path, partition, assignments, ordinals, is_first, coded)
            for start, block in blocks:
                writer.put(start, block)
            writer.close()
            return len(ordinals)

        file = self._write(space, write)
        away = spread(self.open(file), partition.centroids, partition.metric)
        return file.model_copy(update={"spread": away})

    def members(self, space: str, ordinals: NDArray[np.int64], metric: Metric) -> SegmentFile:
        """Write the members of a space whose vectors another engine holds: postings of one list,
        with none.
        """
        partition = Partition(np.empty((1, 0), np.float32), metric)

        def write(path: Path) -> int:
            lists = np.zeros(len(ordinals), np.int64)
            writer = PostingsWriter(path, partition, lists, ordinals)
            writer.put(0, np.empty((len(ordinals), 0), np.float32))
            writer.close()
            return len(ordinals)

        return self._write(space, write)

    def partition(self, space: SpaceManifest) -> Partition:
        """How a space is divided, to add to it. Raises Corrupt."""
        return Partition.of(self.open(space.postings[0]), space.metric)

    def transform(self, transform: Transform) -> TransformManifest:
        """Keeps a transform beside the space that it belongs to."""
        learned = transform.projection
        return TransformManifest(
            name=transform.name,
            features_dim=transform.dim,
            file=None
            if learned is None
            else self._write("transform", partial(write_projection, learned)),
        )

    def transform_of(self, space: SpaceManifest) -> Transform | None:
        """Return the feature transform of a space; None: none. Raises Corrupt."""
        if (kept := space.transform) is None:
            return None
        learned = read_projection(self.intact(kept.file)) if kept.file else None
        return Transform(kept.name, kept.features_dim, learned)

    def ordinals(self, space: SpaceManifest) -> NDArray[np.int64]:
        """Return the images of a space, as they are stored. Raises Corrupt."""
        return np.concatenate([self.open(file).ordinals for file in space.postings])

    def holds(self, space: SpaceManifest, ordinals: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some images are in a space. Raises Corrupt."""
        found = np.zeros(len(ordinals), bool)
        for file in space.postings:
            found |= self.open(file).find(ordinals) >= 0
        return found

    def live(self, manifest: Manifest, deleted: NDArray[np.int64]) -> int:
        """The number of images in a snapshot, less those deleted."""
        files = manifest.visual.postings if manifest.visual is not None else []
        return sum(file.rows - int((self.open(file).find(deleted) >= 0).sum()) for file in files)

    def built(self, file: SegmentFile) -> Built:
        """Return the statistics of a space whose centroids were made for this one file."""
        sizes = np.diff(self.open(file).list_offsets)
        return Built(rows=file.rows, spread=file.spread, imbalance=imbalance(sizes))

    def merged_postings(
        self, name: str, space: SpaceManifest, files: list[SegmentFile], deleted: NDArray[np.int64]
    ) -> SegmentFile:
        """Several additions on the same centroids as one, without the deleted images."""
        parts = [self.open(file) for file in files]
        kept = [np.flatnonzero(~np.isin(part.ordinals, deleted)) for part in parts]
        pairs = list(zip(parts, kept, strict=True))
        vectors = np.concatenate(
            [np.asarray(part.vectors[rows], np.float32) for part, rows in pairs]
        )
        return self.postings(
            name,
            self.partition(space),
            [(0, vectors)],
            np.concatenate([part.lists_of_rows(rows) for part, rows in pairs]),
            np.concatenate([part.ordinals[rows] for part, rows in pairs]),
            is_first=False,
        )

    def merged_items(self, files: list[SegmentFile], deleted: NDArray[np.int64]) -> SegmentFile:
        """Several items files as one: the newest record of each image, none of the deleted."""
        newest: dict[int, Item] = {}
        for file in files:
            opened = ItemsFile(self.intact(file))
            for row in range(len(opened.ordinals)):
                item = opened.item(row)
                newest[item.ordinal] = item
        gone = set(deleted.tolist())
        return self.items(item for item in newest.values() if item.ordinal not in gone)

    def merged_tag_vectors(self, files: list[SegmentFile]) -> SegmentFile:
        """Several files of tag vectors as one; a later one's vector holds."""
        merged: dict[str, NDArray[np.float32]] = {}
        for file in files:
            merged |= read_tag_vectors(self.intact(file))
        return self.tag_vectors(merged)

    def remove_unless(self, kept: set[str], formerly: set[str] | None = None) -> None:
        """Removes the files that no kept snapshot is made of. Readers that hold one keep it.

        What another thread wrote and did not publish yet stays: a build may be at work beside. What
        this one wrote is published now, or came to nothing. `formerly`: what snapshots were made
        of; where it's given, all else may be another worker's, and stays.
        """
        mine = threading.get_ident()
        made = {n for n, writer in list(self._unpublished.items()) if writer == mine}
        for name in made:
            del self._unpublished[name]
        for path in self.folder.glob("*.hdf5"):
            if formerly is not None and path.name not in formerly | made:
                continue
            if path.name in kept or path.name in self._unpublished:
                continue
            with self._using:
                if path.name in self._used:
                    continue
                failpoints.reach("retention.segment")
                path.unlink(missing_ok=True)
            self._checked.forget(path)

    def _write(self, kind: str, write: Callable[[Path], int]) -> SegmentFile:
        path = self.folder / f"{kind}-{uuid.uuid4().hex[:16]}.hdf5"
        self._unpublished[path.name] = threading.get_ident()
        with durable.publishing(path, f"segment-{kind}") as temporary:
            rows = write(temporary)
        sha256 = durable.sha256_of(path)
        self._checked.once(path, lambda: None)
        return SegmentFile(name=path.name, sha256=sha256, bytes=path.stat().st_size, rows=rows)
