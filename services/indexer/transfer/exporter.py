"""The collection as files for other programs, and for `import`, in one stream.

What the catalogue says is written out within one transaction, so all of it is of one moment; the
vectors, which never change, follow from their shards while they are sent.

    export.json    what the rest is
    ids.txt        an id a line, in the order of the vectors
    records.jsonl  the same order: tags, uris, metadata, files
    tags.json      tag -> image ids
    catalog.csv    a table; catalog.parquet, where asked for
    features.npy   float32 (images, dim)
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.catalog.listing import list_carriers, list_records
from services.indexer.catalog.view import View
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.transfer.catalogue_table import CsvTable, ParquetTable, Table
from services.indexer.transfer.npy_stream import npy_header
from services.indexer.transfer.tar_stream import Member
from shared.contracts.features import ExportInfo, ExportSpace
from shared.core.errors import Conflict
from shared.snapshots.manifest import Manifest, SpaceManifest

_CHUNK = 2**20


@dataclass(frozen=True)
class _Source:
    """The vectors to export: whose they are, of which images, and how they come."""

    space: SpaceManifest
    fingerprint: str
    dim: int
    ordinals: NDArray[np.int64]
    vectors: Iterable[NDArray[np.float32]]


class Exporter:
    """Makes the members of the archive."""

    def __init__(
        self,
        data_dir: Path,
        index: IndexFiles,
        current: CurrentSnapshot,
        images: Images,
        features: FeatureStore,
    ) -> None:
        self._folder = data_dir
        self._images = images
        self._features = features
        self._current = current
        self._segments = index.segments
        self._spaces = index.spaces
        self._networks = index.networks

    def members(self, space: ExportSpace, with_parquet: bool, held: ExitStack) -> list[Member]:
        """Every file, each with its length; what they are read from closes with `held`.

        Raises Conflict where there is nothing to export.
        """

        def scratch() -> IO[bytes]:
            # It has no name, so it is gone with the process, however that ends.
            return held.enter_context(tempfile.TemporaryFile(dir=self._folder))

        tables: dict[str, Table] = {"catalog.csv": CsvTable(scratch())}
        if with_parquet:
            tables["catalog.parquet"] = ParquetTable(scratch())
        with self._images.view() as view:
            source = self._source(space, self._current.manifest(), view)
            info = ExportInfo(
                space=space,
                fingerprint=source.fingerprint,
                dim=source.dim,
                images=len(source.ordinals),
                revision=view.revision,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                metric=source.space.metric,
                clusters=source.space.clusters,
                seed=source.space.seed,
                trained_on=self._trained_on(source) if space is ExportSpace.JOINT else None,
            )
            files = _written(view.connection, source.ordinals, tables, scratch)
        about = info.model_dump_json(indent=1).encode() + b"\n"
        size = len(npy_header(info.images, info.dim)) + 4 * info.images * info.dim
        return [
            Member("export.json", len(about), [about]),
            *(Member.of(name, file) for name, file in files.items()),
            Member("features.npy", size, _npy(info.images, info.dim, source.vectors)),
        ]

    def _source(self, space: ExportSpace, current: Manifest, view: View) -> _Source:
        found = current.joint if space is ExportSpace.JOINT else current.visual
        fingerprint = found.fingerprint if found else None
        if space is ExportSpace.MATCHING:
            fingerprint = current.matching_fingerprint
        if found is None or fingerprint is None:
            raise _nothing(space)
        if space is ExportSpace.JOINT:
            having = view.features(current.visual.fingerprint) if current.visual else None
            held = self._segments.ordinals(found)
            # Of those that were not deleted meanwhile.
            ordinals = np.sort(held if having is None else held[np.isin(held, having.ordinals)])
            vectors = self._spaces.of(found).stream(found, ordinals)
            source = _Source(found, fingerprint, found.dim, ordinals, vectors)
        else:
            where = view.features(fingerprint)
            dim = self._features.read(fingerprint, where[np.arange(min(len(where), 1))]).shape[1]
            source = _Source(
                found, fingerprint, dim, where.ordinals, self._read(fingerprint, where)
            )
        if not len(source.ordinals):
            raise _nothing(space)
        return source

    def _trained_on(self, source: _Source) -> list[str] | None:
        known = self._networks.trained_on(source.fingerprint)
        return None if known is None else sorted(known)

    def _read(self, fingerprint: str, where: FeatureRows) -> Iterator[NDArray[np.float32]]:
        return (block for _, block in self._features.blocks(fingerprint, where))


def _written(
    db: Connection,
    ordinals: NDArray[np.int64],
    tables: Mapping[str, Table],
    scratch: Callable[[], IO[bytes]],
) -> dict[str, IO[bytes]]:
    """Return the catalogue's files about these images, by name."""
    ids, records, tags = scratch(), scratch(), scratch()
    for record in list_records(db, ordinals):
        ids.write(record.id.encode() + b"\n")
        records.write(record.model_dump_json().encode() + b"\n")
        for table in tables.values():
            table.add(record)
    _write_tags(tags, list_carriers(db, ordinals))
    files = {"ids.txt": ids, "records.jsonl": records, "tags.json": tags}
    return files | {name: table.close() for name, table in tables.items()}


def _write_tags(file: IO[bytes], carriers: Iterator[tuple[str, str, str]]) -> None:
    """A JSON object: the tag as the first image has it, the ids of all that carry it."""
    before = b"{\n"
    for _, group in groupby(carriers, key=itemgetter(0)):
        alike = list(group)
        tag, ids = alike[0][1], [image_id for _, _, image_id in alike]
        file.write(before + f"{_json(tag)}: {_json(ids)}".encode())
        before = b",\n"
    file.write(b"\n}\n" if before == b",\n" else b"{}\n")


def _npy(
    rows: int, dim: int, vectors: Iterable[NDArray[np.float32]]
) -> Iterator[bytes | memoryview]:
    yield npy_header(rows, dim)
    for block in vectors:
        data = np.ascontiguousarray(block, "<f4").data.cast("B")
        for start in range(0, len(data), _CHUNK):
            yield data[start : start + _CHUNK]


def _nothing(space: ExportSpace) -> Conflict:
    return Conflict(f"There are no images of the {space} space to export.")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
