"""Decides when new tags are worth a training, and drifted clusters a rebuild.

Nothing is learnt for ever: after a success as much must be new as made it worth it before, and at
most a tenth of the time goes into it; after a failure a day passes.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.indexer.catalog.images import Images
from services.indexer.catalog.jobs import JobTable
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.storage.networks import Networks
from shared.contracts.embedder import TrainingSettings
from shared.contracts.indexer import BuildSettings, IngestRequest, ReembedRequest
from shared.contracts.jobs import Job, JobKind, JobState
from shared.contracts.learning import Learning as LearningStatus
from shared.contracts.learning import LearningState, LearningTask
from shared.core.errors import Corrupt
from shared.models.external import is_external

log = logging.getLogger(__name__)

# Train again from this number of new tags on, and from this share of the known ones on.
_LEAST_TAGS = 5
_SHARE = 0.1
# Pause after a success, as a multiple of its duration, and after a failure.
_PAUSE = 10
_AFTER_FAILURE = timedelta(days=1)
# Pause between counts of tags, as a multiple of the duration of a count.
_COUNT_PAUSE = 20


@dataclass(frozen=True)
class _Tags:
    """Numbers of tags: `known` of `all` are in the network; None where there is none."""

    all: int
    known: int | None

    @property
    def new(self) -> int:
        return self.all - (self.known or 0)

    @property
    def worth(self) -> int:
        """How many new ones are worth a training."""
        return max(_LEAST_TAGS, round(_SHARE * (self.known or 0)))


class Learning:
    """Tells what is due. `is_on`: whether anything is learnt by itself."""

    def __init__(
        self,
        current: CurrentSnapshot,
        images: Images,
        networks: Networks,
        table: JobTable,
        is_on: bool,
    ) -> None:
        self.is_on = is_on
        self._current = current
        self._images = images
        self._networks = networks
        self._table = table
        self._counted: tuple[tuple[int, str | None], _Tags] | None = None
        self._count_after = 0.0

    def due(self) -> list[LearningTask]:
        """Return the task that is worth doing now. Raises CatalogueAway."""
        last = self._table.latest(JobKind.LEARN)
        tasks = []
        if self._is_training_worth(last):
            tasks.append(LearningTask.TRAINING)
        if self._advice() is not None:
            tasks.append(LearningTask.CLUSTERING)
        return tasks

    def pause(self, was_preempted: bool) -> timedelta:
        """How long nothing is to be learnt yet, after what was learnt last."""
        last = self._table.latest(JobKind.LEARN)
        if last is None or last.finished_at is None:
            return timedelta()
        if last.state is JobState.SUCCEEDED:
            pause = timedelta(seconds=_PAUSE * sum(last.progress.seconds.values()))
        elif last.state is JobState.CANCELLED and was_preempted:
            pause = timedelta()
        else:
            pause = _AFTER_FAILURE
        since = datetime.now(UTC) - datetime.fromisoformat(last.finished_at)
        return max(timedelta(), pause - since)

    def status(self) -> LearningStatus:
        """Return the status for people to read."""
        tags = self._tags()
        last = self._table.latest(JobKind.LEARN)
        succeeded = self._table.latest(JobKind.LEARN, JobState.SUCCEEDED)
        running = [one for one in (last,) if one is not None and not one.state.ended]
        tasks = self.due()
        if running:
            state = LearningState.RUNNING
        elif not self.is_on:
            state = LearningState.OFF
        else:
            state = LearningState.DUE if tasks else LearningState.IDLE
        finished = succeeded.finished_at if succeeded else None
        return LearningStatus(
            state=state,
            tasks=tasks,
            tags=tags.all,
            known_tags=tags.known,
            last=finished,
            message=_message(tags, state, tasks, finished),
        )

    def training_settings(self) -> TrainingSettings:
        """Return the settings of the network in use, where somebody chose them; else the default
        ones.
        """
        asked = self._request_of_network()
        settings = asked.get("settings") if asked else None
        return TrainingSettings.model_validate(settings or {})

    def build_settings(self) -> BuildSettings:
        """Return the settings of the last build."""
        for job in self._table.last_succeeded(limit=50):
            request = self._table.request(job.id)
            if job.kind is JobKind.BUILD:
                return BuildSettings.model_validate(request)
            if job.kind is JobKind.REEMBED and not job.dry_run:
                return ReembedRequest.model_validate(request).build
            if job.kind is JobKind.INGEST:
                asked = IngestRequest.model_validate(request)
                if asked.build and not asked.sync:
                    return BuildSettings(clusters=asked.clusters)
        return BuildSettings()

    def _is_training_worth(self, last: Job | None) -> bool:
        tags = self._tags()
        manifest = self._current.manifest()
        if manifest.visual is not None and is_external(manifest.visual.fingerprint):
            # Nothing can be learnt without pictures, so the task would stay due for ever.
            return False
        joint = manifest.joint
        if joint is None and manifest.labels is not None and manifest.images:
            # Uploads without a build: labels alone make them searchable by word.
            return True
        if joint is not None and tags.known is None:
            # Pretrained towers, or a network whose tags are unknown.
            return False
        if (self._request_of_network() or {}).get("hold_out"):
            # A user measures tags that were excluded from training.
            return False
        left = (last.result or {}).get("untrained_tags") if last else None
        return tags.new - (left or 0) >= tags.worth

    def _request_of_network(self) -> Mapping[str, Any] | None:
        """Return the request behind the network in use; None: nobody made one."""
        joint = self._current.manifest().joint
        job = self._table.latest(JobKind.TRAIN, JobState.SUCCEEDED)
        if job is None or joint is None:
            return None
        if (job.result or {}).get("network") != joint.fingerprint:
            return None
        return self._table.request(job.id)

    def _advice(self) -> str | None:
        try:
            return self._current.health().advice
        except Corrupt as error:
            # `ise check` reports it; don't rebuild from damaged data.
            log.warning("can't determine whether a rebuild is due: %s", error.detail)
            return None

    def _trained_on(self, network: str) -> set[str] | None:
        try:
            return self._networks.trained_on(network)
        except Corrupt as error:
            log.warning("the network's training tags can't be read: %s", error.detail)
            return None

    def _tags(self) -> _Tags:
        """Counted anew when the index changed, at most every so often with the same network: many
        images carry many tags.
        """
        current = self._current.manifest()
        network = current.joint.fingerprint if current.joint else None
        moment = (current.number, network)
        former = self._counted
        if (
            former is None
            or former[0][1] != network
            or (former[0] != moment and time.monotonic() >= self._count_after)
        ):
            began = time.monotonic()
            keys = self._images.tag_keys()
            trained = self._trained_on(network) if network else None
            known = None if trained is None else len(keys & trained)
            former = self._counted = moment, _Tags(len(keys), known)
            self._count_after = time.monotonic() + _COUNT_PAUSE * (time.monotonic() - began)
        return former[1]


def _message(
    tags: _Tags, state: LearningState, tasks: list[LearningTask], finished: str | None
) -> str:
    parts = [_known(tags)] if tags.all else []
    doing = " and ".join(task.value for task in tasks)
    if state is LearningState.RUNNING:
        parts.append(f"{doing or 'learning'} is running in the background")
    elif state is LearningState.DUE:
        parts.append(f"{doing} starts in the background once all is quiet")
    elif state is LearningState.OFF and tasks:
        parts.append("`ise train-matching` and `ise build` learn the rest (ISE_LEARN_AFTER is 0)")
    elif tags.new and tags.known is not None:
        parts.append(f"the rest is learnt once there are {tags.worth} new ones")
    if finished is not None:
        parts.append(f"learnt last at {finished[:19]}Z")
    sentence = "; ".join(parts)
    return sentence[:1].upper() + sentence[1:] + "." if sentence else "There is nothing to learn."


def _known(tags: _Tags) -> str:
    if tags.known is None:
        return f"no trained network knows the {tags.all:,} tags"
    return f"the network knows {tags.known:,} of {tags.all:,} tags"
