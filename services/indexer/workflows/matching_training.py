"""The indexer's side of the matching network: publishes what to learn from, and what was learnt.

Training sets and networks are folders on the data volume, immutable once they're there:

    training/<name>/features.npy     float32 (images, dim), of the matching backbone
    training/<name>/tags.json        {fingerprint, terms, image_terms}
    networks/<fingerprint>/          see networks.py
"""

import json
import logging
import math
import random
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.embedding.registry import Embedders
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import TRAINING
from services.indexer.replication.snapshot_mirror import Mirror
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.networks import Networks
from shared.clients import embedder
from shared.contracts.embedder import (
    TrainingDone,
    TrainingEvent,
    TrainingFailed,
    TrainingProgress,
    TrainingReport,
    TrainingSettings,
    TrainRequest,
)
from shared.core import failpoints, problem
from shared.core.errors import InvalidInput, ISEError, Overloaded, Unavailable
from shared.files import durable
from shared.snapshots.items import tag_key

log = logging.getLogger(__name__)

_BUSY_S = 2.0
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.25, 15.0
# Shorter for an embedder that hangs, because each attempt takes minutes to time out.
_LONGEST_AWAY_S = 120.0
# More pictures without tags tell the embedder nothing that is worth copying them.
_MOST_UNTAGGED = 20_000


