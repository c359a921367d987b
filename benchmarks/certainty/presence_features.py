"""Features that may tell whether anything matches a search: a row for each way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.maths.evidence import Evidence, presence_features

Rows = NDArray[np.float64]

_FIRST = 150
_LEAST = 1e-4
_FARTHEST = 20.0
_TEMPERATURE = 0.05


@dataclass(frozen=True)
class Seen:
    """Evidence of a search, and what its hits are among themselves.

    among: cosines of the first hits to each other. labels: of the first hits. sizes: pictures of
    each label in the collection.
    """

    evidence: Evidence
    among: NDArray[np.float32]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]


def standard(seen: Seen, chances: Rows) -> Rows:
    """Return the features that the product has."""
    return presence_features(seen.evidence, chances)


def gaps(seen: Seen, chances: Rows) -> Rows:
    """How far the best hits lie above the background, in units of how it spreads (ranks 20, 60)."""
    del chances
    found = []
    for values in _sorted(seen.evidence):
        end = len(values) - 1
        near, far = values[min(20, end)], values[min(60, end)]
        spread = max(near - far, _LEAST)
        found += [(values[min(rank, end)] - near) / spread for rank in (0, 2, 5)]
    clipped: Rows = np.clip(np.array(found), -_FARTHEST, 3 * _FARTHEST)
    return clipped


def extremes(seen: Seen, chances: Rows) -> Rows:
    """How far the best hits lie above what the tail behind them says of the first ranks.

    Of an exponential tail, scores fall with the logarithm of the rank, and the spacings times
    their rank have one mean (Renyi 1953).
    """
    del chances
    found = []
    for values in _sorted(seen.evidence):
        count = len(values)
        ranks = np.arange(min(15, count // 3), min(100, count - 1))
        design = np.stack([np.ones(len(ranks)), np.log(ranks + 1.0)], axis=1)
        level, slope = np.linalg.lstsq(design, values[ranks], rcond=None)[0]
        first = np.log(np.arange(1, 6))
        excess = (values[:5] - level - slope * first) / max(-slope, _LEAST)
        spacings = np.arange(1, count) * -np.diff(values)
        behind = np.log(max(spacings[10:80].mean(), _LEAST))
        found += [
            excess[0],
            excess[:3].mean(),
            excess.mean(),
            np.log(max(spacings[:3].mean(), _LEAST)) - behind,
            np.log(max(spacings[:10].mean(), _LEAST)) - behind,
        ]
    clipped: Rows = np.clip(np.array(found), -_FARTHEST, _FARTHEST)
    return clipped


def neighbours(seen: Seen, chances: Rows) -> Rows:
    """Likelihood ratios of nearest-neighbour distances, as of local outliers (Breunig et al. 2000):
    is the query as near to its hits as they are to each other, and do they lie together?
    """
    del chances
    of, among = seen.evidence, seen.among.astype(np.float64)
    np.fill_diagonal(among, -1)
    own = np.sort(among, axis=1)[:, ::-1]
    cosines = of.cosines[: len(among)]
    best = np.argsort(-cosines)[:10]
    away = np.log(max(1 - cosines[best[:5]].mean(), 1e-3))
    found = [away - np.log(max(1 - own[best[:5], k - 1].mean(), 1e-3)) for k in (1, 3, 5)]
    for count in (3, 5, 10):
        inner = among[np.ix_(best[:count], best[:count])]
        mean = inner[np.triu_indices(len(inner), 1)].mean()
        found.append((mean - of.mean) / of.spread / 4)
    ranks = [np.log1p((among[hit] > cosines[hit]).sum()) for hit in best[:3]]
    return np.array([*found, ranks[0], np.mean(ranks)])


def agreement(seen: Seen, chances: Rows) -> Rows:
    """Tell whether the hits carry one label or many: their largest shares and entropies."""
    labels = seen.labels
    found = [np.unique(labels[:count], return_counts=True)[1].max() / count for count in (3, 5, 10)]
    distinct, place = np.unique(labels, return_inverse=True)
    moved = np.nan_to_num(seen.evidence.moved[: len(labels)], nan=-1.0)
    shares: Rows = np.empty(0)
    for weights in (chances[: len(labels)], np.exp((moved - moved.max()) / _TEMPERATURE)):
        sums: Rows = np.bincount(place, weights).astype(np.float64)
        shares = sums / max(float(sums.sum()), 1e-12)
        found += [shares.max(), -(shares * np.log(shares + 1e-12)).sum()]
    likeliest = distinct[shares.argmax()]
    carriers = max(int(seen.sizes[likeliest]), 1)
    # Where a label's other carriers lie far behind, the first one is there by chance.
    found += [(labels[: 2 * carriers] == likeliest).sum() / carriers, float(labels[0] == labels[1])]
    return np.array(found)


def together(*parts: Callable[[Seen, Rows], Rows]) -> Callable[[Seen, Rows], Rows]:
    """The features of several ways, the product's first."""

    def way(seen: Seen, chances: Rows) -> Rows:
        return np.concatenate([part(seen, chances) for part in (standard, *parts)])

    return way


WAYS: dict[str, Callable[[Seen, Rows], Rows]] = {
    "as the product": standard,
    "gap to the background": together(gaps),
    "extreme values": together(extremes),
    "neighbours": together(neighbours),
    "labels of the hits": together(agreement),
    "neighbours and labels": together(neighbours, agreement),
    "all": together(gaps, extremes, neighbours, agreement),
}


def _sorted(of: Evidence) -> list[Rows]:
    """The first cosines, as they are and after the re-rank, falling."""
    return [np.sort(of.cosines)[::-1][:_FIRST], np.sort(of.moved[: of.near])[::-1]]
