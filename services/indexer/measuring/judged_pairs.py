"""Judged hits of searches by a picture, as pairs of a right and a wrong one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.images import Images
from services.indexer.catalog.judgements import JudgementTable
from shared.core.errors import NotFound

_PAGE = 1000
_MOST = 5000


@dataclass(frozen=True)
class JudgedHits:
    """Ordinals of the right and of the wrong hits, by that of the picture that was searched by."""

    right: dict[int, list[int]]
    wrong: dict[int, list[int]]

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """All pictures of searches that have both, rising."""
        found = {
            one
            for query in self.right.keys() & self.wrong.keys()
            for one in (query, *self.right[query], *self.wrong[query])
        }
        return np.array(sorted(found), np.int64)

    def pairs(self, among: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows in `among` of a query, a right and a wrong hit, (pairs, 3)."""
        rows = {ordinal: row for row, ordinal in enumerate(among.tolist())}
        found = [
            (rows[query], rows[right], rows[wrong])
            for query in sorted(self.right.keys() & self.wrong.keys())
            for right in self.right[query]
            for wrong in self.wrong[query]
            if query in rows and right in rows and wrong in rows
        ]
        return np.array(found, np.int64).reshape(-1, 3)


def judged_hits(
    judgements: JudgementTable, images: Images, there: set[int], most: int
) -> JudgedHits:
    """Read the judgements of searches by pictures that are there; of `most` pictures about."""
    found = JudgedHits({}, {})
    seen: set[int] = set()
    after = None
    for _ in range(_MOST // _PAGE):
        rows, _ = judgements.page(_PAGE, after)
        for row in rows:
            if row.kind != "id" or len(seen) >= most:
                continue
            try:
                query, hit = images.ordinal(row.search), images.ordinal(row.id)
            except NotFound:
                continue
            if query in there and hit in there:
                (found.right if row.right else found.wrong).setdefault(query, []).append(hit)
                seen |= {query, hit}
        if len(rows) < _PAGE:
            break
        after = (rows[-1].judged_at, *rows[-1].key)
    return found


def share_ordered(features: NDArray[np.float32], pairs: NDArray[np.int64]) -> float:
    """The share of pairs whose right hit is nearer to the query than the wrong one, by cosine."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    units = features / np.maximum(lengths, 1e-12)
    query, right, wrong = (units[pairs[:, column]] for column in range(3))
    margin = np.einsum("ij,ij->i", query, right - wrong)
    return float(np.mean(margin > 0))
