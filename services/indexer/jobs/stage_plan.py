"""Estimates the remaining time of a job, over all of its stages.

Each stage has a fixed cost and a cost per picture. Durations of earlier jobs of the collection, and
of the finished stages of this job, correct them.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from shared.contracts.jobs import Job, JobState, parts_of

READING, COMPARING, EMBEDDING = "reading the source", "comparing", "embedding"
FOLLOWING = "following the source"
TRAINING = "training the matching network"
TRANSFORM, CLUSTERING = "learning the transform", "clustering"
RECALL, CALIBRATING = "measuring recall", "calibrating"
PROJECTING, CLUSTERING_JOINT = "projecting to the joint space", "clustering the joint space"
RECALL_JOINT = "measuring recall of the joint space"
CALIBRATING_JOINT = "calibrating the joint space"
COUNTING = "learning to count matches"
LABELLING = "computing labels"
READING_TEXT = "reading text in pictures"
FRAMES = "embedding key frames of videos"
LOOKING, COMPARING_PICTURES = "looking at pictures", "comparing pictures"
SHADOW_RUN = "comparing both models"
PUBLISHING = "publishing"

BUILD = (TRANSFORM, CLUSTERING, RECALL, CALIBRATING, COUNTING, LABELLING)
JOINT = (PROJECTING, CLUSTERING_JOINT, RECALL_JOINT, CALIBRATING_JOINT)

# Seconds for a stage and for each picture, measured on two cores with 2,500 photos.
_COSTS: Mapping[str, tuple[float, float]] = {
    READING: (0.1, 0.0001),
    COMPARING: (0.1, 0.0002),
    FOLLOWING: (0.1, 0.0002),
    EMBEDDING: (0.5, 0.005),
    TRAINING: (2.0, 0.003),
    TRANSFORM: (0.1, 0.0005),
    CLUSTERING: (0.5, 0.001),
    RECALL: (0.5, 0.001),
    CALIBRATING: (0.3, 0.005),
    COUNTING: (0.5, 0.008),
    PROJECTING: (0.1, 0.0005),
    CLUSTERING_JOINT: (0.5, 0.001),
    RECALL_JOINT: (0.5, 0.001),
    CALIBRATING_JOINT: (0.3, 0.005),
    LABELLING: (0.1, 0.0001),
    READING_TEXT: (3.0, 0.5),
    FRAMES: (0.5, 0.5),
    LOOKING: (0.5, 0.02),
    COMPARING_PICTURES: (0.5, 0.02),
    SHADOW_RUN: (4.0, 0.002),
    PUBLISHING: (0.5, 0.0001),
}
# Stages that use a sample, with its largest number of pictures.
_MOST_PICTURES = {
    CALIBRATING: 1000,
    COUNTING: 600,
    CALIBRATING_JOINT: 1000,
    TRAINING: 100_000,
    SHADOW_RUN: 2000,
}
# Shorter measured durations are ignored, and factors are clipped to these bounds.
_LEAST_S = 0.2
_LEAST_FACTOR, _MOST_FACTOR = 0.02, 50.0
# A stage that exceeds its estimate is expected to take this share of its elapsed time more.
_OVERDUE = 0.2
# Smaller increases of the remaining time are noise and aren't shown.
_NOISE = 0.25

Factors = Mapping[str, float]


def cost(stage: str, pictures: int) -> float:
    """Seconds that a stage takes by default."""
    fixed, each = _COSTS.get(stage, (0.2, 0.0))
    return fixed + each * min(pictures, _MOST_PICTURES.get(stage, pictures))


def learned(jobs: Iterable[Job]) -> dict[str, float]:
    """Real by estimated duration of each stage; of several jobs, the first one counts."""
    factors: dict[str, float] = {}
    for job in jobs:
        pictures = (job.result or {}).get("images")
        if job.state is not JobState.SUCCEEDED or not isinstance(pictures, int):
            continue
        for stage, seconds in job.progress.seconds.items():
            count = (job.result or {}).get("embedded", 0) if stage == EMBEDDING else pictures
            if stage in _COSTS and seconds >= _LEAST_S and count:
                factors.setdefault(stage, _bounded(seconds / cost(stage, count)))
    return factors


class StagePlan:
    """Stages of one job: finished, current and coming ones."""

    def __init__(
        self, factors: Factors | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._factors = dict(factors or {})
        self._clock = clock
        self._is_known = False
        self._coming: list[str] = []
        self._pictures = 0
        self._stage = ""
        self._entered = clock()
        self._done = self._total = 0
        self._seconds: dict[str, float] = {}
        self._shown: tuple[float, float] | None = None

    def expect(self, stages: Sequence[str], pictures: int) -> None:
        """Set the stages to come, in order, and the number of pictures they are about."""
        self._is_known = True
        self._coming = list(stages)
        self._pictures = pictures

    def enter(self, name: str) -> None:
        """Begin a stage; text after a comma in its name is a detail."""
        stage = parts_of(name)[0]
        if stage == self._stage:
            return
        self._leave()
        self._stage, self._entered = stage, self._clock()
        self._done = self._total = 0
        if stage in self._coming:
            # The stages before it were not needed.
            self._coming = self._coming[self._coming.index(stage) + 1 :]

    def report_progress(self, done: int, total: int) -> None:
        """Note how far the present stage is; within a stage it never goes back."""
        if total != self._total:
            self._done, self._total = done, total
        self._done = max(self._done, min(done, total))

    def end(self) -> None:
        """End the last stage."""
        self._leave()
        self._stage, self._coming = "", []
        self._done = self._total = 0

    @property
    def done(self) -> int:
        return self._done

    @property
    def total(self) -> int:
        return self._total

    def seconds(self) -> dict[str, float]:
        """Duration of each stage so far."""
        found = dict(self._seconds)
        if self._stage:
            found[self._stage] = found.get(self._stage, 0.0) + self._clock() - self._entered
        return {stage: round(seconds, 2) for stage, seconds in found.items()}

    def remaining(self, within: float | None = None) -> float | None:
        """Return the seconds until the job's end; None if its stages aren't known.

        within: remaining seconds of the current stage, if known otherwise.
        """
        if not self._is_known or not self._stage:
            return within
        now = self._clock()
        left = self._left(now) if within is None else within
        left += sum(self._estimate(stage) for stage in self._coming)
        if self._shown is not None:
            before = max(0.0, self._shown[0] - (now - self._shown[1]))
            if before < left < before * (1 + _NOISE):
                left = before
        self._shown = (left, now)
        return left

    def _left(self, now: float) -> float:
        taken, whole = now - self._entered, self._estimate(self._stage)
        share = self._done / self._total if self._total else 0.0
        if share > 0:
            # Weight the measured rate by progress, because early measurements say little.
            weight = min(1.0, (2 * share) ** 2)
            measured = taken * (1 - share) / share
            return weight * measured + (1 - weight) * max(whole - taken, 0.0)
        return whole - taken if taken < whole * (1 - _OVERDUE) else _OVERDUE * max(taken, whole)

    def _estimate(self, stage: str) -> float:
        return cost(stage, self._pictures) * self._factors.get(stage, 1.0)

    def _leave(self) -> None:
        if self._stage:
            taken = self._clock() - self._entered
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + taken


def _bounded(factor: float) -> float:
    return min(max(factor, _LEAST_FACTOR), _MOST_FACTOR)
