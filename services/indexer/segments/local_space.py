"""A space in segments of this machine: K-means, codes, assignment, posting lists."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering.code_choice import learned_codes
from services.indexer.clustering.streaming import (
    Blocks,
    assign,
    cluster_count,
    sample_rows,
    train_centroids,
)
from services.indexer.jobs.context import JobContext
from services.indexer.segments.engine import NewSpace
from services.indexer.segments.store import CODED_ROWS, SegmentStore
from shared.contracts.indexer import BuildSettings
from shared.engines.ivf.partition import Partition
from shared.maths.distances import prepared
from shared.snapshots.manifest import SpaceManifest

# Most vectors from which codes are learnt.
_CODEC_ROWS = 30_000
# Percentages of the stage at which K-means and the assignment end.
_ROUNDS_END, _ASSIGNED_END, _WHOLE = 60, 80, 100


def clustered(
    segments: SegmentStore,
    new: NewSpace,
    settings: BuildSettings,
    job: JobContext,
    with_codes: bool = True,
) -> SpaceManifest:
    """Centroids, codes where there are many vectors, and one segment of posting lists."""
    rows, where, stage = len(new.where), new.where, new.stage
    clusters = cluster_count(settings.clusters, rows)
    vectors = BlockVectors(where, new.blocks, job)

    def progress(number: int, rounds: int) -> None:
        job.stage(f"{stage}, round {number} of {rounds}")
        job.report_progress(_ROUNDS_END * (number - 1) // rounds, _WHOLE)

    centroids = train_centroids(vectors, clusters, settings.metric, settings.seed, progress)
    assigning = with_progress(
        new.blocks(where), f"{stage}, assigning", rows, job, (_ROUNDS_END, _ASSIGNED_END)
    )
    lists = assign(assigning, rows, centroids, settings.metric)
    codec, codes = None, None
    if with_codes and rows >= CODED_ROWS:
        job.stage(f"{stage}, learning codes")
        chosen = sample_rows(rows, clusters, settings.seed)
        sample = prepared(vectors[chosen[:: math.ceil(len(chosen) / _CODEC_ROWS)]], settings.metric)
        codec, codes = learned_codes(
            vectors, sample, lists, centroids, settings.metric, settings.seed
        )
        del sample
    partition = Partition(centroids, settings.metric, codec, settings.rows)
    writing = with_progress(
        new.blocks(where), f"{stage}, writing", rows, job, (_ASSIGNED_END, _WHOLE)
    )
    file = segments.postings(new.name, partition, writing, lists, where.ordinals)
    return SpaceManifest(
        fingerprint=new.fingerprint,
        dim=partition.dim,
        metric=settings.metric,
        clusters=clusters,
        seed=settings.seed,
        postings=[file],
        built=segments.built(file),
        codes=codes,
    )


class BlockVectors:
    """The vectors of images, read by their place in `where`; a cancelled job reads no more."""

    def __init__(
        self, where: FeatureRows, blocks: Callable[[FeatureRows], Blocks], job: JobContext
    ) -> None:
        self._where = where
        self._blocks = blocks
        self._job = job

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        self._job.check_cancelled()
        return np.concatenate([block for _, block in self._blocks(self._where[chosen])])


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def with_progress(
    blocks: Blocks, stage: str, rows: int, job: JobContext, share: tuple[int, int] = (0, _WHOLE)
) -> Blocks:
    """The blocks; the job says at each how far it is, and is cancelled there.

    share: from how many to how many per cent of the stage they take it.
    """
    begin, end = share
    for start, block in blocks:
        job.stage(f"{stage} {_spaced(start)} of {_spaced(rows)}")
        job.report_progress(begin + (end - begin) * start // max(rows, 1), _WHOLE)
        yield start, block
