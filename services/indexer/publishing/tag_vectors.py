"""Joint vectors of tags."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.indexer.embedding.client import Embedding
from services.indexer.segments.spaces import Spaces
from shared.snapshots.manifest import SpaceManifest


def joint_tag_vectors(
    spaces: Spaces,
    joint: SpaceManifest,
    carriers: dict[str, list[int]],
    embedding: Embedding,
    matching: str,
) -> dict[str, NDArray[np.float32]]:
    """The joint vector of each tag, by its key: of its words, else the mean of its images'.

    `carriers`: ordinals of the images that carry each tag. A tag with neither word nor image in
    the joint space has no vector. `matching`: the model of that space's images. Raises Unavailable,
    Overloaded.
    """
    keys = sorted(carriers)
    found = embedding.terms(keys, matching, joint.fingerprint)
    return tag_vectors_of(spaces, joint, carriers, dict(zip(keys, found, strict=True)))


def tag_vectors_of(
    spaces: Spaces,
    joint: SpaceManifest,
    carriers: Mapping[str, list[int]],
    terms: Mapping[str, NDArray[np.float32] | None],
) -> dict[str, NDArray[np.float32]]:
    """Return the same, where the embedder was asked for the vectors of the words before."""
    read = spaces.of(joint).reader(joint)
    vectors: dict[str, NDArray[np.float32]] = {}
    for key in sorted(carriers):
        vector = terms[key]
        mean = (
            vector if vector is not None else _mean_vector(read(np.array(carriers[key], np.int64)))
        )
        if mean is not None:
            vectors[key] = mean
    return vectors


def _mean_vector(together: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The mean of images' joint vectors at unit length, float32 of shape (dim,)."""
    if not len(together):
        return None
    mean: NDArray[np.float64] = together.mean(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(mean))
    return (mean / norm if norm > 0 else mean).astype(np.float32)
