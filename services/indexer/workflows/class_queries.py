"""Names of classes as queries, to measure a joint space by where no image has a tag."""

import numpy as np
from numpy.typing import NDArray

from services.indexer.embedding.client import Embedding

_MOST = 200


def class_vectors(
    embedding: Embedding, fingerprint: str, network: str
) -> list[NDArray[np.float32]]:
    """Joint vectors of some classes that a model has names for, spread over all of them.

    Raises NotFound where it has none, and as `Embedding.terms` does.
    """
    classes = embedding.label_head(fingerprint).classes
    chosen = np.unique(np.linspace(0, len(classes) - 1, min(_MOST, len(classes))).astype(int))
    found = embedding.terms([classes[i].name for i in chosen], fingerprint, network)
    return [vector for vector in found if vector is not None]
