"""Current snapshot: what is searched now."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.indexer.publishing.index_files import IndexFiles
from services.indexer.segments.health import health
from shared.contracts.calibration import Calibration
from shared.contracts.indexer import IndexHealth
from shared.core.errors import Corrupt, NotFound
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import CURRENT


class CurrentSnapshot:
    """Answers questions about the snapshot in use. Only the publisher replaces it."""

    def __init__(self, index: IndexFiles, is_shared: bool) -> None:
        """is_shared: other workers may publish too."""
        self._index = index
        self._is_shared = is_shared
        self._manifest: Manifest | None = None
        self._changed: Callable[[], None] = lambda: None

    def manifest(self) -> Manifest:
        """Return the current snapshot's manifest."""
        if self._manifest is None:
            raise RuntimeError("the publisher was not started")
        if self._is_shared and self._index.snapshots.current_number() != self._manifest.number:
            # Another worker published a snapshot.
            found = self.find()
            if found is not None:
                self._index.segments.keep_open(found.files())
                self._manifest = found
        return self._manifest

    @contextmanager
    def holding(self) -> Iterator[Manifest]:
        """Give the current snapshot, none of whose files is removed within the block.

        For work of minutes that makes a snapshot of it: others may publish meanwhile.
        """
        while True:
            current = self.manifest()
            with self._index.segments.using(current.files()):
                # If it is still current, nothing of it was removed before it was marked.
                if self.manifest().number == current.number:
                    yield current
                    return

    def find(self) -> Manifest | None:
        """Return the snapshot to go on with; None if there never was one. Raises Corrupt."""
        snapshots = self._index.snapshots
        way_out = "`ise check` lists all damage, `ise repair` repairs what it can."
        try:
            current = snapshots.current()
        except (Corrupt, NotFound) as error:
            raise Corrupt(f"{error.detail} {way_out}") from error
        if current is None and any(older.visual for older in snapshots.readable()):
            path = snapshots.folder / CURRENT
            raise Corrupt(f"{path} is missing, though there are snapshots. {way_out}")
        return current

    def is_empty(self) -> bool:
        """Return whether the current snapshot has no image that isn't deleted."""
        with self.holding() as current:
            return not self.live(current)

    def live(self, manifest: Manifest) -> int:
        """Return the number of images of a snapshot that aren't deleted."""
        return self._index.segments.live(manifest, self._index.tombstones.read())

    def health(self) -> IndexHealth:
        """Return how the index changed since it was built. Raises Corrupt."""
        deleted = self._index.tombstones.read()
        with self.holding() as current:
            return health(self._index.segments, current, deleted)

    def network(self) -> str | None:
        """Return the snapshot's matching network, else the one that was in use last."""
        joint = self.manifest().joint
        return joint.fingerprint if joint is not None else self._index.networks.current()

    def calibration_of(self, network: str) -> list[Calibration]:
        """Return how scores of a network's joint space become probabilities."""
        return self._index.networks.calibration(network)

    def tell(self, changed: Callable[[], None]) -> None:
        """Have a function called after each publication and each deletion."""
        self._changed = changed

    def replace(self, manifest: Manifest) -> None:
        """Take a published snapshot into use."""
        self._manifest = manifest

    def remember_network(self) -> None:
        """Keep the name of the network in use, for a snapshot that has none."""
        if self._manifest is not None and self._manifest.joint is not None:
            self._index.networks.use(self._manifest.joint.fingerprint)

    def changed(self) -> None:
        """Tell whoever wants to know that there are other images to be found."""
        self._changed()
