"""Tags, some of them mistaken on purpose: how many carriers of a tag show it?"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.certainty.collections import Floats, Labels
from benchmarks.matching.images import index_of
from services.indexer.measuring.tag_counting import tag_spread
from services.indexer.measuring.tag_trust import calibrate_carriers
from services.query.search.matches import of_carriers
from services.query.search.space import Space
from services.query.search.tag_audit import wrong_tags
from shared.maths.tag_trust import unit

_MISTAKEN = (0.0, 0.05, 0.1)


def tag_counts(vectors: Floats, labels: Labels, seed: int) -> dict[str, float]:
    """Count the right carriers of every tag, by curves that a build of the collection fits."""
    inside, halves = [], []
    with TemporaryDirectory() as folder:
        index = index_of(Path(folder), vectors)
        for share in _MISTAKEN:
            rng = np.random.default_rng(seed)
            wrong = rng.random(len(labels)) < share
            given = np.where(wrong, rng.permutation(labels), labels)
            tags = {number: [str(label)] for number, label in enumerate(given.tolist())}
            curves, spread = calibrate_carriers(index, tags, seed), tag_spread(index, tags, seed)
            space = Space("model", index, calibration=curves, tag_spread=spread)
            for label in np.unique(given):
                carriers = np.flatnonzero(given == label)
                told = partial(space.tag_chances, carriers)
                counted = of_carriers(told, carriers, carriers, space, None)
                if counted is None or counted.expected is None:
                    continue
                right = int((labels[carriers] == label).sum())
                expected = counted.expected
                inside.append(expected.low <= right <= expected.high)
                halves.append((expected.high - expected.low) / 2 / max(right, 1))
    return {
        "tags": float(len(inside)),
        "covered": float(np.mean(inside)) if inside else float("nan"),
        "half_width_in_the_middle": float(np.median(halves)) if halves else float("nan"),
    }


_AUDITED, _FIRSTS = 0.05, (10, 20, 30, 40, 50, 75, 100)


def audit_precision(vectors: Floats, labels: Labels, seed: int) -> dict[int, float]:
    """The share of truly wrong tags among the first of an audit, with 5 % of tags made wrong."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < _AUDITED
    given = np.where(wrong, rng.permutation(labels), labels)
    kinds, counts = np.unique(given, return_counts=True)
    carried = given[:, None] == kinds[counts >= 4][None]
    found = wrong_tags(unit(vectors), carried, max(_FIRSTS))
    are_wrong = [given[one.row] != labels[one.row] for one in found]
    return {first: float(np.mean(are_wrong[:first])) for first in _FIRSTS}
