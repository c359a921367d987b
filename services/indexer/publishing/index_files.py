"""Files of an index: snapshots, the segments that they name, tombstones, networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.indexer.publishing.migration_state import MigrationStore
from services.indexer.segments.store import SegmentStore
from services.indexer.segments.vector_spaces import Spaces
from services.indexer.storage.networks import Networks
from shared.engines.milvus.server import Milvus
from shared.snapshots.manifest import SnapshotStore
from shared.snapshots.tombstones import Tombstones


@dataclass(frozen=True)
class IndexFiles:
    """Stores of one data directory, each with one kind of file."""

    snapshots: SnapshotStore
    segments: SegmentStore
    spaces: Spaces
    tombstones: Tombstones
    networks: Networks
    migrations: MigrationStore

    @classmethod
    def at(
        cls, data_dir: Path, milvus: Milvus | None = None, milvus_index: str | None = None
    ) -> Self:
        """Open the stores of a data directory.

        milvus_index: what Milvus builds of the next index; None: it stays here.
        """
        segments = SegmentStore(data_dir)
        return cls(
            SnapshotStore(data_dir),
            segments,
            Spaces(segments, milvus, milvus_index),
            Tombstones(data_dir),
            Networks(data_dir),
            MigrationStore(data_dir),
        )
