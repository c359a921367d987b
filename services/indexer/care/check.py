"""`ise check`: every file against its SHA-256, and the catalogue against features and snapshot."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from services.indexer.care import strays
from services.indexer.care.finding import Finding, Kind
from services.indexer.care.folder import DataFolder
from services.indexer.care.overfull import overfull
from services.indexer.storage.feature_store import CANARY, opened
from services.indexer.storage.networks import FILES
from shared.contracts.annotations import shown
from shared.core.errors import Corrupt, NotFound
from shared.engines.ivf.reader import Postings
from shared.files import durable, sums
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import CURRENT


def findings(folder: DataFolder) -> Iterator[Finding]:
    """All that is wrong. Nothing is changed. While an indexer is at work, only what stays so."""
    yield from _catalogue(folder)
    yield from _metadata(folder)
    yield from _snapshots(folder)
    manifests = folder.snapshots.readable()
    yield from _segments(folder, manifests)
    yield from _features(folder)
    yield from _networks(folder)
    yield from _uploads(folder)
    yield from _tombstones(folder)
    if not folder.is_in_use:
        yield from _agreement(folder)
        yield from strays.findings(folder, manifests)


def _catalogue(folder: DataFolder) -> Iterator[Finding]:
    if folder.database.engine.dialect.name != "sqlite":
        return
    with folder.database.read() as db:
        for (line,) in db.execute(text("PRAGMA integrity_check")):
            if line != "ok":
                path = folder.path / "catalog.sqlite"
                yield Finding(Kind.CATALOGUE, path, f"The catalogue {path} is damaged: {line}.")


def _metadata(folder: DataFolder) -> Iterator[Finding]:
    """Yield metadata from an earlier version that is over today's bounds."""
    found = overfull(folder)
    first = next(found, None)
    if first is None:
        return
    others = sum(1 for _ in found)
    more = f" So is what is said of {others:,} more images." if others else ""
    yield Finding(
        Kind.METADATA,
        Path(folder.catalogue),
        f"What is said of image {shown(first.id)!r} is over today's bounds: {first.fault}.{more} "
        "Answers leave out what they can't give; `ise repair --apply` shortens it and keeps the "
        "whole of it in a file.",
    )


def _snapshots(folder: DataFolder) -> Iterator[Finding]:
    store = folder.snapshots
    numbers = store.numbers()
    for number in numbers:
        try:
            store.read(number)
        except Corrupt as error:
            yield Finding(Kind.MANIFEST, store.path(number), error.detail)
            continue
        except NotFound:
            # Old snapshots may be removed meanwhile.
            continue
        if sums.read(store.path(number)) is None:
            yield _unsummed(store.path(number))
    for beside in sorted(store.folder.glob(f"*/*{sums.SUFFIX}")):
        path = beside.with_name(beside.name.removesuffix(sums.SUFFIX))
        if not path.exists() and beside.exists():
            yield Finding(Kind.MANIFEST, path, f"{path} is missing.")
    path = store.folder / CURRENT
    try:
        current = store.current_number()
    except Corrupt as error:
        yield Finding(Kind.CURRENT, path, error.detail)
        return
    if current is None and numbers:
        yield Finding(Kind.CURRENT, path, f"{path} is missing: no snapshot is in use.")
    elif current is not None and current not in store.numbers():
        missing = store.path(current)
        yield Finding(Kind.MANIFEST, missing, f"{missing} is missing, and it is the one in use.")


def _segments(folder: DataFolder, manifests: list[Manifest]) -> Iterator[Finding]:
    vital = {f.name: (f, m, Kind.SEGMENT) for m in manifests for f in m.vital_files()}
    labels = {f.name: (f, m, Kind.LABELS) for m in manifests for f in m.extra_files()}
    for file, manifest, kind in (labels | vital).values():
        try:
            folder.snapshots.verified(file)
        except Corrupt as error:
            if folder.snapshots.path(manifest.number).exists():
                where = f"{error.detail} Snapshot {manifest.number} is made of it."
                yield Finding(kind, folder.snapshots.segments / file.name, where)


def _features(folder: DataFolder) -> Iterator[Finding]:
    for fingerprint in folder.fingerprints():
        canary = folder.path / "features" / fingerprint / CANARY
        if canary.exists() or sums.path_of(canary).exists():
            yield from _summed(Kind.CANARY, canary)
        for number, rows in sorted(folder.needed_rows(fingerprint).items()):
            path = folder.shard(fingerprint, number)
            told = list(_summed(Kind.FEATURES, path))
            yield from told
            if not any(finding.kind is Kind.FEATURES for finding in told):
                yield from _shaped(path, rows)


