"""Chooses the form of a space's codes by the work of searches, counted on a part of the space.

Longer codes take longer to compare, and fewer rows need an exact look. Which pays depends on the
collection: so some forms are tried at the build. What is compared is counted, and weighed by times
that were measured once: a choice by the clock would differ from one build to the next.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering.streaming import Rows
from shared.contracts.codes import Codes, CodeTrial
from shared.contracts.query import Metric
from shared.engines.ivf.codec import (
    MAX_WIDTH,
    Codec,
    CodecTraining,
    CodeForm,
    one_faiss_thread,
)
from shared.engines.ivf.codes import CodedLists
from shared.maths.distances import prepared

# Fewer rows are searched in hundredths of a millisecond with any codes.
_WORTH_A_TRIAL = 30_000
# The most rows of the part of the collection that is looked at, or floats. One large part holds all
# the lists that a search looks at; several small ones would tell of too few.
_MOST_ROWS = 2**17
_MOST_FLOATS = 2**25
_QUERIES = 128
_K = 10
_DEEPEST = 2_048
_MAX_BYTES = 64
# Vectors a codeword from which trials learn: a quarter of those of the codes that are kept.
_TRIAL_POINTS = 128
# Fewer rounds than those codes have: all forms lose about 2 % in accuracy.
_TRIAL_ROUNDS = 10
TARGETS = (0.95, 0.99)
# Share of the neighbours in the probed lists, for each target: codes may lose the rest.
_HELD = (0.96, 0.9935)
# Another form than the usual one must take less than this share of its work.
_LESS = 0.9
# Nanoseconds of the compiled search: a code and a byte of it; a row that is compared exactly and a
# dimension of it; a product of a projection, or of a centroid. See docs/decisions.
_CODE_NS, _BYTE_NS = 0.3, 0.07
_ROW_NS, _DIMENSION_NS = 195.0, 0.37
_PRODUCT_NS = 0.2


@dataclass(frozen=True)
class _Region:
    """Rows of some lists that lie together, ordered by list, and queries among them.

    own: the row of each query. order: the lists by their distance from each. neighbours: rows of
    the exact nearest ones, without itself; int64 (queries, k).
    """

    points: NDArray[np.float32]
    offsets: NDArray[np.int64]
    own: NDArray[np.int64]
    order: NDArray[np.int64]
    neighbours: NDArray[np.int64]


def learned_codes(
    vectors: Rows,
    sample: NDArray[np.float32],
    lists: NDArray[np.int64],
    centroids: NDArray[np.float32],
    metric: Metric,
    seed: int,
) -> tuple[Codec, Codes]:
    """Return the codec of a collection, and how its form was chosen.

    sample: vectors to learn from, as they will be encoded. lists: the list of each row.
    """
    dim = sample.shape[1]
    forms = _forms(dim) if len(lists) >= _WORTH_A_TRIAL else [CodeForm.usual(dim)]
    training = CodecTraining(sample, seed)
    region = None
    if len(forms) > 1:
        region = _region(vectors, lists, centroids, metric, np.random.default_rng(seed))
    if region is None:
        form = forms[0]
        return training.codec(form), Codes(directions=form.directions, bytes=form.code_size)
    trials = []
    # A search by codes leaves faiss on one thread.
    with one_faiss_thread():
        for form in forms:
            codec = training.codec(form, _TRIAL_POINTS, _TRIAL_ROUNDS)
            trials.append(_trial(form, codec, region, len(centroids), dim))
    best = min(range(len(trials)), key=lambda number: trials[number].cost)
    if trials[best].cost > _LESS * trials[0].cost:
        best = 0
    return training.codec(forms[best]), Codes(
        directions=forms[best].directions,
        bytes=forms[best].code_size,
        targets=list(TARGETS),
        rows=len(region.points),
        trials=trials,
    )


def _forms(dim: int) -> list[CodeForm]:
    """Return the forms to try, the usual one first: with less, with more, and with as many bytes
    for half of the directions.
    """
    usual = CodeForm.usual(dim)
    most, half = usual.directions, -(-usual.directions // 8) * 4
    tried = [
        CodeForm(half, -(-half // 4)),
        CodeForm(half, half // 2),
        CodeForm(most, most // 2),
    ]
    fitting = [
        form
        for form in tried
        if form.code_size <= _MAX_BYTES and form.width <= MAX_WIDTH and form != usual
    ]
    return [usual, *dict.fromkeys(fitting)]


def _region(
    vectors: Rows,
    lists: NDArray[np.int64],
    centroids: NDArray[np.float32],
    metric: Metric,
    rng: np.random.Generator,
) -> _Region | None:
    """Return the lists around one that is drawn; None where they have too few rows."""
    most = min(_MOST_ROWS, _MOST_FLOATS // centroids.shape[1])
    by_list = np.argsort(lists, kind="stable")
    sizes = np.bincount(lists, minlength=len(centroids))
    starts = np.cumsum(sizes) - sizes
    middle = rng.choice(np.flatnonzero(sizes))
    near = np.argsort(((centroids - centroids[middle]) ** 2).sum(axis=1), kind="stable")
    near = near[: max(1, int(np.searchsorted(np.cumsum(sizes[near]), most)))]
    rows = np.concatenate([by_list[starts[one] : starts[one] + sizes[one]] for one in near])
    if len(rows) <= _K:
        return None
    order = np.argsort(rows)
    points = np.empty((len(rows), centroids.shape[1]), np.float32)
    # Features are read in the order in which they lie.
    points[order] = prepared(vectors[rows[order]], metric)
    # The neighbours of the middle half lie within.
    own = np.unique(np.linspace(0, max(len(points) // 2, _K), _QUERIES).astype(np.int64))
    squares = np.einsum("ij,ij->i", points, points)
    away = squares - 2 * (points[own] @ points.T)
    away[np.arange(len(own)), own] = np.inf
    neighbours = np.argpartition(away, _K - 1, axis=1)[:, :_K]
    middles = centroids[near]
    of_lists = np.einsum("ij,ij->i", middles, middles) - 2 * (points[own] @ middles.T)
    offsets = np.concatenate([[0], np.cumsum(sizes[near])])
    order_of_lists = np.argsort(of_lists, axis=1, kind="stable")
    return _Region(points, offsets, own, order_of_lists, neighbours)


def _trial(form: CodeForm, codec: Codec, region: _Region, clusters: int, dim: int) -> CodeTrial:
    compared, depths = [], []
    look = _Look(codec, region)
    for target, share in zip(TARGETS, _HELD, strict=True):
        probes = int(np.quantile(look.ranks, share, method="higher")) + 1
        places = np.sort(look.places(probes))
        depth = places[min(int(np.ceil(target * len(places))), len(places)) - 1] + 1
        depths.append(max(int(min(depth, _DEEPEST)), _K))
        compared.append(round(look.rows(probes)))
    fixed = dim * form.width + clusters * min(dim, form.width)
    costs = [
        codes * (_CODE_NS + _BYTE_NS * form.code_size) + depth * (_ROW_NS + _DIMENSION_NS * dim)
        for codes, depth in zip(compared, depths, strict=True)
    ]
    return CodeTrial(
        directions=form.directions,
        bytes=form.code_size,
        compared=compared,
        depth=depths,
        cost=round(float(np.mean(costs)) + _PRODUCT_NS * fixed, 1),
    )


class _Look:
    """Searches of a region by codes of one form."""

    def __init__(self, codec: Codec, region: _Region) -> None:
        self._region = region
        self._coded = CodedLists(codec, codec.encode(region.points), region.offsets)
        self._queries = codec.project(region.points[region.own])
        self._sizes = np.diff(region.offsets)
        count = len(region.own)
        self._rank_of = np.empty_like(region.order)
        np.put_along_axis(
            self._rank_of, region.order, np.arange(len(self._sizes))[None].repeat(count, 0), 1
        )
        self._list_of = np.repeat(np.arange(len(self._sizes)), self._sizes)
        self.ranks = np.take_along_axis(self._rank_of, self._list_of[region.neighbours], axis=1)

    def rows(self, probes: int) -> float:
        """Return the mean number of rows in the nearest lists."""
        return float(self._sizes[self._region.order[:, :probes]].sum(axis=1).mean())

    def places(self, probes: int) -> NDArray[np.float64]:
        """Return the place of each neighbour in the order by codes, or infinity; (queries * k,)."""
        region = self._region
        found = np.full(region.neighbours.shape, np.inf)
        for number, own in enumerate(region.own):
            lists = region.order[number, :probes]
            rows = self._coded.nearest(self._queries[number], lists, _DEEPEST)
            rows = rows[rows != own]
            place = np.full(len(region.points), np.inf)
            place[rows] = np.arange(len(rows))
            found[number] = place[region.neighbours[number]]
        return found.ravel()
