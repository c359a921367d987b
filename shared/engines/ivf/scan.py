"""A scan by faiss and numpy: codes, or all rows of the lists, then exact distances."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.ivf.candidates import Candidates
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.codes import CodedLists
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.nearest_rows import NearestRows
from shared.engines.ivf.reader import Postings
from shared.maths import distances

BLOCK = 32_768


def scan(
    segments: Sequence[Postings],
    coded: Sequence[CodedLists | None],
    asked: PreparedQuery,
    lists: NDArray[np.int64],
    k: int,
    metric: Metric,
    depth: int | None,
    mask: Mask,
    include: NDArray[np.int64] | None,
) -> Candidates:
    """Return the k nearest within some lists, the nearest first, and all ties with the last.

    depth: how many rows the codes choose of each segment; None: every row is looked at.
    """
    best = NearestRows(k)
    scanned = reranked = 0
    for number, segment in enumerate(segments):
        held = mask.held(number, lists)
        scanned += held
        if not held and include is None:
            # Most small additions have no row in the probed lists.
            continue
        allowed, bits = mask.rows(number), mask.bits(number)
        some = coded[number] if depth is not None else None
        for rows in _chosen(segment, some, asked, lists, depth, allowed, bits, include):
            reranked += len(rows)
            away, margin = distances.approximate(
                segment.gather(rows), segment.norms[rows], asked.vector, metric
            )
            best.offer(number, rows, away, margin)
    return _measured(segments, asked.vector, lists, metric, best, scanned, mask.live, reranked)


def _chosen(
    segment: Postings,
    coded: CodedLists | None,
    asked: PreparedQuery,
    lists: NDArray[np.int64],
    depth: int | None,
    allowed: NDArray[np.bool_] | None,
    bits: NDArray[np.uint8] | None,
    include: NDArray[np.int64] | None,
) -> Iterator[NDArray[np.int64]]:
    """Rows of one segment to look at exactly: ascending, at least one, a block at a time."""
    extra = np.empty(0, np.int64)
    if include is not None:
        extra = np.sort(segment.find(include))
        extra = extra[extra >= 0]
        extra = extra if allowed is None else extra[allowed[extra]]
    if depth is not None and coded is not None and asked.reduced is not None:
        rows = coded.nearest(asked.reduced, lists, depth, bits)
        rows = np.union1d(rows, extra) if len(extra) else np.sort(rows)
        if len(rows):
            yield rows
        return
    # Ascending, so that the disk is read sequentially.
    if len(lists) >= segment.clusters and allowed is not None:
        rows = np.flatnonzero(allowed)
    else:
        rows = segment.rows_of_lists(np.sort(lists))
        if len(extra):
            extra = extra[~np.isin(segment.lists_of_rows(extra), lists)]
            rows = np.union1d(rows, extra)
        rows = rows if allowed is None else rows[allowed[rows]]
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def _measured(
    segments_of: Sequence[Postings],
    query: NDArray[np.float32],
    lists: NDArray[np.int64],
    metric: Metric,
    best: NearestRows,
    scanned: int,
    live: int,
    reranked: int,
) -> Candidates:
    segments, rows = best.survivors()
    ordinals = np.empty(len(rows), np.int64)
    clusters = np.empty(len(rows), np.int64)
    away = np.empty(len(rows), np.float64)
    for number, segment in enumerate(segments_of):
        here = segments == number
        ordinals[here] = segment.ordinals[rows[here]]
        clusters[here] = segment.lists_of_rows(rows[here])
        vectors = np.asarray(segment.vectors[rows[here]], np.float32)
        away[here] = distances.exact(vectors, query, metric)
    rank_of = np.zeros(segments_of[0].clusters, np.int64)
    rank_of[lists] = np.arange(1, len(lists) + 1)
    order = np.argsort(away, kind="stable")
    return Candidates(
        ordinals[order],
        away[order],
        clusters[order],
        rank_of[clusters[order]],
        segments[order],
        scanned,
        live,
        len(lists),
        reranked,
    )