def _shaped(path: Path, rows: int) -> Iterator[Finding]:
    try:
        if len(opened(path)) < rows:
            told = f"{path} has fewer rows than the catalogue says."
            yield Finding(Kind.FEATURES, path, told)
    except Corrupt as error:
        yield Finding(Kind.FEATURES, path, error.detail)


def _networks(folder: DataFolder) -> Iterator[Finding]:
    for network in folder.networks():
        for name in FILES:
            yield from _summed(Kind.NETWORK, network / name)


def _summed(kind: Kind, path: Path) -> Iterator[Finding]:
    """Yield the faults of a file that has its checksum beside it."""
    try:
        sums.check(path)
    except Corrupt as error:
        yield Finding(kind, path, error.detail)
    else:
        if sums.read(path) is None:
            yield _unsummed(path)


def _uploads(folder: DataFolder) -> Iterator[Finding]:
    """The bytes of an upload are the image: its SHA-256 stands in the catalogue."""
    for name, (image_id, sha256) in folder.uploads().items():
        path = folder.files.kept(name)
        if not path.exists():
            yield Finding(Kind.UPLOAD, path, f"{path}, the picture {image_id}, is missing.")
        elif durable.sha256_of(path) != sha256:
            yield Finding(
                Kind.UPLOAD, path, f"{path} is damaged: it is not the picture {image_id} any more."
            )


def _tombstones(folder: DataFolder) -> Iterator[Finding]:
    path = folder.tombstones.path
    try:
        folder.tombstones.read()
    except Corrupt as error:
        yield Finding(Kind.TOMBSTONES, path, error.detail)
        return
    if folder.tombstones.is_old():
        yield Finding(Kind.UNSUMMED, path, f"{path} has no checksum: an older version wrote it.")


def _agreement(folder: DataFolder) -> Iterator[Finding]:
    """Yield disagreements of catalogue, tombstones and current snapshot about images."""
    try:
        current = folder.snapshots.current()
        deleted = folder.tombstones.read()
    except (Corrupt, NotFound):
        # Reported already.
        return
    with folder.images.view() as view:
        known = np.array(sorted(folder.images.all_ordinals()), np.int64)
        revision = view.revision
    catalogue, place = folder.catalogue, Path(folder.catalogue)
    if current is None:
        return
    manifest = folder.snapshots.path(current.number)
    if revision < current.revision:
        yield Finding(
            Kind.CATALOGUE, place, f"{catalogue} is older than snapshot {current.number}."
        )
    unburied = len(np.intersect1d(known, deleted))
    if unburied:
        told = f"{unburied} deleted images are still in {catalogue}; the next start removes them."
        yield Finding(Kind.BEHIND, place, told)
    if revision > current.revision:
        told = f"Snapshot {current.number} is behind the catalogue; the next start publishes more."
        yield Finding(Kind.BEHIND, manifest, told)
    try:
        held = held_by(folder, current)
    except Corrupt:
        # Reported already.
        return
    ghosts = len(unknown(held, known, deleted))
    if ghosts:
        told = f"{ghosts} images of snapshot {current.number} are neither in the catalogue"
        path = folder.tombstones.path
        yield Finding(Kind.TOMBSTONE, path, f"{told} nor deleted by {path}.")
    if current.visual is not None and revision == current.revision:
        having = np.unique(folder.rows(current.visual.fingerprint).ordinals)
        lost = len(np.setdiff1d(np.setdiff1d(having, held), deleted))
        if lost:
            told = f"{lost} images of the catalogue are not in snapshot {current.number}."
            yield Finding(Kind.SEGMENT, manifest, told)


def held_by(folder: DataFolder, manifest: Manifest) -> NDArray[np.int64]:
    """The ordinals of all images in a snapshot. Raises Corrupt."""
    files = manifest.visual.postings if manifest.visual is not None else []
    parts = [Postings(folder.snapshots.verified(file)).ordinals for file in files]
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def unknown(
    held: NDArray[np.int64], known: NDArray[np.int64], deleted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The images of a snapshot that the catalogue lost without their being deleted."""
    return np.setdiff1d(np.setdiff1d(held, known), deleted)


def _unsummed(path: Path) -> Finding:
    told = f"{path} has no SHA-256 beside it: an older version wrote it."
    return Finding(Kind.UNSUMMED, path, told)
