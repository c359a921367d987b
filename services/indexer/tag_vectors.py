"""Where a tag lies in the joint space."""

import numpy as np
from numpy.typing import NDArray

from services.indexer.embedding import Embedding
from services.indexer.segments import SegmentStore
from shared.ivf.reader import Postings
from shared.snapshots.manifest import SpaceManifest


def joint_tag_vectors(
    segments: SegmentStore,
    joint: SpaceManifest,
    carriers: dict[str, list[int]],
    embedding: Embedding,
) -> dict[str, NDArray[np.float32]]:
    """The joint vector of each tag, by its key: of its words, else the mean of its images'.

    `carriers`: ordinals of the images that carry each tag. A tag with neither word nor image in
    the joint space has no vector. Raises Unavailable, Overloaded.
    """
    keys = sorted(carriers)
    found = embedding.terms(keys, joint.fingerprint)
    parts = [Postings(segments.intact(file)) for file in joint.postings]
    vectors: dict[str, NDArray[np.float32]] = {}
    for key, vector in zip(keys, found, strict=True):
        mean = vector if vector is not None else _mean_vector(parts, carriers[key])
        if mean is not None:
            vectors[key] = mean
    return vectors


def _mean_vector(parts: list[Postings], ordinals: list[int]) -> NDArray[np.float32] | None:
    """The mean of images' joint vectors at unit length, float32 of shape (dim,)."""
    wanted = np.array(ordinals, np.int64)
    vectors = [part.vectors[rows[rows >= 0]] for part in parts for rows in [part.find(wanted)]]
    together = np.concatenate(vectors)
    if not len(together):
        return None
    mean: NDArray[np.float64] = together.mean(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(mean))
    return (mean / norm if norm > 0 else mean).astype(np.float32)
