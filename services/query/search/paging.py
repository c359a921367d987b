"""One page of candidates: by distance, ties by id, the image itself first among its equals."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.ivf.index import Candidates


def page_of(
    found: Candidates,
    offset: int,
    limit: int,
    id_of: Callable[[int], str],
    itself: int | None = None,
    same: float = 0.0,
) -> list[int]:
    """Positions in `found` of hits offset : offset + limit.

    `itself`: ordinal of the image that the query is; it stands first where no other one is nearer
    by more than `same`. `id_of` is asked only for what lies on the page or ties with its ends.
    """
    keys: NDArray[np.float64] = found.distances
    order = np.arange(len(keys))
    own = np.flatnonzero(found.ordinals == itself) if itself is not None else order[:0]
    if len(own) and keys[own[0]] - keys[0] <= same:
        keys = keys.copy()
        keys[own[0]] = -np.inf
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
    if offset >= len(keys):
        return []
    start = int(np.searchsorted(keys, keys[offset], side="left"))
    last = keys[min(offset + limit, len(keys)) - 1]
    end = int(np.searchsorted(keys, last, side="right"))
    window = [
        (keys[place], id_of(int(found.ordinals[order[place]])), int(order[place]))
        for place in range(start, end)
    ]
    window.sort()
    return [position for _, _, position in window[offset - start : offset - start + limit]]
