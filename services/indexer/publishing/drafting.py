"""Preparation of a snapshot: everything that it consists of, but for its manifest's file.

Called without the lock that deletions take, as the embedder or an engine may take long to answer.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from services.indexer.embedding.compatibility import Compatibility
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.frames import FrameFiles
from services.indexer.publishing.incremental import IncrementalSegments
from services.indexer.publishing.labels import Covered, Labels
from services.indexer.publishing.pending import Answers, Pending
from services.indexer.publishing.texts import TextFiles
from services.indexer.segments.store import SegmentStore
from shared.core.errors import Corrupt
from shared.snapshots.manifest import Manifest

Make = Callable[[Manifest], Manifest | None]
"""Return the snapshot to publish in place of the current one; None: nothing is left to do."""


@dataclass(frozen=True)
class Options:
    """may_lag: the joint space may go without what came since, where the embedder is away.

    patience_s: how long an embedder is waited for that could make the snapshot better. retags_only:
    of what came since, only new records of the snapshot's own images.
    """

    may_lag: bool = False
    patience_s: float | None = None
    retags_only: bool = False


@dataclass(frozen=True)
class Draft:
    """Snapshot that is written but for its manifest.

    current: the snapshot in use meanwhile. made: the snapshot without what was pending.
    """

    current: Manifest
    made: Manifest
    manifest: Manifest
    answers: Answers
    covered: Covered


class Drafting:
    """Writes drafts. Several threads may do so at once."""

    def __init__(
        self,
        segments: SegmentStore,
        current: CurrentSnapshot,
        additions: IncrementalSegments,
        compatibility: Compatibility,
        labels: Labels,
        texts: TextFiles,
        frames: FrameFiles,
    ) -> None:
        self._segments = segments
        self._current = current
        self._additions = additions
        self._compatibility = compatibility
        self._labels = labels
        self._texts = texts
        self._frames = frames

    def drafted(self, make: Make, options: Options, former: Draft | None) -> Draft | None:
        """Write a draft, asking the embedder. None: nothing is to be done.

        former: the draft of the last round, during which others published.
        """
        while True:
            current = self._current.manifest()
            made = make(current)
            if made is None:
                return None
            base = former.manifest if former is not None and former.made == made else made
            try:
                with self._segments.using([*current.files(), *base.files()]):
                    return self._written(current, made, base, options, former)
            except (Corrupt, FileNotFoundError):
                # Another worker may have published, and removed files, meanwhile.
                if self._current.manifest().number == current.number:
                    raise

    def caught_up(
        self, draft: Draft, current: Manifest, made: Manifest, options: Options
    ) -> Draft | None:
        """Return a draft with what was published meanwhile; the embedder isn't asked.

        made: the snapshot as it is made of the current one. None: the draft's answers don't fit.
        """
        base = draft.manifest if made == draft.made else made
        if not self._additions.fits(base, draft.answers):
            return None
        with self._segments.using([*current.files(), *base.files()]):
            pending = self._additions.pending(base)
            manifest = self._completed(base, pending, draft.answers, options)
            manifest = self._compatibility.with_kept_canaries(manifest)
            manifest, covered = self._labels.with_labels(manifest)
            manifest = self._texts.with_texts(manifest)
            manifest = self._frames.with_frames(manifest)
        return replace(draft, current=current, made=made, manifest=manifest, covered=covered)

    def _written(
        self,
        current: Manifest,
        made: Manifest,
        base: Manifest,
        options: Options,
        former: Draft | None,
    ) -> Draft:
        pending = self._additions.pending(base)
        if options.retags_only:
            pending = pending.of_own_records()
        answers = self._additions.ask(base, pending, options.may_lag, options.patience_s)
        if former is not None:
            answers = answers.beside(former.answers)

        def asking() -> AbstractContextManager[None]:
            return self._additions.patience.within(options.patience_s)

        manifest = self._completed(base, pending, answers, options)
        manifest = self._compatibility.with_canaries(manifest, asking)
        manifest, covered = self._labels.with_labels(manifest, asking)
        manifest = self._texts.with_texts(manifest)
        manifest = self._frames.with_frames(manifest, asking)
        return Draft(current, made, manifest, answers, covered)

    def _completed(
        self, base: Manifest, pending: Pending, answers: Answers, options: Options
    ) -> Manifest:
        if options.retags_only:
            return self._additions.with_own_records(base, pending, answers)
        return self._additions.with_pending(base, pending, answers)
