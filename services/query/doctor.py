"""`python -m services.query.doctor`: whether the query service can work as it is set up here."""

import os
from collections.abc import Iterator

from services.query.config import QuerySettings
from shared.core.errors import ISEError
from shared.doctor import machine
from shared.doctor.finding import Finding, ok, problem
from shared.doctor.subprocess_findings import packages, tell
from shared.files.mapped import MappedFile
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import SnapshotStore

_PACKAGES = ("faiss", "h5py", "numpy")
# Parts of the index that are mapped and read on demand.
_ON_DISK = frozenset({"vectors", "by_ordinal", "records", "codes"})


def findings(settings: QuerySettings) -> Iterator[Finding]:
    """Yield findings on packages, the snapshot in use, and its memory."""
    far = settings.snapshots_from.startswith("s3://")
    yield from packages("query", (*_PACKAGES, "s3fs") if far else _PACKAGES)
    if not settings.data_dir.exists():
        return
    if not os.access(settings.data_dir, os.R_OK | os.X_OK):
        yield problem("data directory", f"{settings.data_dir} can't be read by this user.")
        return
    store = SnapshotStore(settings.data_dir)
    try:
        manifest = store.current()
        if manifest is None:
            yield ok("snapshot", "There is none yet: nothing was ingested.")
            return
        needed = _in_memory(store, manifest)
    except ISEError as error:
        yield problem("snapshot", f"{error.detail} `ise check` says more.")
        return
    yield ok("snapshot", f"{manifest.number} is in use, with {manifest.images} images.")
    yield machine.enough_memory(needed, machine.memory_limit())


def _in_memory(store: SnapshotStore, manifest: Manifest) -> int:
    """Bytes of the snapshot that a query service holds, rather than maps."""
    total = 0
    for file in manifest.files():
        mapped = MappedFile(store.segments / file.name)
        total += sum(size for name, size in mapped.sizes().items() if name not in _ON_DISK)
    return total


if __name__ == "__main__":
    tell(QuerySettings, findings)
