"""Shadow run: what another model would change, found with a sample before all are embedded.

What is embedded for the sample is kept and not embedded again by the change itself.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.catalog.judgements import JudgementTable
from services.indexer.clustering import transforms
from services.indexer.embedding.client import ModelPair
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import SHADOW_RUN
from services.indexer.measuring import model_change
from services.indexer.measuring.judged_pairs import JudgedHits, judged_hits, share_ordered
from services.indexer.publishing.collection import Collection
from services.indexer.segments.spaces import Spaces
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.workflows.reembedding import Reembedding
from shared.contracts.model_change import (
    ExpectedChange,
    JudgedPairs,
    MeasuredChange,
    ModelChange,
)
from shared.models.external import is_external
from shared.snapshots.manifest import SpaceManifest

_SEED = 0
_LEAST_SAMPLE = 20
_JUDGED = 250
_LEAST_PAIRS = 20
# Clustering, probabilities and the matching network take so much of the embedding, and a bit.
_BUILD_SHARE, _BUILD_S = 0.25, 10.0
# Of a vector in the index, codes and records, in bytes; features beside it are 4 a number.
_INDEXED_BYTES = 1024


@dataclass(frozen=True)
class _Before:
    """P@10 of the former index by picture, and the receipt as far as it goes."""

    receipt: ModelChange
    precisions: dict[int, float]


class ShadowRun:
    """Writes the receipt of a model change: `expect` before it, `complete` after it."""

    def __init__(
        self,
        collection: Collection,
        features: FeatureStore,
        spaces: Spaces,
        judgements: JudgementTable,
        missing: Reembedding,
    ) -> None:
        self._images: Images = collection.images
        self._current = collection.current
        self._features = features
        self._spaces = spaces
        self._judgements = judgements
        self._missing = missing

    def expect(self, pair: ModelPair, job: JobContext) -> _Before | None:
        """Embed a sample and return what to expect; None where there is nothing to compare."""
        with self._current.holding() as current:
            space = current.visual
            if space is None or space.fingerprint == pair.visual or is_external(space.fingerprint):
                return None
            return self._expected(pair, space, job)

    def _expected(self, pair: ModelPair, space: SpaceManifest, job: JobContext) -> _Before | None:
        job.stage(SHADOW_RUN)
        with self._images.view() as view:
            tags = view.tags_by_ordinal()
            where = view.features(space.fingerprint)
        there = set(where.ordinals.tolist())
        tags = {one: keys for one, keys in tags.items() if one in there}
        judged = judged_hits(self._judgements, self._images, there, _JUDGED)
        drawn = model_change.tag_sample(tags, _SEED)
        extra = _others(where.ordinals, drawn.ordinals, judged.ordinals)
        wanted = np.union1d(np.union1d(drawn.ordinals, judged.ordinals), extra)
        rate = self._embed(pair, wanted, job)
        job.check_cancelled()
        with self._images.view() as view:
            embedded = view.features(pair.visual)
        both = np.intersect1d(wanted, embedded.ordinals)
        if len(both) < _LEAST_SAMPLE:
            return None
        receipt = self._receipt(pair, space, len(where), (where, embedded), both, rate)
        sample = drawn.at(np.isin(drawn.ordinals, both))
        expected = None
        if len(sample.ordinals) >= _LEAST_SAMPLE:
            former, new = (
                self._ranked(fingerprint, rows, sample.ordinals, len(where))
                for fingerprint, rows in ((space.fingerprint, where), (pair.visual, embedded))
            )
            expected = model_change.expected_of(sample, tags, former, new, _SEED)
        told = self._judged(judged, (space.fingerprint, where), (pair.visual, embedded), both)
        receipt = receipt.model_copy(
            update={
                "expected": expected
                and ExpectedChange(change=expected.value, low=expected.low, high=expected.high),
                "judged": told,
                "note": None if expected else _note(told),
            }
        )
        queries = model_change.measured_queries(tags, _SEED) if expected else []
        return _Before(receipt, self._precisions(space, tags, queries))

    def complete(self, before: _Before, job: JobContext) -> ModelChange:
        """Return the receipt with what came, measured in the new index by the same searches."""
        with self._current.holding() as current:
            if current.visual is None or not before.precisions:
                return before.receipt
            return self._completed(before, current.visual, job)

    def _completed(self, before: _Before, space: SpaceManifest, job: JobContext) -> ModelChange:
        job.stage(SHADOW_RUN)
        with self._images.view() as view:
            tags = view.tags_by_ordinal()
        queries = [one for one in before.precisions if tags.get(one)]
        after = self._precisions(space, tags, queries)
        if not after:
            return before.receipt
        former = float(np.mean([before.precisions[one] for one in after]))
        new = float(np.mean([*after.values()]))
        came = MeasuredChange(before=former, after=new, change=new - former, searches=len(after))
        return before.receipt.model_copy(update={"came": came})

    def _embed(self, pair: ModelPair, wanted: NDArray[np.int64], job: JobContext) -> float | None:
        """Embed those that lack features; return pictures per second, None if there were few."""
        ids = self._images.ids(wanted.tolist())
        began = time.monotonic()
        count = self._missing.embed_some(pair, ids, job)
        seconds = max(time.monotonic() - began, 1e-3)
        return count / seconds if count >= _LEAST_SAMPLE else None

    def _receipt(
        self,
        pair: ModelPair,
        space: SpaceManifest,
        pictures: int,
        where: tuple[FeatureRows, FeatureRows],
        both: NDArray[np.int64],
        rate: float | None,
    ) -> ModelChange:
        former, new = (
            self._ranked(fingerprint, rows, both, pictures)
            for fingerprint, rows in zip((space.fingerprint, pair.visual), where, strict=True)
        )
        dim = self._vectors(pair.visual, where[1], both[:1]).shape[1]
        left = max(pictures - len(where[1]), 0)
        seconds = None if rate is None else left / rate * (1 + _BUILD_SHARE) + _BUILD_S
        return ModelChange(
            former=space.fingerprint,
            new=pair.visual,
            pictures=pictures,
            sample=len(both),
            per_second=rate,
            seconds=seconds,
            disk_bytes=pictures * (4 * dim + _INDEXED_BYTES),
            expected=None,
            agreement=model_change.agreement(former, new),
            judged=None,
            note=None,
        )

    def _ranked(
        self, fingerprint: str, where: FeatureRows, ordinals: NDArray[np.int64], pictures: int
    ) -> NDArray[np.int64]:
        """Rank a sample by a model, as an index of all pictures would by default."""
        features = self._vectors(fingerprint, where, ordinals)
        name = transforms.chosen("auto", fingerprint, pictures, features.shape[1])
        return model_change.ranked(features, int(name[4:]) if name.startswith("pca:") else None)

    def _vectors(
        self, fingerprint: str, where: FeatureRows, ordinals: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Read the features of some pictures, in the order of their ordinals, which rise."""
        rows = where[np.isin(where.ordinals, ordinals)]
        found: NDArray[np.float32] = self._features.read(fingerprint, rows)
        return found[np.argsort(rows.ordinals, kind="stable")]

    def _judged(
        self,
        judged: JudgedHits,
        former: tuple[str, FeatureRows],
        new: tuple[str, FeatureRows],
        both: NDArray[np.int64],
    ) -> JudgedPairs | None:
        pairs = judged.pairs(both)
        if len(pairs) < _LEAST_PAIRS:
            return None
        shares = [
            share_ordered(self._vectors(fingerprint, where, both), pairs)
            for fingerprint, where in (former, new)
        ]
        return JudgedPairs(pairs=len(pairs), former=shares[0], new=shares[1])

    def _precisions(
        self, space: SpaceManifest, tags: model_change.Tags, queries: Sequence[int]
    ) -> dict[int, float]:
        if not queries:
            return {}
        reranks = not is_external(space.fingerprint)
        index = self._spaces.index(space)
        return model_change.precisions(index, tags, queries, space.recall, reranks)


def _others(*known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pictures that fill the sample up, evenly over the collection."""
    every, *chosen = known
    left = np.setdiff1d(every, np.concatenate(chosen))
    count = min(max(model_change.SAMPLE - sum(map(len, chosen)), 0), len(left))
    filled: NDArray[np.int64] = left[np.linspace(0, len(left) - 1, count).astype(np.int64)]
    return filled


def _note(judged: JudgedPairs | None) -> str:
    if judged is None:
        return (
            "Without tags or judgements nobody can tell which model is better: only how many "
            "neighbours they share."
        )
    return (
        "Judgements are of hits of the former model, so that what the new one finds beside them is "
        "not told; with tags the change of P@10 could be."
    )
