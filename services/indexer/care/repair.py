"""`ise repair`: mends what can be mended from what is intact, and says what can't.

Nothing is thrown away that might be of use: a damaged file is set aside under `damaged/`.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import delete, insert, select

from services.indexer.care.check import findings, held_by, unknown
from services.indexer.care.finding import Finding, Kind
from services.indexer.care.folder import DataFolder
from services.indexer.care.overfull import bring_within
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.schema import features
from services.indexer.catalog.trash import forget_shard, kept_for_trash
from services.indexer.storage.feature_store import FeatureStore
from shared.contracts.indexer import BuildSettings
from shared.contracts.jobs import JobKind
from shared.core.errors import Corrupt, NotFound
from shared.engines.ivf.reader import Postings
from shared.engines.table import Engines
from shared.files import durable, sums
from shared.objects.file import LocalFile
from shared.objects.local_path import path_of
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import CURRENT

ASIDE = "damaged"

_MOST = 2**32
"""Bytes of a picture."""


@dataclass(frozen=True)
class RepairAction:
    """Repair of a finding, planned or done; where none is possible, advice for a person."""

    finding: Finding
    sentence: str
    do: Callable[[], None] | None

    @property
    def is_mended(self) -> bool:
        return self.do is not None


class Repair:
    """Plans all deeds first. No indexer may be at work meanwhile."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._store = folder.snapshots
        self._good: Manifest | None = None

    def plan(self) -> list[RepairAction]:
        """Plan the repairs of everything that `ise check` finds."""
        found = list(findings(self._folder))
        broken = {f.path for f in found if f.kind in (Kind.MANIFEST, Kind.SEGMENT, Kind.CURRENT)}
        self._good = self._last_good() if broken else None
        return [deed for finding in found for deed in self._deeds(finding)]

    def _deeds(self, finding: Finding) -> Iterator[RepairAction]:
        path = finding.path
        match finding.kind:
            case Kind.STRAY:
                yield RepairAction(finding, f"Remove {path}.", lambda: _remove(path))
            case Kind.UNSUMMED if path == self._folder.tombstones.path:
                tombstones = self._folder.tombstones
                yield RepairAction(
                    finding,
                    f"Write {path} anew, with a checksum.",
                    lambda: tombstones.replace(tombstones.read()),
                )
            case Kind.UNSUMMED:
                yield RepairAction(
                    finding,
                    f"Write the SHA-256 of {path} beside it.",
                    lambda: sums.write(path, durable.sha256_of(path)),
                )
            case Kind.BEHIND:
                yield RepairAction(
                    finding, "Nothing to do: the next start of the indexer repairs it.", None
                )
            case Kind.TOMBSTONE:
                yield RepairAction(finding, "Delete them from every snapshot.", self._bury)
            case Kind.TOMBSTONES:
                told = "Set it aside; images missing from the catalogue are deleted."
                yield RepairAction(finding, told, self._bury_anew)
            case Kind.MANIFEST | Kind.SEGMENT | Kind.CURRENT:
                yield self._fall_back(finding)
            case Kind.LABELS:
                told = "Set it aside; `ise label --compute` computes the labels anew."
                if path.name.startswith(("texts-", "frames-")):
                    told = "Set it aside; the next publication writes it anew from the catalogue."
                yield RepairAction(finding, told, lambda: self._drop_labels(path))
            case Kind.FEATURES:
                yield self._mend_features(finding)
            case Kind.CANARY:
                yield RepairAction(
                    finding,
                    "Set it aside; the next publication computes it again.",
                    lambda: self._set_aside(path, sums.path_of(path)),
                )
            case Kind.METADATA:
                told = f"Shorten it, and keep the whole of it under {self._folder.path / ASIDE}."
                yield RepairAction(finding, told, lambda: bring_within(self._folder, ASIDE))
            case Kind.UPLOAD:
                yield self._mend_upload(finding)
            case Kind.NETWORK:
                told = "Can't be repaired: train again (`ise train-matching`), or restore a backup."
                yield RepairAction(finding, told, None)
            case Kind.CATALOGUE:
                told = "Can't be mended: restore a backup (`ise restore`)."
                yield RepairAction(finding, told, None)

    def _last_good(self) -> Manifest | None:
        """The newest snapshot all of whose files are intact, and that the catalogue goes beyond."""
        with self._folder.images.view() as view:
            revision = view.revision
        for manifest in reversed(self._store.readable()):
            try:
                for file in manifest.vital_files():
                    self._store.verified(file)
            except Corrupt:
                continue
            if manifest.revision <= revision:
                return manifest
        return None

    def _fall_back(self, finding: Finding) -> RepairAction:
        good = self._good
        if good is None:
            return RepairAction(
                finding, "Can't be mended: no snapshot is intact. Restore a backup.", None
            )
        told = "Set it aside, and every snapshot that needs it; the one in use doesn't."
        if not self._is_current(good):
            then = (
                "the next start of the indexer adds newer images from the features."
                if good.visual is not None
                else "the next start of the indexer rebuilds the index from the features."
            )
            told = f"Go back to snapshot {good.number} and set the damaged files aside; {then}"
        return RepairAction(finding, told, lambda: self._use(self._good or good, finding.path))

    def _is_current(self, manifest: Manifest) -> bool:
        try:
            return self._store.current_number() == manifest.number
        except Corrupt:
            return False

    def _use(self, good: Manifest, damaged: Path) -> None:
        if not self._is_current(good):
            # Use a new number, because running services may have refused or cached the former one.
            number = 1 + max(good.number, *self._store.numbers())
            reason = f"repair: back to snapshot {good.number}"
            self._good = good.model_copy(update={"number": number, "reason": reason})
            if good.visual is None:
                self._queue_build()
            self._store.publish(self._good)
        if damaged.name != CURRENT:
            self._set_aside(damaged)
        for manifest in self._store.readable():
            if damaged.name in {file.name for file in manifest.files()}:
                self._set_aside(self._store.path(manifest.number).parent)

    def _drop_labels(self, damaged: Path) -> None:
        """Take labels, texts or frames out of every snapshot that has this file of them: all are
        extras that the indexer makes anew.
        """
        self._set_aside(damaged)
        for manifest in self._store.readable():
            if damaged.name in {file.name for file in manifest.label_files()}:
                without = manifest.model_copy(update={"labels": None})
            elif damaged.name in {file.name for file in manifest.text_files()}:
                without = manifest.model_copy(update={"texts": None})
            elif damaged.name in {file.name for file in manifest.frame_files()}:
                without = manifest.model_copy(update={"frames": []})
            else:
                continue
            if self._is_current(manifest):
                number = 1 + max(self._store.numbers())
                reason = "repair: without damaged labels, texts or frames"
                self._store.publish(without.model_copy(update={"number": number, "reason": reason}))
            self._store.rewrite(without)

    def _queue_build(self) -> None:
        """Asks for an index like the newest there was; what's recorded is in no snapshot now."""
        jobs = JobTable(self._folder.database)
        spaces = [m.visual for m in self._store.readable() if m.visual is not None]
        if not spaces or jobs.is_open(JobKind.BUILD):
            return
        like = spaces[-1]
        settings = BuildSettings(clusters=like.clusters, metric=like.metric, seed=like.seed)
        jobs.add(JobKind.BUILD, settings.model_dump(mode="json"))

    def _mend_features(self, finding: Finding) -> RepairAction:
        fingerprint, shard = finding.path.parent.name, int(finding.path.stem)
        intact = self._in_segments(fingerprint)
        ordinals = self._ordinals(fingerprint, shard)
        missing = 0
        if intact is not None:
            missing = len(np.setdiff1d(ordinals, np.concatenate([p.ordinals for p in intact])))
        if intact is None:
            told = "Forget them; `ise build` re-embeds the pictures."
        elif missing:
            told = f"Take them from the snapshot, but for {missing}, which `ise build` re-embeds."
        else:
            told = "Take them from the snapshot, which holds the same vectors."
        with self._folder.database.read() as db:
            if shard in kept_for_trash(db).shards.get(fingerprint, {}):
                told += " Images in the trash lose them: `ise build` embeds those that come back."

        def mend() -> None:
            self._set_aside(finding.path)
            self._set_aside(sums.path_of(finding.path))
            self._restore_features(fingerprint, shard, intact or [])

        return RepairAction(finding, told, mend)

    def _in_segments(self, fingerprint: str) -> list[Postings] | None:
        """Segments that hold the features as they are; None where none does."""
        try:
            current = self._store.current()
        except (Corrupt, NotFound):
            return None
        space = None if current is None else current.visual
        if space is None or space.fingerprint != fingerprint or space.transform is not None:
            return None
        found = []
        for file in Engines().vector_files(space):
            try:
                found.append(Postings(self._store.verified(file)))
            except Corrupt:
                continue
        return [one for one in found if one.vectors.dtype == np.float32] or None

    def _ordinals(self, fingerprint: str, shard: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        where = self._folder.rows(fingerprint)
        return np.asarray(where.ordinals[where.shards == shard])

    def _restore_features(self, fingerprint: str, shard: int, intact: list[Postings]) -> None:
        """Writes a new shard of what segments hold; what they don't is forgotten."""
        ordinals = self._ordinals(fingerprint, shard)
        kept: list[int] = []
        vectors = []
        for part in intact:
            left = np.setdiff1d(ordinals, kept)
            rows = part.find(left)
            kept += left[rows >= 0].tolist()
            vectors.append(np.asarray(part.vectors[rows[rows >= 0]], np.float32))
        new = 0
        if kept:
            new = FeatureStore(self._folder.path).append(fingerprint, np.concatenate(vectors))
        is_it = (features.c.fingerprint == fingerprint) & (features.c.shard == shard)
        with self._folder.database.write() as db:
            since = {row.ordinal: row.revision for row in db.execute(select(features).where(is_it))}
            db.execute(delete(features).where(is_it))
            rows_now = [
                {
                    "fingerprint": fingerprint,
                    "ordinal": ordinal,
                    "shard": new,
                    "row": row,
                    "revision": since[ordinal],
                }
                for row, ordinal in enumerate(kept)
            ]
            # The number may be another shard's by now.
            forget_shard(db, fingerprint, shard)
            if rows_now:
                db.execute(insert(features), rows_now)

    def _mend_upload(self, finding: Finding) -> RepairAction:
        same = self._same_upload(finding.path)
        if same is not None:
            path, sha256 = same
            return RepairAction(
                finding,
                f"Copy it from {path}.",
                lambda: durable.write_bytes(finding.path, _verified(path, sha256)),
            )
        told = "Can't be mended: restore a backup, or delete the image; it can be searched still."
        return RepairAction(finding, told, None)

    def _same_upload(self, damaged: Path) -> tuple[Path, str] | None:
        """Another file with the same bytes, and their SHA-256."""
        for name, (image_id, sha256) in self._folder.uploads().items():
            if self._folder.files.kept(name) == damaged:
                for text in self._folder.paths(image_id):
                    path = Path(path_of(text) or text)
                    if path.is_file() and LocalFile(path).sha256(_MOST) == sha256:
                        return path, sha256
        return None

    def _bury(self) -> None:
        current = self._store.current()
        if current is None:
            return
        known = np.array(self._folder.images.all_ordinals(), np.int64)
        held = held_by(self._folder, current)
        self._folder.tombstones.add(unknown(held, known, self._folder.tombstones.read()).tolist())

    def _bury_anew(self) -> None:
        """Every number that was given and that the catalogue doesn't have is a deleted image's."""
        given = [np.arange(1, self._folder.images.newest() + 1)]
        for manifest in self._store.readable():
            with suppress(Corrupt):
                given.append(held_by(self._folder, manifest))
        known = np.array(self._folder.images.all_ordinals(), np.int64)
        self._set_aside(self._folder.tombstones.path)
        self._folder.tombstones.replace(np.setdiff1d(np.concatenate(given), known))

    def _set_aside(self, *paths: Path) -> None:
        for path in filter(Path.exists, paths):
            target = self._folder.path / ASIDE / path.relative_to(self._folder.path)
            durable.make_dir(target.parent)
            path.replace(target)


def _verified(path: Path, sha256: str) -> bytes:
    """Return a file's bytes. Raises Corrupt where they were changed since they were looked at."""
    data = LocalFile(path).read(_MOST)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Corrupt(f"{path} was changed meanwhile; repair again.")
    return data


def _remove(path: Path) -> None:
    if path.is_dir():
        for inner in path.iterdir():
            _remove(inner)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
