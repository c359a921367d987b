"""Joint vectors of tags, so that a tag search needs no embedder."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import Corrupt
from shared.ivf.mapped import MappedFile, write_arrays


def write_tag_vectors(path: Path, vectors: dict[str, NDArray[np.float32]]) -> int:
    """Writes vectors by tag key; gives their number. All have the same length."""
    keys = sorted(vectors)
    rows = np.stack([vectors[key] for key in keys]).astype("<f4") if keys else np.empty((0, 0))
    write_arrays(
        path,
        {
            "keys": np.frombuffer(json.dumps(keys).encode(), np.uint8),
            "vectors": rows.astype(np.float32),
        },
    )
    return len(keys)


def read_tag_vectors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Vectors by tag key, each float32 of shape (dim,)."""
    file = MappedFile(path)
    keys: list[str] = file.json("keys")
    vectors: NDArray[np.float32] = np.array(file["vectors"])
    if len(keys) != len(vectors):
        raise Corrupt(f"{path.name}: its tags and their vectors don't agree.")
    return dict(zip(keys, vectors, strict=True))
