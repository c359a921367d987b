"""Answer records of images, and the tag -> images index, in one immutable file.

    ordinals        (n,)      int64   image numbers, ascending
    record_offsets  (n + 1,)  int64   record i is bytes record_offsets[i] : record_offsets[i + 1]
    records         (bytes,)  uint8   JSON of each image: id, tags, uris, metadata, its file's facts
    id_hashes       (n,)      uint64  hash of each id, ascending
    id_rows         (n,)      int64   row of each of these

the tag -> images lists (`tag_lists.py`); the index of the metadata (`metadata_index.py`), and what
all images are sorted by (`sort_columns.py`), which files from before them lack.

A newer file's record of an image stands before an older one's: a retag is a new small file.
"""

import hashlib
import json
from array import array
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from shared.contracts import annotations
from shared.contracts.facts import ADDED, FILE
from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, write_arrays
from shared.files.spool import Spool
from shared.media.taken import wall
from shared.snapshots.folders import FolderIndex
from shared.snapshots.metadata_index import MetadataCollector, MetadataIndex
from shared.snapshots.sort_columns import SortCollector, SortColumns
from shared.snapshots.tag_lists import TagCollector, TagLists
from shared.terms.normal_form import normal_form

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_METADATA = b',"metadata":'
tag_key = normal_form
"""The key of a tag is its normal form: tags are matched whole, by it."""


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


@dataclass(slots=True)
class Item:
    """Record of one image, in addition to its vectors. Nothing changes it once it is made.

    Not frozen, as it would take three times as long to make, and ten are made for each search.
    """

    ordinal: int
    id: str
    tags: list[str] = field(default_factory=list)
    uris: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What is left out of it, as no answer can give it."""
    added_at: str | None = None
    file: dict[str, Any] = field(default_factory=dict)
    """Facts of its file by the names of `FileFacts`, those that are known."""

    @property
    def fields(self) -> dict[str, Any]:
        """Values that filters reach by key: the metadata, and the facts."""
        facts = dict(self.file)
        if (taken_at := facts.get("taken_at")) is not None:
            facts["taken_at"] = wall(taken_at)
        added = {} if self.added_at is None else {ADDED: wall(self.added_at)}
        return added | self.metadata | ({FILE: facts} if facts else {})

    def presentable(self) -> "Item":
        """Return the item without values that no answer can represent, which `notes` lists."""
        metadata, notes = annotations.presentable(self.metadata)
        tags, uris = annotations.whole(self.tags), annotations.whole(self.uris)
        if len(tags) < len(self.tags):
            notes.append(
                f"{len(self.tags) - len(tags)} of its tags are left out: they aren't text."
            )
        if len(uris) < len(self.uris):
            notes.append(
                f"{len(self.uris) - len(uris)} of its uris are left out: they aren't text."
            )
        if not notes:
            return self
        notes = [*self.notes, *notes]
        return replace(self, tags=tags, uris=uris, metadata=metadata, notes=notes)


def write_items(path: Path, items: Iterable[Item], is_ascending: bool = False) -> int:
    """Write an items file and return its number of images.

    Metadata that can't be written are left out, so that one image doesn't prevent the others.
    is_ascending: they come by ordinal, so that memory need not hold them.
    """
    ordered = items if is_ascending else sorted(items, key=lambda item: item.ordinal)
    ordinals, hashes = array("q"), array("Q")
    tags, metadata = TagCollector(), MetadataCollector()
    with Spool(path.parent) as records, Spool(path.parent) as names:
        sorted_by = SortCollector(names)
        for each in ordered:
            item = each.presentable()
            ordinals.append(item.ordinal)
            hashes.append(_hash(item.id))
            records.append(_record(item))
            tags.add(item.ordinal, item.tags)
            metadata.add(item.ordinal, item.fields)
            sorted_by.add(item)
        by_hash = np.argsort(np.frombuffer(hashes, np.uint64), kind="stable").astype(np.int64)
        write_arrays(
            path,
            {
                "ordinals": np.frombuffer(ordinals, np.int64),
                "record_offsets": records.offsets,
                "records": records.bytes,
                "id_hashes": np.frombuffer(hashes, np.uint64)[by_hash],
                "id_rows": by_hash,
                **tags.arrays(),
                **metadata.arrays(),
                **sorted_by.arrays(),
            },
        )
    return len(ordinals)


def _record(item: Item) -> bytes:
    told: dict[str, Any] = {"id": item.id, "tags": item.tags, "uris": item.uris}
    # Left out where there are none, as versions before don't know of them.
    told |= {"added_at": item.added_at} if item.added_at else {}
    told |= {FILE: item.file} if item.file else {}
    told["metadata"] = item.metadata
    told |= {"notes": item.notes} if item.notes else {}
    try:
        return to_json(told, inf_nan_mode="constants")
    except ValueError:
        # Python's own writes what nests deeper.
        return _JSON.encode(told).encode()


def _read(data: bytes) -> dict[str, Any]:
    """A record, without the metadata that can't be read: an earlier version wrote anything."""
    record: dict[str, Any]
    try:
        record = from_json(data)
    except ValueError:
        record = _read_anything(data)
    return record


