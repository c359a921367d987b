"""Table of the engines: every engine stands here, and nowhere else by its name."""

from collections.abc import Sequence
from typing import Self

from shared.core.engine import Engine
from shared.core.settings import ServiceSettings
from shared.engines.engine import Index, SearchEngine
from shared.engines.ivf.engine import LocalEngine
from shared.engines.ivf.reader import Postings
from shared.engines.milvus.engine import MilvusEngine
from shared.engines.milvus.server import Milvus
from shared.snapshots.manifest import SegmentFile, SpaceManifest


class Engines:
    """The engines of a service, each connected when it is first asked."""

    def __init__(self, milvus: Milvus | None = None) -> None:
        self.local = LocalEngine()
        self.milvus = MilvusEngine(milvus or Milvus(""))
        self._named: dict[Engine, SearchEngine] = {
            Engine.LOCAL: self.local,
            Engine.MILVUS: self.milvus,
        }

    @classmethod
    def of(cls, settings: ServiceSettings) -> Self:
        """Return the engines at the addresses that the settings name."""
        return cls(Milvus(settings.milvus_uri, settings.milvus_token.get_secret_value()))

    def open(
        self, space: SpaceManifest, segments: Sequence[Postings], former: Index | None = None
    ) -> Index:
        """Open a space in the engine that holds its vectors."""
        return self._named[space.engine].open(space, segments, former)

    def vector_files(self, space: SpaceManifest) -> list[SegmentFile]:
        """Return the files of a space that hold its vectors; none where the engine keeps them."""
        return self._named[space.engine].vector_files(space)

    def close(self) -> None:
        """Close every connection."""
        for engine in self._named.values():
            engine.close()
