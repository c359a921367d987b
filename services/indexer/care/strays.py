"""Files that belong to nothing: what a killed process or an older version left."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from services.indexer.care.finding import Finding, Kind
from services.indexer.care.folder import DataFolder
from services.indexer.catalog.schema import images
from services.indexer.catalog.stored_names import thumbnail
from shared.files import sums
from shared.files.durable import TEMPORARY_SUFFIX
from shared.snapshots.manifest import Manifest


def findings(folder: DataFolder, manifests: list[Manifest]) -> Iterator[Finding]:
    """To be asked where no indexer is at work."""
    for path in sorted(folder.path.rglob(f".*{TEMPORARY_SUFFIX}")):
        yield _stray(path, "is a half-written file")
    for path in sorted((folder.path / "training").glob("*")):
        yield _stray(path, "is the training set of a training that ended")
    used = {file.name for manifest in manifests for file in manifest.files()}
    readable = {manifest.number for manifest in manifests}
    if readable.issuperset(folder.snapshots.numbers()):
        for path in sorted(folder.snapshots.segments.glob("*.hdf5")):
            if path.name not in used:
                yield _stray(path, "belongs to no snapshot")
    yield from _shards(folder)
    yield from _uploads(folder)


def _shards(folder: DataFolder) -> Iterator[Finding]:
    known = {path for one in folder.fingerprints() for path in folder.shards(one)}
    for path in sorted((folder.path / "features").glob("*/[0-9]*")):
        if path.with_name(path.name.removesuffix(sums.SUFFIX)) not in known:
            yield _stray(path, "is of no image")


def _uploads(folder: DataFolder) -> Iterator[Finding]:
    with folder.database.read() as db:
        ids = {*db.execute(select(images.c.id)).scalars(), *folder.trashed()}
    known = {folder.files.kept(name) for name in {*map(thumbnail, ids), *folder.named_uploads()}}
    for path in sorted((folder.path / "images").glob("*/*/*")):
        if path not in known and not path.name.startswith("."):
            yield _stray(path, "is of no image")


def _stray(path: Path, why: str) -> Finding:
    return Finding(Kind.STRAY, path, f"{path} {why}.")