def _read_anything(data: bytes) -> dict[str, Any]:
    """A record of what only Python reads, as lone surrogates and deep nesting, or not even that."""
    try:
        record: dict[str, Any] = json.loads(data)
    except (ValueError, RecursionError):
        # JSON escapes quotation marks in text, so this is where the metadata begins.
        rest, found, _ = data.partition(_METADATA)
        if not found:
            raise
        record = json.loads(rest + b"}")
        record["notes"] = ["The metadata is left out: it can't be read."]
    return record


def _is_plain(data: bytes) -> bool:
    """Return whether a record can certainly be answered completely; cheap, because it runs for
    every hit.
    """
    return not _is_large(data) and not _has_oddities(data)


def _is_large(data: bytes) -> bool:
    """Return whether a record may be larger or deeper than an answer has."""
    return (
        len(data) >= annotations.ANSWERED.bytes
        or data.count(b"{") + data.count(b"[") >= annotations.ANSWERED.depth
    )


def _has_oddities(data: bytes) -> bool:
    # Python writes these three for values that JSON lacks: NaN, infinities and lone surrogates.
    return b"NaN" in data or b"Infinity" in data or b"\\ud" in data


class ItemsFile:
    """One items file, read through memory maps."""

    def __init__(self, path: Path) -> None:
        file = MappedFile(path)
        self.path = path
        # Plain arrays over the map: indexing a memmap takes ten times as long.
        self.ordinals: NDArray[np.int64] = np.asarray(file["ordinals"])
        self._record_offsets: NDArray[np.int64] = np.asarray(file["record_offsets"])
        self._records: memoryview = np.asarray(file["records"]).data
        self._id_hashes: NDArray[np.uint64] = file["id_hashes"]
        self._id_rows: NDArray[np.int64] = file["id_rows"]
        self._metadata = MetadataIndex.within(file)
        self.tags = TagLists(file)
        self._sorted_by = SortColumns.within(file)

    @cached_property
    def sorted_by(self) -> SortColumns:
        """Columns by which images are sorted; made from the records of a file that lacks them."""
        if self._sorted_by is not None:
            return self._sorted_by
        return SortColumns.of([self.item(row) for row in range(len(self.ordinals))])

    @cached_property
    def folders(self) -> FolderIndex:
        """The folders of the images, made when they are first asked for."""
        return FolderIndex(self.sorted_by, len(self.ordinals))

    @cached_property
    def places(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """The images that have a place, with its latitude and longitude."""
        north_of, north = self.metadata.numbers(f"{FILE}.latitude")
        east_of, east = self.metadata.numbers(f"{FILE}.longitude")
        both, at_north, at_east = np.intersect1d(north_of, east_of, return_indices=True)
        return both, north[at_north], east[at_east]

    @cached_property
    def metadata(self) -> MetadataIndex:
        """The index of the metadata. For a file that lacks one, it's made from the records."""
        if self._metadata is not None:
            return self._metadata
        items = (self.item(row) for row in range(len(self.ordinals)))
        return MetadataIndex.of((item.ordinal, item.fields) for item in items)

    def item(self, row: int) -> Item:
        """The record in a row."""
        try:
            start, end = self._record_offsets[row : row + 2].tolist()
            data = bytes(self._records[start:end])
            item = Item(int(self.ordinals[row]), **_read(data))
            return item if _is_plain(data) else item.presentable()
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise Corrupt(f"{self.path.name}: record {row} can't be read: {error}") from error

    def items(self, rows: NDArray[np.int64]) -> list[Item]:
        """The records in some rows; read together, which takes a third of the time."""
        starts, ends = self._record_offsets[rows].tolist(), self._record_offsets[rows + 1].tolist()
        each = [bytes(self._records[a:b]) for a, b in zip(starts, ends, strict=True)]
        data = b",".join(each)
        # If all together aren't large, none is.
        if not _has_oddities(data) and not (_is_large(data) and any(map(_is_large, each))):
            with suppress(ValueError, TypeError, AttributeError):
                records = from_json(b"[" + data + b"]")
                if len(records) == len(rows):
                    ordinals = self.ordinals[rows].tolist()
                    return [Item(one, **of) for one, of in zip(ordinals, records, strict=True)]
        # One by one, to tell which record is damaged.
        return [self.item(row) for row in rows.tolist()]

    def row_of(self, ordinal: int) -> int | None:
        """The row of an image, or None."""
        row = int(self.ordinals.searchsorted(ordinal))
        return row if row < len(self.ordinals) and self.ordinals[row] == ordinal else None

    def rows_of(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each image, or -1; int64 of the same shape."""
        if not len(self.ordinals):
            return np.full(len(ordinals), -1, np.int64)
        rows = np.minimum(self.ordinals.searchsorted(ordinals), len(self.ordinals) - 1)
        return np.where(self.ordinals[rows] == ordinals, rows, -1)

    def rows_of_id(self, image_id: str) -> list[int]:
        """The rows of an id; more than one only where it was deleted and added again."""
        wanted = np.uint64(_hash(image_id))
        first = int(np.searchsorted(self._id_hashes, wanted, side="left"))
        last = int(np.searchsorted(self._id_hashes, wanted, side="right"))
        rows = [int(row) for row in self._id_rows[first:last]]
        return [row for row in rows if self.item(row).id == image_id]

    def carriers(self, key: str) -> NDArray[np.int64]:
        """Return the ordinals of the images that carry a tag (its `tag_key`), ascending."""
        return self.tags.carriers(key)
