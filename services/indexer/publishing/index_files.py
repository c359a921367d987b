"""Files of an index: snapshots, the segments that they name, tombstones, networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.indexer.publishing.migration_state import MigrationStore
from services.indexer.segments.spaces import Spaces
from services.indexer.segments.store import SegmentStore
from services.indexer.storage.networks import Networks
from shared.core.engine import Engine
from shared.engines.table import Engines
from shared.snapshots.store import SnapshotStore
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
        cls,
        data_dir: Path,
        engines: Engines | None = None,
        chosen: Engine = Engine.LOCAL,
        milvus_index: str = "IVF_FLAT",
    ) -> Self:
        """Open the stores of a data directory.

        chosen: what the next index is built in. milvus_index: what Milvus would build of it.
        """
        segments = SegmentStore(data_dir)
        return cls(
            SnapshotStore(data_dir),
            segments,
            Spaces(segments, engines, chosen, milvus_index),
            Tombstones(data_dir),
            Networks(data_dir),
            MigrationStore(data_dir),
        )
