"""How many pictures match a search, whether any does, and what a list may promise."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.query.search.collection import Collection
from services.query.search.probing import plan
from services.query.search.query import Query
from services.query.search.space import Space
from shared.contracts.answer import Expected, Mode
from shared.contracts.query import MAX_LIMIT, Metric, SearchOptions
from shared.engines.engine import is_small
from shared.engines.evidence import DEPTH, Reach, gather
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import InvertedIndex
from shared.maths import tag_trust
from shared.maths.counting import whole_numbers
from shared.maths.evidence import PLACES
from shared.models.external import is_external

_NINE_IN_TEN = 1.645
_WHOLE = 0.25
"""Added to the variance: a count is a whole number."""
_OPEN = 0.1
"""Probability of the last picture that was looked at, from which more may match behind it."""
_LAST = 15
_MOST_CERTAIN = 0.99
_EVEN = 1e-9
_PICTURE_OFF, _THING_OFF = 0.4, 0.6
"""Standard deviation of a count of a colour, as a share of it, beyond chance: such that nine of ten
counts over photos that were judged by eye lie within the interval (`python -m benchmarks.colors`).
"""
_JUDGED = 2_000
"""Carriers of a tag that are judged, at most."""


@dataclass(frozen=True)
class Matches:
    """Pictures that are expected to match.

    present: the chance that anything does. None: nothing tells.
    promised: length of the shortest list that holds a match as surely as wanted; None: the
    collection can't promise it, or nothing was wanted.
    """

    expected: Expected | None
    present: float | None
    promised: int | None = None

    def beside(self, count: int, sure: int) -> "Matches":
        """Return the same where further images match, as their text says. sure: those that surely
        do.

        How surely a text was read isn't calibrated, so that a list with such hits promises nothing.
        """
        expected = self.expected
        if expected is not None:
            expected = Expected(
                matches=expected.matches + count,
                low=expected.low + sure,
                high=expected.high + count,
            )
        return Matches(expected, 1.0 if sure else self.present)


def of_neighbours(
    collection: Collection,
    deleted: NDArray[np.int64],
    recall_target: float,
    space: Space,
    query: Query,
    prepared: PreparedQuery,
    options: SearchOptions,
) -> Matches | None:
    """Count what matches a query; None where nothing teaches that, or it is no better than a guess.

    It looks where a search by default does, wherever this one is told to look.
    """
    index, moments, counter = space.index, space.moments, space.counter
    is_one = query.combination is None or query.combination.is_single
    if counter is None or moments is None or not is_one or not isinstance(index, InvertedIndex):
        return None
    if query.after is not None:
        # The first page has told it.
        return None
    if not (is_small(index) or index.metric is Metric.COSINE):
        # The nearest by cosine would take a comparison of all rows.
        return None
    work = plan(
        space.curves,
        Metric.COSINE,
        min(DEPTH, index.rows),
        index.clusters,
        SearchOptions(),
        recall_target,
        is_small=is_small(index),
    )
    where = Reach(work.nprobe, work.radius, work.depth)
    live = collection.mask(space, deleted)
    allowed = None if options.filter is None else collection.allowed(options.filter)
    own = [*query.leave_out, *([] if query.itself is None else [query.itself])]
    reranks = query.mode is Mode.IMAGE and not is_external(space.fingerprint)
    found = gather(index, prepared, moments, where, live, own, reranks)
    if found is None:
        return None
    kept = None if allowed is None else allowed[found.ordinals]
    count = counter.count(found.evidence, kept)
    # An image of the collection is its own first hit, and matches.
    itself = int(query.itself is not None and query.itself not in query.leave_out)
    if query.itself is not None and allowed is not None:
        itself *= int(allowed[query.itself])
    promised = None
    if options.guarantee is not None:
        promised = counter.promised(count, options.guarantee)
    low, middle, high = count.whole
    seen = len(found.ordinals) if kept is None else int(kept.sum())
    if not found.is_whole and float(count.chances[-_LAST:].mean()) > _OPEN:
        # More may match behind what was looked at.
        passing = collection.narrowed(space, deleted, options.filter, None)
        among = np.unique(np.array(own, np.int64))
        passed = len(among) if allowed is None else int(np.count_nonzero(allowed[among]))
        high = seen = max(passing.live - passed, 0)
    expected = Expected(
        matches=min(middle, seen) + itself,
        low=min(low, seen) + itself,
        high=min(high, seen) + itself,
    )
    learnt = counter.learnt
    # It is learnt and told of all pictures, not of those that a filter lets through.
    is_of_all = kept is None or bool(kept.all())
    present = count.present if learnt.tells_presence and is_of_all else None
    return Matches(
        expected if learnt.is_telling else None,
        present=1.0 if itself else present,
        promised=None if promised is None else promised + itself,
    )


def of_carriers(
    chances: Callable[[NDArray[np.int64]], list[float | None]],
    carriers: NDArray[np.int64],
    ranked: NDArray[np.int64],
    visual: Space | None,
    guarantee: float | None,
) -> Matches | None:
    """Count the carriers of a tag that show it. None where nothing tells.

    chances: gives the probability of some of them. ranked: the carriers in the order of the answer,
    of which the first are looked at.
    """
    spread = None if visual is None else visual.tag_spread
    if spread is None:
        return None
    # Very many are judged by some that stand for them.
    judged, first = tag_trust.sample(carriers, _JUDGED), ranked[:PLACES]
    # In one call, as each reads the carriers that it compares with.
    each = np.union1d(judged, first)
    told = chances(each)
    if not told or any(one is None for one in told):
        return None
    every = np.array(told, np.float64)
    known, in_order = every[np.searchsorted(each, judged)], every[np.searchsorted(each, first)]
    share = len(carriers) / len(known)
    middle = float(known.sum()) * share
    variance = float((known * (1 - known)).sum()) * share + _WHOLE
    half = _NINE_IN_TEN * spread * math.sqrt(variance)
    promised, present = _list_of(in_order, guarantee)
    low, nearest, high = whole_numbers(middle - half, middle, min(middle + half, len(carriers)))
    return Matches(Expected(matches=nearest, low=low, high=high), present, promised)


def of_colors(
    chances: NDArray[np.float64],
    in_order: NDArray[np.float64],
    of_thing: bool,
    guarantee: float | None,
) -> Matches | None:
    """Count the pictures of a colour by their probabilities.

    in_order: those of the first, in the order of the answer. of_thing: it is the colour of the main
    thing. Counts of a colour lie off by a share of themselves, as people draw its bounds elsewhere
    than its measure does.
    """
    if not len(chances):
        return None
    middle = float(chances.sum())
    variance = float((chances * (1 - chances)).sum()) + _WHOLE
    variance += (middle * (_THING_OFF if of_thing else _PICTURE_OFF)) ** 2
    half = _NINE_IN_TEN * math.sqrt(variance)
    low, nearest, high = whole_numbers(middle - half, middle, min(middle + half, len(chances)))
    promised, present = _list_of(in_order[:PLACES], guarantee)
    return Matches(Expected(matches=nearest, low=low, high=high), present, promised)


def _list_of(in_order: NDArray[np.float64], guarantee: float | None) -> tuple[int | None, float]:
    """Return the length of the shortest list that holds a match as surely as wanted, None where
    none does, and the chance that anything matches.
    """
    missed = np.cumsum(np.log1p(-np.minimum(in_order, _MOST_CERTAIN)))
    promised = None
    if guarantee is not None:
        enough = np.flatnonzero(missed <= math.log1p(-guarantee) + _EVEN)
        promised = int(enough[0]) + 1 if len(enough) else None
    return promised, float(1 - math.exp(missed[-1]))


def shortest(options: SearchOptions, matches: Matches | None) -> SearchOptions:
    """Return a search's options with the length of the list that it was promised, if any."""
    if options.guarantee is None or matches is None or matches.promised is None:
        return options
    return options.model_copy(update={"limit": min(matches.promised, MAX_LIMIT)})