class MatchingTraining:
    """Trains the matching network on the tagged images, by way of the embedder.

    An embedder that is away, or goes away, is asked again, `attempts` times in all.
    """

    def __init__(
        self,
        data_dir: Path,
        images: Images,
        features: FeatureStore,
        embedders: Embedders,
        mirror: Mirror | None = None,
        attempts: int = 1,
    ) -> None:
        self._networks = Networks(data_dir)
        self._training = data_dir / "training"
        self._images = images
        self._features = features
        self._embedders = embedders
        self._mirror = mirror
        self._attempts = attempts

    def start(self) -> None:
        """Removes the training sets of a process that was killed."""
        shutil.rmtree(self._training, ignore_errors=True)

    def has_tags(self, fingerprint: str) -> bool:
        """Return whether there is anything to learn from."""
        return len(self._tagged(fingerprint)[0]) > 0

    def is_outdated(self, network: str, labels: str | None) -> bool:
        """Return whether a build should make another network, though this one fits.

        One that knows no tags is made anew, since pictures came; so is one that doesn't begin from
        the named classes that the backbone has. labels: their digest. Raises Corrupt.
        """
        if labels is None:
            return False
        begins = (self._networks.labels(network) or "").startswith(labels)
        return not begins or self._networks.trained_on(network) == set()

    def train(
        self,
        fingerprint: str,
        settings: TrainingSettings,
        job: JobContext,
        hold_out: Collection[str] = (),
        patience_s: float | None = None,
        has_labels: bool = False,
    ) -> tuple[str, TrainingReport]:
        """Trains on all tagged images with features of the matching backbone; keeps the network.

        hold_out: tags that are taken for not there. patience_s: how long an embedder is waited for
        that trains for somebody else; None: as long as it takes. has_labels: the backbone has named
        classes, so images without tags are learnt from too. Gives the network's fingerprint and the
        report. Raises InvalidInput when there is nothing to learn from, Cancelled, and what the
        embedder raises.
        """
        job.stage(TRAINING)
        held_out = self._held_out(hold_out)
        name, terms = self._publish_training_set(fingerprint, held_out, has_labels)
        try:
            request = TrainRequest(training_set=name, settings=settings)
            done = self._trained(fingerprint, request, job, patience_s)
        finally:
            shutil.rmtree(self._training / name)
        failpoints.reach("training.trained")
        self._networks.keep(done, terms)
        if self._mirror is not None:
            self._mirror.network(done.fingerprint)
        failpoints.reach("training.kept")
        return done.fingerprint, done.report

    def untrained_tags(self, network: str) -> int | None:
        """How many of the tags that images carry a network was not trained on, where known."""
        trained = self._networks.trained_on(network)
        return None if trained is None else len(self._images.tag_keys() - trained)

    def _trained(
        self,
        fingerprint: str,
        request: TrainRequest,
        job: JobContext,
        patience_s: float | None,
    ) -> TrainingDone:
        """From its first epoch each time that the embedder was lost in the middle."""
        pause, away, since = _FIRST_PAUSE_S, 0, 0.0
        busy_until = math.inf if patience_s is None else time.monotonic() + patience_s
        while True:
            try:
                client = self._embedders.hosting(matching=fingerprint)
                return self._follow(embedder.train(client, request), job)
            except Overloaded as error:
                # It is running another training, perhaps of this job before it was interrupted.
                if time.monotonic() > busy_until:
                    raise
                log.info("embedder: %s", error.detail)
                job.stage("waiting for the embedder, which is busy with another training")
                job.cancelled.wait(_BUSY_S)
            except Unavailable as error:
                away += 1
                since = since or time.monotonic()
                if away >= self._attempts or time.monotonic() - since > _LONGEST_AWAY_S:
                    raise
                log.warning("embedder: %s Training again in %.2g s.", error.detail, pause)
                job.stage("waiting for the embedder, to train again")
                job.cancelled.wait(random.uniform(pause / 2, pause))  # noqa: S311
                pause = min(2 * pause, _MAX_PAUSE_S)

    def _follow(self, events: Iterator[TrainingEvent], job: JobContext) -> TrainingDone:
        # Closing the stream ends the training when the job is cancelled.
        with closing(events):  # type: ignore[type-var]
            for event in events:
                match event:
                    case TrainingProgress():
                        job.stage(
                            f"{TRAINING}, epoch {event.epoch} of {event.epochs}, "
                            f"loss {event.loss:.3f}"
                        )
                        job.report_progress(event.epoch - 1, event.epochs)
                    case TrainingFailed():
                        status = event.problem.get("status")
                        raise problem.from_body(
                            status if isinstance(status, int) else 500, event.problem
                        )
                    case TrainingDone():
                        return event
        raise ISEError("The embedder stopped the training without a result. Try again.")

    def _tagged(
        self, fingerprint: str, held_out: Collection[str] = (), has_labels: bool = False
    ) -> tuple[FeatureRows, list[list[str]]]:
        """Images to learn from, and the tags of each; those without tags where there are labels."""
        with self._images.view() as view:
            where = view.features(fingerprint)
            every = view.tags_by_ordinal()
        left = {
            image: [tag for tag in some if tag not in held_out] for image, some in every.items()
        }
        tags = {image: some for image, some in left.items() if some}
        keep = np.array([ordinal in tags for ordinal in where.ordinals.tolist()], bool)
        if has_labels:
            keep |= _sampled(~keep)
        rows = where[keep]
        return rows, [tags.get(ordinal, []) for ordinal in rows.ordinals.tolist()]

    def _held_out(self, tags: Collection[str]) -> set[str]:
        keys = {tag_key(tag): tag for tag in tags}
        for key in sorted(keys.keys() - self._images.tag_keys()):
            raise InvalidInput(f"No image carries the tag {keys[key]!r}, so it can't be held out.")
        return set(keys)

    def _publish_training_set(
        self, fingerprint: str, held_out: set[str], has_labels: bool
    ) -> tuple[str, list[str]]:
        """Gives its name, and the keys of the tags in it."""
        where, tags = self._tagged(fingerprint, held_out, has_labels)
        if not len(where):
            raise InvalidInput(
                "The matching network can't be trained, because no image has a tag. "
                "Ingest a folder whose sub-folders are tags, or a manifest with a `tags` "
                "column."
            )
        terms = sorted({tag for some in tags for tag in some})
        number = {term: i for i, term in enumerate(terms)}
        body = {
            "fingerprint": fingerprint,
            "terms": terms,
            "image_terms": [[number[tag] for tag in some] for some in tags],
        }
        name = f"set-{np.random.default_rng().integers(2**62):016x}"
        folder = self._training / name
        try:
            with durable.publishing(folder / "features.npy", "training-set") as temporary:
                self._features.copy(fingerprint, where, temporary)
            # Written last, because a training set exists once its tags do.
            durable.write_text(folder / "tags.json", json.dumps(body), "training-tags")
        except BaseException:
            # An incomplete training set is useless, and nothing else would remove it.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return name, terms


def _sampled(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """At most _MOST_UNTAGGED of the rows that are true, always the same ones."""
    chosen = np.flatnonzero(rows)
    if len(chosen) > _MOST_UNTAGGED:
        chosen = np.random.default_rng(0).choice(chosen, _MOST_UNTAGGED, replace=False)
    found = np.zeros(len(rows), bool)
    found[chosen] = True
    return found
