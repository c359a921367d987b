"""Query to a space."""

from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from services.query.search.combination import Combination
from services.query.search.cursor import Cursor
from services.query.search.space import Space
from shared.contracts.answer import Mode
from shared.contracts.query import Metric, Rerank, SearchOptions
from shared.core.record import record
from shared.models.external import is_external

_SAME = 1e-5


@record
class Query:
    """A vector and its context.

    `itself`: ordinal of the query's own image, which comes first among equals. `leave_out`: further
    ordinals that are no hits. `after`: the previous page. `combination`: the parts of the vector,
    if there are several.
    """

    vector: NDArray[np.floating]
    mode: Mode
    itself: int | None = None
    leave_out: list[int] = field(default_factory=list)
    after: Cursor | None = None
    combination: Combination | None = None

    def same(self, metric: Metric) -> float:
        """Up to which distance another vector is this one: an upload's features may differ in the
        last bits from those stored of the same bytes."""
        if metric is Metric.COSINE:
            return _SAME
        return _SAME * max(1.0, float(np.linalg.norm(self.vector)))

    def reranks(self, space: Space, options: SearchOptions) -> bool:
        """Return whether the nearest candidates are ordered by their neighbours, too."""
        default = Rerank.NONE if is_external(space.fingerprint) else Rerank.NEIGHBOURS
        # A term or a combination isn't a picture that has neighbours of its own.
        is_picture = self.combination is None or self.combination.is_single
        wanted = options.rerank or default
        return self.mode is Mode.IMAGE and is_picture and wanted is Rerank.NEIGHBOURS
