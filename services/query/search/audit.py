"""Compares a sample of answers with exact ones, in the background.

Recall is measured at build time with the collection's own images. Real queries may differ, and
images are added later, so it is measured again with these.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.contracts.stats import LiveRecall
from shared.core.errors import ISEError
from shared.engines.engine import Index
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import Candidates
from shared.engines.ivf.mask import Mask

log = logging.getLogger(__name__)

Report = Callable[[float, float], None]
"""Receives the recall of an answer and the expected one."""

_WAITING = 16
# An exact search reads everything, so pause for this many times its duration.
_REST = 100


@dataclass(frozen=True)
class Answer:
    """A given answer, with everything needed to repeat its search."""

    snapshot: int
    index: Index
    prepared: PreparedQuery
    k: int
    metric: Metric
    mask: Mask
    found: Candidates
    expected: float | None


class Audit:
    """Checks the share of answers that `share` says, one at a time, while the service has time.

    `report`: called for each answer that was checked.
    """

    def __init__(self, share: float, report: Report = lambda *_: None) -> None:
        self._share = share
        self._report = report
        self._answers: queue.Queue[Answer] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._snapshot = 0
        self._checked = 0
        self._measured = 0.0
        self._expected = 0.0

    def start(self) -> None:
        if self._share > 0:
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends after the check under way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def offer(self, answer: Answer) -> None:
        """Choose an answer to check at random; never waits."""
        if self._thread is None or random.random() >= self._share:  # noqa: S311
            return
        try:
            self._answers.put_nowait(answer)
        except queue.Full:
            return

    def live_recall(self, snapshot: int) -> LiveRecall | None:
        """Return the recall measured on a snapshot's answers, or None before the first."""
        if self._snapshot != snapshot or not self._checked:
            return None
        return LiveRecall(
            queries=self._checked,
            measured=self._measured / self._checked,
            expected=self._expected / self._checked,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                answer = self._answers.get(timeout=0.2)
            except queue.Empty:
                continue
            started = time.monotonic()
            try:
                self._check(answer)
            except (OSError, ISEError) as error:
                log.warning("an answer could not be audited: %s", error)
            self._stopping.wait(_REST * (time.monotonic() - started))

    def _check(self, answer: Answer) -> None:
        found = recall_of(answer)
        if found is None or answer.expected is None:
            return
        if answer.snapshot != self._snapshot:
            self._snapshot, self._checked = answer.snapshot, 0
            self._measured = self._expected = 0.0
        self._checked += 1
        self._measured += found
        self._expected += answer.expected
        self._report(found, answer.expected)


def recall_of(answer: Answer) -> float | None:
    """Return the share of the exact top k that was found; ties with the last count.

    None if k is 0.
    """
    index, k = answer.index, answer.k
    lists = index.rank(answer.prepared, index.clusters)
    exact = index.scan(answer.prepared, lists, k, answer.metric, mask=answer.mask).distances[:k]
    if not len(exact):
        return None
    return float(np.mean(_within(answer.found.distances[: len(exact)], exact)))


def _within(found: NDArray[np.float64], exact: NDArray[np.float64]) -> NDArray[np.bool_]:
    hits = np.zeros(len(exact), bool)
    hits[: len(found)] = found <= exact[-1]
    return hits
