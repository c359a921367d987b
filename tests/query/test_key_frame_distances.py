"""The nearest frame of each video, and which of them are compared exactly."""

import numpy as np
import pytest

from services.query.search.key_frames import Framed, KeyFrames
from shared.contracts.query import Metric
from shared.engines.ivf.index import Candidates
from shared.maths import distances
from shared.snapshots.frames import FrameVectors

VIDEOS, DIM = 300, 24


@pytest.fixture
def frames():
    dice = np.random.default_rng(7)
    counts = dice.integers(1, 9, VIDEOS)
    ordinals = np.repeat(np.sort(dice.choice(5000, VIDEOS, replace=False)), counts)
    times = np.concatenate([np.arange(count, dtype=np.float32) for count in counts])
    vectors = dice.normal(size=(len(ordinals), DIM)).astype(np.float32)
    # Of frames that are alike, the first counts.
    vectors[ordinals == ordinals[-1]] = vectors[-1]
    return FrameVectors(ordinals.astype(np.int64), times, vectors)


@pytest.mark.parametrize("metric", list(Metric))
def test_the_nearest_frame_of_each_video_is_that_of_comparing_all(frames, metric):
    query = np.random.default_rng(8).normal(size=DIM).astype(np.float32)
    found = KeyFrames(frames).nearest(query, metric)
    away = distances.exact(frames.vectors, query, metric)
    nearest, exact = found.exact(np.arange(VIDEOS))
    for at, ordinal in enumerate(found.ordinals.tolist()):
        rows = np.flatnonzero(frames.ordinals == ordinal)
        best = rows[int(np.argmin(away[rows]))]
        assert (nearest[at], exact[at]) == (best, away[best])
        assert found.time_of(ordinal) == frames.times[best]
    assert found.time_of(5001) is None
    # Whatever may be within a distance is told, and little else.
    for limit in np.quantile(exact, [0, 0.1, 0.5, 1]).tolist():
        within = set(found.within(limit).tolist())
        surely = set(np.flatnonzero(exact <= limit).tolist())
        assert surely <= within <= set(np.flatnonzero(exact <= limit + 1e-2).tolist())


def test_few_frames_are_compared_exactly(frames, monkeypatch):
    query = np.random.default_rng(8).normal(size=DIM).astype(np.float32)
    found = KeyFrames(frames).nearest(query, Metric.COSINE)
    compared, exact = [], distances.exact

    def counted(vectors, *rest):
        compared.append(len(vectors))
        return exact(vectors, *rest)

    monkeypatch.setattr(distances, "exact", counted)
    ordinals = np.concatenate([found.ordinals[:5], np.arange(6000, 6010)])
    zeros = np.zeros(len(ordinals), np.int64)
    candidates = Candidates(
        ordinals,
        np.linspace(0, 1, 15),
        zeros,
        zeros,
        zeros,
        scanned=15,
        live=15,
        nprobe=1,
        reranked=0,
    )
    framed = Framed.of(candidates, found, None, None)
    assert sum(compared) == 5
    assert (np.diff(framed.candidates.distances) >= 0).all()
