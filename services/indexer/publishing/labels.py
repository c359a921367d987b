"""Labels of a snapshot's images, computed from stored features by the classifier of their model.

They are an extra: where the classifier can't be had, a snapshot goes without, and nothing fails.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.embedding.client import Embedding
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.storage.feature_store import FeatureStore
from shared.core.errors import CatalogueAway, Conflict, Corrupt, ISEError, NotFound
from shared.labels.head import LabelHead
from shared.models.external import is_external
from shared.snapshots.labels import LabelsFile, read_head
from shared.snapshots.manifest import LabelsManifest, Manifest, SegmentFile

log = logging.getLogger(__name__)

AT_ONCE = 50_000
"""Images that a publication labels itself, in seconds; more of them are left to a job."""
_FILE_ROWS = 262_144
# Additions are merged as other segments are: into files that grow, but no larger than this.
_MERGED_ROWS = 8192
_SMALL_FILES = 8
# Who has no classifier now may have one later: an embedder may be started with other weights.
_ABSENT_S = 600.0
_AWAY_S = 60.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Covered:
    """Postings files whose images all have labels in these label files of one classifier."""

    lineage: str
    files: frozenset[str]
    postings: frozenset[str]
    left: int = 0
    """Images that a job should label."""

    def postings_by(self, labels: LabelsManifest) -> set[str]:
        """Return the postings that labels cover, so far as that is known."""
        has_all = self.files <= {file.name for file in labels.files}
        return set(self.postings) if has_all and self.lineage == _lineage(labels) else set()


_NOTHING_COVERED = Covered("", frozenset(), frozenset())

Asking = Callable[[], AbstractContextManager[None]]
"""Return a context in which the embedder may be asked."""


class Labels:
    """Completes the labels of manifests. Several threads may prepare publications at once."""

    def __init__(
        self,
        index: IndexFiles,
        images: Images,
        features: FeatureStore,
        embedding: Embedding,
        current: CurrentSnapshot,
        settled: Callable[[], NDArray[np.int64]],
    ) -> None:
        """`settled`: what gives the deleted images, but none whose deletion may still fail."""
        self._segments = index.segments
        self._settled = settled
        self._images = images
        self._features = features
        self._embedding = embedding
        self._current = current
        self._opened: dict[str, LabelsFile] = {}
        self._covered = _NOTHING_COVERED
        self._absent: dict[str, float] = {}
        # By the lineage of the labels: images without features of the classifier's model, which are
        # not looked up each time.
        self._featureless: tuple[str, NDArray[np.int64]] = ("", np.empty(0, np.int64))
        self.left = 0
        """Images of the last publication that a job should label."""

    def with_labels(
        self, manifest: Manifest, asking: Asking | None = None
    ) -> tuple[Manifest, Covered]:
        """The manifest with the labels of its images, as far as they can be had at once.

        asking: None: the embedder isn't asked for a classifier.
        """
        if manifest.visual is None or is_external(manifest.visual.fingerprint):
            return manifest.model_copy(update={"labels": None}), _NOTHING_COVERED
        labels = self.fitting(manifest)
        left, found = 0, set[str]()
        try:
            if labels is None and asking is not None:
                with asking():
                    labels = self._begun(manifest)
            missing = np.empty(0, np.int64)
            if labels is not None:
                missing, found = self._missing(manifest, labels)
            if len(missing) > AT_ONCE:
                left = len(missing)
            elif len(missing) and labels is not None:
                labels = self._extended(labels, missing)
        except (LeaseLost, CatalogueAway):
            raise
        except Corrupt as error:
            # Nothing is lost: the next publication computes them anew.
            log.error("labels are dropped: %s", error)
            labels = None
        except (ISEError, OSError) as error:
            log.warning("images have no labels yet: %s", error)
        covered = _NOTHING_COVERED
        if labels is not None:
            files = frozenset(file.name for file in labels.files)
            covered = Covered(_lineage(labels), files, frozenset(found), left)
        return manifest.model_copy(update={"labels": labels}), covered

    def complete(self, manifest: Manifest, progress: Progress, anew: bool = False) -> Manifest:
        """The manifest with the labels of all of its images, however many.

        anew: labels of another classifier than the embedder's are computed again; and a model
        without one is a Conflict. Raises Unavailable, Overloaded.
        """
        if manifest.visual is None or is_external(manifest.visual.fingerprint):
            if anew and manifest.visual is not None:
                raise Conflict("Vectors from elsewhere have no labels: only pictures have.")
            return manifest
        labels = self.fitting(manifest)
        if anew or labels is None:
            found = self._head(manifest, ask=True)
            if found is None:
                if anew:
                    raise Conflict(
                        f"{manifest.visual.fingerprint} has no classifier with named classes, so "
                        "there are no labels. `ISE_PROFILE=lite` has one; `ise reembed` goes over."
                    )
                return manifest.model_copy(update={"labels": None})
            if labels is None or labels.digest != found[1].digest:
                labels = self._new(*found)
        try:
            return self._completed(manifest, labels, progress)
        except Corrupt:
            # All are computed from features, which say themselves whether they are damaged.
            found = self._head(manifest, ask=True)
            if found is None:
                raise
            return self._completed(manifest, self._new(*found), progress)

    def _completed(
        self, manifest: Manifest, labels: LabelsManifest, progress: Progress
    ) -> Manifest:
        missing, _ = self._missing(manifest, labels)
        if len(missing):
            labels = self._extended(labels, missing, progress)
        return manifest.model_copy(update={"labels": labels})

    def fitting(self, manifest: Manifest) -> LabelsManifest | None:
        """The labels of a manifest, else those in use now, where they are of one of its models."""
        for labels in (manifest.labels, self._current.manifest().labels):
            if labels is not None and labels.fingerprint in _models(manifest):
                return labels
        return None

    def compacted(self, labels: LabelsManifest, deleted: NDArray[np.int64]) -> LabelsManifest:
        """The labels in as few files as may be, without deleted images."""
        files = [self._merged(labels, some, deleted) for some in _groups(labels.files)]
        return labels.model_copy(update={"files": [file for file in files if file.rows]})

    def _missing(
        self, manifest: Manifest, labels: LabelsManifest
    ) -> tuple[NDArray[np.int64], set[str]]:
        """The images of a manifest that have no labels, ascending; and the postings files whose
        images all have some.
        """
        postings = manifest.visual.postings if manifest.visual else []
        covered = self._covered.postings_by(labels) & {file.name for file in postings}
        unknown = [file for file in postings if file.name not in covered]
        if not unknown:
            return np.empty(0, np.int64), covered
        having = [self._open(file).ordinals for file in labels.files]
        deleted = self._settled()
        found = [np.empty(0, np.int64)]
        for file in unknown:
            ordinals = np.setdiff1d(self._segments.open(file).ordinals, deleted)
            for some in having:
                ordinals = ordinals[~_among(ordinals, some)]
            if not len(ordinals):
                covered.add(file.name)
            found.append(ordinals)
        return np.setdiff1d(np.concatenate(found), self._without_features(labels)), covered

    def _without_features(self, labels: LabelsManifest) -> NDArray[np.int64]:
        lineage, ordinals = self._featureless
        return ordinals if lineage == _lineage(labels) else np.empty(0, np.int64)

    def _begun(self, manifest: Manifest) -> LabelsManifest | None:
        """No labels yet, by the classifier of one of the manifest's models; None: there is none."""
        found = self._head(manifest)
        return None if found is None else self._new(*found)

    def _new(self, fingerprint: str, head: LabelHead) -> LabelsManifest:
        file = self._segments.label_head(head)
        return LabelsManifest(fingerprint=fingerprint, digest=head.digest, head=file)

    def _head(self, manifest: Manifest, ask: bool = False) -> tuple[str, LabelHead] | None:
        """A model of the manifest and its classifier. ask: also where there was none just now."""
        for fingerprint in _models(manifest):
            if not ask and self._absent.get(fingerprint, 0.0) > time.monotonic():
                continue
            # Meanwhile, nobody who adds a picture waits for an embedder that gives no answer.
            self._absent[fingerprint] = time.monotonic() + _AWAY_S
            try:
                head = self._embedding.label_head(fingerprint)
            except NotFound:
                self._absent[fingerprint] = time.monotonic() + _ABSENT_S
                continue
            # A job may have asked at the same time.
            self._absent.pop(fingerprint, None)
            return fingerprint, head
        return None

    def _extended(
        self,
        labels: LabelsManifest,
        missing: NDArray[np.int64],
        progress: Progress = lambda done, total: None,
    ) -> LabelsManifest:
        """The labels with those of images that lack them."""
        head = read_head(self._segments.intact(labels.head))
        where = self._places(labels, missing)
        files = list(labels.files)
        for start in range(0, len(where), _FILE_ROWS):
            part = where[np.arange(start, min(start + _FILE_ROWS, len(where)))]
            ids = np.empty((len(part), head.most), np.uint16)
            chances = np.empty((len(part), head.most), np.float16)
            for at, block in self._features.blocks(labels.fingerprint, part):
                progress(start + at, len(where))
                end = at + len(block)
                ids[at:end], chances[at:end] = head.top(block)
            if len(part):
                files.append(self._segments.labels(part.ordinals, ids, chances, len(head.classes)))
        small = [file for file in files if file.rows <= _MERGED_ROWS]
        if len(small) > _SMALL_FILES:
            merged = self._merged(labels, small, self._settled())
            files = [file for file in files if file not in small]
            files += [merged] if merged.rows else []
        return labels.model_copy(update={"files": files})

    def _places(self, labels: LabelsManifest, missing: NDArray[np.int64]) -> FeatureRows:
        """Return the stored places of features of some images, if any."""
        fingerprint = labels.fingerprint
        current = self._current.manifest()
        with self._images.view() as view:
            rows = view.features(fingerprint, since=current.revision)
            if not np.isin(missing, rows.ordinals).all():
                rows = view.features(fingerprint)
                lacking = np.setdiff1d(missing, rows.ordinals)
                known = np.union1d(self._without_features(labels), lacking)
                self._featureless = (_lineage(labels), known)
        return rows[np.isin(rows.ordinals, missing)]

    def _merged(
        self, labels: LabelsManifest, files: list[SegmentFile], deleted: NDArray[np.int64]
    ) -> SegmentFile:
        """Several files as one, without deleted images; one that has none of them stays."""
        parts = [self._open(file) for file in files]
        kept = [~_among(part.ordinals, deleted) for part in parts]
        if len(files) == 1 and kept[0].all():
            return files[0]
        pairs = list(zip(parts, kept, strict=True))
        return self._segments.labels(
            np.concatenate([part.ordinals[some] for part, some in pairs]),
            np.concatenate([part.classes[some] for part, some in pairs]),
            np.concatenate([part.probabilities[some] for part, some in pairs]),
            labels.head.rows,
        )

    def _open(self, file: SegmentFile) -> LabelsFile:
        opened = self._opened.get(file.name)
        if opened is None:
            opened = LabelsFile(self._segments.intact(file))
            self._opened[file.name] = opened
        return opened

    def published(self, manifest: Manifest, covered: Covered) -> None:
        """Note that a snapshot was published: close the files that it has no more."""
        self._covered = covered
        self.left = covered.left
        names = {file.name for file in manifest.labels.files} if manifest.labels else set()
        self._opened = {name: one for name, one in self._opened.items() if name in names}


def _lineage(labels: LabelsManifest) -> str:
    return labels.digest + labels.fingerprint


def _models(manifest: Manifest) -> list[str]:
    """The models of a manifest's features, the one of image search first."""
    visual = manifest.visual.fingerprint if manifest.visual else None
    return [one for one in dict.fromkeys((visual, manifest.matching_fingerprint)) if one]


def _groups(files: list[SegmentFile]) -> list[list[SegmentFile]]:
    """Files that are merged into one each, of no more rows than a file may have."""
    groups: list[list[SegmentFile]] = []
    for file in files:
        if groups and sum(one.rows for one in groups[-1]) + file.rows <= _FILE_ROWS:
            groups[-1].append(file)
        else:
            groups.append([file])
    return groups


def _among(values: NDArray[np.int64], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask of the values that are among others, which are ascending."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[at] == values
    return found
