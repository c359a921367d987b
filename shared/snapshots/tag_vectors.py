"""Joint vectors of tags, so that a tag search needs no embedder."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, write_arrays
from shared.terms.normal_form import normal_form

_FORM = "tag_form"
"""Says of a file that its keys are normal forms, as `shared/terms/normal_form.py` makes them."""


def write_tag_vectors(path: Path, vectors: dict[str, NDArray[np.float32]]) -> int:
    """Write vectors of equal length by tag key; return their number."""
    keys = sorted(vectors)
    rows = np.stack([vectors[key] for key in keys]).astype("<f4") if keys else np.empty((0, 0))
    write_arrays(
        path,
        {
            "keys": np.frombuffer(json.dumps(keys).encode(), np.uint8),
            "vectors": rows.astype(np.float32),
            _FORM: np.ones(1, np.int64),
        },
    )
    return len(keys)


def read_tag_vectors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the vectors by tag key, each float32 of shape (dim,).

    Older versions distinguished `_`, `-` and spaces, so their files may have several vectors of a
    tag, whose mean is used.
    """
    file = MappedFile(path)
    keys: list[str] = file.json("keys")
    vectors: NDArray[np.float32] = np.array(file["vectors"])
    if len(keys) != len(vectors):
        raise Corrupt(f"{path.name}: its tags and their vectors don't agree.")
    if _FORM in file:
        return dict(zip(keys, vectors, strict=True))
    found: dict[str, list[NDArray[np.float32]]] = {}
    for key, vector in zip(keys, vectors, strict=True):
        found.setdefault(normal_form(key), []).append(vector)
    return {
        key: some[0] if len(some) == 1 else np.mean(some, axis=0, dtype=np.float32)
        for key, some in found.items()
    }
