"""Spaces of snapshots, each built, changed and moved by the engine that holds its vectors."""

import numpy as np
from numpy.typing import NDArray

from services.indexer.segments.engine import Kept, SpaceEngine
from services.indexer.segments.local_engine import LocalSpaces
from services.indexer.segments.milvus_engine import MilvusSpaces
from services.indexer.segments.store import SegmentStore
from shared.core.engine import Engine
from shared.core.errors import Corrupt
from shared.engines.engine import Index
from shared.engines.table import Engines
from shared.snapshots.manifest import Manifest, SpaceManifest


class Spaces:
    """The engines by name. `chosen`: the one that the next space is built in."""

    def __init__(
        self,
        segments: SegmentStore,
        engines: Engines | None = None,
        chosen: Engine = Engine.LOCAL,
        milvus_index: str = "IVF_FLAT",
    ) -> None:
        """milvus_index: the index that Milvus builds."""
        engines = engines or Engines()
        is_milvus = chosen is Engine.MILVUS
        self._named: dict[Engine, SpaceEngine] = {
            Engine.LOCAL: LocalSpaces(segments, engines.local),
            Engine.MILVUS: MilvusSpaces(segments, engines.milvus, milvus_index, is_milvus),
        }
        self.chosen = self._named[chosen]

    def __getitem__(self, name: Engine) -> SpaceEngine:
        return self._named[name]

    def of(self, space: SpaceManifest) -> SpaceEngine:
        """Return the engine that holds a space's vectors."""
        return self._named[space.engine]

    def index(self, space: SpaceManifest) -> Index:
        """Open a space to be searched. Raises Corrupt, Unavailable."""
        return self.of(space).open(space)

    def stored(self, space: SpaceManifest, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of images that are in a space, in their order. Raises Corrupt."""
        found = self.of(space).reader(space)(ordinals)
        if len(found) != len(ordinals):
            raise Corrupt(
                f"The index lacks the vectors of {len(ordinals) - len(found)} of its "
                "images. `ise build` rebuilds it from the stored features."
            )
        return found

    def forget(self, manifest: Manifest, ordinals: list[int]) -> None:
        """Take deleted images out of the engines. Their tombstones hide them as well."""
        for space in manifest.spaces.values():
            self.of(space).forget(space, ordinals)

    def keep(self, kept: Kept) -> None:
        """Remove from each engine what is no longer needed."""
        for engine in self._named.values():
            engine.keep(kept)
